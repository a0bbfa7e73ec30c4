//! A sealed segment that only a newer version can read: nothing of it is served, and the rest of the store is.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu::ExpectedVersion::{Any, Exact};
use quipu::{
    AppendCondition, Delivery, Depth, ErrorKind, Mode, Query, QueryItem, Severity, Store,
    Timestamp, layout_on, rebuild_index_on, salvage_on,
};
use quipu_disk::{Access, Disk, FaultDisk, write_all_at};
use quipu_format::ByteOffset;
use quipu_format::checksum::Place;
use quipu_format::frame::{FrameHeader, FrameKind};
use quipu_format::segment::{FIRST_FRAME, SegmentHeader};

use super::store::{
    EVENTS, Mask, PATH, Read, check, closed_store, copy, event, files, open, options, positions,
    set, verified,
};

/// A store with a segment that only a newer version can read, and the positions in it.
fn newer() -> (FaultDisk, PathBuf, Range<u64>) {
    let disk = closed_store();
    let path = files(&disk, "seg").remove(4);
    let positions = positions(&disk, &path);
    set(&disk, &path, Mask::Incompatible);
    (disk, path, positions)
}

#[test]
fn without_any_index_the_same_is_served_and_refused() {
    let (whole, path, refused) = newer();
    for kinds in [&["idx"][..], &["run"], &["idx", "run"]] {
        let disk = copy(&whole);
        let gone = kinds.iter().flat_map(|kind| files(&disk, kind));
        gone.for_each(|file| disk.remove(&file).unwrap());
        check(&open(&disk, Mode::ReadOnly).unwrap(), &refused, &format!("without {kinds:?}"));
        let written = open(&disk, Mode::Existing);
        if *kinds == ["idx", "run"] {
            // The heads of the streams in it are known to nobody.
            let error = written.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        } else {
            let store = written.unwrap();
            store.append("s-even", Exact(EVENTS / 2 - 1), [event()]).unwrap();
        }
    }
}

#[test]
fn opening_does_not_look_at_sealed_segments() {
    let disk = closed_store();
    let mut segments = files(&disk, "seg");
    segments.pop();
    segments.iter().for_each(|file| set(&disk, file, Mask::Incompatible));
    let store = open(&disk, Mode::Existing).unwrap();
    store.append("s-even", Exact(EVENTS / 2 - 1), [event()]).unwrap();
    let read = Read::of(store.all().events().unwrap());
    assert_eq!(read.refused, segments.len());
    assert!(!read.served.is_empty() && read.served.ends_with(&[EVENTS - 1, EVENTS]), "{read:?}");
}

#[test]
fn it_is_named_with_its_file_and_its_positions() {
    let (disk, path, refused) = newer();
    let store = open(&disk, Mode::ReadOnly).unwrap();
    let mut events = store.category("s").from(refused.start + 1).events().unwrap();
    let error = events.next().unwrap_err();
    let said = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let lost = format!("positions {} to {} cannot", refused.start + 1, refused.end - 1);
    assert!(said.contains(&path.display().to_string()) && said.contains(&lost), "{said}");
    assert_eq!(events.next().unwrap().unwrap().position().0, refused.end);
}

