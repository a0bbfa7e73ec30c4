//! Segments full of keys, for the index.

use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use quipu_bench::{Random, stream};
use quipu_format::{ByteOffset, Position, Salt, SegmentId, StoreId, Timestamp, Version};
use quipu_index::{
    Active, Covers, Identity, IndexError, Key, Keys, Kind, Lineage, Part, Post, Sealed, Source,
    write_segment,
};

/// Streams of a segment.
pub(crate) const STREAMS: u64 = 20_000;
/// Events of each.
pub(crate) const EVENTS: u64 = 10;
/// Bytes of a record, as the offsets go.
const RECORD_BYTES: u64 = 352;
pub(crate) const STORE: StoreId = StoreId([1; 16]);

/// Bytes of a file, in memory.
#[derive(Debug)]
pub(crate) struct Lent(pub(crate) Vec<u8>);

impl Source for Lent {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        let range = range.start as usize..range.end as usize;
        self.0.get(range).map(Cow::Borrowed).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

pub(crate) fn keys() -> Keys {
    Keys::new([7; 16])
}

/// The keys of the streams from this number on.
pub(crate) fn streams(first: u64) -> Vec<Key> {
    let keys = keys();
    (first..first + STREAMS).map(|number| keys.key(Kind::Stream, &stream(number))).collect()
}

/// The keys of these streams, each once, in no order.
pub(crate) fn shuffled(mut streams: Vec<Key>) -> Vec<Key> {
    let mut random = Random::new(5);
    for at in (1..streams.len()).rev() {
        streams.swap(at, random.below(at as u64 + 1) as usize);
    }
    streams
}

/// An event's version, and its keys: its stream's, its type's, and that of a tag.
pub(crate) type Event = (u64, [Key; 3]);

/// What is posted of the event of this ordinal.
pub(crate) fn event(streams: &[Key], ordinal: u64) -> Event {
    let keys = [
        streams[ordinal as usize % streams.len()],
        Key(u128::from(ordinal % 7) << 120),
        Key(u128::from(Random::new(ordinal).below(1_000)) << 100),
    ];
    (ordinal / streams.len() as u64, keys)
}

pub(crate) fn post(ordinal: u64, (version, keys): &Event) -> Post<'_> {
    let offset = ByteOffset(4_192 + ordinal % (STREAMS * EVENTS) * RECORD_BYTES);
    Post { offset, version: Version(*version), keys, local: &[] }
}

/// A segment of these streams, in memory.
pub(crate) fn active(streams: &[Key]) -> Active {
    let active = Active::new(0);
    for ordinal in 0..STREAMS * EVENTS {
        active.post(std::iter::once(post(ordinal, &event(streams, ordinal))));
    }
    active
}

pub(crate) fn identity(segment: u32) -> Identity {
    Identity { store: STORE, segment: SegmentId(segment), salt: Salt(u64::from(segment)) }
}

/// The same, in a file.
pub(crate) fn sealed(segment: u32, streams: &[Key]) -> Sealed {
    let active = active(streams);
    let covers = Covers {
        base: Position(u64::from(segment) * STREAMS * EVENTS),
        events: active.end(),
        ids: 0,
        end: ByteOffset(4_192 + STREAMS * EVENTS * RECORD_BYTES),
        last_time: Timestamp(0),
    };
    let mut none = |_: Key| Ok::<_, IndexError>(Lineage::default());
    let parts = [Part::Memory(Arc::new(active))];
    let bytes = write_segment(&identity(segment), &covers, &parts, &mut none).unwrap();
    Sealed::open(Box::new(Lent(bytes)), &identity(segment)).unwrap()
}
