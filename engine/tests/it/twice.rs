//! A log that is damaged in two places at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu::{ErrorKind, ExpectedVersion, Mode, NewEvent, Store};
use quipu_disk::{FaultDisk, PowerCut};
use quipu_format::checksum::Place;
use quipu_format::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind};
use quipu_format::segment::{FIRST_FRAME, SegmentHeader};
use quipu_format::{ByteOffset, align_up};

use crate::reading::served_and_lost;
use crate::small::options;

const EVENTS: u64 = 6;

fn open(disk: &FaultDisk, mode: Mode) -> quipu::Result<Store> {
    Store::builder("s").disk(Arc::new(disk.clone())).options(options()).mode(mode).open()
}

fn segment() -> PathBuf {
    Path::new("s").join("0000000001.seg")
}

/// The segment of a store whose writer was killed, each event in a frame of its own.
fn killed() -> FaultDisk {
    let disk = FaultDisk::new(1);
    let store = open(&disk, Mode::Create).unwrap();
    for _ in 0..EVENTS {
        store.append("a", ExpectedVersion::Any, [NewEvent::new("T", vec![1; 500])]).unwrap();
    }
    let after = disk.power_cut(PowerCut::KeepAll);
    drop(store);
    after
}

/// The frames of a segment, and where they stand.
fn frames(bytes: &[u8]) -> Vec<(usize, FrameHeader)> {
    let salt = SegmentHeader::decode(bytes).unwrap().salt;
    let (mut frames, mut at) = (Vec::new(), FIRST_FRAME.0);
    while let Ok(header) =
        FrameHeader::decode(&bytes[at as usize..], Place::new(salt, ByteOffset(at)))
    {
        frames.push((at as usize, header));
        at = align_up(at + u64::from(header.len), 16);
    }
    frames
}

/// A later frame calls the first of the two durable, so its event is lost. Nothing calls the second durable, which is
/// the last: there the log ends.
#[test]
fn a_damaged_frame_before_a_torn_tail_is_told_and_the_tail_is_not() {
    let disk = killed();
    let mut bytes = disk.contents(&segment()).unwrap();
    let frames = frames(&bytes);
    let events = frames.iter().filter(|(_, header)| header.kind == FrameKind::Events);
    let events: Vec<usize> = events.map(|(at, _)| *at).collect();
    assert_eq!(events.len() as u64, EVENTS);
    for at in [events[2], events[5]] {
        bytes[at + FRAME_HEADER_BYTES + 100] ^= 1;
    }
    // A mark may stand behind, if the writer had the time.
    let (last, header) = frames[frames.len() - 1];
    if header.kind == FrameKind::Mark {
        bytes[last..].fill(0);
    }
    disk.put(&segment(), &bytes).unwrap();
    assert_eq!(open(&disk, Mode::Existing).map(drop).unwrap_err().kind(), ErrorKind::Damaged);
    let store = open(&disk, Mode::ReadOnly).unwrap();
    let (served, lost) = served_and_lost(&store);
    assert_eq!(served, EVENTS - 2);
    assert_eq!(lost, 1);
}
