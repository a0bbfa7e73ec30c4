//! A manifest that is missing, garbage, or has lost edits: who reads is told, who writes is refused, and what a crash
//! leaves is never taken for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu::{
    Error, ErrorKind, ExpectedVersion, Mode, NewEvent, Severity, Store, VerifyReport,
    salvageable_on, verify_on,
};
use quipu_disk::{Access, Disk, FaultDisk, PowerCut, RealDisk};
use quipu_format::checksum::Place;
use quipu_format::manifest::{Edit, ManifestHeader};
use quipu_format::{ByteOffset, SegmentId};

use crate::small::options;

const PATH: &str = "s";
const FIRST_EDIT: usize = 4096;

fn open(disk: &FaultDisk, mode: Mode) -> quipu::Result<Store> {
    Store::builder(PATH).disk(Arc::new(disk.clone())).options(options()).mode(mode).open()
}

fn fill(store: &Store, events: u64) {
    for _ in 0..events {
        let event = NewEvent::new("T", vec![1; 500]);
        store.append("a", ExpectedVersion::Any, [event]).unwrap();
    }
}

/// A store of so many events; it was closed.
fn closed(events: u64) -> FaultDisk {
    let disk = FaultDisk::new(1);
    let store = open(&disk, Mode::Create).unwrap();
    fill(&store, events);
    store.close().unwrap();
    disk
}

/// A store of so many events, whose writer was killed.
fn killed(events: u64) -> FaultDisk {
    let disk = FaultDisk::new(2);
    let store = open(&disk, Mode::Create).unwrap();
    fill(&store, events);
    let after = disk.power_cut(PowerCut::KeepAll);
    drop(store);
    after
}

fn manifest() -> PathBuf {
    Path::new(PATH).join("manifest")
}

fn segment(number: usize) -> PathBuf {
    Path::new(PATH).join(format!("{number:010}.seg"))
}

fn segments(disk: &FaultDisk) -> Vec<PathBuf> {
    disk.files().into_iter().filter(|path| path.extension() == Some("seg".as_ref())).collect()
}

/// The last segment that was written; another may have been prepared.
pub(crate) fn last_written(disk: &FaultDisk) -> PathBuf {
    let is_written = |path: &PathBuf| disk.contents(path).unwrap()[4096..].iter().any(|&b| b != 0);
    segments(disk).into_iter().rfind(is_written).unwrap()
}

/// Where the edits end, and where the last of them begins.
fn edits(bytes: &[u8]) -> (usize, usize) {
    let (mut at, mut last) = (FIRST_EDIT, FIRST_EDIT);
    loop {
        let len = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        if len == 0 {
            return (at, last);
        }
        (last, at) = (at, at + len.next_multiple_of(16));
    }
}

fn verified(disk: &FaultDisk) -> VerifyReport {
    verify_on(disk, Path::new(PATH), &mut |_| {}).unwrap()
}

/// Events that are served.
pub(crate) fn served(store: &Store) -> u64 {
    let mut events = store.all().events().unwrap();
    let mut served = 0;
    loop {
        match events.next() {
            Ok(Some(_)) => served += 1,
            Ok(None) => return served,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Damaged, "{error}"),
        }
    }
}

/// Everybody says that this file is damaged: verification, who opens the store to read it, and who would write it; and
/// salvage does not call the store whole. What there is is served.
pub(crate) fn is_told(disk: &FaultDisk, file: &Path, events: u64) -> Result<(), String> {
    let report = verified(disk);
    // A killed writer may leave a file that it was about to finish.
    let damage = report.findings.iter().filter(|finding| finding.severity == Severity::Damage);
    let damage: Vec<_> = damage.collect();
    if !damage.iter().any(|finding| finding.file == file) {
        return Err(format!("verify: {damage:?}"));
    }
    let store = open(disk, Mode::ReadOnly).unwrap();
    let told = store.opening().lost.iter().filter(|damage| damage.file == file).count();
    if told != 1 {
        return Err(format!("the opening tells {told} times: {:?}", store.opening().lost));
    }
    if served(&store) != events {
        return Err(format!("{} events are served", served(&store)));
    }
    if open(disk, Mode::Existing).map(drop).map_err(|error| error.kind()) != Err(ErrorKind::Damaged)
    {
        return Err("it is written".to_owned());
    }
    let salvaged = salvageable_on(disk, Path::new(PATH), &mut |_| {}).unwrap();
    if salvaged.is_complete() || salvaged.events != events {
        return Err(format!("salvage: {salvaged:?}"));
    }
    Ok(())
}

