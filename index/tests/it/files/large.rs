//! Keys of so many events that their postings have tables, and bitmaps of many chunks.

use quipu_format::{ByteOffset, Version};
use quipu_index::{Key, Part};

use super::check::difference;
use super::events::{Event, Model, copied, lent, memory, write};

const EVENTS: u32 = 300_000;

/// Which events have a key.
type Has = fn(u32) -> bool;

const HAVE: [Has; 10] = [
    |_| true,
    |at| at != 77_777,
    |at| at % 2 == 0,
    |at| at % 15 == 3,
    |at| at % 17 == 0,
    |at| !(6_000..EVENTS - 6_000).contains(&at),
    |at| !(15_000..EVENTS - 15_000).contains(&at),
    |at| at % 2_000 == 1_999,
    |at| at >= EVENTS - 129,
    |at| at == 123_456,
];

fn events() -> Vec<Event> {
    let event = |at: u32| Event {
        offset: ByteOffset(4096 + u64::from(at) * 208),
        version: Version(u64::from(at)),
        keys: (1..).zip(HAVE).filter(|(_, has)| has(at)).map(|(key, _)| Key(key << 96)).collect(),
        local: Vec::new(),
        born: None,
    };
    (0..EVENTS).map(event).collect()
}

#[test]
fn postings_of_all_layouts_are_read_as_they_were_posted() {
    let events = events();
    let model = Model::of(0, &events);
    for known in model.keys.values() {
        assert!(!known.ordinals.is_empty());
    }
    let part = memory(0, &events);
    assert_eq!(difference(&part, &model).unwrap(), None);
    let bytes = write(&events, &[part]);
    let model = model.with_lineage();
    for part in [lent(&bytes), copied(&bytes)] {
        assert_eq!(difference(&part, &model).unwrap(), None);
        let Part::File(sealed) = &part else { unreachable!() };
        sealed.verify().unwrap();
    }
    let split = 200_000;
    let prefix = write(&events[..split], &[memory(0, &events[..split])]);
    let parts = [copied(&prefix), memory(split as u32, &events[split..])];
    assert!(write(&events, &parts) == bytes, "written from two parts it differs");
}
