//! What is asked of a store, and how such questions are made up.

use proptest::prelude::*;
use proptest::sample::select;
use quipu::{Durability, Options, ReadMode};
use quipu_disk::PowerCut;

/// The streams that are written, and some beginnings of their names.
const STREAMS: [&str; 8] = ["a", "b-1", "b-2", "b-", "-x", "c-1-2", "結び目-3", "bb"];
const PREFIXES: [&str; 5] = ["", "b", "b-", "結", "z"];
const CATEGORIES: [&str; 5] = ["b", "c", "", "結び目", "a"];
const TYPES: [&str; 3] = ["Noted", "Moved", "Closed"];
const TAGS: [&str; 3] = ["k:1", "k:2", "m"];

/// The options of a store.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setting {
    /// When an append is acknowledged.
    pub durability: Durability,
    /// Whether retries are recognised by ids alone.
    pub knows_ids: bool,
    /// How events are read.
    pub read_mode: ReadMode,
}

impl Setting {
    /// As options of a store with small segments.
    #[must_use]
    pub fn options(self) -> Options {
        Options {
            durability: self.durability,
            id_segments: if self.knows_ids { 1 << 16 } else { 0 },
            read_mode: self.read_mode,
            buffer_bytes: 4096,
            segment_bytes_min: 8 << 10,
            segment_bytes_max: 8 << 10,
            ballast_bytes: 0,
            ..Options::default()
        }
    }
}

/// What is expected of a stream, by what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Any,
    /// What it is: its last version, or that it does not exist.
    Right,
    /// That it does not exist.
    NoStream,
    /// That it exists.
    StreamExists,
    /// This version.
    Exact(u64),
}

/// An event.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its type.
    pub event_type: &'static str,
    /// Its tags.
    pub tags: Vec<&'static str>,
    /// Bytes of its payload.
    pub bytes: usize,
}

/// What a commit does to a stream.
#[derive(Clone, Debug)]
pub struct Part {
    /// The stream.
    pub stream: &'static str,
    /// What is expected of it.
    pub expect: Expect,
    /// The events; none for a stream that is only checked.
    pub events: Vec<Draft>,
}

/// Some events: those of any of the types, if there are any, with all of the tags.
#[derive(Clone, Debug)]
pub struct Item {
    /// Any of these.
    pub types: Vec<&'static str>,
    /// All of these.
    pub tags: Vec<&'static str>,
}

/// A commit.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Its streams, of which the first two may be one; the first has events.
    pub parts: Vec<Part>,
    /// No event that any of the items selects may be there; of all events, or of so many last ones.
    pub condition: Option<(Vec<Item>, Option<u64>)>,
    /// It does not take the store's durability.
    pub other_durability: bool,
}

