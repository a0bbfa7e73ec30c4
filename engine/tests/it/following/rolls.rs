//! Following across rolls, of which not all can be read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quipu::stepping::{Part, Step, Stepper, Waiting};
use quipu::{Durability, ErrorKind, ExpectedVersion, Mode, Options, ReadMode, Store};
use quipu_disk::FaultDisk;

use super::beside::work;
use super::follower::{PATH, event, open_with};
use super::succession::{A_WHILE, acknowledge, known, known_to, left_behind, read_only, stepper};

fn reader(disk: &FaultDisk) -> Store {
    open_with(disk, Options { read_mode: ReadMode::Pread, ..read_only() })
}

fn segments(disk: &FaultDisk) -> Vec<PathBuf> {
    let files = disk.files().into_iter();
    files.filter(|file| file.extension().is_some_and(|it| it == "seg")).collect()
}

/// The last segment that has a frame.
fn last_begun(disk: &FaultDisk) -> PathBuf {
    let is_begun = |file: &PathBuf| disk.contents(file).is_ok_and(|bytes| bytes[4096] != 0);
    segments(disk).into_iter().rfind(is_begun).unwrap()
}

/// A reader's options, of segments of many pages.
fn large() -> Options {
    let bytes = 64 << 10;
    Options {
        segment_bytes_min: bytes,
        segment_bytes_max: bytes,
        read_mode: ReadMode::Pread,
        ..read_only()
    }
}

/// A writer that has appended so many events, and the segment before its last one; none while there is but one.
fn written(events: usize) -> Option<(FaultDisk, Stepper, PathBuf)> {
    let disk = FaultDisk::new(19);
    let writer = stepper(&disk).unwrap();
    assert!((0..events).all(|_| append(&writer)));
    let before_last = segments(&disk).into_iter().nth_back(1)?;
    Some((disk, writer, before_last))
}

/// Longer than a reader waits, if what it is told cannot be taken over, before it looks at all of the store again.
const A_LONG_WHILE: Duration = Duration::from_millis(1200);

/// Nothing that is in a small segment can be read any more, save its header.
fn spoil(disk: &FaultDisk, file: &Path) {
    disk.spoil(file, 4096..8192).unwrap();
}

/// All that is visible to a reader is read by its type, or called lost.
fn nothing_is_missing(disk: &FaultDisk, reader: &Store, when: &str) {
    disk.advance(A_WHILE);
    let all: BTreeSet<u64> = (0..reader.next_position().0).collect();
    assert_eq!(known(reader), all, "{when}");
}

/// Positions of the events that are read by their type.
fn served(reader: &Store) -> Vec<u64> {
    let mut events = reader.event_type("Noted").events().unwrap();
    let mut served = Vec::new();
    loop {
        match events.next() {
            Ok(Some(event)) => served.push(event.position().0),
            Ok(None) => return served,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Damaged, "{error}"),
        }
    }
}

/// Appends an event. False if the store takes none any more: what it was to seal could not be read.
fn append(writer: &Stepper) -> bool {
    let parts =
        [Part { stream: "a", expected: ExpectedVersion::Any, events: vec![event("Noted")] }];
    loop {
        match writer.place(&parts, None, Durability::Sync, &mut Waiting::default()) {
            Ok(Step::Placed(copy)) => break drop(copy.finish()),
            Ok(Step::Busy) => assert!(writer.chore() || work(writer) > 0, "stuck"),
            _ => return false,
        }
    }
    work(writer);
    true
}

/// A segment without a link was prepared and never used, unless another follows it.
#[test]
fn a_segment_whose_link_cannot_be_read_is_not_passed_over_in_silence() {
    for is_spoiled in [true, false] {
        let disk = FaultDisk::new(17);
        let first = stepper(&disk).unwrap();
        acknowledge(&first);
        while first.chore() {}
        let next = segments(&disk).pop().unwrap();
        if is_spoiled {
            spoil(&disk, &next);
        }
        let reader = reader(&disk);
        let wanted = first.segments() + 2;
        while first.segments() < wanted {
            acknowledge(&first);
        }
        if !is_spoiled {
            disk.zero(&next, 4096..4160).unwrap();
        }
        for _ in 0..3 {
            nothing_is_missing(&disk, &reader, &format!("spoiled: {is_spoiled}"));
        }
        assert_eq!(reader.next_position(), first.next_position(), "spoiled: {is_spoiled}");
    }
}

