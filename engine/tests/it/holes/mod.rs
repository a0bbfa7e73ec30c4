//! What is lost in one piece is told in one piece, whichever way it is read: whole segments, and whole frames.

mod names;
mod read;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu::ExpectedVersion::Any;
use quipu::{ErrorKind, Mode, NewEvent, Options, Query, QueryItem, Result, Selection, Store};
use quipu_disk::{Disk, FaultDisk};

use read::Read;

use crate::small::options;

const PATH: &str = "s";

fn open(disk: &FaultDisk, mode: Mode) -> Result<Store> {
    let builder = Store::builder(PATH).disk(Arc::new(disk.clone())).options(options());
    builder.mode(mode).open()
}

/// Appends events of a few streams, of which one more begins now and then.
fn fill(store: &Store, events: u64) {
    let first = store.next_position().0;
    for number in first..first + events {
        let stream = match number % 4 {
            0 => format!("s-{}", number / 12),
            _ => "s-all".to_owned(),
        };
        let kind = if number % 3 == 0 { "Third" } else { "Other" };
        let event = NewEvent::new(kind, vec![7; 300]).tag(format!("tag:{}", number % 2));
        store.append(&stream, Any, [event]).unwrap();
    }
}

/// A store of some ten segments that was closed; nothing of it is lost.
fn closed_store() -> FaultDisk {
    closed_store_of(100)
}

fn closed_store_of(events: u64) -> FaultDisk {
    let disk = FaultDisk::new(1);
    let store = open(&disk, Mode::Create).unwrap();
    fill(&store, events);
    store.close().unwrap();
    assert!(segments(&disk).len() >= 6, "{:?}", disk.files());
    disk
}

fn files(disk: &FaultDisk, kinds: &[&str]) -> Vec<PathBuf> {
    let is_of = |path: &PathBuf| kinds.iter().any(|kind| path.extension() == Some(kind.as_ref()));
    disk.files().into_iter().filter(is_of).collect()
}

/// The segments of which each holds an event.
fn segments(disk: &FaultDisk) -> Vec<PathBuf> {
    files(disk, &["seg"])
}

/// Every kind of selection of the events that are not of one stream.
fn selections(store: &Store) -> Vec<Selection<'_>> {
    let tagged = QueryItem::new().event_type("Third").tag("tag:1");
    vec![
        store.all(),
        store.category("s"),
        store.event_type("Third"),
        store.tag("tag:1"),
        store.tag("nobody's"),
        store.query(Query::new().item(tagged)),
        store.query(Query::new().item(QueryItem::new())),
    ]
}

fn is_selected(selection: usize, position: u64) -> bool {
    let (third, tagged) = (position.is_multiple_of(3), !position.is_multiple_of(2));
    [true, true, third, tagged, false, third && tagged, true][selection]
}

