//! Frames whose checksums match, also those that no writer gives.

use std::path::Path;
use std::sync::Arc;

use quipu_disk::{Access, Disk, FaultDisk, MemoryDisk, write_all_at};
use quipu_format::record::{Codec, Fields, encode, settle};
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{SegmentId, Version};

use super::*;
use crate::directory::Directory;
use crate::pipeline::SegmentRef;
use crate::recovery::SegmentFile;

pub(crate) const SALT: Salt = Salt(0x5a17);

/// A header with nothing special about it.
pub(crate) fn header(kind: FrameKind, position: u64, events: u16) -> FrameHeader {
    FrameHeader {
        kind,
        flags: 0,
        len: 0,
        events,
        first_position: Position(position),
        time: Timestamp(1),
        durable_to: FIRST_FRAME,
    }
}

/// The frame at this place with this body; its length is written into the header.
pub(crate) fn frame(at: u64, header: FrameHeader, body: &[u8]) -> Vec<u8> {
    let len = (FRAME_HEADER_BYTES + body.len()) as u32;
    let header = FrameHeader { len, ..header };
    let mut bytes = header.encode(Place::new(SALT, ByteOffset(at))).to_vec();
    bytes.extend_from_slice(body);
    bytes
}

/// A commit of records with these numbers, in a frame that says that it holds so many events.
pub(crate) fn commit(at: u64, header: FrameHeader, ordinals: &[u16]) -> Vec<u8> {
    let mut bytes = vec![0; FRAME_HEADER_BYTES];
    for &ordinal in ordinals {
        record(&mut bytes, at, ordinal);
    }
    frame(at, header, &bytes[FRAME_HEADER_BYTES..])
}

fn record(bytes: &mut Vec<u8>, at: u64, ordinal: u16) {
    let start = bytes.len();
    let fields = Fields {
        stream: "stream",
        kind: "type",
        tags: &[],
        metadata: &[],
        payload: b"payload",
        codec: Codec::Bytes,
        occurred: None,
        id: None,
        ordinal,
    };
    let draft = encode(bytes, &fields);
    settle(&mut bytes[start..], draft, Version(0), Place::new(SALT, ByteOffset(at + start as u64)));
}

/// A file that holds these bytes from the first frame on.
pub(crate) fn file(frames: &[u8]) -> Arc<dyn File> {
    let file = MemoryDisk::new().open(Path::new("segment"), Access::Create).unwrap();
    write_all_at(&*file, &vec![0; FIRST_FRAME.0 as usize], 0).unwrap();
    write_all_at(&*file, frames, FIRST_FRAME.0).unwrap();
    file
}

/// A segment that holds these frames and has no room for more.
pub(crate) fn segment(id: SegmentId, frames: &[Vec<u8>]) -> SegmentFile {
    segment_behind(0, id, frames)
}

/// The same, with this in each byte of its header.
pub(crate) fn segment_behind(header: u8, id: SegmentId, frames: &[Vec<u8>]) -> SegmentFile {
    let (disk, directory) = (MemoryDisk::new(), Directory::new("store"));
    disk.create_directory(directory.path()).unwrap();
    let file = disk.open(&directory.segment(id), Access::Create).unwrap();
    let mut bytes = vec![header; FIRST_FRAME.0 as usize];
    bytes.extend(frames.concat());
    write_all_at(&*file, &bytes, 0).unwrap();
    let capacity = ByteOffset(bytes.len() as u64);
    SegmentFile::open(&disk, &directory, SegmentRef { id, salt: SALT, capacity }).unwrap()
}

fn frames(file: &dyn File) -> Frames<'_> {
    Frames::new(file, SALT, ByteOffset(file.size().unwrap()))
}

/// Where a frame is wrong and why, if it is.
fn wrong(bytes: &[u8]) -> Option<(u64, FormatError)> {
    let file = file(bytes);
    let mut frames = frames(&*file);
    let read = frames.frame_at(FIRST_FRAME).unwrap().and_then(|frame| frame.body().map(drop));
    read.err().map(|bad| (bad.at.0, bad.error))
}

