//! Scripted workloads, stopped at every single operation of the disk: by the power, by an error, by
//! want of room.

mod failures;
mod shown;
mod workload;
mod workloads;

use std::collections::BTreeSet;
use std::path::Path;

use quipu_disk::{Errno, FaultDisk, Lie, PowerCut};
use quipu_format::manifest::ManifestHeader;
use quipu_tests::checker::Checked;
use quipu_tests::segments::is_index;
use quipu_tests::subject::{End, Opened, PATH, Subject};

use failures::fails_once;
use shown::Shown;
use workload::{Do, Workload, goes_on, run};
use workloads::{RENEWAL, WORKLOADS};

const ENDS: [End; 3] = [End::Cut(PowerCut::LoseAll), End::Cut(PowerCut::KeepAll), End::Kill];
/// Of the operations of a recovery an ordinary run takes one in so many, and the others where the power went off
/// at another operation before.
const RECOVERY_STRIDE: u64 = 8;
/// Random cuts at each operation.
const RANDOM_CUTS: usize = 8;
/// Operations of a workload that an ordinary run stops at in one test. With `QUIPU_EVERY_POINT=1` it is each of them.
const POINTS_MAX: u64 = 45;
/// Of one write so many tears are tried by an ordinary run.
const TEARS_MAX: usize = 4;
/// A write that is not longer is torn at every byte, others at every sixteenth and where sectors begin.
const SMALL_BYTES: u64 = 512;
const SECTOR_BYTES: u64 = 512;
const STEP_BYTES: usize = 16;

/// Whether each point is to be tried.
fn is_every_point() -> bool {
    std::env::var_os("QUIPU_EVERY_POINT").is_some()
}

/// A workload, and how often it is begun.
struct Begun<'w> {
    workload: &'w Workload,
    /// What it finds, if that is a store that nobody has open: made once, and copied.
    closed: Option<Subject>,
    operations: u64,
    /// It is what it is named for.
    is_shown: bool,
}

impl Begun<'_> {
    fn new(workload: &Workload) -> Begun<'_> {
        let first = workload.subject();
        let before = first.counts;
        let closed = (!first.is_open()).then_some(first);
        let mut begun = Begun { workload, closed, operations: 0, is_shown: false };
        let mut subject = begun.subject();
        let (start, files) = (subject.counts, subject.disk().files());
        let from = subject.disk().operations();
        for &step in workload.steps {
            run(&mut subject, &[step]).expect("nothing fails");
            begun.operations = subject.disk().operations() - from;
            let (subject, operations) = (&subject, begun.operations);
            let shown = Shown { before, start, files: &files, subject, operations };
            begun.is_shown |= (workload.shows)(&shown);
        }
        if !begun.is_shown {
            println!("{}: {before:?}\n{start:?}\n{:?}\n{files:?}", workload.name, subject.counts);
        }
        begun
    }

    /// The store as the workload finds it.
    fn subject(&self) -> Subject {
        match &self.closed {
            Some(closed) => closed.fork(End::Kill).expect("it is closed"),
            None => self.workload.subject(),
        }
    }

    /// The store once the workload has come to its end, or has been stopped by what was planned.
    fn run(&self, plan: impl FnOnce(&mut Subject)) -> Checked<Subject> {
        let mut subject = self.subject();
        plan(&mut subject);
        run(&mut subject, self.workload.steps)?;
        Ok(subject)
    }

    /// The store as it is when the power has gone off at an operation.
    fn stopped_at(&self, at: u64) -> Checked<Subject> {
        let mut subject = self.run(|subject| {
            let disk = subject.disk().clone();
            subject.faults.plan_power_off(&disk, at);
        })?;
        settled(&mut subject)?;
        Ok(subject)
    }

    /// The operations to stop at, others in each test.
    fn points(&self, test: &str) -> impl Iterator<Item = u64> {
        let stride = if is_every_point() { 1 } else { self.operations.div_ceil(POINTS_MAX).max(1) };
        let turn = test.len() as u64 % stride;
        (turn..self.operations).step_by(stride as usize)
    }
}