/// Reads in every way that there is; each must tell of what is lost, once and as a whole, and serve the rest.
fn check(store: &Store, events: u64, lost: &[(PathBuf, Range<u64>)], what: &str) {
    let inside = lost.first().map_or(0, |(_, range)| u64::midpoint(range.start, range.end));
    for n in 0..selections(store).len() {
        let what = format!("{what}: selection {n}");
        let pick = || selections(store).into_iter().nth(n).unwrap();
        for from in [0, 1, inside, events - 1] {
            let expected = Read::expected(from, events, lost, |at| is_selected(n, at));
            assert_eq!(
                Read::of(pick().from(from).events().unwrap()),
                expected,
                "{what}, from {from}"
            );
            let followed = Read::by(&mut pick().from(from).subscribe().unwrap());
            assert_eq!(followed, expected, "{what}, followed from {from}");
        }
        let expected = Read::expected(0, events, lost, |at| is_selected(n, at));
        let backward = Read::of(pick().backward().events().unwrap());
        assert_eq!(backward.reversed(), expected, "{what}, backward");
        let middle = pick().from(inside).backward().events().unwrap();
        let middle = Read::of(middle).reversed();
        let told: Vec<_> = middle.lost.iter().map(|(_, _, range)| range.clone()).collect();
        let ranges = lost.iter().map(|(_, range)| range.start..range.end.min(inside + 1));
        let ranges: Vec<_> = ranges.filter(|range| !range.is_empty()).collect();
        assert_eq!(told, ranges, "{what}, backward from {inside}");
    }
    for name in ["s-all", "s-0", "s-5", "nobody"] {
        let is_selected = |at: u64| match name {
            "s-all" => !at.is_multiple_of(4),
            _ => at.is_multiple_of(4) && name == format!("s-{}", at / 12),
        };
        let expected = Read::expected(0, events, lost, is_selected);
        let forward = Read::of(store.stream(name).events().unwrap());
        assert_eq!(forward, expected, "{what}: {name}");
        let backward = Read::of(store.stream(name).backward().events().unwrap());
        assert_eq!(backward.reversed(), expected, "{what}: {name}, backward");
        let followed = Read::by(&mut store.stream(name).subscribe().unwrap());
        assert_eq!(followed, expected, "{what}: {name}, followed");
        let last = (0..events).rfind(|&at| is_selected(at));
        let behind = last.map_or(0, |last| last + 1);
        let head = store.head(name).map(|head| head.map(|head| head.position.0));
        match lost.iter().all(|(_, range)| range.end <= behind.saturating_sub(1)) {
            true => assert_eq!(head.unwrap(), last, "{what}: head of {name}"),
            // It is lost, or nobody knows whether something of the stream was lost behind it.
            false => assert_eq!(head.unwrap_err().kind(), ErrorKind::Damaged, "{what}: {name}"),
        }
    }
    check_names(store, events, lost, what);
}

/// The names of streams: those that are known, and behind an error for each hole.
fn check_names(store: &Store, events: u64, lost: &[(PathBuf, Range<u64>)], what: &str) {
    let mut told = Read::default();
    let mut names = Vec::new();
    for name in store.streams("s-").unwrap() {
        match name {
            Ok(name) => names.push(name),
            Err(error) => told.note(&error),
        }
    }
    assert_eq!(told.lost, Read::expected(0, events, lost, |_| false).lost, "{what}: names");
    let is_lost = |at: u64| lost.iter().any(|(_, range)| range.contains(&at));
    let born =
        (0..events).step_by(12).filter(|&at| !is_lost(at)).map(|at| format!("s-{}", at / 12));
    let mut born: Vec<String> = born.chain((!is_lost(1)).then(|| "s-all".to_owned())).collect();
    born.sort();
    assert_eq!(names, born, "{what}: names");
}

/// The positions of each segment's events, and where it stands.
fn contents(disk: &FaultDisk) -> Vec<(PathBuf, Range<u64>)> {
    let mut contents = Vec::new();
    for path in segments(disk) {
        let other = FaultDisk::new(2);
        other.create_directory(Path::new(PATH)).unwrap();
        for file in disk.files().iter().filter(|file| **file != path) {
            other.put(file, &disk.contents(file).unwrap()).unwrap();
        }
        let store = open(&other, Mode::ReadOnly).unwrap();
        let read = Read::of(store.all().events().unwrap());
        let lost = (0..100).filter(|position| !read.served.contains(position));
        let lost: Vec<u64> = lost.collect();
        let positions = lost.first().map_or(0..0, |&first| first..first + lost.len() as u64);
        contents.push((path, positions));
    }
    contents.retain(|(_, positions)| !positions.is_empty());
    assert_eq!(contents.iter().map(|(_, range)| range.end - range.start).sum::<u64>(), 100);
    contents
}

/// The store without some of its segments, and without some of the files that its index stands in.
fn without(segments: &[(PathBuf, Range<u64>)], kinds: &[&str]) -> FaultDisk {
    let disk = closed_store();
    for path in segments.iter().map(|(path, _)| path.clone()).chain(files(&disk, kinds)) {
        disk.remove(&path).unwrap();
    }
    disk
}