#[test]
fn a_manifest_that_cannot_be_read_is_told_once_and_what_is_found_is_served() {
    let noise: Vec<u8> =
        (0..65_536_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for make in [closed, killed] {
        let disk = make(30);
        let whole = disk.contents(&manifest()).unwrap();
        assert_eq!(is_told(&disk, &manifest(), 30).unwrap_err(), "verify: []", "nothing is wrong");
        disk.remove(&manifest()).unwrap();
        assert_eq!(is_told(&disk, &manifest(), 30), Ok(()), "missing");
        for (what, bytes) in
            [("empty", &[][..]), ("noise", &noise), ("zeros", &[0; 65_536]), ("cut", &whole[..99])]
        {
            disk.put(&manifest(), bytes).unwrap();
            assert_eq!(is_told(&disk, &manifest(), 30), Ok(()), "{what}");
        }
    }
}

#[test]
fn edits_that_are_lost_without_a_trace_are_missed() {
    for events in [1, 2, 30] {
        for make in [closed, killed] {
            let disk = make(events);
            let mut bytes = disk.contents(&manifest()).unwrap();
            bytes[FIRST_EDIT..].fill(0);
            disk.put(&manifest(), &bytes).unwrap();
            assert_eq!(is_told(&disk, &manifest(), events), Ok(()), "{events}");
            if events == 30 {
                disk.remove(&last_written(&disk)).unwrap();
                assert!(!verified(&disk).is_sound());
                assert!(!open(&disk, Mode::ReadOnly).unwrap().opening().lost.is_empty());
            }
        }
    }
}

/// As a page that was lost on the medium: whoever opens the store, in whichever mode, is told, and nothing is written.
#[test]
fn a_page_of_the_manifest_that_reads_as_zeros_is_told_and_nothing_is_made_over_it() {
    const EVENTS: u64 = 600;
    for make in [closed, killed] {
        let disk = make(EVENTS);
        let whole = disk.contents(&manifest()).unwrap();
        let pages = edits(&whole).0.div_ceil(4096);
        assert!(pages > 2, "{pages}");
        for page in 0..pages {
            let mut bytes = whole.clone();
            bytes[page * 4096..(page + 1) * 4096].fill(0);
            disk.put(&manifest(), &bytes).unwrap();
            let before = disk.files();
            if page + 1 < pages {
                assert_eq!(is_told(&disk, &manifest(), EVENTS), Ok(()), "page {page}");
            } else if verified(&disk).is_sound() {
                // Nothing in the log depends on what the last page said.
                assert_eq!(served(&open(&disk, Mode::Create).unwrap()), EVENTS);
                continue;
            }
            assert_eq!(served(&open(&disk, Mode::ReadOnly).unwrap()), EVENTS);
            let refused = open(&disk, Mode::Create).map(drop).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Damaged, "page {page}: {refused}");
            assert_eq!((disk.files(), disk.contents(&manifest()).unwrap()), (before, bytes));
        }
    }
}

/// Nothing is listed then, and whose file this is nobody can tell: not that it is none of the store's.
#[test]
fn a_segment_without_its_header_beside_a_manifest_without_its_edits_is_no_stranger() {
    for make in [closed, killed] {
        let disk = make(3);
        for path in [manifest(), segment(1)] {
            let mut bytes = disk.contents(&path).unwrap();
            let page = if path == manifest() { FIRST_EDIT..2 * FIRST_EDIT } else { 0..4096 };
            bytes[page].fill(0);
            disk.put(&path, &bytes).unwrap();
        }
        let before = disk.files();
        assert_eq!(is_told(&disk, &segment(1), 0), Ok(()));
        let refused = open(&disk, Mode::Create).map(drop).unwrap_err();
        assert_eq!((refused.kind(), disk.files()), (ErrorKind::Damaged, before), "{refused}");
    }
}