/// What a dead writer had not synced is carried into a new segment. Who cannot read that one has seen the rest in the old
/// one, of which it is no part any more.
#[test]
fn what_was_seen_where_it_is_no_more_is_not_missed() {
    for acknowledged in 1..4 {
        let disk = left_behind();
        let second = stepper(&disk).unwrap();
        spoil(&disk, segments(&disk).last().unwrap());
        let reader = reader(&disk);
        assert_eq!(reader.next_position().0, 2, "what was carried is in the old segment too");
        for _ in 0..acknowledged {
            acknowledge(&second);
            while second.chore() {}
            nothing_is_missing(&disk, &reader, &format!("{acknowledged} acknowledged"));
        }
    }
}

/// Of a segment that cannot be read at all, the index of the one before knows what is missing, until that is sealed.
#[test]
fn what_is_lost_behind_a_segment_is_known_when_that_is_sealed() {
    let mut lost = 0;
    for events in 0..160 {
        let Some((disk, writer, before_last)) = written(events) else { continue };
        spoil(&disk, &before_last);
        let reader = reader(&disk);
        let all: BTreeSet<u64> = (0..reader.next_position().0).collect();
        let mut early = reader.event_type("Noted").events().unwrap();
        for chore in 0..4 {
            nothing_is_missing(&disk, &reader, &format!("{events} events, {chore} chores"));
            writer.chore();
            if !append(&writer) {
                break;
            }
        }
        assert_eq!(known_to(&mut early), all, "{events} events, asked before");
        lost += usize::from(!reader.opening().lost.is_empty());
    }
    assert!(lost > 20, "{lost} with a loss");
}

/// Of a segment that has lost its link a later frame says where it begins. Its seal knows better.
#[test]
fn a_segment_without_its_link_begins_where_its_seal_says() {
    let mut sealed = 0;
    for events in 0..120 {
        let disk = FaultDisk::new(19);
        let writer = stepper(&disk).unwrap();
        assert!((0..events).all(|_| append(&writer)));
        let Some(last) = segments(&disk).pop() else { continue };
        // The first frames of the log, too.
        disk.zero(&last, 4096..4352).unwrap();
        let reader = reader(&disk);
        for more in 0..40 {
            nothing_is_missing(&disk, &reader, &format!("{events} events and {more}"));
            while writer.chore() {}
            assert!(append(&writer));
        }
        nothing_is_missing(&disk, &reader, &format!("{events} events and 40"));
        let anew = self::reader(&disk);
        assert_eq!(served(&reader), served(&anew), "{events} events");
        sealed += usize::from(!reader.opening().lost.is_empty());
    }
    assert!(sealed > 20, "{sealed} without a link");
}

/// Who meets a bad sector where the current segment begins looks again, also if the writer does nothing that shows.
#[test]
fn what_can_be_read_behind_a_bad_sector_is_seen_before_the_next_roll() {
    let disk = FaultDisk::new(19);
    let options = large();
    let writing = Options { mode: Mode::Create, ..options.clone() };
    let writer = Stepper::open(Arc::new(disk.clone()), Path::new(PATH), &writing).unwrap();
    while writer.segments() < 3 {
        assert!(append(&writer));
    }
    // The one before is sealed.
    while writer.chore() {}
    spoil(&disk, &last_begun(&disk));
    let reader = open_with(&disk, options);
    assert!(reader.next_position() < writer.next_position(), "it lies in the bad sector");
    for _ in 0..100 {
        assert!(append(&writer));
        nothing_is_missing(&disk, &reader, "before the roll");
    }
    assert_eq!(writer.segments(), 3);
    disk.advance(A_LONG_WHILE);
    let _ = reader.next_position();
    assert_eq!(reader.next_position(), writer.next_position());
    nothing_is_missing(&disk, &reader, "behind it");
}

/// A cursor goes on with what was known of losses as it was begun, whatever has been sealed meanwhile.
#[test]
fn a_cursor_is_told_of_what_was_lost_behind_a_segment_that_is_sealed_meanwhile() {
    let mut lost = 0;
    for events in 0..120 {
        let Some((disk, writer, before_last)) = written(events) else { continue };
        // What has to be sealed can be read, and says nothing.
        disk.zero(&before_last, 4096..8192).unwrap();
        let reader = reader(&disk);
        let all: BTreeSet<u64> = (0..reader.next_position().0).collect();
        let mut early = reader.event_type("Noted").events().unwrap();
        for _ in 0..80 {
            while writer.chore() {}
            assert!(append(&writer));
        }
        nothing_is_missing(&disk, &reader, &format!("{events} events"));
        assert_eq!(known_to(&mut early), all, "{events} events, asked before");
        lost += usize::from(!reader.opening().lost.is_empty());
    }
    assert!(lost > 20, "{lost} with a loss");
}

