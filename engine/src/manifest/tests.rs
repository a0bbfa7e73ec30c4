//! How edits are put together and written, and what a manifest says that was written anew.

mod outgrown;

use std::io;
use std::path::Path;

use quipu_disk::{Errno, Fault, FaultDisk, FaultKind, MemoryDisk};

use super::whole::write_at_once;
use super::*;

fn created() -> (Arc<dyn Disk>, Directory, Manifest) {
    let (disk, directory): (Arc<dyn Disk>, _) =
        (Arc::new(MemoryDisk::new()), Directory::new("store"));
    disk.create_directory(directory.path()).unwrap();
    let manifest = Manifest::create(&disk, &directory).unwrap();
    (disk, directory, manifest)
}

fn segment(number: u32) -> Edit {
    let (salt, origin) = (Salt(u64::from(number)), StoreId([8; 16]));
    Edit::Segment { segment: SegmentId(number), salt, capacity: ByteOffset(1 << 20), origin }
}

fn retired(number: u32) -> Edit {
    Edit::Retired { segment: SegmentId(number) }
}

fn listed(edits: &[Edit]) -> Listing {
    let mut listing = Listing::default();
    edits.iter().for_each(|edit| listing.apply(edit));
    listing
}

/// Also where it was put there, or has become readable, since somebody looked.
#[test]
fn a_manifest_is_created_over_nothing() {
    let (disk, directory, manifest) = created();
    let error = Manifest::create(&disk, &directory).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoStore, "{error}");
    assert!(manifest.is_named());
}

/// Across sectors a crash may keep a later edit without an earlier one. In one sector it does not, and each part more
/// is a sync more.
#[test]
fn edits_are_written_sector_by_sector_and_no_more_often() {
    let (_, _, mut manifest) = created();
    let edits: Vec<Edit> = (1..40).map(segment).collect();
    for units in 0..SECTOR_BYTES / 16 {
        manifest.end = ByteOffset(FIRST_EDIT.0 + units * 16);
        let (mut at, mut told, mut ends) = (manifest.end.0, Vec::new(), Vec::new());
        for (part, bytes) in manifest.encode(&edits) {
            let end = at + bytes.len() as u64;
            let sectors = (end - 1) / SECTOR_BYTES - at / SECTOR_BYTES;
            assert!(part.len() == 1 || sectors == 0, "{} edits at {at} to {end}", part.len());
            told.extend_from_slice(part);
            ends.push((at, bytes.len() / part.len()));
            at = end;
        }
        assert_eq!(told, edits);
        for pair in ends.windows(2) {
            let [(start, _), (next, each)] = [pair[0], pair[1]];
            let last = next + each as u64 - 1;
            assert_ne!(start / SECTOR_BYTES, last / SECTOR_BYTES, "at {start} and {next}");
        }
    }
}

#[test]
fn a_manifest_is_written_anew_when_an_edit_does_not_fit_and_not_before() {
    for (more, generation) in [(0, 1), (16, 2)] {
        let (_, _, mut manifest) = created();
        assert!(manifest.encode(&[]).is_empty(), "nothing is written and synced for nothing");
        let bytes = manifest.encode(&[segment(1)])[0].1.len() as u64;
        manifest.end = ByteOffset(manifest.size - bytes + more);
        manifest.add(&[segment(1)]).unwrap();
        assert_eq!(manifest.header().generation, generation);
        assert_eq!(manifest.file.size().unwrap(), manifest.size);
        assert!(manifest.listing().segments.contains_key(&SegmentId(1)));
    }
}

/// What was written before must not pass for what is written now, and who reads beside must see that it is another.
#[test]
fn a_manifest_that_is_written_anew_is_the_next_generation_with_a_salt_of_its_own() {
    let (disk, directory, manifest) = created();
    let before = *manifest.header();
    for generation in 2..5 {
        let loaded = load(&*disk, &directory).unwrap().unwrap();
        let (path, most) = (directory.manifest(), MANIFEST_BYTES_MAX);
        let renewed = Manifest::renew(&disk, path, loaded.header, loaded.listing, most).unwrap();
        let header = *renewed.header();
        assert_eq!(header.generation, generation);
        assert_eq!((header.store, header.secret), (before.store, before.secret));
        assert_ne!(header.salt, loaded.header.salt);
        assert_eq!(load(&*disk, &directory).unwrap().unwrap().header, header);
    }
}

