//! What scripted workloads are made of, and how their steps are taken.

use std::path::Path;
use std::sync::Arc;

use quipu::Durability::{Os, Sync};
use quipu::{Durability, ErrorKind, ExpectedVersion, Options, rebuild_index_on, salvage_on};
use quipu_disk::{Disk, Errno, FaultDisk};
use quipu_tests::checker::{Checked, Rule, Violation};
use quipu_tests::history::{Condition, Item, Selection};
use quipu_tests::random::Random;
use quipu_tests::segments::is_index;
use quipu_tests::subject::{End, Failure, Opened, PATH, Sticky, Subject, Wish};

use super::shown::Shown;

/// One step of a workload.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Do {
    Open,
    /// Appends a commit: so many bytes to each of these streams; `None` only checks it.
    Append(&'static [(u16, Option<usize>)], Durability),
    /// Appends so many commits of so many bytes, without a sync between them.
    Burst(usize, usize),
    /// Appends a commit of so many events without a payload.
    Batch(usize),
    /// Appends a commit that expects of a stream what it expects.
    Expect(u16, ExpectedVersion),
    /// Appends an event that carries a condition.
    Guarded(u16, Guard),
    /// Sends a commit of before once more.
    Again,
    /// Has the committer take a job, or do the one that it took.
    Take,
    Finish,
    /// Has all of it written, synced, sealed.
    Drain,
    Idle,
    Read,
    Close,
    /// Closes and opens so many times.
    Reopen(usize),
    Crash(End),
    /// Appends a commit whose sync fails, and lets go of the store.
    FailSync,
    /// Somebody follows all of it from the first event on, and gets what there is.
    Follow,
    Deliver,
    /// Another process reads it, and gets what there is.
    OpenElsewhere,
    DeliverElsewhere,
    /// The disk has room for so many more bytes, or for any number.
    Room(Option<u64>),
    /// Without the store being open: all index files are gone, are made anew, or a copy of it is salvaged.
    LoseIndexes,
    Rebuild,
    Salvage,
}

/// A condition, by whether it lets a commit pass.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Guard {
    /// Nothing has happened since the last event.
    Holds,
    /// Nothing has ever happened.
    Forbids,
}

/// A store, what happened to it before, and what is done to it while things fail.
#[derive(Clone, Copy)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    adapt: fn(&mut Options),
    before: &'static [Do],
    pub(crate) steps: &'static [Do],
    /// Whether it is what it is named for, after some step of it, if nothing fails.
    pub(crate) shows: fn(&Shown<'_>) -> bool,
}

