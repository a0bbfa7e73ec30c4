//! Scripted workloads: short, and each made of what it is named for.

use quipu::Durability::{Os, Sync};
use quipu::{Durability, ErrorKind, ExpectedVersion, Options};
use quipu_disk::{FaultDisk, PowerCut};
use quipu_tests::checker::{Checked, Rule, Violation};
use quipu_tests::subject::{End, Opened, Subject, Wish};

/// One step of a workload.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Do {
    Open,
    /// Appends a commit: so many bytes to each of these streams; `None` only checks it.
    Append(&'static [(u16, Option<usize>)], Durability),
    /// Appends so many commits of so many bytes, without a sync between them.
    Burst(usize, usize),
    /// Has all of it written, synced, sealed.
    Drain,
    Idle,
    Read,
    Close,
    /// Closes and opens so many times.
    Reopen(usize),
    Crash(End),
}

/// A store, what happened to it before, and what is done to it while things fail.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) durability: Durability,
    pub(crate) before: &'static [Do],
    pub(crate) steps: &'static [Do],
}

const ONE: Do = Do::Append(&[(0, Some(100))], Sync);
const TWO: Do = Do::Append(&[(0, Some(60)), (1, Some(0)), (2, None)], Sync);
const LARGE: Do = Do::Append(&[(3, Some(20_000)), (4, Some(10))], Sync);

pub(crate) const WORKLOADS: &[Workload] = &[
    Workload { name: "creation", durability: Sync, before: &[], steps: &[Do::Open, Do::Close] },
    Workload {
        name: "appends",
        durability: Sync,
        before: &[Do::Open],
        steps: &[ONE, Do::Drain, TWO, Do::Drain, ONE, ONE, Do::Drain, Do::Read, ONE],
    },
    Workload {
        name: "several streams",
        durability: Sync,
        before: &[Do::Open, ONE, Do::Drain],
        steps: &[TWO, TWO, Do::Drain, Do::Append(&[(5, Some(9)), (0, None)], Sync), Do::Drain],
    },
    Workload {
        name: "rolls and seals",
        durability: Sync,
        before: &[Do::Open],
        steps: &[
            Do::Burst(4, 600),
            Do::Drain,
            Do::Burst(6, 700),
            Do::Burst(6, 900),
            Do::Drain,
            Do::Idle,
            Do::Burst(2, 900),
            Do::Drain,
        ],
    },
    Workload {
        name: "a commit larger than a segment",
        durability: Sync,
        before: &[Do::Open],
        steps: &[LARGE, Do::Drain, ONE, LARGE, Do::Drain, ONE, Do::Drain],
    },
    Workload {
        name: "close and reopen",
        durability: Sync,
        before: &[Do::Open, Do::Burst(7, 700), Do::Drain],
        steps: &[
            ONE,
            Do::Close,
            Do::Open,
            Do::Close,
            Do::Open,
            TWO,
            Do::Drain,
            Do::Idle,
            Do::Close,
        ],
    },
    Workload {
        name: "indexes that are saved and used",
        durability: Sync,
        before: &[Do::Open, Do::Burst(40, 2500), Do::Drain, Do::Close],
        steps: &[Do::Open, Do::Burst(6, 900), Do::Drain, Do::Close, Do::Open, ONE, Do::Drain],
    },
    Workload {
        name: "recovery after a kill",
        durability: Os,
        before: &[Do::Open, ONE, Do::Drain, Do::Burst(5, 500), Do::Crash(End::Kill)],
        steps: &[Do::Open, ONE, Do::Drain, Do::Close],
    },
    Workload {
        name: "recovery after a power cut",
        durability: Sync,
        before: &[
            Do::Open,
            Do::Burst(9, 700),
            Do::Drain,
            Do::Burst(3, 300),
            Do::Crash(End::Cut(PowerCut::Random)),
        ],
        steps: &[Do::Open, ONE, Do::Drain, Do::Close],
    },
    Workload {
        name: "recovery of a recovery",
        durability: Sync,
        before: &[
            Do::Open,
            Do::Burst(3, 300),
            Do::Crash(End::Cut(PowerCut::KeepAll)),
            Do::Open,
            Do::Burst(9, 700),
            Do::Crash(End::Kill),
        ],
        steps: &[Do::Open, Do::Burst(6, 900), Do::Drain],
    },
    Workload {
        name: "a store that answers before it syncs",
        durability: Os,
        before: &[Do::Open],
        steps: &[
            Do::Append(&[(0, Some(100))], Os),
            Do::Burst(5, 500),
            Do::Idle,
            Do::Append(&[(1, Some(30))], Os),
            Do::Burst(6, 800),
            ONE,
            Do::Drain,
            Do::Append(&[(0, Some(100))], Os),
            Do::Close,
        ],
    },
    Workload {
        name: "answers of both kinds",
        durability: Sync,
        before: &[Do::Open],
        steps: &[
            Do::Append(&[(0, Some(100))], Os),
            ONE,
            Do::Drain,
            Do::Append(&[(0, Some(100))], Os),
            Do::Append(&[(1, Some(100))], Os),
            Do::Drain,
            Do::Burst(6, 800),
            Do::Read,
        ],
    },
];

/// Opened and closed so often that the manifest has no room for another segment: it is written anew.
pub(crate) const RENEWAL: Workload = Workload {
    name: "a manifest that is full",
    durability: Sync,
    before: &[Do::Open, ONE, Do::Drain, Do::Reopen(RENEWAL_AFTER), Do::Close],
    steps: &[Do::Open, Do::Burst(12, 3000), Do::Drain, Do::Close],
};
const RENEWAL_AFTER: usize = 625;

impl Workload {
    /// The store as the workload finds it.
    pub(crate) fn subject(&self) -> Subject {
        self.subject_on(FaultDisk::new(7)).expect("nothing fails before")
    }

    pub(crate) fn subject_on(&self, disk: FaultDisk) -> Checked<Subject> {
        let options = Options {
            durability: self.durability,
            buffer_bytes: 4096,
            buffers: 3,
            segment_bytes_min: 8 << 10,
            segment_bytes_max: 16 << 10,
            ballast_bytes: 8 << 10,
            ..Options::default()
        };
        let mut subject = Subject::new(disk, options);
        run(&mut subject, self.before)?;
        Ok(subject)
    }
}

/// Takes steps until the power goes off, or the store neither is open nor opens.
pub(crate) fn run(subject: &mut Subject, steps: &[Do]) -> Checked {
    for step in steps {
        take(subject, *step)?;
        if subject.is_off() || !subject.is_open() && !matches!(step, Do::Close | Do::Crash(_)) {
            break;
        }
    }
    Ok(())
}

fn take(subject: &mut Subject, step: Do) -> Checked {
    match step {
        Do::Open => subject.open().map(drop),
        Do::Append(streams, durability) => append(subject, streams, durability).map(drop),
        Do::Burst(commits, bytes) => {
            let durability = subject.options().durability;
            for stream in 0..commits {
                let stream = u16::try_from(stream % 3).unwrap_or_default();
                press(subject, &[(stream, Some(bytes))], durability)?;
            }
            Ok(())
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
    }
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
