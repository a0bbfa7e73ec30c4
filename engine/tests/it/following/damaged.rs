//! Following a store whose log is damaged: told once, and everything else is delivered.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quipu::stepping::Stepper;
use quipu::{Durability, Error, ErrorKind, Mode, Options, ReadMode};
use quipu_disk::{Access, Disk, FaultDisk, File, MemoryDisk, read_exact_at, write_all_at};

use super::beside::{place, work};
use super::follower::{ABOUT, About, Got, PATH, append, open, open_with, options, write};
use crate::random::Random;
use crate::reading::served_and_lost;

fn flip(file: &dyn File, offset: u64) {
    let mut byte = [0];
    read_exact_at(file, &mut byte, offset).unwrap();
    write_all_at(file, &[byte[0] ^ 4], offset).unwrap();
}

fn segments(disk: &MemoryDisk) -> Vec<PathBuf> {
    let names = disk.list(Path::new(PATH)).unwrap();
    let paths = names.iter().map(|name| Path::new(PATH).join(name));
    paths.filter(|path| path.extension().is_some_and(|kind| kind == "seg")).collect()
}

fn lost(errors: &[Error]) -> Vec<Range<u64>> {
    let lost = errors.iter().map(|error| {
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        let positions = &error.damage().unwrap().positions;
        positions.start.0..positions.end.0
    });
    lost.collect()
}

/// Damages the log again and again while it is followed, each time in what was not delivered yet.
fn follow(seed: u64, read_mode: ReadMode) -> usize {
    let disk = MemoryDisk::new();
    let store = open_with(&disk, options(read_mode, Durability::Sync));
    let mut random = Random(seed);
    let mut followers: Vec<_> = ABOUT
        .iter()
        .map(|about| (*about, about.follow(&store, 0), Vec::new(), Vec::new()))
        .collect();
    let (mut sound, mut told) = (Vec::new(), 0);
    for _ in 0..40 {
        (0..1 + random.below(8)).for_each(|_| write(&store, &mut random));
        // What a cursor reads of it before it is damaged.
        sound.clear();
        sound.extend(ABOUT.iter().map(|about| about.read_sound(&store)));
        let paths = segments(&disk);
        let path = random.pick(&paths.iter().collect::<Vec<_>>()).clone();
        let file = disk.open(&path, Access::Write).unwrap();
        let offsets: Vec<u64> = (0..3).map(|_| 4096 + random.below(3500)).collect();
        offsets.iter().for_each(|&offset| flip(&*file, offset));
        for (_, follower, events, errors) in &mut followers {
            errors.extend(follower.catch_up(events));
        }
        offsets.iter().rev().for_each(|&offset| flip(&*file, offset));
    }
    for ((about, _, events, errors), sound) in followers.iter().zip(&sound) {
        let lost = lost(errors);
        told += lost.len();
        let is_lost = |position: u64| lost.iter().any(|range| range.contains(&position));
        let left: Vec<u64> = sound.iter().copied().filter(|&position| !is_lost(position)).collect();
        let got: Vec<u64> = events.iter().map(|event| event.position.0).collect();
        assert_eq!(got, left, "{about:?}: lost {lost:?}");
        for (n, range) in lost.iter().enumerate() {
            let overlaps = |other: &Range<u64>| other.start < range.end && range.start < other.end;
            assert!(!lost[n + 1..].iter().any(overlaps), "{about:?}: told twice: {lost:?}");
        }
    }
    told
}

#[test]
fn damage_is_told_once_and_all_else_is_delivered() {
    let told: usize = (0..6)
        .map(|seed| follow(seed, if seed % 2 == 0 { ReadMode::Map } else { ReadMode::Pread }))
        .sum();
    assert!(told > 50, "damage was met only {told} times");
}