const AT: u64 = FIRST_FRAME.0;

#[test]
fn a_commit_holds_its_own_records_all_of_them_in_order() {
    let events = |count| header(FrameKind::Events, 0, count);
    assert_eq!(wrong(&commit(AT, events(2), &[0, 1])), None);
    let of_another = FormatError::Invalid("a record of another frame");
    assert_eq!(wrong(&commit(AT, events(2), &[1, 0])), Some((AT + 32, of_another.clone())));
    let second = AT + 32 + (commit(AT, events(1), &[0]).len() as u64 - 32);
    assert_eq!(wrong(&commit(AT, events(2), &[0, 0])), Some((second, of_another.clone())));
    let less = FormatError::Invalid("number of records in a frame");
    assert_eq!(wrong(&commit(AT, events(5), &[0, 1, 2, 3])), Some((AT, less.clone())));
    assert_eq!(wrong(&commit(AT, events(1), &[0, 1])), Some((AT, less)));
    // A record that stood 16 bytes further on in the frame, summed for where it stands now.
    let mut bytes = vec![0; FRAME_HEADER_BYTES + 16];
    record(&mut bytes, AT - 16, 0);
    let moved = frame(AT, events(1), &bytes[FRAME_HEADER_BYTES + 16..]);
    assert_eq!(wrong(&moved), Some((AT + 32, of_another)));
}

#[test]
fn a_kind_is_known_or_stepped_over_or_asks_for_a_newer_version() {
    let of = |kind, body: &[u8]| wrong(&frame(AT, header(kind, 0, 0), body));
    assert_eq!(of(FrameKind::Mark, &[]), None);
    assert_eq!(of(FrameKind::Skippable(0x80), &[1; 16]), None);
    for (kind, value) in [(FrameKind::Control, 3), (FrameKind::Encrypted, 6)] {
        let newer = FormatError::Unsupported { what: "frame kind", value };
        assert_eq!(of(kind, &[0; 16]), Some((AT, newer)));
    }
    for kind in [FrameKind::Mark, FrameKind::Link, FrameKind::Seal] {
        let length = FormatError::Invalid("frame length");
        assert_eq!(of(kind, &[0; 16]), Some((AT, length)), "{kind:?}");
    }
}

#[test]
fn a_frame_ends_with_what_may_be_read() {
    let bytes = commit(AT, header(FrameKind::Events, 0, 1), &[0]);
    let file = file(&bytes);
    let limit = AT + bytes.len() as u64;
    for (less, needed) in [(1, bytes.len() as u64), (bytes.len() as u64 - 31, 32)] {
        let mut frames = Frames::new(&*file, SALT, ByteOffset(limit - less));
        let bad = frames.frame_at(FIRST_FRAME).unwrap().err().unwrap();
        let available = bytes.len() as u64 - less;
        assert_eq!(bad.error, FormatError::Truncated { needed, available });
        assert_eq!(frames.has_header(FIRST_FRAME).unwrap(), needed != 32);
    }
    let mut frames = Frames::new(&*file, SALT, ByteOffset(AT + 32));
    assert!(frames.has_header(FIRST_FRAME).unwrap());
    assert!(!frames.has_header(ByteOffset(AT + 16)).unwrap());
    assert!(!frames.has_header(ByteOffset(AT + 64)).unwrap(), "behind what may be read");
}

/// Three marks, far enough apart that no two are read at once.
fn far_apart() -> (Arc<dyn File>, [ByteOffset; 3]) {
    let places = [0, 1, 2].map(|nth| FIRST_FRAME.0 + nth * (WINDOW_BYTES + 4096));
    let mut bytes = Vec::new();
    for (nth, at) in (0u64..).zip(places) {
        bytes.resize((at - FIRST_FRAME.0) as usize, 0);
        let mark = FrameHeader {
            time: Timestamp(10 + nth.cast_signed()),
            ..header(FrameKind::Mark, 5 * nth, 0)
        };
        bytes.extend(frame(at, mark, &[]));
    }
    bytes.resize(bytes.len() + 4096, 0);
    (file(&bytes), places.map(ByteOffset))
}

