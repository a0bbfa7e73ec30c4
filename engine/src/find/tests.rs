//! Cursors and plans over chains of segments, compared with lists of positions.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use quipu_disk::{Access, Disk, MemoryDisk};
use quipu_format::{ByteOffset, Position, Timestamp, Version};
use quipu_index::{
    Covers, Identity, IndexError, Key, Kind, Layer, Layers, Lineage, Part, Sealed, Source, Way,
    write_segment,
};

use super::{Budget, Leaf, Plan, Sight, first_match, parts, position_of};
use crate::options::tests::small;
use crate::query::Compiled;
use crate::segments::View;
use crate::{ErrorKind, ExpectedVersion, Mode, NewEvent, Query, QueryItem, Store};

#[derive(Debug)]
struct Bytes(Vec<u8>);

impl Source for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        let range = range.start as usize..range.end as usize;
        self.0.get(range).map(Cow::Borrowed).ok_or(io::ErrorKind::UnexpectedEof.into())
    }
}

const STREAMS: [&str; 5] = ["a", "b-1", "b-2", "seldom", "once"];
const TAGS: [&str; 4] = ["x", "y", "z", "seldom"];

/// A store of many segments, read only and without index files; each stream comes up in its own share of them.
fn written() -> Store {
    written_on(&Arc::new(MemoryDisk::new()))
}

fn written_on(disk: &Arc<MemoryDisk>) -> Store {
    let builder = || Store::builder("s").disk(disk.clone()).options(small());
    let store = builder().open().unwrap();
    let mut random = 1_u64;
    for number in 0..1500_u64 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let stream = match number {
            700 => "once",
            n if n % 173 == 0 => "seldom",
            _ => STREAMS[(random >> 33) as usize % 3],
        };
        let event = NewEvent::new("T", vec![0; (random >> 40) as usize % 200]);
        let tags = TAGS.iter().zip([2, 5, 9, 131]).filter(|(_, every)| number % every == 0);
        let event = tags.fold(event, |event, (tag, _)| event.tag(*tag));
        store.append(stream, ExpectedVersion::Any, [event]).unwrap();
    }
    store.close().unwrap();
    // The test seals for itself.
    for name in disk.list(Path::new("s")).unwrap() {
        if name.ends_with(".idx") || name.ends_with(".run") {
            disk.remove(&Path::new("s").join(name)).unwrap();
        }
    }
    builder().mode(Mode::ReadOnly).open().unwrap()
}

/// What the chains of a store know so far of a key: the jumps of each node.
#[derive(Default)]
struct Chains {
    nodes: HashMap<Key, Vec<usize>>,
}

impl Chains {
    /// The skew-binary jump of the node after the last: where the last two jumps go equally far, over both.
    fn add(&mut self, key: Key) -> Option<usize> {
        let jumps = self.nodes.entry(key).or_default();
        let depth = jumps.len();
        let jump = match depth.checked_sub(1) {
            None => 0,
            Some(prev) => {
                let (one, two) = (jumps[prev], jumps[jumps[prev]]);
                if prev - one == one - two { two } else { prev }
            }
        };
        jumps.push(jump);
        (depth >= 8).then_some(jump)
    }
}

/// Gives the segments before index `loose` index files, as sealing does; `remade` says which of them have to
/// do without, as if theirs had been made anew.
fn seal(store: &Store, loose: usize, remade: impl Fn(usize) -> bool) -> View {
    let view = store.segments().view();
    let (mut layers, mut chains) = (Layers::default(), Chains::default());
    let mut segments: HashMap<Key, Vec<_>> = HashMap::new();
    for index in 0..loose {
        let segment = &view.table.segments[index];
        let found = parts(&view, index).unwrap();
        let identity =
            Identity { store: view.store.shelf.store, segment: segment.id, salt: segment.salt };
        let events = found.last().unwrap().ordinals().end;
        let (base, end, last_time) = (segment.base, ByteOffset(4096), Timestamp(0));
        let mut lineage = |key: Key| -> Result<Lineage, IndexError> {
            let jump = chains.add(key);
            let known = segments.entry(key).or_default();
            let prev = known.last().copied();
            let depth = known.len() as u32;
            let jump = jump.map(|jump| known[jump]);
            known.push(segment.id);
            let before = layers.find(key)?.map_or(0, |head| head.count);
            Ok(Lineage { before, prev, jump, depth })
        };
        let covers = Covers { base, events, ids: 0, end, last_time };
        let bytes = write_segment(&identity, &covers, &found, &mut lineage).unwrap();
        let sealed = Arc::new(Sealed::open(Box::new(Bytes(bytes)), &identity).unwrap());
        if !remade(index) {
            segment.set_parts([Part::File(Arc::clone(&sealed))]);
        }
        layers.push(Layer::Index(sealed));
    }
    store.segments().set_heads(layers, loose);
    store.segments().view()
}