/// Damages the event that was appended last.
fn damage_last(disk: &MemoryDisk) {
    // The next segment may be prepared already.
    for path in segments(disk).iter().rev() {
        let file = disk.open(path, Access::Write).unwrap();
        let mut bytes = vec![0; file.size().unwrap() as usize];
        read_exact_at(&*file, &mut bytes, 0).unwrap();
        if let Some(at) = bytes.windows(7).rposition(|window| window == b"payload") {
            return flip(&*file, at as u64);
        }
    }
    panic!("there is no event");
}

const NOTED: [About; 5] = [
    About::All,
    About::Stream("b-1"),
    About::Category("b"),
    About::Type("Noted"),
    About::Query(&[(&["Noted", "Other"], &[])]),
];

#[test]
fn it_is_not_told_again_that_there_is_no_more_where_nothing_but_damage_came() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    append(&store, "b-1");
    let mut followers = NOTED.map(|about| about.follow(&store, 0));
    for follower in &mut followers {
        assert!(follower.catch_up(&mut Vec::new()).is_empty());
    }
    append(&store, "b-1");
    damage_last(&disk);
    for follower in &mut followers {
        assert_eq!(follower.try_next().unwrap_err().kind(), ErrorKind::Damaged);
        assert_eq!(follower.try_next().unwrap(), Got::Nothing);
    }
    append(&store, "b-1");
    for follower in &mut followers {
        assert_eq!(follower.try_next().unwrap().event().version.0, 2);
        assert_eq!(follower.try_next().unwrap(), Got::CaughtUp);
    }
}

/// In another process, whose own index of the active segment cannot know the keys of such an event.
#[test]
fn what_is_damaged_before_it_is_seen_elsewhere_is_told_there() {
    for read_mode in [ReadMode::Map, ReadMode::Pread] {
        let disk = MemoryDisk::new();
        let store = open(&disk);
        let options = Options { mode: Mode::ReadOnly, ..options(read_mode, Durability::Sync) };
        let reader = open_with(&disk, options);
        let mut followers = NOTED.map(|about| about.follow(&reader, 0));
        for round in 0..4 {
            append(&store, "b-1");
            for follower in &mut followers {
                let mut events = Vec::new();
                assert!(follower.catch_up(&mut events).is_empty());
                assert_eq!(events.len(), 1);
            }
            append(&store, "b-1");
            damage_last(&disk);
            for (follower, about) in followers.iter_mut().zip(NOTED) {
                let error = follower.try_next().expect_err(&format!("{about:?} in {round}"));
                let range = lost(&[error]).remove(0);
                assert_eq!(range, 2 * round + 1..2 * round + 2, "{about:?}");
                assert_eq!(follower.try_next().unwrap(), Got::Nothing);
            }
        }
    }
}

/// An index that is made while nobody knows the way to the segments before is not believed to end it, once that way
/// is known.
#[test]
fn an_index_made_anew_beside_a_writer_does_not_cut_off_the_segments_before() {
    let disk = FaultDisk::new(9);
    let mut random = Random(9);
    let of = |kind: &str| -> Vec<PathBuf> {
        let files = disk.files().into_iter();
        files.filter(|path| path.extension() == Some(kind.as_ref())).collect()
    };
    // A close does not wait for runs.
    while of("idx").len() <= 8 || of("run").is_empty() {
        let writer = open(&disk);
        (0..250).for_each(|_| write(&writer, &mut random));
        writer.close().unwrap();
    }
    let writer = open(&disk);
    let (indexes, runs) = (of("idx"), of("run"));
    let contents = |path: &PathBuf| (path.clone(), disk.contents(path).unwrap());
    let whole: Vec<_> = runs.iter().chain(&indexes).map(contents).collect();
    for path in runs.iter().chain(&indexes[1..2]) {
        disk.remove(path).unwrap();
    }
    let mut bytes = disk.contents(&indexes[5]).unwrap();
    bytes[4096] ^= 1;
    disk.put(&indexes[5], &bytes).unwrap();
    let options = Options { mode: Mode::ReadOnly, ..options(ReadMode::Map, Durability::Sync) };
    let reader = open_with(&disk, options);
    for about in ABOUT {
        assert_eq!(about.read(&reader), about.read(&writer), "{about:?}");
    }
    for (path, bytes) in &whole {
        disk.put(path, bytes).unwrap();
    }
    while writer.stats().seals < 2 {
        write(&writer, &mut random);
    }
    for about in ABOUT {
        assert_eq!(about.read(&reader), about.read(&writer), "{about:?}");
    }
}