/// Only the last edits are lost: a segment that was listed by them, or the opening that wrote behind a close.
#[test]
fn a_manifest_of_before_does_not_pass_for_that_of_now() {
    for end in [4, 30] {
        let disk = closed(3);
        let before = disk.contents(&manifest()).unwrap();
        let store = open(&disk, Mode::Existing).unwrap();
        fill(&store, end - 3);
        let now = disk.power_cut(PowerCut::KeepAll);
        drop(store);
        now.put(&manifest(), &before).unwrap();
        assert_eq!(is_told(&now, &manifest(), end), Ok(()), "{end}");
    }
}

#[test]
fn any_bit_of_the_edits_is_found() {
    for make in [closed, killed] {
        let disk = make(30);
        let whole = disk.contents(&manifest()).unwrap();
        let (end, last) = edits(&whole);
        for offset in last..end {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[offset] ^= 1 << bit;
                let sector_end = (offset / 512 + 1) * 512;
                if bytes[offset..sector_end.min(end)].iter().all(|byte| *byte == 0) {
                    // Just so a crash may have torn the edit.
                    continue;
                }
                disk.put(&manifest(), &bytes).unwrap();
                let told = is_told(&disk, &manifest(), 30);
                assert_eq!(told, Ok(()), "offset {offset} of {last}..{end}, bit {bit}");
            }
        }
    }
}

/// The other side of it: of an edit that a crash has torn, a part is on the medium, sector by sector, and the rest of
/// each sector is as before.
#[test]
fn an_edit_that_tears_is_no_damage() {
    let mut crossed = 0;
    // Where the edits lie depends on whether a segment was prepared before a close, too.
    for lives in 0..60 {
        if lives >= 12 && crossed > 0 {
            break;
        }
        let disk = closed(lives + 1);
        (0..lives).for_each(|_| open(&disk, Mode::Existing).unwrap().close().unwrap());
        let whole = disk.contents(&manifest()).unwrap();
        let (end, last) = edits(&whole);
        let border = (last / 512 + 1) * 512;
        crossed += u64::from(border < end);
        for cut in last..end {
            let mut images = vec![whole[..cut].to_vec()];
            if border < end {
                // The sectors get there in any order.
                let part = cut.min(border);
                images.push(
                    [&whole[..part], &vec![0; border - part], &whole[border..cut.max(border)]]
                        .concat(),
                );
                images.push([&whole[..part], &vec![0; border - part], &whole[border..]].concat());
            }
            for mut bytes in images {
                bytes.resize(whole.len(), 0);
                if bytes == whole {
                    continue;
                }
                disk.put(&manifest(), &bytes).unwrap();
                let report = verified(&disk);
                assert!(report.is_sound(), "{lives} lives, cut at {cut}: {:?}", report.findings);
            }
        }
        let store = open(&disk, Mode::Existing).unwrap();
        assert_eq!(store.next_position().0, lives + 1);
        store.close().unwrap();
    }
    assert!(crossed > 0, "no edit lies across a border of sectors");
}

#[test]
fn the_manifest_of_something_else_is_no_store_and_is_left_alone() {
    for bytes in [&b""[..], b"dear", b"\x7fELF and so on", &[0; 65_536]] {
        let disk = FaultDisk::new(3);
        disk.create_directory(Path::new(PATH)).unwrap();
        disk.put(&manifest(), bytes).unwrap();
        let no_store = |error: Error| assert_eq!(error.kind(), ErrorKind::NoStore, "{error}");
        for mode in [Mode::Create, Mode::Existing, Mode::ReadOnly] {
            no_store(open(&disk, mode).map(drop).unwrap_err());
        }
        no_store(verify_on(&disk, Path::new(PATH), &mut |_| {}).unwrap_err());
        no_store(salvageable_on(&disk, Path::new(PATH), &mut |_| {}).unwrap_err());
        assert_eq!(disk.files(), [manifest()], "nothing was made there");
        assert_eq!(disk.contents(&manifest()).unwrap(), bytes);
    }
}