#[test]
fn frames_are_read_in_any_order() {
    let (file, places) = far_apart();
    let mut frames = frames(&*file);
    for nth in [0, 1, 0, 2, 1, 2, 2, 0] {
        let frame = frames.frame_at(places[nth]).unwrap().ok().unwrap();
        assert_eq!(frame.header.first_position, Position(5 * nth as u64));
        assert_eq!((frame.place.offset, frame.bytes.len()), (places[nth], 32));
        assert_eq!(frame.end(), ByteOffset(places[nth].0 + 32));
    }
}

#[test]
fn a_search_finds_the_first_frame_that_is_not_before_position_and_time() {
    let (file, places) = far_apart();
    let mut frames = frames(&*file);
    let mut find = |from: ByteOffset, position, time| {
        let found = frames.find(from, Position(position), Timestamp(time)).unwrap();
        found.map(|(offset, header)| (offset, header.first_position.0))
    };
    let [first, second, third] = places;
    assert_eq!(find(first, 0, 0), Some((first, 0)));
    assert_eq!(find(ByteOffset(first.0 + 16), 0, 0), Some((second, 5)));
    assert_eq!(find(first, 5, 11), Some((second, 5)), "both may be the same");
    assert_eq!(find(first, 6, 0), Some((third, 10)), "a position before it is not taken");
    assert_eq!(find(first, 0, 12), Some((third, 10)), "a time before it is not taken");
    assert_eq!(find(first, 11, 0), None);
    assert_eq!(find(first, 0, 13), None);
    assert_eq!(find(ByteOffset(third.0 + 16), 0, 0), None);
    let end = file.size().unwrap();
    for behind in [end - 32, end - 16, end, end + 16] {
        assert_eq!(find(ByteOffset(behind), 0, 0), None, "{behind} of {end}");
    }
}

#[test]
fn a_frame_is_found_where_one_part_that_is_searched_meets_the_next() {
    for step in 0..4 {
        let before = SEARCH_BYTES - 16 * step;
        let mark = frame(AT + before, header(FrameKind::Mark, 7, 0), &[]);
        for behind in [0, 2 * SEARCH_BYTES] {
            let zeros = |bytes: u64| vec![0; bytes as usize];
            let file = file(&[zeros(before), mark.clone(), zeros(behind)].concat());
            let found = frames(&*file).find(FIRST_FRAME, Position(0), Timestamp(0)).unwrap();
            assert_eq!(found.map(|(offset, _)| offset.0), Some(AT + before), "{before}, {behind}");
        }
    }
}

/// Behind bytes that look like nothing the zeros are stepped over from where the search is.
#[test]
fn a_frame_is_found_behind_what_is_no_header() {
    for junk in [1, 16, 300] {
        let mut bytes = vec![0; 10 << 10];
        bytes[..junk].fill(7);
        let at = AT + bytes.len() as u64;
        bytes.extend(frame(at, header(FrameKind::Mark, 7, 0), &[]));
        bytes.resize(bytes.len() + (4 << 10), 0);
        let file = file(&bytes);
        let found = frames(&*file).find(FIRST_FRAME, Position(0), Timestamp(0)).unwrap();
        assert_eq!(found.map(|(offset, _)| offset.0), Some(at), "{junk}");
    }
}

/// Zeros before it are no reason to pass over whole places.
#[test]
fn a_frame_is_found_right_behind_what_begins_with_zeros() {
    for zeros in 0..UNIT_BYTES as usize {
        let mut bytes = vec![7; UNIT_BYTES as usize];
        bytes[..zeros].fill(0);
        let at = AT + UNIT_BYTES;
        bytes.extend(frame(at, header(FrameKind::Mark, 7, 0), &[]));
        bytes.resize(bytes.len() + (1 << 10), 0);
        let file = file(&bytes);
        let found = frames(&*file).find(FIRST_FRAME, Position(0), Timestamp(0)).unwrap();
        assert_eq!(found.map(|(offset, _)| offset.0), Some(at), "{zeros}");
    }
}

