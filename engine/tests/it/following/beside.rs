//! A store that is open for reading, beside a writer elsewhere.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quipu::stepping::{Part, Step, Stepper, Waiting};
use quipu::{Durability, ErrorKind, ExpectedVersion, Mode, Options, ReadMode, Store};
use quipu_disk::{
    Access, Disk, Errno, Fault, FaultDisk, FaultKind, MemoryDisk, PowerCut, RealDisk, write_all_at,
};

use super::follower::{
    ABOUT, About, Got, PATH, append, event, open, open_with, options, pause, write,
};

use crate::random::Random;

fn reader(disk: &(impl Disk + Clone + 'static), read_mode: ReadMode) -> Store {
    let options = Options { mode: Mode::ReadOnly, ..options(read_mode, Durability::Sync) };
    open_with(disk, options)
}

/// Longer than a reader takes it for granted that the writer is still the same.
const A_WHILE_MS: u64 = 150;

fn compared(durability: Durability, read_mode: ReadMode, seed: u64) {
    let disk = MemoryDisk::new();
    let writer = open_with(&disk, options(read_mode, durability));
    let mut random = Random(seed);
    (0..random.below(60)).for_each(|_| write(&writer, &mut random));
    let reader = reader(&disk, read_mode);
    let mut followers: Vec<_> =
        ABOUT.iter().map(|about| (*about, about.follow(&reader, 0), Vec::new())).collect();
    for round in 0..150 {
        for (about, follower, events) in &mut followers {
            if random.once_in(3) {
                assert!(follower.catch_up(events).is_empty(), "{about:?}");
                assert_eq!(*events, about.read(&writer), "{about:?} in round {round}");
                assert_eq!(*events, about.read(&reader), "{about:?} in round {round}");
            }
        }
        (0..random.below(8)).for_each(|_| write(&writer, &mut random));
        assert_eq!(reader.next_position(), writer.next_position());
        for stream in ["a", "rare-1", "unknown"] {
            assert_eq!(reader.head(stream).unwrap(), writer.head(stream).unwrap());
        }
    }
    let names = |store: &Store| store.streams("").unwrap().map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(names(&reader), names(&writer));
}

#[test]
fn what_is_acknowledged_can_be_read_elsewhere_at_once() {
    compared(Durability::Sync, ReadMode::Map, 1);
    compared(Durability::Sync, ReadMode::Pread, 2);
    compared(Durability::Os, ReadMode::Map, 3);
}

#[test]
fn who_waits_elsewhere_is_woken_across_rolls() {
    let place = std::env::temp_dir().join(format!("quipu-beside-{}", std::process::id()));
    let builder = || Store::builder(&place).options(options(ReadMode::Map, Durability::Sync));
    let writer = builder().open().unwrap();
    let reader = builder().mode(Mode::ReadOnly).open().unwrap();
    let mut all = reader.all().subscribe().unwrap();
    let follower = std::thread::spawn(move || {
        let mut positions = 0;
        while positions < 3_000 {
            if let Some(quipu::Delivery::Event(event)) = all.next().unwrap() {
                assert_eq!(event.position().0, positions);
                positions += 1;
            }
        }
    });
    let mut random = Random(5);
    while writer.next_position().0 < 3_000 {
        write(&writer, &mut random);
    }
    follower.join().unwrap();
    writer.close().unwrap();
    reader.close().unwrap();
    let disk = RealDisk::new();
    assert!(!disk.list(&place).unwrap().contains(&"live".into()), "a closed store tells nothing");
    disk.list(&place).unwrap().iter().for_each(|name| disk.remove(&place.join(name)).unwrap());
}

#[test]
fn it_goes_on_when_one_writer_closes_and_another_opens() {
    let disk = MemoryDisk::new();
    drop(open(&disk));
    let reader = reader(&disk, ReadMode::Map);
    let mut follower = About::All.follow(&reader, 0);
    let mut random = Random(11);
    let mut events = Vec::new();
    for round in 0..6 {
        let writer = open(&disk);
        pause(A_WHILE_MS);
        for _ in 0..40 {
            write(&writer, &mut random);
        }
        assert!(follower.catch_up(&mut events).is_empty());
        assert_eq!(events, About::All.read(&writer), "round {round}");
        write(&writer, &mut random);
        let all = About::All.read(&writer);
        writer.close().unwrap();
        assert!(follower.catch_up(&mut events).is_empty());
        assert_eq!(events, all, "round {round}, closed");
    }
}

fn stepper(disk: &impl Fn() -> Arc<dyn Disk>, durability: Durability) -> Stepper {
    Stepper::open(disk(), Path::new(PATH), &options(ReadMode::Map, durability)).unwrap()
}

/// Appends an event; what becomes of it is left to the caller.
pub(crate) fn place(stepper: &Stepper, durability: Durability) {
    let parts =
        [Part { stream: "a", expected: ExpectedVersion::Any, events: vec![event("Noted")] }];
    loop {
        match stepper.place(&parts, None, durability, &mut Waiting::default()).unwrap() {
            Step::Placed(copy) => break drop(copy.finish()),
            Step::Busy => assert!(stepper.chore() || work(stepper) > 0, "stuck"),
            Step::Repeated(_) | Step::Refused(_) => unreachable!("nothing is expected"),
        }
    }
}

pub(crate) fn work(stepper: &Stepper) -> usize {
    let mut jobs = 0;
    while stepper.take_job() {
        stepper.finish_job();
        jobs += 1;
    }
    jobs
}

#[test]
fn a_killed_writer_leaves_what_recovery_will_find_and_the_next_one_is_followed() {
    let memory = MemoryDisk::new();
    let disk = || Arc::new(memory.clone()) as Arc<dyn Disk>;
    let first = stepper(&disk, Durability::Sync);
    (0..100).for_each(|_| place(&first, Durability::Sync));
    work(&first);
    let reader = reader(&memory, ReadMode::Map);
    let mut follower = About::All.follow(&reader, 0);
    let mut events = Vec::new();
    follower.catch_up(&mut events);
    assert_eq!(events.len(), 100);
    drop(first);
    for round in 0..5 {
        let next = stepper(&disk, Durability::Sync);
        assert!(next.opening().recovered.is_some());
        pause(A_WHILE_MS);
        for _ in 0..30 {
            place(&next, Durability::Sync);
            work(&next);
        }
        follower.catch_up(&mut events);
        assert_eq!(events.len(), events.last().unwrap().position.0 as usize + 1);
        assert_eq!(events.len() as u64, next.next_position().0, "round {round}");
        // Killed: its lock is free, and nothing was closed.
        drop(next);
    }
}

#[test]
fn what_is_not_settled_is_not_seen_elsewhere() {
    let disk = FaultDisk::new(3);
    let writer = open(&disk);
    append(&writer, "a");
    let reader = reader(&disk, ReadMode::Map);
    let mut follower = About::All.follow(&reader, 0);
    let mut events = Vec::new();
    follower.catch_up(&mut events);
    assert_eq!(events.len(), 1);
    disk.hold_syncs(true);
    let ticket = writer.append_async("a", ExpectedVersion::Any, [event("Held")]).unwrap();
    for _ in 0..20 {
        pause(1);
        assert_eq!(follower.try_next().unwrap(), Got::Nothing);
        assert_eq!(About::Stream("a").read(&reader).len(), 1, "reads go on");
        assert_eq!(reader.next_position().0, 1);
    }
    disk.hold_syncs(false);
    ticket.wait().unwrap();
    assert_eq!(follower.next().unwrap().event().event_type, "Held");
}

#[test]
fn without_a_page_what_is_known_to_be_durable_is_seen() {
    let disk = MemoryDisk::new();
    let writer = open(&disk);
    append(&writer, "a");
    append(&writer, "a");
    let live = Path::new(PATH).join("live");
    disk.remove(&live).unwrap();
    let lagging = reader(&disk, ReadMode::Map);
    let seen = About::All.read(&lagging).len();
    assert!((1..=2).contains(&seen), "{seen} of 2");
    // One that holds anything else is none.
    let file = disk.open(&live, Access::Create).unwrap();
    write_all_at(&*file, &[0xFF; 4096], 0).unwrap();
    disk.page(&live, Access::Write).unwrap().store(&[u64::MAX; 7]).unwrap();
    assert_eq!(About::All.read(&reader(&disk, ReadMode::Map)).len(), seen);
    writer.close().unwrap();
    pause(A_WHILE_MS);
    assert_eq!(About::All.read(&lagging).len(), 2, "once the writer is gone");
}

/// Each frame says that those before it are durable: a follower goes on with them, and knows them by key.
#[test]
fn what_later_frames_call_durable_is_followed_beside_a_writer_that_tells_nothing() {
    for read_mode in [ReadMode::Map, ReadMode::Pread] {
        let disk = FaultDisk::new(3);
        let writer = open(&disk);
        (0..3).for_each(|_| append(&writer, "a"));
        disk.remove(&Path::new(PATH).join("live")).unwrap();
        let reader = reader(&disk, read_mode);
        let mut follower = About::All.follow(&reader, 0);
        let mut events = Vec::new();
        for number in 4..20 {
            append(&writer, "a");
            disk.advance(Duration::from_secs(1));
            assert!(follower.catch_up(&mut events).is_empty());
            // The last one is durable too, and nothing says so unless the writer has marked it.
            assert!((number - 1..=number).contains(&events.len()), "{} of {number}", events.len());
            assert!(About::Stream("a").read(&reader).len() >= events.len());
        }
        assert_eq!(events[..], About::All.read(&writer)[..events.len()]);
        writer.close().unwrap();
        disk.advance(Duration::from_secs(1));
        assert_eq!(About::Stream("a").read(&reader).len(), 19);
    }
}

/// A segment is prepared before it is begun, and its beginning shows nowhere but in it.
#[test]
fn a_segment_that_is_begun_beside_a_writer_that_tells_nothing_is_followed() {
    let disk = FaultDisk::new(4);
    let shared = || Arc::new(disk.clone()) as Arc<dyn Disk>;
    let writer = stepper(&shared, Durability::Sync);
    place(&writer, Durability::Sync);
    work(&writer);
    disk.remove(&Path::new(PATH).join("live")).unwrap();
    // The next segment is there, and no chore seals the one before.
    while !writer.chore() {
        place(&writer, Durability::Sync);
        work(&writer);
    }
    let reader = reader(&disk, ReadMode::Map);
    let mut follower = About::All.follow(&reader, 0);
    let mut events = Vec::new();
    for _ in 0..60 {
        place(&writer, Durability::Sync);
        work(&writer);
        disk.advance(Duration::from_millis(1100));
        assert!(follower.catch_up(&mut events).is_empty());
        // All but the last one are called durable.
        assert!(events.len() as u64 + 1 >= writer.next_position().0, "{}", events.len());
    }
    let begun = disk.contents(&Path::new(PATH).join("0000000002.seg")).unwrap();
    assert_ne!(begun[4096], 0);
}

#[test]
fn who_has_seen_what_the_writer_lost_is_told() {
    let memory = MemoryDisk::new();
    let disk = || Arc::new(memory.clone()) as Arc<dyn Disk>;
    for appended_since in [0, 1, 2] {
        let first = stepper(&disk, Durability::Os);
        place(&first, Durability::Sync);
        work(&first);
        let name = memory.list(Path::new(PATH)).unwrap();
        let name = name.into_iter().rfind(|name| name.ends_with(".seg")).unwrap();
        let path = Path::new(PATH).join(name);
        let before = read(&memory, &path);
        place(&first, Durability::Os);
        work(&first);
        let reader = reader(&memory, ReadMode::Pread);
        let mut follower = About::All.follow(&reader, 0);
        let mut events = Vec::new();
        assert!(follower.catch_up(&mut events).is_empty());
        let seen = events.len() as u64;
        drop(first);
        // As if a sync had failed and the system had dropped what it could not write.
        let file = memory.open(&path, Access::Write).unwrap();
        write_all_at(&*file, &before, 0).unwrap();
        let second = stepper(&disk, Durability::Os);
        assert_eq!(second.next_position().0, seen - 1);
        for _ in 0..appended_since {
            place(&second, Durability::Os);
            work(&second);
        }
        pause(A_WHILE_MS);
        let told = follower.next().unwrap_err();
        assert_eq!(told.kind(), ErrorKind::Poisoned, "{told}");
        assert_eq!(follower.next().unwrap(), Got::Nothing, "told once");
        assert_eq!(reader.all().events().unwrap_err().kind(), ErrorKind::Poisoned);
        assert_eq!(
            About::All.read(&self::reader(&memory, ReadMode::Map)).len() as u64,
            seen - 1 + appended_since
        );
        second.close().unwrap();
    }
}

fn read(disk: &MemoryDisk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, Access::Read).unwrap();
    let mut bytes = vec![0; file.size().unwrap() as usize];
    quipu_disk::read_exact_at(&*file, &mut bytes, 0).unwrap();
    bytes
}