/// Tries operations of each workload.
fn each_operation(test: &str, check: impl Fn(&Begun<'_>, u64) -> Checked) {
    let mut tried = 0;
    for workload in WORKLOADS {
        let begun = Begun::new(workload);
        for at in begun.points(test) {
            tried += 1;
            if let Err(violation) = check(&begun, at) {
                panic!("{}, at operation {at}: {violation}", workload.name);
            }
        }
    }
    println!("{test}: {tried} operations of {} workloads", WORKLOADS.len());
}

fn settled(subject: &mut Subject) -> Checked {
    if subject.is_open() { subject.settle() } else { Ok(()) }
}

#[test]
fn each_workload_is_what_it_is_named_for() {
    let others = WORKLOADS.iter().filter(|workload| !Begun::new(workload).is_shown);
    let others: Vec<&str> = others.map(|workload| workload.name).collect();
    assert!(others.is_empty(), "{others:?}");
}

/// What fails at an operation fails there again. A salvage writes its copy as a program would, with threads, and goes
/// its own way.
#[test]
fn a_workload_goes_the_same_way_each_time() {
    let has_threads = |step: &Do| matches!(step, Do::Salvage);
    for workload in WORKLOADS.iter().filter(|it| !it.steps.iter().any(has_threads)) {
        let trace = || {
            let mut subject = workload.subject();
            run(&mut subject, workload.steps).expect("nothing fails");
            (subject.disk().operations(), subject.disk().trace_hash())
        };
        assert_eq!(trace(), trace(), "{}", workload.name);
    }
}

fn power_off(subject: &Subject) -> Checked {
    let random = [End::Cut(PowerCut::Random); RANDOM_CUTS];
    ENDS.iter().chain(&random).try_for_each(|&end| goes_on(&mut subject.fork(end)?))
}

#[test]
fn the_power_goes_off_at_every_operation() {
    each_operation("power", |begun, at| power_off(&begun.stopped_at(at)?));
}

/// The parts of a write that a torn write leaves, from and to which of its bytes: a prefix of any length of a small one,
/// of any sixteenth of a larger one, and where sectors begin a prefix or what comes behind it.
fn tears(write: &std::ops::Range<u64>) -> Vec<(u64, u64)> {
    let length = write.end - write.start;
    let first = SECTOR_BYTES - write.start % SECTOR_BYTES;
    let sectors = (first..length).step_by(SECTOR_BYTES as usize);
    let behind = sectors.clone().map(|at| (at, length));
    match length <= SMALL_BYTES {
        true => (0..length).map(|at| (0, at)).chain(behind).collect(),
        false => {
            let places: BTreeSet<u64> = (0..length).step_by(STEP_BYTES).chain(sectors).collect();
            places.into_iter().map(|at| (0, at)).chain(behind).collect()
        }
    }
}

/// The last write before an operation is torn: of so many tears, or of all of them. How many were tried.
fn torn(begun: &Begun, at: u64) -> Checked<usize> {
    let subject = begun.stopped_at(at)?;
    // Where the power goes off right after a sync there is none.
    let Some(write) = subject.disk().last_write() else { return Ok(0) };
    let tears = tears(&write);
    let stride = if is_every_point() { 1 } else { tears.len().div_ceil(TEARS_MAX).max(1) };
    let mut tried = 0;
    for (from, to) in tears.into_iter().skip(at as usize % stride).step_by(stride) {
        tried += 1;
        goes_on(&mut subject.fork(End::Cut(PowerCut::TearLast(from, to)))?)?;
    }
    Ok(tried)
}

#[test]
fn the_last_write_is_torn_everywhere() {
    let tried = std::cell::Cell::new(0);
    each_operation("tears", |begun, at| {
        tried.set(tried.get() + torn(begun, at)?);
        Ok(())
    });
    println!("{} tears", tried.get());
    assert!(tried.get() > 1000, "{}", tried.get());
}

/// How often the manifest was written anew.
fn generation(subject: &Subject) -> u64 {
    let manifest = subject.disk().contents(&Path::new(PATH).join("manifest"));
    let header = ManifestHeader::decode(&manifest.expect("a store has a manifest"));
    header.expect("it is valid").generation
}

#[test]
fn the_power_goes_off_while_the_manifest_is_written_anew() {
    let begun = Begun::new(&RENEWAL);
    assert!(begun.is_shown, "{}", RENEWAL.name);
    let before = generation(&begun.subject());
    let after = generation(&begun.run(|_| {}).expect("nothing fails"));
    assert_eq!(after, before + 1, "the workload is what it is named for");
    for at in 0..begun.operations {
        let checked = begun.stopped_at(at).and_then(|subject| power_off(&subject));
        let checked = checked.and_then(|()| torn(&begun, at).map(drop));
        let checked = checked.and_then(|()| fails_once(&begun, at, Errno::Full));
        let checked = checked.and_then(|()| fails_once(&begun, at, Errno::Io));
        if let Err(violation) = checked {
            panic!("{}, at operation {at}: {violation}", RENEWAL.name);
        }
    }
}

#[test]
fn a_disk_that_lies_is_found() {
    for lie in
        [Lie::SyncIgnored, Lie::DirectorySyncIgnored, Lie::RenameNotAtomic, Lie::WriteShortened]
    {
        let lies = |begun: &Begun<'_>, at| {
            let disk = FaultDisk::new(7);
            disk.lie(lie);
            let mut subject = begun.workload.subject_on(disk)?;
            let disk = subject.disk().clone();
            subject.faults.plan_power_off(&disk, at);
            run(&mut subject, begun.workload.steps)?;
            settled(&mut subject)?;
            power_off(&subject)
        };
        let found = WORKLOADS.iter().any(|workload| {
            let begun = Begun::new(workload);
            (0..begun.operations).any(|at| lies(&begun, at).is_err())
        });
        assert!(found, "{lie:?}");
    }
}