/// Which events.
#[derive(Clone, Debug)]
pub enum About {
    /// All of them.
    All,
    /// Those of a stream.
    Stream(&'static str),
    /// Those of a category.
    Category(&'static str),
    /// Those of a type.
    Type(&'static str),
    /// Those that carry a tag.
    Tag(&'static str),
    /// Those that any of the items selects.
    Query(Vec<Item>),
}

/// A read.
#[derive(Clone, Debug)]
pub struct Read {
    /// Which events.
    pub about: About,
    /// The position, or of a stream the version, at which it begins.
    pub from: Option<u64>,
    /// The newest first.
    pub backward: bool,
    /// How many at most.
    pub limit: Option<u64>,
}

/// How a store ends that is not closed.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// Its process is killed.
    Kill,
    /// The power is cut.
    Cut(PowerCut),
}

/// One thing that is asked.
#[derive(Clone, Debug)]
pub enum Operation {
    /// A commit, whose answer is waited for.
    Commit(Commit),
    /// Commits, of which the first answer is waited for when all are on their way.
    Several(Vec<Commit>),
    /// A commit that was taken, once more; counted from the last one back.
    Again(usize),
    /// A read.
    Read(Read),
    /// The last event of a stream.
    Head(&'static str),
    /// The streams whose names begin so.
    Streams(&'static str),
    /// Somebody follows the store, from a position or version on, or from the end.
    Follow(About, Option<u64>),
    /// All who follow get what there is.
    Deliver,
    /// It is closed and opened.
    Reopen,
    /// It ends while these are on their way, and is opened.
    Crash(End, Vec<Commit>),
}

fn some(names: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<&'static str>> {
    proptest::collection::vec(select(names), 0..=most)
}

fn item() -> impl Strategy<Value = Item> {
    (some(&TYPES, 2), some(&TAGS, 2)).prop_map(|(types, tags)| Item { types, tags })
}

fn expect() -> impl Strategy<Value = Expect> {
    prop_oneof![
        5 => Just(Expect::Any),
        6 => Just(Expect::Right),
        1 => Just(Expect::NoStream),
        1 => Just(Expect::StreamExists),
        1 => (0..4_u64).prop_map(Expect::Exact),
    ]
}

fn draft() -> impl Strategy<Value = Draft> {
    let bytes = prop_oneof![3 => 0..40_usize, 3 => 0..900_usize, 1 => 0..5000_usize];
    let tags = proptest::sample::subsequence(&TAGS[..], 0..=TAGS.len());
    (select(&TYPES[..]), tags, bytes).prop_map(|(event_type, tags, bytes)| Draft {
        event_type,
        tags,
        bytes,
    })
}

fn commit() -> impl Strategy<Value = Commit> {
    let part = |events| (expect(), proptest::collection::vec(draft(), events));
    let streams = proptest::sample::subsequence(&STREAMS[..], 1..=3).prop_shuffle();
    let condition = (proptest::collection::vec(item(), 1..3), proptest::option::of(0..4_u64));
    (
        streams,
        part(1..4),
        [part(0..3), part(0..3)],
        proptest::option::weighted(0.2, condition),
        any::<bool>(),
        prop::bool::weighted(0.3),
    )
        .prop_map(|(mut streams, first, others, condition, other_durability, twice)| {
            if let (true, [first, second, ..]) = (twice, &mut streams[..]) {
                *second = first;
            }
            let parts = std::iter::once(first).chain(others);
            let part = |(stream, (expect, events))| Part { stream, expect, events };
            Commit {
                parts: streams.into_iter().zip(parts).map(part).collect(),
                condition,
                other_durability,
            }
        })
}

fn about() -> impl Strategy<Value = About> {
    prop_oneof![
        Just(About::All),
        select(&STREAMS[..]).prop_map(About::Stream),
        select(&CATEGORIES[..]).prop_map(About::Category),
        select(&TYPES[..]).prop_map(About::Type),
        select(&TAGS[..]).prop_map(About::Tag),
        proptest::collection::vec(item(), 0..3).prop_map(About::Query),
    ]
}

fn read() -> impl Strategy<Value = Read> {
    let number = || proptest::option::of(0..40_u64);
    (about(), number(), any::<bool>(), number()).prop_map(|(about, from, backward, limit)| Read {
        about,
        from,
        backward,
        limit,
    })
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        Just(End::Kill),
        select(&[PowerCut::LoseAll, PowerCut::KeepAll, PowerCut::Random, PowerCut::Random][..])
            .prop_map(End::Cut),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let commits = |most| proptest::collection::vec(commit(), 0..most);
    prop_oneof![
        20 => commit().prop_map(Operation::Commit),
        4 => commits(6).prop_map(Operation::Several),
        4 => (0..6_usize).prop_map(Operation::Again),
        12 => read().prop_map(Operation::Read),
        2 => select(&STREAMS[..]).prop_map(Operation::Head),
        2 => select(&PREFIXES[..]).prop_map(Operation::Streams),
        3 => (about(), proptest::option::of(0..30_u64))
            .prop_map(|(about, from)| Operation::Follow(about, from)),
        4 => Just(Operation::Deliver),
        2 => Just(Operation::Reopen),
        3 => (end(), commits(3)).prop_map(|(end, commits)| Operation::Crash(end, commits)),
    ]
}

fn setting() -> impl Strategy<Value = Setting> {
    let durability = select(&[Durability::Sync, Durability::Os][..]);
    let read_mode = select(&[ReadMode::Map, ReadMode::Pread][..]);
    (durability, any::<bool>(), read_mode).prop_map(|(durability, knows_ids, read_mode)| Setting {
        durability,
        knows_ids,
        read_mode,
    })
}

/// The life of a store: its options, and what is asked of it.
pub fn life() -> impl Strategy<Value = (Setting, Vec<Operation>)> {
    (setting(), proptest::collection::vec(operation(), 1..50))
}