#[test]
fn however_large_a_file_is_a_part_of_it_is_read_at_once() {
    let disk = FaultDisk::new(1);
    let file = disk.open(Path::new("segment"), Access::Create).unwrap();
    write_all_at(&*file, &frame(AT, header(FrameKind::Mark, 0, 0), &[]), AT).unwrap();
    let end = AT + 3 * WINDOW_BYTES;
    write_all_at(&*file, &[0; 4096], end - 4096).unwrap();
    let mut frames = frames(&*file);
    assert!(frames.frame_at(FIRST_FRAME).unwrap().is_ok());
    assert!(frames.find(ByteOffset(AT + 16), Position(0), Timestamp(0)).unwrap().is_none());
    assert!(frames.last_nonzero(0..end).unwrap().is_some());
    assert!(frames.first_nonzero(AT + 32..end).unwrap().is_none());
    assert_eq!(disk.largest_read() as u64, WINDOW_BYTES);
}

#[test]
fn the_ends_of_what_is_not_zero_are_found_in_any_part_of_a_file() {
    let (file, [first, second, third]) = far_apart();
    let mut frames = frames(&*file);
    let end = file.size().unwrap();
    // Of a mark no byte but the kind and what it is summed with is certain not to be zero.
    let near = |found: Option<ByteOffset>, frame: ByteOffset| {
        found.is_some_and(|found| (frame.0..frame.0 + 32).contains(&found.0))
    };
    assert!(near(frames.last_nonzero(0..end).unwrap(), third));
    assert!(near(frames.last_nonzero(0..third.0).unwrap(), second));
    assert!(near(frames.last_nonzero(0..second.0).unwrap(), first));
    assert_eq!(frames.last_nonzero(0..first.0).unwrap(), None);
    assert!(near(frames.first_nonzero(0..end).unwrap(), first));
    assert!(near(frames.first_nonzero(first.0 + 32..end).unwrap(), second));
    assert!(near(frames.first_nonzero(second.0 + 32..end).unwrap(), third));
    assert_eq!(frames.first_nonzero(third.0 + 32..end).unwrap(), None);
    assert_eq!(frames.first_nonzero(end..end).unwrap(), None);
}

/// The good records of a frame that begins with so many that look like one and do not sum up.
fn good_behind(bad: u16) -> Vec<u16> {
    let mut bytes = vec![0; FRAME_HEADER_BYTES];
    for ordinal in 0..=bad {
        let start = bytes.len();
        record(&mut bytes, AT, ordinal);
        // The ordinal stands where it does; the version does not sum up.
        bytes[start + 8] ^= u8::from(ordinal < bad);
    }
    let bytes = frame(AT, header(FrameKind::Events, 0, bad + 1), &bytes[FRAME_HEADER_BYTES..]);
    let file = file(&bytes);
    let mut frames = frames(&*file);
    let frame = frames.frame_at(FIRST_FRAME).unwrap().ok().unwrap();
    frame.good_records().iter().map(Record::ordinal).collect()
}

#[test]
fn a_hostile_frame_costs_so_many_sums_and_no_more() {
    assert_eq!(good_behind(0), [0]);
    assert_eq!(good_behind(1), [1]);
    assert_eq!(good_behind(SEARCH_TRIES_MAX as u16 - 1), [SEARCH_TRIES_MAX as u16 - 1]);
    assert_eq!(good_behind(SEARCH_TRIES_MAX as u16), [0; 0]);
}

#[test]
fn all_good_records_around_a_bad_one_are_found() {
    let mut bytes = commit(AT, header(FrameKind::Events, 0, 4), &[0, 1, 2, 3]);
    let each = (bytes.len() - FRAME_HEADER_BYTES) / 4;
    bytes[FRAME_HEADER_BYTES + each + 40] ^= 1;
    let file = file(&bytes);
    let mut frames = frames(&*file);
    let frame = frames.frame_at(FIRST_FRAME).unwrap().ok().unwrap();
    assert_eq!(frame.body().err().unwrap().at.0, AT + 32 + each as u64);
    let good = frame.good_records();
    assert_eq!(good.iter().map(Record::ordinal).collect::<Vec<_>>(), [0, 2, 3]);
}