/// Whatever a full disk has made of a new manifest: what is added afterwards stands in the one that has the name.
#[test]
fn what_is_added_after_a_full_disk_stands_in_the_file_that_has_the_name() {
    for after in 0..12 {
        let disk = FaultDisk::new(4);
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let directory = Directory::new("store");
        shared.create_directory(directory.path()).unwrap();
        let mut manifest = Manifest::create(&shared, &directory).unwrap();
        let two = [segment(1), segment(2)];
        let bytes = manifest.encode(&two)[0].1.len() as u64;
        manifest.end = ByteOffset(manifest.size - bytes + 16);
        let kind = FaultKind::ErrorAfter(Errno::Full);
        disk.plan(Fault { at: disk.operations() + after, kind, sticky: false });
        if manifest.add(&two).is_err() {
            // It would fit where the two did not.
            manifest.add(&two[..1]).unwrap();
        }
        let listing = load(&disk.kill(), &directory).unwrap().unwrap().listing;
        assert!(listing.segments.contains_key(&SegmentId(1)), "the call {after} fails");
    }
}

/// The fewest edits: one a segment, and of those that are gone the highest, whose number is not to be used again.
#[test]
fn what_is_written_anew_says_the_same_with_as_little_as_can_be() {
    let two = [segment(1), segment(2)];
    assert_eq!(listed(&two).edits(), two);
    let one = [segment(1), segment(2), retired(1)];
    assert_eq!(listed(&one).edits(), [segment(2)]);
    let rest = [segment(1), segment(2), segment(3), retired(2), retired(3)];
    assert_eq!(listed(&rest).edits(), [segment(1), retired(3)]);
    assert_eq!(listed(&[]).edits(), []);
    let again = listed(&listed(&rest).edits());
    assert_eq!(again.highest, SegmentId(3));
}

/// Two parts may leave a sector with the second and without the first, which would look like damage.
#[test]
fn edits_of_which_a_part_was_taken_are_written_again_as_a_whole() {
    let disk = FaultDisk::new(3);
    let file = disk.open(Path::new("edits"), Access::Create).unwrap();
    let bytes = [7; 96];
    for (kind, whole) in [
        (FaultKind::Short, true),
        (FaultKind::Interrupted, true),
        (FaultKind::Error(Errno::TimedOut), false),
    ] {
        file.sync_data().unwrap();
        disk.plan(Fault { at: disk.operations(), kind, sticky: false });
        let written = write_at_once(&*file, &bytes, 32);
        assert_eq!(written.is_ok(), whole, "{kind:?}");
        assert_eq!(disk.last_write(), whole.then_some(32..128), "{kind:?}");
    }
    assert_eq!(disk.contents(Path::new("edits")).unwrap()[32..], bytes);
}

/// The manifest of so many edits, as bytes; where each edit begins, and where the last ends.
fn filled(edits: u32) -> (Arc<dyn Disk>, Directory, Vec<u8>, Vec<u64>) {
    let (disk, directory, mut manifest) = created();
    let mut places = vec![manifest.end.0];
    for number in 1..=edits {
        manifest.add(&[segment(number)]).unwrap();
        places.push(manifest.end.0);
    }
    let mut bytes = vec![0; 2 * FIRST_EDIT.0 as usize];
    quipu_disk::read_exact_at(&*manifest.file, &mut bytes, 0).unwrap();
    (disk, directory, bytes, places)
}

fn loaded(disk: &dyn Disk, directory: &Directory, bytes: &[u8]) -> Loaded {
    disk.remove(&directory.manifest()).unwrap();
    let file = disk.open(&directory.manifest(), Access::Create).unwrap();
    write_all_at(&*file, bytes, 0).unwrap();
    load(disk, directory).unwrap().unwrap()
}

#[test]
fn the_last_edits_are_known_from_the_beginning_of_their_sector() {
    for edits in 1..16 {
        let (disk, directory, bytes, places) = filled(edits);
        let loaded = loaded(&*disk, &directory, &bytes);
        let [.., last, end] = places[..] else { panic!("there are edits") };
        let start = last / SECTOR_BYTES * SECTOR_BYTES;
        assert_eq!(loaded.last, bytes[start as usize..end as usize]);
        assert_eq!((loaded.end.0, loaded.rest.is_none()), (end, true));
    }
}

