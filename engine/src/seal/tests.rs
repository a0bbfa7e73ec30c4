//! What a segment is summed up to, from frames that sum up.

use quipu_format::SegmentId;
use quipu_format::frame::FrameKind;

use super::*;
use quipu_disk::{Access, Disk, Fault, FaultDisk, FaultKind};

use crate::ErrorKind;
use crate::directory::Directory;
use crate::frames::tests::{SALT, commit, frame, header, segment};
use crate::pipeline::SegmentRef;

const AT: u64 = FIRST_FRAME.0;

fn events(at: u64, position: u64, time: i64) -> Vec<u8> {
    let header = FrameHeader { time: Timestamp(time), ..header(FrameKind::Events, position, 2) };
    commit(at, header, &[0, 1])
}

fn summed(frames: &[Vec<u8>], positions: Range<u64>) -> Result<Seal> {
    let file = segment(SegmentId(1), frames);
    let positions = Position(positions.start)..Position(positions.end);
    sum_up(&file, &Extent { end: file.capacity, positions }, Hash([9; 32]))
}

#[test]
fn a_segment_is_summed_up_to_what_it_holds() {
    let first = events(AT, 5, 10);
    let second = events(AT + first.len() as u64, 7, 20);
    let seal = summed(&[first.clone(), second.clone()], 5..9).unwrap();
    assert_eq!(
        (seal.events, seal.first_position, seal.next_position),
        (4, Position(5), Position(9))
    );
    assert_eq!((seal.first_time, seal.last_time), (Timestamp(10), Timestamp(20)));
    assert_eq!((seal.occurred, seal.dropped), (None, 0));
    let bytes = [vec![0; AT as usize], first, second].concat();
    let content = blake3::hash(&bytes);
    assert_eq!((seal.content_hash, seal.origin_hash), (Hash(content.into()), Hash(content.into())));
    let chain = blake3::hash(&[[9; 32], *content.as_bytes()].concat());
    assert_eq!(seal.chain, Hash(chain.into()));
}

#[test]
fn valid_frames_that_were_not_written_are_damage() {
    let frames = [events(AT, 5, 10)];
    for positions in [5..6, 5..8] {
        assert_eq!(summed(&frames, positions).unwrap_err().kind(), ErrorKind::Damaged);
    }
}

#[test]
fn damage_is_left_out_of_the_times_and_counted_by_its_positions() {
    let first = events(AT, 5, 10);
    let mut second = events(AT + first.len() as u64, 7, 20);
    let third = events(AT + (first.len() + second.len()) as u64, 9, 15);
    second[50] ^= 1;
    let frames = [first, second, third];
    let seal = summed(&frames, 5..11).unwrap();
    assert_eq!((seal.events, seal.first_time, seal.last_time), (6, Timestamp(10), Timestamp(15)));
    let bytes = [vec![0; AT as usize], frames.concat()].concat();
    assert_eq!(seal.content_hash, Hash(blake3::hash(&bytes).into()), "of the bytes as they are");
}

/// It is held against the bytes for ever.
#[test]
fn a_byte_that_is_read_wrongly_once_does_not_get_into_a_seal() {
    let first = events(AT, 5, 10);
    let second = events(AT + first.len() as u64, 7, 20);
    let bytes = [vec![0; AT as usize], first, second].concat();
    let (disk, directory) = (FaultDisk::new(3), Directory::new("store"));
    disk.create_directory(directory.path()).unwrap();
    let id = SegmentId(1);
    let path = directory.segment(id);
    write_all_at(&*disk.open(&path, Access::Create).unwrap(), &bytes, 0).unwrap();
    let capacity = ByteOffset(bytes.len() as u64);
    let file =
        SegmentFile::open(&disk, &directory, SegmentRef { id, salt: SALT, capacity }).unwrap();
    let sum_up = || {
        let before = disk.operations();
        let positions = Position(5)..Position(9);
        let seal = sum_up(&file, &Extent { end: capacity, positions }, Hash([9; 32])).unwrap();
        (seal, disk.operations() - before)
    };
    let (expected, calls) = sum_up();
    for call in 0..calls {
        disk.plan(Fault { at: disk.operations() + call, kind: FaultKind::Misread, sticky: false });
        assert_eq!(sum_up().0, expected, "call {call}");
    }
    assert!(calls > 2, "{calls}");
}

#[test]
fn what_only_a_newer_version_understands_is_not_summed_up() {
    let control = frame(AT, header(FrameKind::Control, 5, 0), &[0; 16]);
    assert_eq!(summed(&[control], 5..5).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn the_bytes_of_a_file_are_hashed_part_by_part_to_the_end_and_no_further() {
    let bytes: Vec<u8> = (0..2 * STEP_BYTES + 5000).map(|at| ((at * at) >> 11) as u8).collect();
    let file = segment(SegmentId(1), std::slice::from_ref(&bytes));
    let bytes = [vec![0; AT as usize], bytes].concat();
    for end in [0, 1, AT, STEP_BYTES - 1, STEP_BYTES, STEP_BYTES + 1, 2 * STEP_BYTES + 77] {
        let expected = Hash(blake3::hash(&bytes[..end as usize]).into());
        assert_eq!(hash(&file, ByteOffset(end)).unwrap(), expected, "{end}");
    }
}