/// The positions of each stream and tag, by reading everything.
fn listed(store: &Store) -> HashMap<Key, Vec<u64>> {
    let keys = &store.segments().shelf.keys;
    let mut lists: HashMap<Key, Vec<u64>> = HashMap::new();
    let mut events = store.all().events().unwrap();
    while let Some(event) = events.next().unwrap() {
        let tags = event.tags().map(|tag| keys.key(Kind::Tag, tag));
        for key in tags.chain([keys.key(Kind::Stream, event.stream())]) {
            lists.entry(key).or_default().push(event.position().0);
        }
    }
    lists
}

fn expected(list: &[u64], way: Way, target: u64) -> Option<u64> {
    match way {
        Way::Forward => list.iter().copied().find(|&position| position >= target),
        Way::Backward => list.iter().copied().rfind(|&position| position <= target),
    }
}

/// Seeks through the whole store in steps of this many positions.
fn leap(view: &View, key: Key, list: &[u64], way: Way, step: u64) {
    let mut leaf = Leaf::new(key, way);
    let end = view.visible_position.0 + 2 * step;
    let mut target = if way == Way::Forward { 0 } else { end };
    loop {
        let found = leaf.seek(view, Position(target)).unwrap().map(|position| position.0);
        assert_eq!(found, expected(list, way, target), "{way:?} at {target} in steps of {step}");
        target = match way {
            Way::Forward if target > end => return,
            Way::Forward => target + step,
            Way::Backward if target == 0 => return,
            Way::Backward => target.saturating_sub(step),
        };
    }
}

fn compare(store: &Store, view: &View) {
    let lists = listed(store);
    assert_eq!(lists.len(), STREAMS.len() + TAGS.len());
    for (key, list) in &lists {
        for way in [Way::Forward, Way::Backward] {
            for step in [1, 7, 90, 600] {
                leap(view, *key, list, way, step);
            }
        }
    }
    for stream in STREAMS {
        let key = store.segments().shelf.keys.key(Kind::Stream, stream);
        let places = (0..).map(Version).map(|version| position_of(view, key, version).unwrap());
        let places: Vec<u64> = places.map_while(|place| place.map(|place| place.0)).collect();
        assert_eq!(places, lists[&key], "{stream}");
    }
    plans(store, view, &lists);
}

/// The next position, found with so many looks at a time. Counts the pauses.
fn seek(
    plan: &mut Plan,
    view: &View,
    mut target: Position,
    (looks, pauses): (u64, &mut u64),
) -> Option<Position> {
    loop {
        match plan.seek(view, target, &mut Budget::of(looks)).unwrap() {
            Sight::Paused(reached) => (target, *pauses) = (reached, *pauses + 1),
            sight => return sight.found(),
        }
    }
}

/// An intersection and a union, against those of the lists.
fn plans(store: &Store, view: &View, lists: &HashMap<Key, Vec<u64>>) {
    let keys = &store.segments().shelf.keys;
    let list = |tag: &str| &lists[&keys.key(Kind::Tag, tag)];
    let query = Query::new()
        .item(QueryItem::new().tag("x").tag("z"))
        .item(QueryItem::new().event_type("T").tag("seldom"));
    let (x, z, seldom) = (list("x"), list("z"), list("seldom"));
    let wanted = |position: &u64| {
        (x.contains(position) && z.contains(position)) || seldom.contains(position)
    };
    let wanted: Vec<u64> = (0..view.visible_position.0).filter(wanted).collect();
    let compiled = Compiled::new(&query, keys);
    let listed = [x, z, seldom, list("y")].map(|list| list.len() as u64).into_iter().sum::<u64>();
    for looks in [1, 2, 7, u64::MAX] {
        let mut pauses = 0;
        let mut plan = Plan::query(&compiled, Way::Forward);
        let mut found = Vec::new();
        while let Some(position) = {
            let target = Position(found.last().map_or(0, |last| last + 1));
            seek(&mut plan, view, target, (looks, &mut pauses))
        } {
            found.push(position.0);
        }
        assert_eq!(found, wanted, "with {looks} looks at a time");
        let mut plan = Plan::query(&compiled, Way::Backward);
        let mut target = Some(view.visible_position);
        while let Some(Position(position)) =
            target.and_then(|target| seek(&mut plan, view, target, (looks, &mut pauses)))
        {
            assert_eq!(found.pop(), Some(position), "with {looks} looks at a time");
            target = position.checked_sub(1).map(Position);
        }
        assert!(found.is_empty());
        // Every event is of the type: nothing is looked at twice.
        let most = 2 * (listed + view.visible_position.0 + 8) / looks;
        assert!(pauses <= most && (looks > 2 || pauses > 0), "{pauses} pauses");
    }
}