/// A disk as a killed writer has left it: one event was acknowledged, another written and not synced.
fn left_behind() -> FaultDisk {
    let disk = FaultDisk::new(17);
    let shared = || Arc::new(disk.clone()) as Arc<dyn Disk>;
    let first = stepper(&shared, Durability::Sync);
    place(&first, Durability::Sync);
    work(&first);
    place(&first, Durability::Sync);
    assert!(first.take_job());
    first.finish_job();
    disk.kill()
}

#[test]
fn what_a_killed_writer_did_not_sync_is_made_durable_before_it_is_shown() {
    let read_only = |disk: &FaultDisk| {
        let options = Options { mode: Mode::ReadOnly, ..options(ReadMode::Map, Durability::Sync) };
        Store::builder(PATH).disk(Arc::new(disk.clone())).options(options).open()
    };
    let disk = left_behind();
    assert_eq!(About::All.read(&read_only(&disk).unwrap()).len(), 2);
    let operations = disk.operations();
    let mut seen_less = 0;
    for at in 0..operations {
        let disk = left_behind();
        disk.plan(Fault { at, kind: FaultKind::Error(Errno::Io), sticky: false });
        let seen = read_only(&disk).map_or(0, |reader| About::All.read(&reader).len());
        let after = disk.power_cut(PowerCut::LoseAll);
        let kept = About::All.read(&open(&after)).len();
        assert!(kept >= seen, "{seen} seen and {kept} kept when operation {at} fails");
        seen_less += usize::from(seen == 1);
    }
    assert_eq!(seen_less, 1, "where the sync failed, what was acknowledged is shown");
}

/// The writer died, the power went off, and the next writer has begun: it has the lock and has recovered nothing. The page
/// is the dead one's, and tells of a commit that the power has taken away.
#[test]
fn a_page_that_has_outlived_a_power_cut_does_not_show_what_that_has_taken() {
    let disk = FaultDisk::new(23);
    let shared = || Arc::new(disk.clone()) as Arc<dyn Disk>;
    let first = stepper(&shared, Durability::Os);
    for _ in 0..3 {
        place(&first, Durability::Os);
        assert!(first.take_job());
        first.finish_job();
    }
    let after = disk.power_cut(PowerCut::TearLast(0, 0));
    let _lock = after.lock(&Path::new(PATH).join("lock")).unwrap().unwrap();
    let reader = reader(&after, ReadMode::Map);
    let mut follower = About::All.follow(&reader, 0);
    for _ in 0..3 {
        let mut events = Vec::new();
        assert!(follower.catch_up(&mut events).is_empty(), "nothing of it is damaged");
        assert!(About::All.read(&reader).len() <= 2);
        after.advance(std::time::Duration::from_millis(A_WHILE_MS));
    }
    assert!(reader.next_position().0 <= 2);
}
