//! Scripted workloads: short, and each made of what it is named for.

use quipu::Durability::{Os, Sync};
use quipu::{ExpectedVersion, ReadMode};
use quipu_disk::PowerCut;
use quipu_tests::subject::End;

use super::shown::{rolls, writes_a_run, writes_a_run_of_runs};
use super::workload::{Do, Guard, Workload};

const ONE: Do = Do::Append(&[(0, Some(100))], Sync);
const TWO: Do = Do::Append(&[(0, Some(60)), (1, Some(0)), (2, None)], Sync);
const LARGE: Do = Do::Append(&[(3, Some(20_000)), (4, Some(10))], Sync);
const LAZY: Do = Do::Append(&[(0, Some(100))], Os);
const KILLED: Do = Do::Crash(End::Kill);
const CUT: Do = Do::Crash(End::Cut(PowerCut::Random));
const TORN: Do = Do::Crash(End::Cut(PowerCut::TearLast(0, 700)));

/// Some segments, closed.
const SEGMENTS: &[Do] = &[Do::Open, Do::Burst(30, 1500), Do::Drain, Do::Close];

pub(crate) const WORKLOADS: &[Workload] = &[
    Workload::new("creation", &[], &[Do::Open, Do::Close], |it| {
        it.had("manifest") == 0 && it.has("manifest") == 1
    }),
    Workload::new(
        "appends",
        &[Do::Open],
        &[ONE, Do::Drain, TWO, Do::Drain, ONE, ONE, Do::Drain, Do::Read, ONE],
        |it| it.acknowledged() > 3 && it.more(|counts| counts.reads) > 0,
    ),
    Workload::new(
        "several streams",
        &[Do::Open, ONE, Do::Drain],
        &[TWO, TWO, Do::Drain, Do::Append(&[(5, Some(9)), (0, None)], Sync), Do::Drain],
        |it| it.acknowledged() > 2 && it.has_stream(1) && it.has_stream(5),
    ),
    Workload::new(
        "rolls and seals",
        &[Do::Open],
        &[
            Do::Burst(4, 600),
            Do::Drain,
            Do::Burst(6, 700),
            Do::Burst(6, 900),
            Do::Drain,
            Do::Idle,
            Do::Burst(2, 900),
            Do::Drain,
        ],
        |it| rolls(it) && it.has("idx") > 1,
    ),
    Workload::new(
        "a commit larger than a segment",
        &[Do::Open],
        &[LARGE, Do::Drain, ONE, LARGE, Do::Drain, ONE, Do::Drain],
        rolls,
    ),
    Workload::new(
        "close and reopen",
        &[Do::Open, Do::Burst(7, 700), Do::Drain],
        &[ONE, Do::Close, Do::Open, Do::Close, Do::Open, TWO, Do::Drain, Do::Idle, Do::Close],
        |it| it.openings() > 1 && it.recoveries() == 0,
    ),
    Workload::new(
        "indexes that are saved and used",
        &[Do::Open, Do::Burst(40, 2500), Do::Drain, Do::Close],
        &[Do::Open, Do::Burst(6, 900), Do::Drain, Do::Close, Do::Open, ONE, Do::Drain],
        |it| it.had("idx") == it.had("seg") && it.openings() > 1,
    ),
    Workload::new(
        "recovery after a kill",
        &[Do::Open, ONE, Do::Drain, Do::Burst(5, 500), KILLED],
        &[Do::Open, ONE, Do::Drain, Do::Close],
        |it| it.carried() > 0,
    )
    .os(),
    Workload::new(
        "recovery after a power cut",
        &[Do::Open, Do::Burst(9, 700), Do::Drain, Do::Burst(3, 300), CUT],
        &[Do::Open, ONE, Do::Drain, Do::Close],
        |it| it.before.crashes > 0 && it.recoveries() > 0,
    ),
    Workload::new(
        "recovery of a recovery",
        &[
            Do::Open,
            Do::Burst(3, 300),
            Do::Take,
            Do::Finish,
            Do::Crash(End::Cut(PowerCut::KeepAll)),
            Do::Open,
            Do::Burst(9, 700),
            KILLED,
        ],
        &[Do::Open, Do::Burst(6, 900), Do::Drain],
        |it| it.before.recoveries > 0 && it.carried() > 0,
    ),
    Workload::new(
        "a store that answers before it syncs",
        &[Do::Open],
        &[
            LAZY,
            Do::Burst(5, 500),
            Do::Idle,
            Do::Append(&[(1, Some(30))], Os),
            Do::Burst(6, 800),
            ONE,
            Do::Drain,
            LAZY,
            Do::Close,
        ],
        |it| it.acknowledged() > 13,
    )
    .os(),
    Workload::new(
        "answers of both kinds",
        &[Do::Open],
        &[
            LAZY,
            ONE,
            Do::Drain,
            LAZY,
            Do::Append(&[(1, Some(100))], Os),
            Do::Drain,
            Do::Burst(6, 800),
            Do::Read,
        ],
        |it| it.more(|counts| counts.commits) > 9 && it.acknowledged() > 3,
    ),
    Workload::new(
        "answers of both kinds before the sync",
        &[Do::Open, LAZY],
        &[LAZY, LAZY, ONE, LAZY, Do::Take, LAZY, Do::Finish, Do::Idle, LAZY, ONE, Do::Drain],
        |it| it.acknowledged() > 7,
    )
    .os(),
    Workload::new(
        "conditions",
        &[Do::Open, ONE, Do::Drain],
        &[
            Do::Guarded(0, Guard::Holds),
            Do::Guarded(1, Guard::Holds),
            Do::Guarded(1, Guard::Forbids),
            Do::Drain,
            Do::Guarded(2, Guard::Forbids),
            Do::Guarded(2, Guard::Holds),
            Do::Drain,
        ],
        |it| it.more(|counts| counts.barred) > 0,
    ),
    Workload::new(
        "conflicts",
        &[Do::Open, ONE, Do::Drain],
        &[
            Do::Expect(0, ExpectedVersion::NoStream),
            ONE,
            Do::Expect(0, ExpectedVersion::Exact(9)),
            Do::Expect(0, ExpectedVersion::StreamExists),
            Do::Drain,
            Do::Expect(5, ExpectedVersion::StreamExists),
        ],
        |it| it.more(|counts| counts.conflicts) > 2,
    ),
    Workload::new(
        "retries, on the way and later",
        &[Do::Open],
        &[ONE, Do::Again, Do::Drain, TWO, Do::Again, Do::Drain, Do::Close, Do::Open, Do::Again],
        |it| it.more(|counts| counts.retries) > 2,
    ),
    Workload::new(
        "retries that are known by their ids",
        &[Do::Open],
        &[
            Do::Expect(0, ExpectedVersion::Any),
            Do::Again,
            Do::Burst(9, 900),
            Do::Drain,
            Do::Again,
            Do::Drain,
        ],
        |it| it.more(|counts| counts.retries) > 1,
    )
    .with(|options| options.id_segments = 1000),
    Workload::new(
        "ids of several segments",
        SEGMENTS,
        &[Do::Open, Do::Burst(8, 1500), Do::Drain, Do::Close, Do::Open, ONE, Do::Drain],
        rolls,
    )
    .with(|options| options.id_segments = 3),
    Workload::new(
        "streams that are only checked",
        &[Do::Open, TWO, Do::Drain],
        &[
            Do::Append(&[(0, None), (1, None), (3, Some(9))], Sync),
            Do::Append(&[(3, None), (4, None), (0, Some(9))], Sync),
            Do::Drain,
        ],
        |it| it.acknowledged() > 1 && it.has_stream(3) && !it.has_stream(4),
    ),
    Workload::new(
        "all buffers in flight",
        &[Do::Open],
        &[
            Do::Burst(7, 1200),
            Do::Take,
            Do::Burst(5, 1200),
            Do::Finish,
            Do::Take,
            Do::Burst(3, 1200),
            Do::Finish,
            Do::Drain,
        ],
        |it| it.more(|counts| counts.busy) > 0,
    ),
    Workload::new(
        "a roll in the middle of a burst",
        &[Do::Open, Do::Burst(3, 900), Do::Drain],
        &[Do::Take, Do::Burst(14, 900), Do::Drain],
        rolls,
    ),
    Workload::new(
        "runs of heads",
        SEGMENTS,
        &[Do::Open, Do::Burst(20, 1500), Do::Drain, Do::Close],
        writes_a_run,
    ),
    Workload::new(
        "runs of runs",
        &[Do::Open, Do::Burst(300, 1600), Do::Drain, Do::Close],
        &[Do::Open, Do::Burst(22, 1600), Do::Drain, Do::Read],
        writes_a_run_of_runs,
    ),
    Workload::new(
        "a segment that is full of keys",
        &[Do::Open, Do::Batch(500), Do::Drain],
        &[Do::Batch(300), Do::Drain, Do::Batch(300), Do::Drain, ONE, Do::Drain, Do::Close],
        rolls,
    )
    .with(|options| {
        options.segment_bytes_min = 128 << 10;
        options.segment_bytes_max = 128 << 10;
        options.segment_keys_max = 1 << 10;
        options.id_segments = 1;
    }),
    Workload::new(
        "another process reads while it rolls",
        &[Do::Open, ONE, Do::Drain],
        &[
            Do::OpenElsewhere,
            Do::Burst(9, 900),
            Do::DeliverElsewhere,
            Do::Drain,
            Do::DeliverElsewhere,
            Do::Burst(9, 900),
            Do::Drain,
            Do::DeliverElsewhere,
        ],
        |it| rolls(it) && it.more(|counts| counts.others.delivered) > 15,
    ),
    Workload::new(
        "followers",
        &[Do::Open, ONE, Do::Drain],
        &[Do::Follow, Do::Deliver, Do::Burst(8, 900), Do::Drain, Do::Deliver, ONE, Do::Close],
        |it| it.more(|counts| counts.deliveries) > 9,
    ),
    Workload::new(
        "a ballast that is given up",
        &[Do::Open, Do::Burst(5, 1000), Do::Drain],
        &[
            Do::Room(Some(500)),
            Do::Append(&[(0, Some(2500))], Sync),
            Do::Append(&[(1, Some(2500))], Sync),
            Do::Close,
            Do::Room(None),
            Do::Open,
            Do::Burst(4, 1000),
            Do::Drain,
        ],
        |it| it.had("ballast") == 1 && it.has("ballast") == 0,
    ),
    Workload::new(
        "a sync has failed",
        &[Do::Open, ONE, Do::Drain, Do::FailSync],
        &[Do::Open, ONE, Do::Drain, Do::Close],
        |it| it.recoveries() > 0,
    ),
    Workload::new(
        "segments without a seal, and a torn tail",
        &[
            Do::Open,
            Do::Burst(20, 900),
            Do::Take,
            Do::Finish,
            Do::Burst(1, 900),
            Do::Take,
            Do::Finish,
            TORN,
        ],
        &[Do::Open, ONE, Do::Drain],
        |it| it.had("idx") + 1 < it.had("seg") && it.dropped() > 0,
    )
    .os(),
    Workload::new(
        "a crash without a write",
        &[Do::Open, ONE, Do::Drain, Do::Close, Do::Open, KILLED],
        &[Do::Open, Do::Close, Do::Open, Do::Close],
        |it| it.recoveries() > 0 && it.carried() + it.dropped() == 0,
    ),
    Workload::new(
        "all index files are gone",
        LOST,
        &[Do::Open, Do::Read, ONE, Do::Drain, Do::Close],
        |it| it.had("idx") == 0 && it.has("idx") > 1,
    ),
    Workload::new(
        "indexes are made anew",
        SEGMENTS,
        &[Do::Rebuild, Do::Open, ONE, Do::Drain],
        |it| it.openings() == 0 && it.operations > 4 * it.has("seg") as u64,
    ),
    Workload::new(
        "a salvage",
        SEGMENTS,
        &[Do::Salvage, Do::Open, ONE, Do::Drain, Do::Close],
        |it| it.openings() == 0 && it.has("seg") > it.had("seg"),
    ),
    Workload::new(
        "options of a store in memory",
        &[Do::Open],
        &[ONE, TWO, Do::Drain, Do::Burst(30, 3000), Do::Drain, Do::Close],
        rolls,
    )
    .with(|options| {
        options.buffer_bytes = 64 << 10;
        options.segment_bytes_min = 64 << 10;
        options.segment_bytes_max = 16 << 20;
        options.ballast_bytes = 0;
    }),
    Workload::new(
        "payloads of no byte",
        &[Do::Open],
        &[
            Do::Append(&[(0, Some(0))], Sync),
            Do::Append(&[(0, Some(0)), (1, Some(0)), (2, Some(0))], Sync),
            Do::Drain,
            Do::Burst(9, 0),
            Do::Close,
        ],
        |it| it.acknowledged() > 10,
    ),
    Workload::new(
        "names of many letters",
        &[Do::Open],
        &[
            Do::Append(&[(4, Some(10)), (8, Some(10)), (5, Some(10)), (11, None)], Sync),
            Do::Drain,
            Do::Append(&[(8, Some(10)), (11, Some(0)), (3, Some(1))], Sync),
            Do::Close,
        ],
        |it| it.acknowledged() > 1 && it.has_stream(5) && it.has_stream(8),
    ),
    Workload::new(
        "reads by calls",
        SEGMENTS,
        &[Do::Open, ONE, Do::Drain, Do::Read, Do::Close],
        |it| it.more(|counts| counts.reads) > 0,
    )
    .with(|options| options.read_mode = ReadMode::Pread),
];

const LOST: &[Do] = &[Do::Open, Do::Burst(30, 1500), Do::Drain, Do::Close, Do::LoseIndexes];

/// Opened and closed so often that the manifest has no room for another segment: it is written anew.
pub(crate) const RENEWAL: Workload = Workload::new(
    "a manifest that is full",
    &[Do::Open, ONE, Do::Drain, Do::Reopen(RENEWAL_AFTER), Do::Close],
    &[Do::Open, Do::Burst(12, 3000), Do::Drain, Do::Close],
    rolls,
);
const RENEWAL_AFTER: usize = 625;