#[test]
fn a_follower_ends_there_and_stays_where_a_newer_version_can_go_on() {
    let (disk, _, refused) = newer();
    let store = open(&disk, Mode::ReadOnly).unwrap();
    for selection in [store.all(), store.category("s"), store.tag("tag")] {
        let mut follower = selection.subscribe().unwrap();
        for position in 0..refused.start {
            let Some(Delivery::Event(event)) = follower.next().unwrap() else { panic!("none") };
            assert_eq!(event.position().0, position);
        }
        assert_eq!(follower.next().unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(follower.position().0, refused.start);
        assert!(follower.next().unwrap().is_none(), "told once");
        assert_eq!(follower.try_next().unwrap_err().kind(), ErrorKind::Unsupported);
    }
    let mut behind = store.all().from(refused.end).subscribe().unwrap();
    assert!(matches!(behind.next().unwrap(), Some(Delivery::Event(_))));
}

#[test]
fn whoever_asks_for_something_in_it_is_told_and_for_anything_else_is_served() {
    let (disk, _, refused) = newer();
    let store = open(&disk, Mode::ReadOnly).unwrap();
    let inside = refused.start / 2 + 1;
    let read = Read::of(store.stream("s-even").from(inside).events().unwrap());
    assert_eq!(read.refused, 1);
    assert_eq!(read.served.first(), Some(&(refused.end.next_multiple_of(2))));
    let odd = |position: u64| format!("s-{}", position | 1);
    assert_eq!(Read::of(store.stream(&odd(refused.start)).events().unwrap()).refused, 1);
    assert_eq!(Read::of(store.stream(&odd(refused.end)).events().unwrap()).refused, 0);
    // By time: it is not known where in the segment a time lies.
    let time = recorded(&store, refused.end);
    let since = Read::of(store.all().since(time).events().unwrap());
    assert!(since.served.contains(&refused.end), "{since:?}");
    let since = Read::of(store.all().since(Timestamp(0)).events().unwrap());
    assert_eq!(since, Read::expected(EVENTS, 1, &refused));
    let names: Vec<_> = store.streams("s-").unwrap().collect();
    assert_eq!(names.iter().filter(|name| name.is_ok()).count() as u64, EVENTS / 2 + 1);
}

fn recorded(store: &Store, position: u64) -> Timestamp {
    store.all().from(position).events().unwrap().next().unwrap().unwrap().recorded()
}

#[test]
fn a_condition_that_reaches_it_is_not_answered_and_others_are() {
    let (disk, _, refused) = newer();
    let store = open(&disk, Mode::Existing).unwrap();
    let submit = |after: u64| {
        let item = QueryItem::new().event_type("T").tag("another");
        let named = QueryItem::new().event_type("T").tag("tag");
        let query = Query::new().item(item).item(named);
        let condition = AppendCondition { fail_if: query, after: Some(after.into()) };
        let commit = store.commit().append("a", Any, [event()]).fail_if(condition);
        commit.submit().and_then(quipu::Ticket::wait)
    };
    assert_eq!(submit(refused.start - 1).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(store.next_position().0, EVENTS, "nothing was written");
    assert_eq!(submit(refused.end - 1).unwrap_err().kind(), ErrorKind::Conflict);
    submit(EVENTS - 1).unwrap();
}

#[test]
fn a_damaged_header_asks_for_nothing() {
    for mask in [Mask::Compatible, Mask::ReadOnlyCompatible, Mask::Incompatible] {
        let disk = closed_store();
        let path = files(&disk, "seg").remove(4);
        let mut bytes = disk.contents(&path).unwrap();
        bytes[mask as usize] ^= 1;
        disk.put(&path, &bytes).unwrap();
        check(&open(&disk, Mode::ReadOnly).unwrap(), &(0..0), "a header that does not sum up");
        let report = verified(&disk).unwrap();
        assert_eq!(report.worst(), Some(Severity::Damage));
        assert!(report.findings.iter().any(|finding| finding.file == path), "{report:?}");
    }
}

#[test]
fn it_is_not_salvaged_and_not_counted_and_its_index_is_left() {
    let (disk, path, _) = newer();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (from, to) = (Path::new(PATH), Path::new("copy"));
    let salvaged = salvage_on(&shared, from, to, &options(), &mut |_| {});
    assert_eq!(salvaged.unwrap_err().kind(), ErrorKind::Unsupported);
    let counted = layout_on(&disk, from, Depth::Records, &mut |_| {});
    assert_eq!(counted.unwrap_err().kind(), ErrorKind::Unsupported);
    let index = path.with_extension("idx");
    let bytes = disk.contents(&index).unwrap();
    let rebuilt = rebuild_index_on(&shared, from, &options(), &mut |_| {});
    let [left] = &rebuilt.unwrap().damage[..] else { panic!("one segment is left") };
    assert_eq!(left.kind(), ErrorKind::Unsupported);
    assert_eq!(disk.contents(&index).unwrap(), bytes);
}

/// Gives the second frame of events in a segment a flag that this version does not know.
fn set_flag(disk: &FaultDisk, path: &Path) -> u64 {
    let bytes = disk.contents(path).unwrap();
    let salt = SegmentHeader::decode(&bytes).unwrap().salt;
    let (mut at, mut events) = (FIRST_FRAME, 0);
    loop {
        let place = Place::new(salt, at);
        let mut frame = FrameHeader::decode(&bytes[at.0 as usize..], place).unwrap();
        events += u64::from(frame.kind == FrameKind::Events);
        if events == 2 {
            frame.flags = 0x40;
            let file = disk.open(path, Access::Write).unwrap();
            write_all_at(&*file, &frame.encode(place), at.0).unwrap();
            return at.0;
        }
        at = ByteOffset(at.0 + u64::from(frame.len));
    }
}

#[test]
fn verification_goes_on_behind_a_frame_of_a_newer_version() {
    let disk = closed_store();
    let path = files(&disk, "seg").remove(4);
    let inside = positions(&disk, &path);
    let at = set_flag(&disk, &path);
    let report = verified(&disk).unwrap();
    let [finding] = &report.findings[..] else { panic!("{:?}", report.findings) };
    assert_eq!((finding.severity, &finding.file), (Severity::Unsupported, &path));
    assert_eq!(finding.offset, at);
    assert_eq!(finding.positions.start.0..finding.positions.end.0, inside.start + 1..inside.end);
    assert_eq!(report.events, EVENTS - (inside.end - inside.start - 1));
    assert_eq!(report.next_position.0, EVENTS);
}

#[test]
fn damage_elsewhere_is_still_found_and_is_worse() {
    let (disk, _, _) = newer();
    let other = files(&disk, "seg").remove(7);
    let mut bytes = disk.contents(&other).unwrap();
    bytes[5000] ^= 1;
    disk.put(&other, &bytes).unwrap();
    let report = verified(&disk).unwrap();
    assert_eq!(report.worst(), Some(Severity::Damage));
    let has = |severity| report.findings.iter().any(|finding| finding.severity == severity);
    assert!(has(Severity::Damage) && has(Severity::Unsupported), "{:?}", report.findings);
}