#[test]
fn a_missing_segment_is_told_by_every_way_of_reading() {
    let all = contents(&closed_store());
    let last = all.len() - 1;
    let pieces = [0..1, 1..2, last - 1..last, last..last + 1, 2..4, last - 1..last + 1, 1..last];
    for piece in pieces {
        for kinds in [&[][..], &["run"], &["idx"], &["idx", "run"]] {
            let what = format!("segments {piece:?} of {}, without {kinds:?}", all.len());
            let lost = &all[piece.clone()];
            let disk = without(lost, kinds);
            assert_eq!(open(&disk, Mode::Create).unwrap_err().kind(), ErrorKind::Damaged, "{what}");
            let store = open(&disk, Mode::ReadOnly).unwrap();
            assert_eq!(store.next_position().0, 100, "{what}");
            let named = &store.opening().lost;
            assert!(lost.iter().all(|(path, _)| named.iter().any(|damage| damage.file == *path)));
            check(&store, 100, lost, &what);
        }
    }
}

#[test]
fn two_holes_are_told_apart() {
    let all = contents(&closed_store());
    let lost = [all[1].clone(), all[3].clone()];
    check(&open(&without(&lost, &[]), Mode::ReadOnly).unwrap(), 100, &lost, "two holes");
}

#[test]
fn a_store_without_any_segment_says_what_it_had() {
    let all = contents(&closed_store());
    let store = open(&without(&all, &[]), Mode::ReadOnly).unwrap();
    for selection in selections(&store) {
        let read = Read::of(selection.events().unwrap());
        let lost: u64 = read.lost.iter().map(|(_, _, range)| range.end - range.start).sum();
        assert_eq!((read.served.len(), lost), (0, 100));
    }
}

/// The checks above can fail: they do where something is lost that nobody tells of.
#[test]
#[should_panic(expected = "planted: selection 0")]
fn a_hole_that_is_not_told_is_noticed() {
    let all = contents(&closed_store());
    check(&open(&closed_store(), Mode::ReadOnly).unwrap(), 100, &all[1..2], "planted");
}

#[test]
fn a_whole_store_tells_of_nothing() {
    check(&open(&closed_store(), Mode::ReadOnly).unwrap(), 100, &[], "whole");
}

/// The end of a closed log is lost, and the index that knew it: only the manifest says how far it went.
#[test]
fn a_tail_that_is_gone_is_told_too() {
    let told: Vec<u64> = (100..106).map(tail_that_is_gone).collect();
    // Of a segment that holds nothing else, and of one that does.
    assert!(told.contains(&0) && told.iter().any(|held| *held > 0), "{told:?}");
}

/// Takes the end of a log of so many events away, looks at what is told of that, and counts what is left in its last
/// segment.
fn tail_that_is_gone(events: u64) -> u64 {
    let disk = closed_store_of(events);
    let path = segments(&disk).pop().unwrap();
    disk.remove(&path.with_extension("idx")).unwrap();
    let mut bytes = disk.contents(&path).unwrap();
    let last = bytes.windows(2).rposition(|name| name == b"s-").unwrap();
    bytes[last - 64..].fill(0);
    disk.put(&path, &bytes).unwrap();
    let store = open(&disk, Mode::ReadOnly).unwrap();
    assert_eq!(store.next_position().0, events);
    for n in 0..selections(&store).len() {
        let pick = || selections(&store).into_iter().nth(n).unwrap();
        let followed = Read::by(&mut pick().subscribe().unwrap());
        let backward = Read::of(pick().backward().events().unwrap());
        for read in [Read::of(pick().events().unwrap()), backward, followed] {
            assert_eq!(read.lost.len(), 1, "{n}: {:?}", read.lost);
            let (file, _, lost) = &read.lost[0];
            assert!(
                *file == path && lost.start + 4 >= events && lost.end == events,
                "{n}: {lost:?}"
            );
            let left = (0..lost.start).filter(|&at| is_selected(n, at)).count();
            assert_eq!(read.served.len(), left, "{n}");
        }
    }
    let left = bytes.windows(2).filter(|name| name == b"s-").count();
    left as u64
}