#[test]
fn an_edit_that_does_not_sum_up_is_damage_before_one_that_does() {
    let (disk, directory, whole, places) = filled(16);
    for nth in 0..15 {
        for offset in [0, 4, 16, 40, 71] {
            let mut bytes = whole.clone();
            bytes[places[nth] as usize + offset] ^= 0x10;
            let loaded = loaded(&*disk, &directory, &bytes);
            let wrong = loaded.damage.unwrap();
            assert_eq!(wrong.at.0, places[nth], "edit {nth}, offset {offset}");
            assert!(wrong.what.contains("before"), "{}", wrong.what);
            let left: Vec<u32> = loaded.listing.segments.keys().map(|id| id.0).collect();
            let others = (1..=16).filter(|&number| number != nth as u32 + 1);
            assert_eq!(left, others.collect::<Vec<u32>>(), "the others are taken");
        }
    }
}

/// With one bit changed the last edit is damaged, unless a write that tore may have left it so: then zeros follow, to the
/// end of the sector or of the edit.
#[test]
fn a_changed_bit_of_the_last_edit_is_told_from_an_edit_that_tore() {
    let mut torn = 0;
    for edits in [6, 7] {
        let (disk, directory, whole, places) = filled(edits);
        let [.., last, end] = places[..] else { panic!("there are edits") };
        for at in last..end {
            let mut bytes = whole.clone();
            let byte = &mut bytes[at as usize];
            // Some of these leave a zero.
            let bit = if byte.is_power_of_two() { byte.trailing_zeros() } else { at as u32 % 8 };
            *byte ^= 1 << bit;
            let sector_end = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
            let behind = &whole[at as usize + 1..sector_end.min(end) as usize];
            let is_torn = bytes[at as usize] == 0 && behind.iter().all(|&byte| byte == 0);
            let loaded = loaded(&*disk, &directory, &bytes);
            assert_eq!(loaded.end.0, last);
            assert_eq!(loaded.listing.segments.len(), edits as usize - 1);
            let is_told = loaded.damage.is_some_and(|wrong| wrong.what.contains("bit"));
            assert_eq!(is_told, !is_torn, "byte {at} of {last}..{end}, bit {bit}");
            torn += u64::from(is_torn);
        }
        assert_eq!(last / SECTOR_BYTES == (end - 1) / SECTOR_BYTES, edits == 6, "one crosses");
    }
    assert!(torn > 0 && torn < 40, "{torn}");
}

/// An edit behind a gap, also the one that would come next, and where what follows the edits is said to begin.
#[test]
fn what_stands_behind_the_last_edit_is_damage_if_it_sums_up() {
    let (disk, directory, whole, places) = filled(3);
    let end = *places.last().unwrap();
    let salt = ManifestHeader::decode(&whole).unwrap().salt;
    for (number, is_told) in [(3, false), (4, true), (5, true)] {
        let mut bytes = whole.clone();
        let (mut edit, at) = (Vec::new(), end as usize + 48);
        segment(9).encode(number, Place::new(salt, ByteOffset(at as u64)), &mut edit);
        bytes[at..at + edit.len()].copy_from_slice(&edit);
        let loaded = loaded(&*disk, &directory, &bytes);
        assert_eq!(loaded.damage.is_some(), is_told, "edit {number} behind edit 3");
        assert_eq!((loaded.end.0, loaded.rest), (end, Some(ByteOffset(at as u64))));
    }
    let mut bytes = whole.clone();
    bytes[end as usize + 37] = 1;
    let torn = loaded(&*disk, &directory, &bytes);
    assert_eq!((torn.rest, torn.damage.is_none()), (Some(ByteOffset(end + 32)), true));
}

/// Who reads beside a writer asks whether the manifest is the one that it has read.
#[test]
fn two_manifests_are_the_same_if_nothing_was_added_or_left_behind_between() {
    let (disk, directory, whole, places) = filled(3);
    let end = *places.last().unwrap() as usize;
    let [before, again] = [(); 2].map(|()| loaded(&*disk, &directory, &whole));
    assert!(before.is_as(&again));
    let mut torn = whole;
    torn[end] = 1;
    assert!(!before.is_as(&loaded(&*disk, &directory, &torn)), "an edit is on its way");
    let (disk, directory, longer, _) = filled(4);
    assert!(!before.is_as(&loaded(&*disk, &directory, &longer)), "an edit more");
    let older = load(&*disk, &directory).unwrap().unwrap();
    let (path, listing) = (directory.manifest(), older.listing.clone());
    Manifest::renew(&disk, path, older.header, listing, MANIFEST_BYTES_MAX).unwrap();
    assert!(!older.is_as(&load(&*disk, &directory).unwrap().unwrap()), "written anew");
}

