//! What an index file costs, in bytes an event: counted, so that a change of the format shows.

use std::sync::Arc;

use quipu_format::{ByteOffset, Position, Salt, SegmentId, StoreId, Timestamp, Version};
use quipu_index::{
    Active, Covers, Identity, IndexError, Key, Keys, Kind, Lineage, Part, Post, write_segment,
};

const STREAMS: u64 = 20_000;
const PER_STREAM: u64 = 10;

/// Bytes an event of the index of a segment in which every stream has ten events, evenly spread, each event
/// carrying one tag of each of these families beside its stream's key.
fn bytes_an_event(families: &[u64]) -> f64 {
    let keys = Keys::new([7; 16]);
    let active = Active::new(0);
    let mut offset = 4192;
    for event in 0..STREAMS * PER_STREAM {
        // Streams come in an order of their own in each round.
        let (round, turn) = (event / STREAMS, event % STREAMS);
        let stream = (turn * (7919 + round * 2)) % STREAMS;
        let mut all = vec![keys.key(Kind::Stream, &format!("order-{stream:08}"))];
        let tags = families.iter().map(|family| {
            let tag = event.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
            keys.key(Kind::Tag, &format!("{family}:{}", tag % family))
        });
        all.extend(tags);
        let version = Version(round);
        let post = Post { offset: ByteOffset(offset), version, keys: &all, local: &[] };
        active.post(std::iter::once(post));
        offset += 352;
    }
    let identity = Identity { store: StoreId([1; 16]), segment: SegmentId(1), salt: Salt(1) };
    let covers = Covers {
        base: Position(0),
        events: active.end(),
        ids: 0,
        end: ByteOffset(offset),
        last_time: Timestamp(0),
    };
    let mut none = |_: Key| Ok::<_, IndexError>(Lineage::default());
    let bytes = write_segment(&identity, &covers, &[Part::Memory(Arc::new(active))], &mut none);
    bytes.unwrap().len() as f64 / (STREAMS * PER_STREAM) as f64
}

#[test]
fn a_stream_of_ten_events_a_segment_costs_at_most_ten_bytes_an_event() {
    let bytes = bytes_an_event(&[]);
    println!("{bytes:.2} bytes an event");
    assert!(bytes <= 10.0, "{bytes} bytes an event");
}

/// For keys that one event in a hundred has, or more. Rarer ones cost more an event, by the logarithm of the
/// gaps between them, and where they are as rare as streams as much as a stream.
#[test]
fn a_further_key_costs_at_most_one_and_a_half_bytes_an_event() {
    let alone = bytes_an_event(&[]);
    for family in [1, 4, 16, 100] {
        let bytes = bytes_an_event(&[family]) - alone;
        println!("one of {family} tags: {bytes:.2} bytes an event");
        assert!(bytes <= 1.5, "one of {family} tags: {bytes} bytes an event");
    }
}
