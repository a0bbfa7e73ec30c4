//! What a newer version wrote: following ends there, and goes on there with a newer version.

use std::path::Path;

use quipu::{Delivery, ErrorKind, Store, Subscription};
use quipu_disk::{Access, Disk, MemoryDisk, read_exact_at, write_all_at};
use quipu_format::ByteOffset;
use quipu_format::checksum::Place;
use quipu_format::frame::FrameHeader;
use quipu_format::segment::{FIRST_FRAME, SegmentHeader};

use super::follower::{PATH, append, open};

/// Gives the frame of one event a flag that this version does not know.
fn make_newer(disk: &MemoryDisk, position: u64) {
    let names = disk.list(Path::new(PATH)).unwrap();
    let name = names.into_iter().find(|name| name.ends_with(".seg")).unwrap();
    let file = disk.open(&Path::new(PATH).join(name), Access::Write).unwrap();
    let mut page = vec![0; 4096];
    read_exact_at(&*file, &mut page, 0).unwrap();
    let salt = SegmentHeader::decode(&page).unwrap().salt;
    let mut at = FIRST_FRAME;
    loop {
        let mut bytes = [0; 32];
        read_exact_at(&*file, &mut bytes, at.0).unwrap();
        let mut frame = FrameHeader::decode(&bytes, Place::new(salt, at)).unwrap();
        if frame.first_position.0 == position && frame.events == 1 {
            frame.flags = 0x40;
            write_all_at(&*file, &frame.encode(Place::new(salt, at)), at.0).unwrap();
            return;
        }
        at = ByteOffset(at.0 + u64::from(frame.len));
    }
}

fn subscribe(store: &Store, from: u64) -> [Subscription; 4] {
    let all = [store.all(), store.event_type("Noted"), store.category("a"), store.all()];
    let mut all = all.map(|selection| selection.from(from));
    let times = (quipu::Timestamp(i64::MIN), quipu::Timestamp(i64::MAX));
    all[3] = store.all().from(from).occurred_between(times.0, times.1);
    all.map(|selection| selection.subscribe().unwrap())
}

#[test]
fn following_ends_at_what_only_a_newer_version_can_read() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    (0..10).for_each(|_| append(&store, "a-1"));
    make_newer(&disk, 4);
    for (n, mut follower) in subscribe(&store, 0).into_iter().enumerate() {
        // None of them says when it happened.
        let delivered = if n == 3 { 0 } else { 4 };
        for position in 0..delivered {
            let Some(Delivery::Event(event)) = follower.next().unwrap() else { panic!("no event") };
            assert_eq!(event.position().0, position);
        }
        assert_eq!(follower.next().unwrap_err().kind(), ErrorKind::Unsupported, "{n}");
        assert_eq!(follower.position().0, 4, "neither delivered nor damaged: {n}");
        assert!(follower.next().unwrap().is_none(), "told once");
        for _ in 0..2 {
            let error = follower.try_next().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "the store is not closed: {n}");
        }
        let later = subscribe(&store, follower.position().0).into_iter().nth(n);
        assert_eq!(later.unwrap().next().unwrap_err().kind(), ErrorKind::Unsupported, "{n}");
        assert_eq!(follower.position().0, 4);
    }
}