/// Whether anything was lost with the end of a log that was not closed, nobody knows: it is told.
#[test]
fn the_end_of_a_killed_store_that_is_destroyed_is_told() {
    let disk = killed(30);
    let last = last_written(&disk);
    let whole = disk.contents(&last).unwrap();
    let noise: Vec<u8> =
        (0..8192_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let other = disk.contents(&segment(1)).unwrap();
    let ends: [&[u8]; 7] =
        [&[], &noise, &other, &whole[..100], &whole[..4096], &whole[..4600], &whole[..8000]];
    for bytes in ends {
        disk.put(&last, bytes).unwrap();
        let left = served(&open(&disk, Mode::ReadOnly).unwrap());
        assert_eq!(is_told(&disk, &last, left), Ok(()), "{} bytes", bytes.len());
        let salvaged = salvageable_on(&disk, Path::new(PATH), &mut |_| {}).unwrap();
        let [lost] = &salvaged.lost[..] else { panic!("{:?}", salvaged.lost) };
        assert_eq!((&lost.file, lost.positions.start.0), (&last, left));
        assert!(lost.positions.is_empty());
    }
}

/// After a close the number of events is known: so are the positions of what is missing.
#[test]
fn the_positions_of_a_missing_end_are_told_by_all() {
    let disk = closed(30);
    let last = last_written(&disk);
    disk.remove(&last).unwrap();
    let left = served(&open(&disk, Mode::ReadOnly).unwrap());
    assert!(left > 10 && left < 30, "{left}");
    assert_eq!(is_told(&disk, &last, left), Ok(()));
    let is_exact = |positions: &std::ops::Range<quipu::Position>| {
        (positions.start.0, positions.end.0) == (left, 30)
    };
    let report = verified(&disk);
    let mut named = report.findings.iter().filter(|finding| finding.file == last);
    assert!(named.all(|finding| is_exact(&finding.positions)), "{:?}", report.findings);
    let store = open(&disk, Mode::ReadOnly).unwrap();
    let [lost] = &store.opening().lost[..] else { panic!("{:?}", store.opening().lost) };
    assert!(is_exact(&lost.positions) && lost.what.contains("29"), "{lost:?}");
    let salvaged = salvageable_on(&disk, Path::new(PATH), &mut |_| {}).unwrap();
    assert!(is_exact(&salvaged.lost[0].positions) && salvaged.lost.len() == 1, "{salvaged:?}");
}

/// Edits are numbered: one that sums up where another should stand says that some are missing.
#[test]
fn an_edit_that_others_are_missing_before_is_told() {
    let disk = closed(30);
    let mut bytes = disk.contents(&manifest()).unwrap();
    let salt = ManifestHeader::decode(&bytes).unwrap().salt;
    let (end, _) = edits(&bytes);
    let mut edit = Vec::new();
    let place = Place::new(salt, ByteOffset(end as u64));
    Edit::Retired { segment: SegmentId(70) }.encode(99, place, &mut edit);
    bytes[end..end + edit.len()].copy_from_slice(&edit);
    disk.put(&manifest(), &bytes).unwrap();
    assert_eq!(is_told(&disk, &manifest(), 30), Ok(()));
}

/// A size is believed only as far as there is any sense in it: this one would be read into memory.
#[test]
fn a_manifest_larger_than_any_can_be_is_not_read() {
    const BYTES: u64 = (1 << 30) + 1;
    let place = std::env::temp_dir().join(format!("quipu-large-manifest-{}", std::process::id()));
    let builder = |mode| Store::builder(&place).options(options()).mode(mode);
    let store = builder(Mode::Create).open().unwrap();
    fill(&store, 3);
    store.close().unwrap();
    // What no call has written takes no room.
    let file = RealDisk::new().open(&place.join("manifest"), Access::Write).unwrap();
    file.write_at(&[0], BYTES - 1).unwrap();
    let error = builder(Mode::Existing).open().map(drop).unwrap_err();
    let store = builder(Mode::ReadOnly).open().unwrap();
    let found = (error.kind(), served(&store), store.opening().lost.len());
    std::fs::remove_dir_all(&place).unwrap();
    assert_eq!(found, (ErrorKind::Damaged, 3, 1), "{error}");
}