#[test]
fn chains_are_followed_both_ways() {
    let store = written();
    let segments = store.segments().view().table.segments.len();
    assert!(segments > 40, "{segments} segments are too few for jumps");
    for loose in [0, 1, 2, 9, segments - 1, segments] {
        let store = written();
        let view = seal(&store, loose, |_| false);
        compare(&store, &view);
    }
}

#[test]
fn an_index_without_links_is_got_over() {
    let store = written();
    let segments = store.segments().view().table.segments.len();
    compare(&store, &seal(&store, segments - 2, |index| index % 7 == 3));
    let store = written();
    compare(&store, &seal(&store, segments - 1, |_| true));
}

/// The comparison can fail: it does where a list holds a position too many.
#[test]
#[should_panic(expected = "Forward at 0")]
fn a_cursor_that_leaves_out_an_event_is_noticed() {
    let store = written();
    let view = store.segments().view();
    let key = store.segments().shelf.keys.key(Kind::Stream, "once");
    leap(&view, key, &[699, 700], Way::Forward, 1);
}

/// How many index files a read of the newest events opens does not grow with the store.
#[test]
fn a_long_chain_is_crossed_by_jumps() {
    let store = written();
    let segments = store.segments().view().table.segments.len();
    let view = seal(&store, segments, |_| false);
    let key = store.segments().shelf.keys.key(Kind::Stream, "a");
    let mut leaf = Leaf::new(key, Way::Forward);
    leaf.seek(&view, Position(0)).unwrap();
    assert!(leaf.path_len() <= 2 * segments.ilog2() as usize + 8, "{} nodes", leaf.path_len());
}

#[test]
fn no_condition_is_met_across_a_segment_that_is_missing() {
    let disk = Arc::new(MemoryDisk::new());
    let segment = Arc::clone(&written_on(&disk).segments().view().table.segments[5]);
    let query = Query::new().item(QueryItem::new().tag("nobody's"));
    let ask = |from: u64| {
        let store = Store::builder("s").disk(disk.clone()).mode(Mode::ReadOnly).open().unwrap();
        let compiled = Compiled::new(&query, &store.segments().shelf.keys);
        first_match(&store.segments().view(), &query, &compiled, Position(from))
    };
    assert_eq!(ask(0).unwrap(), None, "it is whole");
    disk.remove(&segment.path).unwrap();
    for from in [Position(0), segment.base, segment.base.plus(1)] {
        let error = ask(from.0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        let damage = error.damage().unwrap();
        assert_eq!((&damage.file, damage.positions.start), (&segment.path, segment.base.max(from)));
    }
    assert_eq!(ask(1499).unwrap(), None, "behind it");
}

/// There may have been a file that knew more of the lost events: whoever has seen that and was told of nothing is told now,
/// and who writes believes no version any more.
#[test]
fn what_is_lost_in_a_loose_segment_is_noted_where_its_index_is_made_from_the_log() {
    for is_written in [false, true] {
        let disk = Arc::new(MemoryDisk::new());
        let path = written_on(&disk).segments().view().table.segments[3].path.clone();
        disk.open(&path, Access::Write).unwrap().write_at(&[0; 256], 5000).unwrap();
        let store = Store::builder("s").disk(disk.clone()).mode(Mode::ReadOnly).open().unwrap();
        let (view, upkeep) = (store.segments().view(), &store.segments().upkeep);
        assert_eq!(view.table.loose, 0);
        if is_written {
            upkeep.begin();
        }
        let segment = &view.table.segments[3];
        parts(&view, 3).unwrap();
        let lost = upkeep.lost_events().nearest(Position(0), Way::Forward).unwrap();
        assert!(lost >= segment.base && lost < view.table.segments[4].base, "{lost}");
        assert_eq!(upkeep.heads_are_known().is_err(), is_written);
    }
}
