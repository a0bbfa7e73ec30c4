//! What is lost is the same to whoever comes across it, and nothing else is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu::{
    AppendCondition, ErrorKind, Events, ExpectedVersion, Mode, NewEvent, Query, QueryItem, Store,
    Uuid, verify_on,
};
use quipu_disk::FaultDisk;
use quipu_format::ByteOffset;
use quipu_format::checksum::Place;
use quipu_format::frame::{FrameHeader, FrameKind};
use quipu_format::segment::SegmentHeader;

use crate::frames::frames;
use crate::small::options;

const EVENTS: u64 = 40;

/// A closed store of a few segments, each commit one event.
fn closed() -> FaultDisk {
    let disk = FaultDisk::new(1);
    let store = open(&disk, Mode::Create);
    for _ in 0..EVENTS {
        store.append("a", ExpectedVersion::Any, [NewEvent::new("T", vec![1; 500])]).unwrap();
    }
    store.close().unwrap();
    disk
}

fn open(disk: &FaultDisk, mode: Mode) -> Store {
    let builder = Store::builder("s").disk(Arc::new(disk.clone())).options(options());
    builder.mode(mode).open().unwrap()
}

fn segment(number: u32) -> PathBuf {
    Path::new("s").join(format!("{number:010}.seg"))
}

/// Where the commits of a segment stand.
fn commits(disk: &FaultDisk, path: &Path) -> Vec<(u64, FrameHeader)> {
    let mut frames = frames(&disk.contents(path).unwrap());
    frames.retain(|(_, header)| header.kind == FrameKind::Events);
    frames
}

/// The positions that are served, and those that are told to be lost.
fn read(mut events: Events) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let (mut served, mut lost) = (BTreeSet::new(), BTreeSet::new());
    loop {
        match events.next() {
            Ok(Some(event)) => assert!(served.insert(event.position().0)),
            Ok(None) => return (served, lost),
            Err(error) => {
                let positions = error.damage().unwrap().positions.clone();
                lost.extend(positions.start.0..positions.end.0);
            }
        }
    }
}

#[test]
fn a_frame_that_claims_more_than_there_is_is_lost_alone_in_every_way_of_reading() {
    let path = segment(2);
    for (len, events) in [(Some(1 << 20), 1), (None, 60_000)] {
        let disk = closed();
        let (at, header) = commits(&disk, &path)[1];
        let mut bytes = disk.contents(&path).unwrap();
        let salt = SegmentHeader::decode(&bytes[..4096]).unwrap().salt;
        let lie = FrameHeader { len: len.unwrap_or(header.len), events, ..header };
        let lie = lie.encode(Place::new(salt, ByteOffset(at)));
        let start = usize::try_from(at).unwrap();
        bytes[start..start + lie.len()].copy_from_slice(&lie);
        disk.put(&path, &bytes).unwrap();
        let lost = BTreeSet::from([header.first_position.0]);
        let store = open(&disk, Mode::ReadOnly);
        let ways = [
            store.all().events(),
            store.all().backward().events(),
            store.stream("a").events(),
            store.event_type("T").backward().events(),
        ];
        for read_so in ways {
            let (served, told) = read(read_so.unwrap());
            assert_eq!((served.len() as u64, &told), (EVENTS - 1, &lost), "{events} events");
        }
    }
}

/// A link holds no event: whoever looks for one behind it is not kept from that.
#[test]
fn a_damaged_link_is_no_answer_to_a_commit() {
    let disk = closed();
    disk.flip(&segment(1), 4096 + 40, 1).unwrap();
    disk.flip(&segment(1), 4096 + 1, 1).unwrap();
    let store = open(&disk, Mode::Existing);
    let fail_if = Query::new().item(QueryItem::new().event_type("T"));
    let refused = store
        .commit()
        .append("b", ExpectedVersion::Any, [NewEvent::new("U", vec![1]).id(Uuid::from_u128(7))])
        .fail_if(AppendCondition { fail_if, after: None })
        .submit()
        .and_then(quipu::Ticket::wait)
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
    assert_eq!(refused.matched().map(|position| position.0), Some(0));
}

/// Nothing behind the damage says how many events went with it, but the seal and the place of the close.
#[test]
fn verification_counts_what_is_lost_at_the_end_of_a_segment() {
    let last = segments_with_commits(&closed()).pop().unwrap();
    for (path, gone) in [(segment(2), Some(segment(3))), (last, None)] {
        let disk = closed();
        let commits = commits(&disk, &path);
        let (at, header) = commits[commits.len() - 1];
        // With the seal or the mark that stands behind it.
        disk.zero(&path, at..disk.contents(&path).unwrap().len() as u64).unwrap();
        gone.iter().for_each(|gone| disk.erase(gone).unwrap());
        let report = verify_on(&disk, Path::new("s"), &mut |_| {}).unwrap();
        let positions = report.findings.iter().map(|finding| &finding.positions);
        let named: BTreeSet<u64> = positions.flat_map(|range| range.start.0..range.end.0).collect();
        let (_, lost) = read(open(&disk, Mode::ReadOnly).all().events().unwrap());
        assert!(lost.contains(&header.first_position.0), "{lost:?}");
        assert_eq!(named, lost, "{:?}", report.findings);
    }
}

/// The segments that hold commits.
fn segments_with_commits(disk: &FaultDisk) -> Vec<PathBuf> {
    let mut files = disk.files();
    files.retain(|file| file.extension().is_some_and(|kind| kind == "seg"));
    files.retain(|file| !commits(disk, file).is_empty());
    files
}

/// Nor is it a reason to doubt the last versions of streams, where the segment's index has to be made anew.
#[test]
fn a_damaged_link_without_an_index_keeps_no_commit_out() {
    for number in [1, 2] {
        let path = segment(number);
        let disk = closed();
        disk.flip(&path, 4096 + 1, 1).unwrap();
        disk.erase(&path.with_extension("idx")).unwrap();
        let runs = disk.files().into_iter().filter(|file| file.extension() == Some("run".as_ref()));
        runs.for_each(|run| disk.erase(&run).unwrap());
        let store = open(&disk, Mode::Existing);
        let exactly = ExpectedVersion::Exact(EVENTS - 1);
        let done = store.append("a", exactly, [NewEvent::new("T", vec![1])]);
        assert_eq!(done.unwrap().position.0, EVENTS, "{number}");
        store.close().unwrap();
        let (served, lost) = read(open(&disk, Mode::Existing).stream("a").events().unwrap());
        assert_eq!((served.len() as u64, lost.len()), (EVENTS + 1, 0), "{number}");
    }
}