/// With half a file to spare an edit seldom has it written anew.
#[test]
fn a_manifest_has_room_for_as_much_again() {
    for segments in [1, 40, 4_000] {
        let (disk, directory, _) = created();
        let mut listing = Listing::default();
        (1..=segments).for_each(|number| listing.apply(&segment(number)));
        let header = load(&*disk, &directory).unwrap().unwrap().header;
        let path = directory.manifest();
        let manifest = Manifest::write(&disk, path, header, listing, MANIFEST_BYTES_MAX).unwrap();
        let used = manifest.end.0;
        assert!(manifest.size >= 2 * used && manifest.size.is_multiple_of(FIRST_EDIT.0));
        assert!(manifest.size < 2 * used + 2 * MANIFEST_BYTES_MIN, "{used}: {}", manifest.size);
    }
}

fn faulty() -> (FaultDisk, Arc<dyn File>) {
    let disk = FaultDisk::new(3);
    let file = disk.open(Path::new("edits"), Access::Create).unwrap();
    (disk, file)
}

#[test]
fn edits_are_written_by_one_call_where_the_disk_takes_them_so() {
    let (disk, file) = faulty();
    let before = disk.operations();
    assert_eq!(write_at_once(&*file, &[7; 96], 32).unwrap(), 96);
    assert_eq!(disk.operations() - before, 1);
    assert_eq!(write_at_once(&*file, &[], 32).unwrap(), 0);
}

/// Part by part, each where it belongs.
#[test]
fn edits_that_the_disk_never_takes_as_a_whole_are_there_in_the_end() {
    let (disk, file) = faulty();
    disk.plan(Fault { at: disk.operations(), kind: FaultKind::Short, sticky: true });
    let bytes: Vec<u8> = (1..200).collect();
    write_durably(&disk, Path::new("edits"), &*file, &bytes, 64).unwrap();
    assert_eq!(disk.contents(Path::new("edits")).unwrap()[64..], bytes);
    assert_eq!(disk.last_write(), None, "all of it is durable");
}

/// Takes one byte of so many, and does not say why.
#[derive(Debug)]
struct Unwilling(usize);

impl File for Unwilling {
    fn size(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Ok(0)
    }

    fn write_at(&self, bytes: &[u8], _: u64) -> io::Result<usize> {
        Ok(bytes.len() / self.0)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn map(&self) -> io::Result<quipu_disk::Map> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[test]
fn a_disk_that_takes_nothing_is_not_asked_for_ever() {
    let nothing = Unwilling(1000);
    let error = write_at_once(&nothing, &[7; 96], 32).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    let error = write_durably(&MemoryDisk::new(), Path::new("m"), &nothing, &[7], 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(write_at_once(&Unwilling(2), &[7; 96], 32).unwrap(), 48, "always half of it");
}

/// That the file cannot be read says nothing of whose it is.
#[test]
fn a_manifest_that_cannot_be_read_at_this_moment_is_not_taken_for_that_of_something_else() {
    let disk = FaultDisk::new(1);
    let directory = Directory::new("store");
    disk.create_directory(directory.path()).unwrap();
    disk.put(&directory.manifest(), b"something else entirely").unwrap();
    let names = ["manifest".to_owned()];
    let refused = |disk: &FaultDisk| refuse_foreign(disk, &directory, &names).unwrap_err().kind();
    assert_eq!(refused(&disk), ErrorKind::NoStore);
    for call in 0..2 {
        let kind = FaultKind::Error(Errno::TimedOut);
        disk.plan(Fault { at: disk.operations() + call, kind, sticky: false });
        assert_eq!(refused(&disk), ErrorKind::Io, "call {call}");
        disk.contents(&directory.manifest()).unwrap();
    }
}

#[test]
fn nothing_is_drawn_twice() {
    let disk = MemoryDisk::new();
    let drawn: std::collections::BTreeSet<u64> = (0..20).map(|_| draw(&disk).unwrap()).collect();
    assert_eq!(drawn.len(), 20);
}
