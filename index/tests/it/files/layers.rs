//! Heads of many segments, merged into runs in any way.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use quipu_format::{ByteOffset, Position, Salt, SegmentId, StoreId, Timestamp, Version};
use quipu_index::{
    Active, Covers, Head, Identity, IndexError, Key, Layer, Layers, Lineage, Part, Post, Run,
    Sealed, write_segment,
};

use super::source::{Copied, Lent, write_run};

const STORE: StoreId = StoreId([9; 16]);
const LOCAL: Key = Key(1 << 100 | 5);

/// Which keys the events of a segment have.
type Segment = Vec<Vec<u8>>;

fn key(number: u8) -> Key {
    Key(u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

/// The index of a segment, and the heads that are known after it.
fn seal(number: u32, segment: &Segment, base: u64, heads: &mut BTreeMap<Key, Head>) -> Layer {
    let active = Active::new(0);
    let keys: Vec<Vec<Key>> =
        segment.iter().map(|keys| keys.iter().copied().map(key).collect()).collect();
    active.post(keys.iter().map(|keys| Post {
        offset: ByteOffset(4096),
        version: Version(0),
        keys,
        local: &[LOCAL],
    }));
    let salt = Salt(u64::from(number));
    let identity = Identity { store: STORE, segment: SegmentId(number), salt };
    let covers = Covers {
        base: Position(base),
        events: keys.len() as u32,
        ids: keys.len() as u32,
        end: ByteOffset(8192),
        last_time: Timestamp(1),
    };
    let mut lineage = |key: Key| {
        Ok::<_, IndexError>(heads.get(&key).map_or(Lineage::default(), |head| Lineage {
            before: head.count,
            prev: Some(head.segment),
            jump: None,
            depth: head.depth + 1,
        }))
    };
    let parts = [Part::Memory(Arc::new(active))];
    let bytes = write_segment(&identity, &covers, &parts, &mut lineage).unwrap();
    note(number, &keys, base, heads);
    let sealed = Sealed::open(Box::new(Lent(bytes)), &identity).unwrap();
    sealed.verify().unwrap();
    Layer::Index(Arc::new(sealed))
}

/// What the plain map knows after this segment.
fn note(number: u32, events: &[Vec<Key>], base: u64, heads: &mut BTreeMap<Key, Head>) {
    let segment = SegmentId(number);
    for (event, position) in events.iter().zip(base..) {
        let mut noted = Vec::new();
        for key in event {
            if noted.contains(key) {
                continue;
            }
            noted.push(*key);
            let fresh = Head { count: 0, position: Position(0), segment, depth: 0 };
            let head = heads.entry(*key).or_insert(fresh);
            if head.segment != segment {
                (head.segment, head.depth) = (segment, head.depth + 1);
            }
            head.count += 1;
            head.position = Position(position);
        }
    }
}

fn merge(layers: &[Layer]) -> Layer {
    let bytes = write_run(STORE, layers).unwrap();
    let run = {
        let (newest, oldest) = (&layers[0], &layers[layers.len() - 1]);
        let segment = *newest.segments().end();
        let last = Identity { store: STORE, segment, salt: newest.salt() };
        Run::open(Box::new(Copied::new(bytes)), *oldest.segments().start(), &last).unwrap()
    };
    run.verify().unwrap();
    Layer::Run(Arc::new(run))
}

/// The first key that is not found as the map has it.
fn difference(layers: &Layers, heads: &BTreeMap<Key, Head>) -> Option<Key> {
    let all = (0..=u8::MAX).map(key).chain([LOCAL]);
    all.into_iter().find(|key| layers.find(*key).unwrap() != heads.get(key).copied())
}

fn segments() -> impl Strategy<Value = Vec<Segment>> {
    let keys = proptest::collection::vec(any::<u8>(), 1..5);
    let segment = proptest::collection::vec(keys, 0..20);
    proptest::collection::vec(segment, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn layers_know_the_newest_of_each_key_however_they_are_merged(
        segments in segments(),
        merges in proptest::collection::vec((any::<prop::sample::Index>(), 1..5usize), 0..6),
    ) {
        let (mut heads, mut layers, mut base) = (BTreeMap::new(), Layers::default(), 0);
        for (number, segment) in (1..).zip(&segments) {
            layers.push(seal(number, segment, base, &mut heads));
            base += segment.len() as u64;
            prop_assert_eq!(difference(&layers, &heads), None);
        }
        let mut newest_first = layers.newest_first().to_vec();
        for (start, count) in merges {
            let start = start.index(newest_first.len());
            let end = newest_first.len().min(start + count);
            let run = merge(&newest_first[start..end]);
            let (newest, oldest) = (newest_first[start].segments(), newest_first[end - 1].segments());
            prop_assert_eq!(run.segments(), *oldest.start()..=*newest.end());
            newest_first.splice(start..end, [run]);
            prop_assert_eq!(difference(&Layers::new(newest_first.clone()), &heads), None);
        }
        let Layer::Run(run) = merge(&newest_first) else { unreachable!() };
        prop_assert_eq!(run.entries() as usize, heads.len());
    }
}

/// Two segments with a key in common.
fn two() -> (Layer, Layer, BTreeMap<Key, Head>) {
    let mut heads = BTreeMap::new();
    let older = seal(1, &vec![vec![1, 2]], 0, &mut heads);
    let newer = seal(2, &vec![vec![2, 3]], 1, &mut heads);
    (older, newer, heads)
}

#[test]
fn layers_in_the_wrong_order_are_told_from_the_map() {
    let (older, newer, heads) = two();
    assert_eq!(difference(&Layers::new(vec![newer.clone(), older.clone()]), &heads), None);
    let wrong = Layers::new(vec![older, newer]);
    assert_eq!(difference(&wrong, &heads), Some(key(2)), "the checker does not see an old head");
}

#[test]
fn layers_in_the_wrong_order_are_not_merged() {
    let (older, newer, _) = two();
    assert!(write_run(STORE, &[older.clone(), newer.clone()]).is_err());
    assert!(write_run(STORE, &[newer.clone(), newer.clone()]).is_err());
    assert!(write_run(STORE, &[]).is_err());
    assert!(write_run(STORE, &[newer, older]).is_ok());
}