impl Workload {
    pub(crate) const fn new(
        name: &'static str,
        before: &'static [Do],
        steps: &'static [Do],
        shows: fn(&Shown<'_>) -> bool,
    ) -> Workload {
        Workload { name, adapt: |_| {}, before, steps, shows }
    }

    /// Other options than usual.
    pub(crate) const fn with(self, adapt: fn(&mut Options)) -> Workload {
        Workload { adapt, ..self }
    }

    /// A store that answers before it syncs.
    pub(crate) const fn os(self) -> Workload {
        self.with(|options| options.durability = Os)
    }

    /// The store as the workload finds it.
    pub(crate) fn subject(&self) -> Subject {
        self.subject_on(FaultDisk::new(7)).expect("nothing fails before")
    }

    pub(crate) fn subject_on(&self, disk: FaultDisk) -> Checked<Subject> {
        let mut options = Options {
            buffer_bytes: 4096,
            buffers: 3,
            segment_bytes_min: 8 << 10,
            segment_bytes_max: 16 << 10,
            ballast_bytes: 8 << 10,
            ..Options::default()
        };
        (self.adapt)(&mut options);
        let mut subject = Subject::new(disk, options);
        run(&mut subject, self.before)?;
        Ok(subject)
    }
}

/// Takes steps until the power goes off, or the store neither is open nor opens.
pub(crate) fn run(subject: &mut Subject, steps: &[Do]) -> Checked {
    for step in steps {
        take(subject, *step)?;
        if subject.is_off() || !subject.is_open() && matches!(step, Do::Open | Do::Reopen(_)) {
            break;
        }
    }
    Ok(())
}

fn take(subject: &mut Subject, step: Do) -> Checked {
    match step {
        Do::Open => subject.open().map(drop),
        Do::Append(streams, durability) => append(subject, streams, durability).map(drop),
        Do::Burst(commits, bytes) => burst(subject, commits, bytes),
        Do::Batch(events) => {
            let wish =
                Wish { stream: 1, expected: ExpectedVersion::Any, payloads: vec![0; events] };
            subject.press(&[wish], Sync).map(drop)
        }
        Do::Expect(stream, expected) => {
            let wish = Wish { stream, expected, payloads: vec![30] };
            subject.press(&[wish], Sync).map(drop)
        }
        Do::Guarded(stream, guard) => guarded(subject, stream, guard),
        Do::Again => {
            let mut random = Random::new(subject.checker().next_position());
            let again = subject.compose_again(&mut random);
            again.map_or(Ok(()), |again| subject.push(again).map(drop))
        }
        Do::Take => subject.take_job().map(drop),
        Do::Finish => {
            subject.copy_all();
            subject.finish_job()
        }
        Do::Drain => subject.drain(),
        Do::Idle => {
            subject.idle()?;
            subject.drain()
        }
        Do::Read => subject.read_from(0),
        Do::Close => subject.close().map(drop),
        Do::Reopen(times) => (0..times).try_for_each(|_| {
            subject.close()?;
            subject.open().map(drop)
        }),
        Do::Crash(end) => subject.crash(end),
        Do::FailSync => fail_sync(subject),
        Do::Follow => subject.follow(Selection::All, Some(0)),
        Do::Deliver => subject.deliver_all(),
        Do::OpenElsewhere => subject.open_elsewhere(),
        Do::DeliverElsewhere => subject.deliver_elsewhere(1000),
        Do::Room(bytes) => {
            let disk = subject.disk().clone();
            subject.faults.limit_room(&disk, bytes);
            Ok(())
        }
        Do::LoseIndexes => {
            let files = subject.disk().files().into_iter().filter(|file| is_index(file));
            files.for_each(|file| subject.disk().erase(&file).expect("it is there"));
            Ok(())
        }
        Do::Rebuild => {
            let disk: Arc<dyn Disk> = Arc::new(subject.disk().clone());
            let options = subject.options();
            let rebuilt = rebuild_index_on(&disk, Path::new(PATH), options, &mut |_| {});
            explained(subject, rebuilt.map(drop))
        }
        Do::Salvage => {
            let disk: Arc<dyn Disk> = Arc::new(subject.disk().clone());
            let (from, to) = (Path::new(PATH), Path::new("/salvaged"));
            let salvaged = salvage_on(&disk, from, to, subject.options(), &mut |_| {});
            explained(subject, salvaged.map(drop))
        }
    }
}

/// What is done to a store that is not open fails only where it was planned.
fn explained(subject: &Subject, done: quipu::Result<()>) -> Checked {
    let failed = subject.is_off()
        || subject.is_spoiled()
        || subject.faults.has_failed(subject.disk().operations());
    match done {
        Err(error) if error.kind() == ErrorKind::Full && subject.faults.was_full() => Ok(()),
        Err(error) if !failed => Err(Violation::new(Rule::Error, format!("{error:?}"))),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn burst(subject: &mut Subject, commits: usize, bytes: usize) -> Checked {
    let durability = subject.options().durability;
    for stream in 0..commits {
        let stream = u16::try_from(stream % 3).unwrap_or_default();
        press(subject, &[(stream, Some(bytes))], durability)?;
    }
    Ok(())
}

fn guarded(subject: &mut Subject, stream: u16, guard: Guard) -> Checked {
    let next = subject.checker().next_position();
    let after = match guard {
        Guard::Holds => next.checked_sub(1),
        Guard::Forbids => None,
    };
    let condition = Condition { items: vec![Item::default()], after };
    let wish = Wish { stream, expected: ExpectedVersion::Any, payloads: vec![20] };
    let submission = subject.compose(&[wish], Some(condition), Sync);
    subject.push(submission).map(drop)
}

/// Nothing is under way: the next job is a write, and the one after it syncs.
fn fail_sync(subject: &mut Subject) -> Checked {
    press(subject, &[(0, Some(200))], Sync)?;
    subject.copy_all();
    subject.take_job()?;
    subject.finish_job()?;
    subject.take_job()?;
    let disk = subject.disk().clone();
    subject.faults.plan_error(&disk, Failure::clean(Errno::Io), 0, Sticky::No);
    subject.finish_job()?;
    assert!(subject.faults.is_poisoned(), "the sync has failed");
    subject.abandon()
}

/// Appends a commit and lets the committer have it.
pub(crate) fn append(
    subject: &mut Subject,
    streams: &[(u16, Option<usize>)],
    durability: Durability,
) -> Checked<Option<ErrorKind>> {
    let refused = press(subject, streams, durability)?;
    if refused.is_none() && !subject.is_off() {
        subject.copy_all();
        subject.finish_job()?;
        subject.take_job()?;
        subject.finish_job()?;
    }
    Ok(refused)
}

fn press(
    subject: &mut Subject,
    streams: &[(u16, Option<usize>)],
    durability: Durability,
) -> Checked<Option<ErrorKind>> {
    if subject.is_off() {
        return Ok(Some(ErrorKind::Unknown));
    }
    let wish = |&(stream, bytes): &(u16, Option<usize>)| {
        let head = subject.checker().head(stream);
        let expected = head.map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact);
        Wish { stream, expected, payloads: bytes.into_iter().collect() }
    };
    let wishes: Vec<Wish> = streams.iter().map(wish).collect();
    subject.press(&wishes, durability)
}

/// The store opens, shows all that was promised, and takes commits again.
pub(crate) fn goes_on(subject: &mut Subject) -> Checked {
    let disk = subject.disk().clone();
    subject.faults.limit_room(&disk, None);
    for _ in 0..2 {
        if subject.open()? == Opened::Yes {
            break;
        }
    }
    if !subject.is_open() {
        return Err(Violation::new(Rule::Opening, "nothing fails any more, and it does not open"));
    }
    if let Some(kind) = append(subject, &[(0, Some(50)), (6, Some(0))], Sync)? {
        return Err(Violation::new(Rule::Error, format!("just opened, and {kind:?}")));
    }
    subject.drain()?;
    subject.read_from(0)
}
