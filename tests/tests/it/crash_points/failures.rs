//! Every single call to the disk fails: once or for good, before or after it has taken effect, or finds no room.

use quipu_disk::{Errno, PowerCut};
use quipu_tests::checker::{Checked, Rule, Violation, ensure};
use quipu_tests::subject::{Counts, Done, End, Failure, Sticky, Subject};

use super::workload::{Workload, append, goes_on};
use super::workloads::WORKLOADS;
use super::{Begun, each_operation, is_every_point, settled};

/// Every second call is interrupted, so many times.
const INTERRUPTIONS: u64 = 100;

/// Whatever has failed is over: the program lets go of the store, and opens it anew.
fn goes_on_after(mut subject: Subject) -> Checked {
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

/// The same, of a call that fails once. A salvage has threads, which may have come to less than that call: nothing
/// fails any more then.
fn goes_on_after_one(mut subject: Subject) -> Checked {
    if subject.faults.is_armed(subject.disk().operations()) {
        subject.crash(End::Kill)?;
    }
    goes_on_after(subject)
}

/// A call fails once and has no effect.
pub(super) fn fails_once(begun: &Begun<'_>, at: u64, errno: Errno) -> Checked {
    goes_on_after_one(begun.run(|subject| {
        let disk = subject.disk().clone();
        subject.faults.plan_error(&disk, Failure::clean(errno), at, Sticky::No);
    })?)
}

#[test]
fn every_operation_fails_once() {
    each_operation("fails once", |begun, at| {
        fails_once(begun, at, Errno::Io)?;
        fails_once(begun, at, Errno::TimedOut)
    });
}

#[test]
fn every_operation_finds_the_disk_full_once() {
    each_operation("full once", |begun, at| fails_once(begun, at, Errno::Full));
}

#[test]
fn every_operation_fails_once_and_has_taken_effect() {
    each_operation("fails, and is done", |begun, at| {
        goes_on_after_one(begun.run(|subject| {
            let disk = subject.disk().clone();
            let failure = Failure { errno: Errno::Io, done: Done::Wholly };
            subject.faults.plan_error(&disk, failure, at, Sticky::No);
        })?)
    });
}

#[test]
fn every_operation_fails_once_and_a_sync_has_done_a_part() {
    each_operation("fails, and is done in part", |begun, at| {
        goes_on_after_one(begun.run(|subject| {
            let disk = subject.disk().clone();
            let failure = Failure { errno: Errno::Io, done: Done::Partly };
            subject.faults.plan_error(&disk, failure, at, Sticky::No);
        })?)
    });
}

/// A read meets a bad sector, which stays one. Whoever needs what stands there is told, and nobody builds on its being
/// gone: once it comes back, all is there.
#[test]
fn every_read_meets_a_bad_sector() {
    let met = std::cell::Cell::new(0);
    each_operation("bad sectors", |begun, at| {
        let spoiled = || {
            begun.run(|subject| {
                let disk = subject.disk().clone();
                subject.faults.plan_bad_sector(&disk, at);
            })
        };
        let subject = spoiled()?;
        if !subject.is_spoiled() {
            return Ok(());
        }
        met.set(met.get() + 1);
        let ends = [End::Kill, End::Cut(PowerCut::LoseAll), End::Cut(PowerCut::Random)];
        for end in ends {
            let mut later = subject.fork(end)?;
            later.open()?;
            if later.is_open() {
                later.crash(end)?;
            }
            later.disk().restore();
            goes_on(&mut later)?;
        }
        let subject = spoiled()?;
        subject.disk().restore();
        goes_on_after_one(subject)
    });
    assert!(met.get() > 100, "{}", met.get());
}

/// From some call on nothing works any more, until the process has been killed or the power been off.
fn fails_for_good(begun: &Begun<'_>, at: u64, errno: Errno, end: End) -> Checked {
    let mut subject = begun.run(|subject| {
        let disk = subject.disk().clone();
        subject.faults.plan_error(&disk, Failure::clean(errno), at, Sticky::Yes);
    })?;
    subject.crash(end)?;
    goes_on(&mut subject)
}

#[test]
fn from_every_operation_on_all_of_them_fail() {
    each_operation("fail for good", |begun, at| {
        fails_for_good(begun, at, Errno::Io, End::Kill)?;
        fails_for_good(begun, at, Errno::Full, End::Cut(PowerCut::LoseAll))
    });
}

#[test]
fn every_operation_is_interrupted_once() {
    each_operation("interrupted", |begun, at| fails_once(begun, at, Errno::Interrupted));
}

/// A workload comes to the same end, whatever is planned.
fn goes_unnoticed(begun: &Begun<'_>, plan: impl FnOnce(&mut Subject)) -> Checked {
    let (whole, mut disturbed) = (begun.run(|_| {})?, begun.run(plan)?);
    // How many files the copy has that a salvage makes depends on its threads.
    let of = |subject: &Subject| Counts { segments: 0, runs: 0, ..subject.counts };
    ensure(of(&whole) == of(&disturbed), Rule::Error, || {
        format!("{:?}, and {:?} without", disturbed.counts, whole.counts)
    })?;
    // What they have left on the medium is what was promised, too.
    settled(&mut disturbed)?;
    goes_on(&mut disturbed.fork(End::Cut(PowerCut::LoseAll))?)
}

#[test]
fn from_every_operation_on_reads_and_writes_are_cut_short_and_nobody_notices() {
    each_operation("cut short", |begun, at| {
        goes_unnoticed(begun, |subject| {
            let disk = subject.disk().clone();
            subject.faults.plan_short(&disk, at, Sticky::Yes);
        })
    });
}

#[test]
fn from_every_operation_on_reads_and_writes_are_interrupted_again_and_again_and_nobody_notices() {
    each_operation("interrupted again and again", |begun, at| {
        goes_unnoticed(begun, |subject| {
            let disk = subject.disk().clone();
            subject.faults.plan_interruptions(&disk, at, INTERRUPTIONS);
        })
    });
}

/// The disk has room for so many more bytes, then for as many as it takes.
fn full_after(workload: &Workload, begun: &Begun<'_>, bytes: u64) -> Checked {
    let mut subject = begun.run(|subject| {
        let disk = subject.disk().clone();
        subject.faults.limit_room(&disk, Some(bytes));
    })?;
    if subject.is_open() {
        subject.read_from(0)?;
    }
    let disk = subject.disk().clone();
    subject.faults.limit_room(&disk, None);
    if subject.is_open() {
        // It goes on by itself.
        let durability = subject.options().durability;
        if let Some(kind) = append(&mut subject, &[(0, Some(3000))], durability)? {
            let detail = format!("{}: there is room again, and {kind:?}", workload.name);
            return Err(Violation::new(Rule::Stuck, detail));
        }
        subject.drain()?;
        let detail = || format!("{}: there is room again, and no close", workload.name);
        ensure(subject.close()?, Rule::Stuck, detail)?;
    }
    goes_on(&mut subject)
}

#[test]
fn the_disk_is_full_at_every_size() {
    let step = if is_every_point() { 1000 } else { 3000 };
    for workload in WORKLOADS {
        let begun = Begun::new(workload);
        for bytes in (0..100_000).step_by(step) {
            if let Err(violation) = full_after(workload, &begun, bytes) {
                panic!("{}, with room for {bytes} bytes: {violation}", workload.name);
            }
        }
    }
}
