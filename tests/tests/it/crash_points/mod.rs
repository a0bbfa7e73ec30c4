//! Scripted workloads, stopped at every single operation of the disk: by the power, by an error, by
//! want of room.

mod workload;

use std::io;
use std::path::Path;

use quipu_disk::{Disk, FaultDisk, Lie, PowerCut};
use quipu_format::manifest::ManifestHeader;
use quipu_tests::checker::Checked;
use quipu_tests::subject::{End, Opened, PATH, Sticky, Subject};

use workload::{RENEWAL, WORKLOADS, Workload, goes_on, run};

const ENDS: [End; 3] = [End::Cut(PowerCut::LoseAll), End::Cut(PowerCut::KeepAll), End::Kill];
/// Of the operations of a recovery one in so many is taken, and the others where the power went off
/// at another operation before.
const RECOVERY_STRIDE: u64 = 5;
/// Random cuts at each operation.
const RANDOM_CUTS: usize = 8;

/// How many operations a workload takes if nothing fails.
fn operations(workload: &Workload) -> u64 {
    let mut subject = workload.subject();
    let before = subject.disk().operations();
    run(&mut subject, workload.steps).expect("nothing fails");
    let operations = subject.disk().operations() - before;
    assert!(operations > 3, "{}: only {operations} operations", workload.name);
    operations
}

fn each_operation(check: impl Fn(&Workload, u64) -> Checked) {
    for workload in WORKLOADS {
        for at in 0..operations(workload) {
            if let Err(violation) = check(workload, at) {
                panic!("{}, at operation {at}: {violation}", workload.name);
            }
        }
    }
}

fn settled(subject: &mut Subject) -> Checked {
    if subject.is_open() { subject.settle() } else { Ok(()) }
}

/// A workload whose power went off at an operation.
fn stopped_at(workload: &Workload, mut subject: Subject, at: u64) -> Checked<Subject> {
    let disk = subject.disk().clone();
    subject.faults.plan_power_off(&disk, at);
    run(&mut subject, workload.steps)?;
    settled(&mut subject)?;
    Ok(subject)
}

fn power_off(workload: &Workload, subject: Subject, at: u64) -> Checked {
    let subject = stopped_at(workload, subject, at)?;
    let random = [End::Cut(PowerCut::Random); RANDOM_CUTS];
    ENDS.iter().chain(&random).try_for_each(|&end| goes_on(&mut subject.fork(end)?))
}

#[test]
fn the_power_goes_off_at_every_operation() {
    each_operation(|workload, at| power_off(workload, workload.subject(), at));
}

/// How often the manifest was written anew.
fn generation(subject: &Subject) -> u64 {
    let manifest = subject.disk().contents(&Path::new(PATH).join("manifest"));
    let header = ManifestHeader::decode(&manifest.expect("a store has a manifest"));
    header.expect("it is valid").generation
}

#[test]
fn the_power_goes_off_while_the_manifest_is_written_anew() {
    // It takes long to come so far: done once, and copied.
    let full = RENEWAL.subject();
    let again = || full.fork(End::Kill).expect("it is closed");
    let mut subject = again();
    let before = generation(&subject);
    run(&mut subject, RENEWAL.steps).expect("nothing fails");
    assert_eq!(generation(&subject), before + 1, "the workload is what it is named for");
    for at in 0..subject.disk().operations() {
        let checked = power_off(&RENEWAL, again(), at);
        let once = || fails_once(&RENEWAL, again(), at, io::ErrorKind::StorageFull);
        let checked = checked.and_then(|()| once());
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
        let lies = |workload: &Workload, at| {
            let disk = FaultDisk::new(7);
            disk.lie(lie);
            workload.subject_on(disk).and_then(|subject| power_off(workload, subject, at))
        };
        let found = WORKLOADS
            .iter()
            .any(|workload| (0..operations(workload)).any(|at| lies(workload, at).is_err()));
        assert!(found, "{lie:?}");
    }
}

/// Recovery is stopped at every operation of it, wherever the power went off before.
#[test]
fn the_power_goes_off_in_every_recovery() {
    each_operation(|workload, at| {
        let subject = stopped_at(workload, workload.subject(), at)?;
        for again in (at % RECOVERY_STRIDE..).step_by(RECOVERY_STRIDE as usize) {
            let mut subject = subject.fork(End::Cut(PowerCut::Random))?;
            let disk = subject.disk().clone();
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
    each_operation(|workload, at| {
        let mut subject = stopped_at(workload, workload.subject(), at)?.fork(End::Kill)?;
        goes_on(&mut subject)?;
        subject.crash(End::Cut(PowerCut::LoseAll))?;
        goes_on(&mut subject)
    });
}

/// Whatever a crash leaves: what happens to index files then changes nothing.
#[test]
fn index_files_are_harmed_after_the_power_went_off() {
    each_operation(|workload, at| {
        let subject = stopped_at(workload, workload.subject(), at)?;
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
        for file in disk.files() {
            if !file.extension().is_some_and(|kind| kind == "idx" || kind == "run") {
                continue;
            }
            let bytes = disk.contents(&file).expect("it is there");
            let half = bytes.len() / 2;
            let harmed = match self {
                Harm::Gone => disk.remove(&file),
                Harm::Cut => disk.put(&file, &bytes[..half]),
                Harm::Flipped => disk.flip(&file, half as u64, 1),
            };
            harmed.expect("nothing fails");
        }
    }
}

fn fails_once(workload: &Workload, mut subject: Subject, at: u64, kind: io::ErrorKind) -> Checked {
    let disk = subject.disk().clone();
    subject.faults.plan_error(&disk, kind, at, Sticky::No);
    run(&mut subject, workload.steps)?;
    if subject.is_open() {
        subject.copy_all();
        subject.finish_job()?;
        subject.abandon()?;
    }
    goes_on(&mut subject)?;
    // What the failure took from the disk behind everybody's back shows when the power goes.
    subject.crash(End::Cut(PowerCut::LoseAll))?;
    goes_on(&mut subject)?;
    subject.close()?;
    goes_on(&mut subject)
}

#[test]
fn every_operation_fails_once() {
    each_operation(|workload, at| {
        fails_once(workload, workload.subject(), at, io::ErrorKind::Other)
    });
}

#[test]
fn every_operation_finds_the_disk_full_once() {
    each_operation(|workload, at| {
        fails_once(workload, workload.subject(), at, io::ErrorKind::StorageFull)
    });
}

/// The disk has room for so many more bytes, then for as many as it takes.
fn full_after(workload: &Workload, bytes: u64) -> Checked {
    let mut subject = workload.subject();
    let disk = subject.disk().clone();
    subject.faults.limit_room(&disk, Some(bytes));
    run(&mut subject, workload.steps)?;
    if subject.is_open() {
        subject.read_from(0)?;
    }
    subject.faults.limit_room(&disk, None);
    if subject.is_open() {
        // It goes on by itself.
        let refused = workload::append(&mut subject, &[(0, Some(3000))], workload.durability)?;
        assert_eq!(refused, None, "there is room again");
        subject.drain()?;
        subject.close()?;
    }
    goes_on(&mut subject)
}

#[test]
fn the_disk_is_full_at_every_size() {
    const STEP_BYTES: usize = 1000;
    for workload in WORKLOADS {
        for bytes in (0..100_000).step_by(STEP_BYTES) {
            if let Err(violation) = full_after(workload, bytes) {
                panic!("{}, with room for {bytes} bytes: {violation}", workload.name);
            }
        }
    }
}
