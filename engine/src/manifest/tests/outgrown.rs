//! How large a manifest may become.

use quipu_format::{Hash, Timestamp};

use super::super::load::load_within;
use super::*;

fn sealed(number: u32) -> Edit {
    let seal = Seal {
        events: 0,
        dropped: 0,
        first_position: Position(0),
        next_position: Position(0),
        first_time: Timestamp(0),
        last_time: Timestamp(0),
        occurred: None,
        content_hash: Hash::default(),
        origin_hash: Hash::default(),
        chain: Hash::default(),
    };
    Edit::Sealed { end: Lsn::new(SegmentId(number), FIRST_EDIT), seal, ending: Ending::Cut }
}

#[test]
fn the_edits_of_a_segment_take_what_is_kept_for_them() {
    let mut bytes = Vec::new();
    for edit in [segment(1), sealed(1)] {
        edit.encode(1, Place::new(Salt(1), FIRST_EDIT), &mut bytes);
    }
    assert_eq!(bytes.len() as u64, SEGMENT_EDITS_BYTES);
    let most = (MANIFEST_BYTES_MAX - FIRST_EDIT.0 - MANIFEST_BYTES_MIN) / SEGMENT_EDITS_BYTES;
    assert_eq!(most, 3_728_028, "as the bound says");
}

/// One that was written anew has room for as much again, and for a few hundred edits at least.
#[test]
fn more_edits_at_once_than_there_is_room_for_are_refused_and_not_written_behind_the_end() {
    let (_, _, mut manifest) = created();
    let edits: Vec<Edit> = (1..2_000).map(segment).collect();
    assert_eq!(manifest.add(&edits).unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(manifest.file.size().unwrap(), manifest.size);
    assert!(manifest.listing().segments.is_empty());
    manifest.add(&edits[..100]).unwrap();
}

/// A manifest that nobody could read is not written: one segment more is refused before that, and whatever else is to
/// be said finds room.
#[test]
fn a_manifest_never_outgrows_what_can_be_read() {
    const SEGMENTS: u32 = 400;
    let (disk, directory, mut manifest) = created();
    let most = FIRST_EDIT.0 + MANIFEST_BYTES_MIN + u64::from(SEGMENTS) * SEGMENT_EDITS_BYTES;
    manifest.bytes_max = most;
    let contents = || {
        let file = disk.open(&directory.manifest(), Access::Read).unwrap();
        let mut bytes = vec![0; file.size().unwrap() as usize];
        quipu_disk::read_exact_at(&*file, &mut bytes, 0).unwrap();
        bytes
    };
    (1..=SEGMENTS).for_each(|number| manifest.add(&[segment(number)]).unwrap());
    let before = contents();
    for edits in [vec![segment(401)], vec![segment(400), segment(401)]] {
        assert_eq!(manifest.make_room(&edits).unwrap_err().kind(), ErrorKind::Full);
        assert_eq!(manifest.add(&edits).unwrap_err().kind(), ErrorKind::Full);
    }
    assert!(contents() == before, "a refusal changes nothing");
    (1..=SEGMENTS).for_each(|number| manifest.add(&[sealed(number)]).unwrap());
    for _ in 0..2_000 {
        let closed = Edit::Closed { end: Lsn(0), next_position: Position(0) };
        manifest.add(&[Edit::Opened { epoch: Epoch([1; 16]) }]).unwrap();
        manifest.add(&[closed]).unwrap();
    }
    assert!(manifest.header().generation > 3 && contents().len() as u64 <= most);
    let loaded = load_within(&*disk, &directory, most).unwrap().unwrap();
    assert_eq!((&loaded.listing, loaded.rest), (manifest.listing(), None));
    assert!(load_within(&*disk, &directory, contents().len() as u64 - 1).is_err());
    manifest.add(&[retired(7)]).unwrap();
    manifest.add(&[segment(401)]).unwrap();
    assert_eq!(manifest.add(&[segment(402)]).unwrap_err().kind(), ErrorKind::Full);
}