/// The index of a segment that holds next to nothing has no room for all that is lost behind it.
#[test]
fn more_is_known_to_be_lost_behind_a_segment_than_that_could_hold() {
    let disk = left_behind();
    let options = large();
    let writing = Options { mode: Mode::Existing, ..options.clone() };
    let writer = Stepper::open(Arc::new(disk.clone()), Path::new(PATH), &writing).unwrap();
    assert!((0..400).all(|_| append(&writer)));
    disk.zero(&last_begun(&disk), 4096..40 << 10).unwrap();
    let reader = open_with(&disk, options);
    assert!(served(&reader).len() < 200, "most of it is lost");
    nothing_is_missing(&disk, &reader, "at once");
}

/// The edits of a manifest that went bad under a reader do not list all segments. What they listed is there.
#[test]
fn a_segment_that_the_manifest_lists_no_more_is_not_called_lost() {
    let manifest = Path::new(PATH).join("manifest");
    let bytes = written(80).unwrap().0.contents(&manifest).unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap() as u64;
    assert!(end > 4096 + 61 * 4, "{end}");
    for offset in (4096..end).step_by(61) {
        let (disk, writer, _) = written(80).unwrap();
        let reader = reader(&disk);
        assert_eq!(served(&reader).len(), 80);
        disk.flip(&manifest, offset, 1).unwrap();
        let wanted = writer.segments() + 2;
        while writer.segments() < wanted {
            assert!(append(&writer));
        }
        disk.advance(A_LONG_WHILE);
        let next = reader.next_position().0;
        assert_eq!(served(&reader).len() as u64, next, "{offset}");
        // Who cannot see whose the page is sees what later frames call durable.
        assert!(next + 1 >= writer.next_position().0, "{offset}: {next}");
    }
}

/// Damage before the last event that was seen, in a segment that had lost its link, takes nothing of that.
#[test]
fn who_has_seen_the_event_behind_damage_goes_on_once_its_segment_is_sealed() {
    let stores: Vec<_> = (20..60).filter_map(written).collect();
    assert!(stores.len() > 20, "{} have more than one segment", stores.len());
    for (disk, writer, _) in stores {
        disk.zero(&last_begun(&disk), 4096..4608).unwrap();
        let reader = reader(&disk);
        nothing_is_missing(&disk, &reader, "beside the writer");
        // All that stands before that segment is there.
        let told = reader.next_position().0 as usize - served(&reader).len();
        assert!(told < 8, "{told} are told to be lost");
        let (seen, wanted) = (reader.next_position(), writer.segments() + 1);
        while writer.segments() < wanted {
            assert!(append(&writer));
        }
        writer.close().unwrap();
        let events = writer.next_position();
        drop(writer);
        nothing_is_missing(&disk, &reader, &format!("{seen} events were seen"));
        assert_eq!(reader.next_position(), events);
    }
}

/// What a cursor gives that was begun before a file went and the log went on, where who comes later makes the index of
/// another segment anew meanwhile; and how many events there were.
fn read_since_before(gone: &str, harmed: usize) -> (Vec<u64>, u64) {
    let disk = FaultDisk::new(19);
    let writer = stepper(&disk).unwrap();
    while writer.segments() < 7 {
        append(&writer);
    }
    while writer.chore() {}
    let harmed = segments(&disk)[harmed].with_extension("idx");
    let reader = reader(&disk);
    let next = reader.next_position().0;
    // The files of all segments are open from now on.
    assert_eq!(served(&reader).len() as u64, next);
    let mut before = reader.event_type("Noted").backward().events().unwrap();
    disk.erase(&Path::new(PATH).join(gone)).unwrap();
    let wanted = writer.segments() + 1;
    while writer.segments() < wanted {
        append(&writer);
    }
    disk.advance(A_WHILE);
    assert_eq!(reader.next_position(), writer.next_position(), "{gone} is gone");
    disk.spoil(&harmed, 4096..8192).unwrap();
    served(&reader);
    let mut read = Vec::new();
    while let Some(event) = before.next().unwrap() {
        read.push(event.position().0);
    }
    (read, next)
}

/// A cursor that was begun before goes back from segment to segment by their indexes. Who comes later cannot where one of
/// those is gone, or a segment, and what it makes anew must not lead the first astray.
#[test]
fn an_index_made_anew_leads_nobody_astray_who_reads_since_before() {
    for (gone, harmed) in [(1, 2), (1, 3), (2, 3), (0, 4), (3, 4)] {
        for kind in ["idx", "seg"] {
            let gone = format!("{:010}.{kind}", gone + 1);
            let (read, next) = read_since_before(&gone, harmed);
            assert!(read.into_iter().eq((0..next).rev()), "{gone} is gone, index {harmed} harmed");
        }
    }
}