/// A segment that goes while a writer of another process is at work, and the writer goes on to others.
#[test]
fn a_hole_stays_told_beside_a_writer_that_goes_on() {
    let disk = closed_store();
    let lost = [contents(&disk)[1].clone()];
    let writer = open(&disk, Mode::Create).unwrap();
    disk.remove(&lost[0].0).unwrap();
    let store = open(&disk, Mode::ReadOnly).unwrap();
    let mut followers: Vec<_> =
        selections(&store).into_iter().map(|selection| selection.subscribe().unwrap()).collect();
    for (n, follower) in followers.iter_mut().enumerate() {
        let expected = Read::expected(0, 100, &lost, |at| is_selected(n, at));
        assert_eq!(Read::by(follower), expected, "selection {n}");
    }
    fill(&writer, 100);
    assert_eq!(store.next_position().0, 200);
    check(&store, 200, &lost, "beside a writer");
    for (n, follower) in followers.iter_mut().enumerate().filter(|(n, _)| *n != 4) {
        let expected = Read::expected(100, 200, &lost, |at| is_selected(n, at));
        assert_eq!(Read::by(follower), expected, "selection {n}, gone on");
    }
}

/// A store of some commits, the second of a thousand events, and where that frame begins.
fn large_commit(is_last: bool) -> (FaultDisk, PathBuf, u64) {
    let disk = FaultDisk::new(3);
    let large = Options { ballast_bytes: 0, ..Options::default() };
    let store = Store::builder(PATH).disk(Arc::new(disk.clone())).options(large).open().unwrap();
    let event = |kind: &'static str| NewEvent::new(kind, vec![]).tag("t");
    store.append("a-1", Any, [event("First")]).unwrap();
    store.append("a-1", Any, vec![event("Large"); 1000]).unwrap();
    if !is_last {
        store.append("a-1", Any, [event("Last")]).unwrap();
    }
    store.close().unwrap();
    let path = segments(&disk).into_iter().next().unwrap();
    let bytes = disk.contents(&path).unwrap();
    let is_header = |at: &usize| bytes[at + 8..at + 16] == 1_u64.to_le_bytes();
    let header = (4096..bytes.len()).step_by(16).find(is_header).unwrap();
    (disk, path, header as u64)
}

#[test]
fn a_damaged_frame_is_told_as_one_range_both_ways() {
    for (is_last, kinds) in [(false, &[][..]), (true, &[]), (false, &["idx"][..]), (true, &["idx"])]
    {
        let (disk, path, at) = large_commit(is_last);
        disk.flip(&path, at, 1).unwrap();
        files(&disk, kinds).iter().for_each(|file| disk.remove(file).unwrap());
        let store = open(&disk, Mode::ReadOnly).unwrap();
        let what = format!("at the end: {is_last}, without {kinds:?}");
        let check = |read: Read, what: &str| {
            let told: Vec<_> = read.lost.iter().map(|(_, _, range)| range.clone()).collect();
            assert_eq!((told.len(), &told[0]), (1, &(1..1001)), "{what}: {:?}", read.lost);
            let near = |(file, offset, _): &(PathBuf, u64, _)| *file == path && offset - at < 64;
            assert!(read.lost.iter().all(near), "{what}: {:?}", read.lost);
            assert_eq!(read.served.len(), if is_last { 1 } else { 2 }, "{what}");
        };
        for selection in [store.all(), store.category("a"), store.tag("t")] {
            check(Read::of(selection.clone().events().unwrap()), &what);
            check(
                Read::of(selection.clone().backward().events().unwrap()),
                &format!("{what}, back"),
            );
            check(Read::by(&mut selection.subscribe().unwrap()), &format!("{what}, followed"));
        }
        check(Read::of(store.stream("a-1").events().unwrap()), &what);
        check(Read::of(store.stream("a-1").backward().events().unwrap()), &what);
    }
}