/// Where a segment begins that has lost its link only a later frame says, and as long as nothing vouches for that, the power
/// may take it away. Other events may get the positions before it then, and are missed by who has gone on.
#[test]
fn what_stands_behind_a_link_that_cannot_be_read_moves_nobody_on_before_it_is_durable() {
    let bytes = 16 << 10;
    let options = Options {
        segment_bytes_min: bytes,
        segment_bytes_max: bytes,
        ..options(ReadMode::Pread, Durability::Sync)
    };
    let mut spanning = 0;
    for durable in 0..60 {
        let disk = FaultDisk::new(5);
        let writer = Stepper::open(Arc::new(disk.clone()), Path::new(PATH), &options).unwrap();
        for _ in 0..durable {
            place(&writer, Durability::Sync);
            work(&writer);
        }
        (0..20).for_each(|_| place(&writer, Durability::Os));
        assert!(writer.take_job() && writer.finish_job(), "it is written, and not synced");
        // It does not tell how far it has come.
        disk.remove(&Path::new(PATH).join("live")).unwrap();
        disk.spoil(&Path::new(PATH).join("0000000001.seg"), 4096..8192).unwrap();
        let reader = open_with(&disk, Options { mode: Mode::ReadOnly, ..options.clone() });
        let (there, here) = (reader.next_position(), writer.next_position());
        assert!(here.0 == durable && there <= here, "{there:?} there and {here:?} here");
        let lost = &reader.opening().lost;
        assert!(!lost.is_empty(), "more may be lost");
        spanning += usize::from(lost.iter().any(|lost| lost.what.contains("link")));
    }
    assert!(spanning > 3, "{spanning} groups end behind the page");
}

/// What it goes on to write calls all before it durable, whatever has become of that meanwhile.
#[test]
fn damage_beside_a_writer_that_tells_nothing_hides_nothing_behind_it() {
    let path = |number: u32| Path::new(PATH).join(format!("{number:010}.seg"));
    let harms: [&dyn Fn(&FaultDisk); 3] = [
        &|disk| {
            let bytes = disk.contents(&path(1)).unwrap();
            disk.put(&path(1), &bytes[..bytes.len() - 2000]).unwrap();
        },
        &|disk| disk.flip(&path(2), 4096 + 40, 1).unwrap(),
        &|disk| disk.flip(&path(2), 4096 + 96 + 40, 1).unwrap(),
    ];
    for (case, harm) in harms.into_iter().enumerate() {
        let disk = FaultDisk::new(6);
        let options = options(ReadMode::Pread, Durability::Sync);
        let writer = Stepper::open(Arc::new(disk.clone()), Path::new(PATH), &options).unwrap();
        let write = || {
            place(&writer, Durability::Sync);
            work(&writer);
            writer.next_position().0
        };
        write();
        // The segment after it is ready, and nobody seals the first.
        while writer.chore() {}
        while disk.contents(&path(2)).is_ok_and(|bytes| bytes[4096..].iter().all(|it| *it == 0)) {
            write();
        }
        write();
        disk.remove(&Path::new(PATH).join("live")).unwrap();
        let open = || open_with(&disk, Options { mode: Mode::ReadOnly, ..options.clone() });
        let there = open();
        harm(&disk);
        (0..3).for_each(|_| _ = write());
        disk.advance(Duration::from_millis(1100));
        let all = writer.next_position().0;
        for reader in [there, open()] {
            let seen = reader.next_position().0;
            assert!((all - 1..=all).contains(&seen), "{case}: {seen} of {all}");
            let (served, lost) = served_and_lost(&reader);
            assert_eq!(served + lost, seen, "{case}");
            assert_eq!(lost == 0, case == 1, "{case}: a link holds no event");
        }
    }
}
