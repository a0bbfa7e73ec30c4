//! Frames that are laid out by no version yet, in a sealed segment and in one that is not: whoever meets one is told
//! that a newer version is needed, and never that something is damaged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu::{Delivery, Depth, ErrorKind, Mode, Severity, layout_on, salvage_on};
use quipu_disk::{Access, Disk, FaultDisk, write_all_at};
use quipu_format::ByteOffset;
use quipu_format::checksum::Place;
use quipu_format::frame::{FLAG_SPARSE, FrameHeader, FrameKind};
use quipu_format::segment::SegmentHeader;

use super::store::{EVENTS, PATH, Read, closed_store, files, open, options, positions, verified};
use crate::frames::frames;

/// A change of a frame's header.
type Plant = fn(&mut FrameHeader);

/// What a newer version may make of the frame of a commit.
const COMMITS: [Plant; 2] =
    [|header| header.flags |= FLAG_SPARSE, |header| header.kind = FrameKind::Encrypted];

/// Changes the header of the n-th frame of a kind in a segment, and sums it anew.
fn plant(disk: &FaultDisk, path: &Path, (kind, nth): (FrameKind, usize), change: Plant) -> u64 {
    let bytes = disk.contents(path).unwrap();
    let salt = SegmentHeader::decode(&bytes).unwrap().salt;
    let mut of_kind = frames(&bytes).into_iter().filter(|(_, header)| header.kind == kind);
    let (at, mut header) = of_kind.nth(nth).unwrap();
    change(&mut header);
    let file = disk.open(path, Access::Write).unwrap();
    write_all_at(&*file, &header.encode(Place::new(salt, ByteOffset(at))), at).unwrap();
    header.first_position.0
}

/// A store with such a frame in a sealed segment, in front of its second commit, and that commit's position.
fn sealed(change: Plant) -> (FaultDisk, PathBuf, u64) {
    let disk = closed_store();
    let path = files(&disk, "seg").remove(4);
    let position = plant(&disk, &path, (FrameKind::Events, 1), change);
    (disk, path, position)
}

#[test]
fn in_a_sealed_segment_its_events_are_refused_and_others_are_served() {
    for change in COMMITS {
        let (disk, _, position) = sealed(change);
        let store = open(&disk, Mode::ReadOnly).unwrap();
        let (others, inside) =
            (Read::expected(EVENTS, 1, &(position..position + 1)), position..EVENTS);
        for selection in [store.category("s"), store.tag("tag"), store.event_type("T")] {
            assert_eq!(Read::of(selection.clone().backward().events().unwrap()), others);
            assert_eq!(Read::of(selection.events().unwrap()), others);
        }
        // What a frame of such a kind means for those behind it is not known.
        let before = Read::expected(EVENTS, 1, &inside);
        assert_eq!(Read::of(store.all().events().unwrap()), before);
        let behind = store.all().from(position + 1).events().unwrap();
        assert_eq!(Read::of(behind).served, (position + 1..EVENTS).collect::<Vec<_>>());
    }
}

#[test]
fn in_a_sealed_segment_following_ends_there() {
    for change in COMMITS {
        let (disk, _, position) = sealed(change);
        let store = open(&disk, Mode::ReadOnly).unwrap();
        for selection in [store.all(), store.category("s")] {
            let mut follower = selection.from(position - 1).subscribe().unwrap();
            assert!(matches!(follower.next().unwrap(), Some(Delivery::Event(_))));
            assert_eq!(follower.next().unwrap_err().kind(), ErrorKind::Unsupported);
            assert_eq!(follower.position().0, position);
            assert!(follower.next().unwrap().is_none(), "told once");
        }
    }
}

#[test]
fn in_the_place_of_a_link_it_is_not_stepped_over() {
    let disk = closed_store();
    let path = files(&disk, "seg").remove(4);
    let inside = positions(&disk, &path);
    let control: Plant = |header| header.kind = FrameKind::Control;
    assert_eq!(plant(&disk, &path, (FrameKind::Link, 0), control), inside.start);
    let store = open(&disk, Mode::ReadOnly).unwrap();
    let read = Read::of(store.all().events().unwrap());
    assert_eq!(read, Read::expected(EVENTS, 1, &(inside.start..EVENTS)));
}

#[test]
fn verification_calls_it_newer_and_not_damaged() {
    for change in COMMITS {
        let (disk, path, position) = sealed(change);
        let report = verified(&disk).unwrap();
        let [finding] = &report.findings[..] else { panic!("{:?}", report.findings) };
        assert_eq!((finding.severity, &finding.file), (Severity::Unsupported, &path));
        assert_eq!(finding.positions.start.0, position);
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let (from, to) = (Path::new(PATH), Path::new("copy"));
        let salvaged = salvage_on(&shared, from, to, &options(), &mut |_| {}).map(drop);
        let counted = layout_on(&disk, from, Depth::Records, &mut |_| {}).map(drop);
        for refused in [salvaged, counted] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
        }
    }
}

/// Puts such a frame into the last segment that holds events.
fn plant_in_the_last(disk: &FaultDisk, change: Plant) {
    // What its index covers is not read by an opening.
    files(disk, "idx").iter().for_each(|index| disk.remove(index).unwrap());
    let holding = files(disk, "seg").into_iter().rfind(|path| {
        frames(&disk.contents(path).unwrap())
            .iter()
            .any(|(_, header)| header.kind == FrameKind::Events)
    });
    plant(disk, &holding.unwrap(), (FrameKind::Events, 0), change);
}

/// The segments that are not sealed are left out then, which is no loss of what the last close tells of.
#[test]
fn in_the_last_segment_verification_does_not_miss_what_stands_there() {
    for change in COMMITS {
        let disk = closed_store();
        let store = open(&disk, Mode::Existing).unwrap();
        let disk = disk.kill();
        drop(store);
        plant_in_the_last(&disk, change);
        let findings = verified(&disk).unwrap().findings;
        assert!(findings.iter().any(|finding| finding.severity == Severity::Unsupported));
        assert!(
            !findings.iter().any(|finding| finding.severity == Severity::Damage),
            "{findings:?}"
        );
    }
}

#[test]
fn in_the_last_segment_the_store_is_not_opened() {
    for change in COMMITS {
        let disk = closed_store();
        plant_in_the_last(&disk, change);
        for mode in [Mode::ReadOnly, Mode::Existing] {
            assert_eq!(open(&disk, mode).unwrap_err().kind(), ErrorKind::Unsupported);
        }
    }
}