/// Recovery is stopped at every operation of it, wherever the power went off before.
#[test]
fn the_power_goes_off_in_every_recovery() {
    each_operation("recovery", |begun, at| {
        let subject = begun.stopped_at(at)?;
        let stride = if is_every_point() { 1 } else { RECOVERY_STRIDE };
        for again in (at % stride..).step_by(stride as usize) {
            let mut subject = subject.fork(End::Cut(PowerCut::Random))?;
            let disk = subject.disk().clone();
            subject.faults.limit_room(&disk, None);
            subject.faults.plan_power_off(&disk, again);
            if subject.open()? == Opened::Yes {
                return Ok(());
            }
            subject.crash(End::Cut(PowerCut::Random))?;
            goes_on(&mut subject)?;
        }
        Ok(())
    });
}

#[test]
fn the_power_goes_off_again_once_the_store_has_recovered() {
    each_operation("once more", |begun, at| {
        let mut subject = begun.stopped_at(at)?.fork(End::Kill)?;
        goes_on(&mut subject)?;
        subject.crash(End::Cut(PowerCut::LoseAll))?;
        goes_on(&mut subject)
    });
}

/// Whatever a crash leaves: what happens to index files then changes nothing.
#[test]
fn index_files_are_harmed_after_the_power_went_off() {
    each_operation("index files", |begun, at| {
        let subject = begun.stopped_at(at)?;
        [Harm::Gone, Harm::Cut, Harm::Flipped].iter().try_for_each(|harm| {
            let mut subject = subject.fork(End::Kill)?;
            harm.come_over(subject.disk());
            goes_on(&mut subject)
        })
    });
}

/// What may happen to index files.
#[derive(Clone, Copy)]
enum Harm {
    Gone,
    Cut,
    Flipped,
}

impl Harm {
    fn come_over(self, disk: &FaultDisk) {
        for file in disk.files().into_iter().filter(|file| is_index(file)) {
            let bytes = disk.contents(&file).expect("it is there");
            let half = bytes.len() / 2;
            let harmed = match self {
                Harm::Gone => disk.erase(&file),
                Harm::Cut => disk.put(&file, &bytes[..half]),
                Harm::Flipped => disk.flip(&file, half as u64, 1),
            };
            harmed.expect("nothing fails");
        }
    }
}
