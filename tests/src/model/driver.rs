//! Asks store and list the same.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::test_runner::TestCaseError;
use quipu::{
    AppendCondition, Appended, Durability, Error, ErrorKind, ExpectedVersion, NewEvent, Position,
    Store, Ticket, Uuid,
};
use quipu_disk::FaultDisk;

use super::compare::{Following, everything, query, read};
use super::operation::{About, Commit, End, Expect, Item, Operation, Part, Read, Setting};
use super::oracle::{Flaw, Oracle, Told};

/// A commit that the store has not made visible for so long is lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// What differs, in words.
type Compared<T = ()> = Result<T, String>;

/// A commit as it is sent.
#[derive(Clone)]
struct Sent {
    parts: Vec<(&'static str, ExpectedVersion, Vec<Told>)>,
    condition: Option<(Vec<Item>, Option<u64>)>,
    durability: Durability,
}

/// A commit that both were sent.
struct Placed {
    sent: Sent,
    ticket: quipu::Result<Ticket>,
    /// So many events were there before.
    before: usize,
    /// The position behind its last event, if it is taken.
    end: Option<usize>,
}

struct Follower {
    following: Following,
    about: About,
    from: Option<u64>,
    /// Without a number to begin at: what is behind this position.
    behind: u64,
    delivered: usize,
}

struct World {
    setting: Setting,
    disk: FaultDisk,
    store: Store,
    oracle: Oracle,
    ids: u128,
    /// Commits that were taken, and what was answered.
    past: Vec<(Sent, Appended)>,
    followers: Vec<Follower>,
}

/// Goes through the operations.
pub(super) fn live(
    setting: &Setting,
    operations: &[Operation],
    seed: u64,
    flaw: Option<Flaw>,
) -> Result<(), TestCaseError> {
    let disk = FaultDisk::new(seed);
    let lived = open(&disk, setting).and_then(|store| {
        let oracle = Oracle { flaw, ..Oracle::default() };
        let (past, followers) = (Vec::new(), Vec::new());
        let mut world = World { setting: *setting, disk, store, oracle, ids: 0, past, followers };
        let at = |(number, operation)| {
            world.take(operation).map_err(|what| format!("operation {number}: {what}"))
        };
        (0..).zip(operations).try_for_each(at)?;
        world.deliver()?;
        world.reopen()
    });
    lived.map_err(TestCaseError::fail)
}

fn open(disk: &FaultDisk, setting: &Setting) -> Compared<Store> {
    let disk = Arc::new(disk.clone());
    let opened = Store::builder("/store").disk(disk).options(setting.options()).open();
    opened.map_err(|error| format!("opening: {error:?}"))
}

fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    store: quipu::Result<T>,
    wanted: &T,
) -> Compared {
    match store {
        Ok(given) if given == *wanted => Ok(()),
        Ok(given) => Err(format!("{what}: the store gives {given:?}, and should {wanted:?}")),
        Err(error) => Err(format!("{what}: {error:?}")),
    }
}

impl World {
    fn take(&mut self, operation: &Operation) -> Compared {
        match operation {
            Operation::Commit(commit) => self.several(std::slice::from_ref(commit)),
            Operation::Several(commits) => self.several(commits),
            Operation::Again(back) => self.again(*back),
            Operation::Read(asked) => {
                same("reading", read(&self.store, asked), &self.oracle.read(asked))
            }
            Operation::Head(stream) => {
                let head = self.store.head(stream).map(|head| head.map(|head| head.version.0));
                same("the head", head, &self.oracle.head(stream))
            }
            Operation::Streams(prefix) => {
                let names = self.store.streams(prefix).and_then(Iterator::collect);
                same("the streams", names, &self.oracle.streams(prefix))
            }
            Operation::Follow(about, from) => self.follow(about, *from),
            Operation::Deliver => self.deliver(),
            Operation::Reopen => self.reopen(),
            Operation::Crash(end, pending) => self.crash(*end, pending),
        }
    }

    fn send(&mut self, commit: &Commit) -> Sent {
        let Commit { parts, condition, other_durability } = commit;
        let parts = parts.iter().map(|part| self.part(part)).collect();
        let events = self.oracle.events.len() as u64;
        let condition = condition.as_ref().map(|(items, last)| {
            let after = last.and_then(|last| events.checked_sub(last + 1));
            (items.clone(), after)
        });
        let other = match self.setting.durability {
            Durability::Sync => Durability::Os,
            Durability::Os => Durability::Sync,
        };
        let durability = if *other_durability { other } else { self.setting.durability };
        Sent { parts, condition, durability }
    }

    fn part(&mut self, part: &Part) -> (&'static str, ExpectedVersion, Vec<Told>) {
        let expected = match part.expect {
            Expect::Any => ExpectedVersion::Any,
            Expect::NoStream => ExpectedVersion::NoStream,
            Expect::StreamExists => ExpectedVersion::StreamExists,
            Expect::Exact(version) => ExpectedVersion::Exact(version),
            Expect::Right => match self.oracle.head(part.stream) {
                Some(version) => ExpectedVersion::Exact(version),
                None => ExpectedVersion::NoStream,
            },
        };
        let events = part.events.iter().map(|draft| {
            self.ids += 1;
            Told {
                stream: part.stream.to_owned(),
                version: 0,
                position: 0,
                event_type: draft.event_type.to_owned(),
                tags: draft.tags.iter().map(|&tag| tag.to_owned()).collect(),
                id: self.ids,
                payload: self.ids.to_le_bytes().into_iter().cycle().take(draft.bytes).collect(),
            }
        });
        (part.stream, expected, events.collect())
    }

    fn submit(&self, sent: &Sent) -> quipu::Result<Ticket> {
        let mut commit = self.store.commit().durability(sent.durability);
        for (stream, expected, events) in &sent.parts {
            let event = |event: &Told| {
                NewEvent::new(event.event_type.clone(), event.payload.clone())
                    .id(Uuid::from_u128(event.id))
                    .tags(event.tags.clone())
            };
            commit = match events[..] {
                [] => commit.check(stream, *expected),
                _ => commit.append(stream, *expected, events.iter().map(event)),
            };
        }
        if let Some((items, after)) = &sent.condition {
            let (fail_if, after) = (query(items), after.map(Position));
            commit = commit.fail_if(AppendCondition { fail_if, after });
        }
        commit.submit()
    }

    /// Sends a commit to both. What the store says to it is to be seen.
    fn place(&mut self, sent: Sent) -> Placed {
        let ticket = self.submit(&sent);
        let is_as_expected = |(stream, expected, _): &(&str, ExpectedVersion, _)| {
            expected.holds(self.oracle.head(stream).map(quipu::Version))
        };
        let matches = |(items, after): &(Vec<Item>, Option<u64>)| {
            let counts = |event: &&Told| after.is_none_or(|after| event.position > after);
            let mut counted = self.oracle.events.iter().filter(counts);
            counted.any(|event| self.oracle.matches(items, event))
        };
        let is_barred = sent.condition.as_ref().is_some_and(matches);
        let is_taken = sent.parts.iter().all(is_as_expected) && !is_barred;
        let before = self.oracle.events.len();
        if is_taken {
            let events = sent.parts.iter().flat_map(|(_, _, events)| events.clone());
            self.oracle.commit(events.collect());
        }
        Placed { sent, ticket, before, end: is_taken.then_some(self.oracle.events.len()) }
    }

    /// The answer to a commit is the right one.
    fn answered(&mut self, placed: Placed) -> Compared {
        let Placed { sent, ticket, before, end } = placed;
        match (ticket.and_then(Ticket::wait), end) {
            (Ok(appended), Some(end)) => {
                self.acknowledged(&sent, &appended, before..end)?;
                self.past.push((sent, appended));
                Ok(())
            }
            (Ok(appended), None) => Err(format!("a commit should be refused: {appended:?}")),
            (Err(error), Some(_)) => Err(format!("a commit is refused: {error:?}")),
            (Err(error), None) => self.refused(&sent, &error, before),
        }
    }

    /// The reason that is given was one when there were so many events.
    fn refused(&self, sent: &Sent, error: &Error, before: usize) -> Compared {
        let then = Oracle { events: self.oracle.events[..before].to_vec(), ..Oracle::default() };
        let is_true = match (error.conflict(), error.matched(), &sent.condition) {
            (Some(conflict), _, _) => sent.parts.iter().any(|(stream, expected, _)| {
                let head = then.head(stream).map(quipu::Version);
                (*stream, *expected, head)
                    == (&*conflict.stream, conflict.expected, conflict.actual)
                    && !expected.holds(head)
            }),
            (None, Some(position), Some((items, after))) => {
                let event = then.events.get(position.0 as usize);
                let is_after = after.is_none_or(|after| position.0 > after);
                is_after && event.is_some_and(|event| then.matches(items, event))
            }
            _ => false,
        };
        let is_true = is_true && error.kind() == ErrorKind::Conflict;
        if is_true { Ok(()) } else { Err(format!("a commit is refused for no reason: {error:?}")) }
    }

    fn several(&mut self, commits: &[Commit]) -> Compared {
        let mut placed = Vec::new();
        for commit in commits {
            let sent = self.send(commit);
            placed.push(self.place(sent));
        }
        placed.into_iter().try_for_each(|placed| self.answered(placed))?;
        self.wait_until_visible()
    }

    fn acknowledged(
        &mut self,
        sent: &Sent,
        appended: &Appended,
        positions: Range<usize>,
    ) -> Compared {
        if sent.durability == Durability::Sync {
            self.oracle.durable = self.oracle.durable.max(positions.end);
        }
        let last = &self.oracle.events[positions.end - 1];
        let wanted = (positions.start as u64, last.position, last.version);
        let given = (appended.first_position.0, appended.position.0, appended.version.0);
        same("an acknowledgement", Ok(given), &wanted)
    }

    /// What is acknowledged before it is durable is visible in a moment.
    fn wait_until_visible(&mut self) -> Compared {
        let events = self.oracle.events.len();
        let begun = now();
        while self.store.next_position().0 < events as u64 {
            if begun.elapsed() > PATIENCE {
                return Err(format!("{} of {events} are visible", self.store.next_position()));
            }
            std::thread::yield_now();
        }
        if self.setting.durability == Durability::Sync {
            self.oracle.durable = events;
        }
        Ok(())
    }

    /// Sends a commit once more that the store can know again: by the place that it expected to get, or by ids.
    fn again(&mut self, back: usize) -> Compared {
        let Some(at) = self.past.len().checked_sub(back + 1) else { return Ok(()) };
        let (sent, appended) = &self.past[at];
        let is_placed = sent.parts.iter().any(|(stream, _, events)| {
            let own = sent.parts.iter().filter(|(other, ..)| other == stream);
            let mut expected = own.map(|(_, expected, _)| expected);
            let exact =
                |it: &_| matches!(it, ExpectedVersion::NoStream | ExpectedVersion::Exact(_));
            !events.is_empty() && expected.any(exact)
        });
        if !is_placed && !self.setting.knows_ids {
            return Ok(());
        }
        let again = self.submit(sent).and_then(Ticket::wait);
        same("a retry", again, appended)
    }

    fn follow(&mut self, about: &About, from: Option<u64>) -> Compared {
        let following = Following::new(&self.store, about, from);
        let following = following.map_err(|error| format!("following: {error:?}"))?;
        let (about, behind) = (about.clone(), self.oracle.events.len() as u64);
        self.followers.push(Follower { following, about, from, behind, delivered: 0 });
        Ok(())
    }

    fn deliver(&mut self) -> Compared {
        for follower in &mut self.followers {
            let Follower { following, about, from, behind, delivered } = follower;
            let asked = Read { about: about.clone(), from: *from, backward: false, limit: None };
            let mut wanted = self.oracle.read(&asked);
            if from.is_none() {
                wanted.retain(|event| event.position >= *behind);
            }
            let wanted = wanted.split_off(*delivered);
            *delivered += wanted.len();
            same("following", following.deliver(), &Some(wanted))?;
        }
        Ok(())
    }

    fn reopen(&mut self) -> Compared {
        self.followers.clear();
        let other = FaultDisk::new(0);
        // Something has to stand in its place while it is closed.
        let store = std::mem::replace(&mut self.store, open(&other, &self.setting)?);
        store.close().map_err(|error| format!("closing: {error:?}"))?;
        self.oracle.durable = self.oracle.events.len();
        self.store = open(&self.disk, &self.setting)?;
        same("all of it", everything(&self.store), &self.oracle.events)
    }

    /// Ends the store while some commits are on their way: all that was promised is there, and of those a prefix.
    fn crash(&mut self, end: End, pending: &[Commit]) -> Compared {
        self.followers.clear();
        let mut least = self.oracle.events.len();
        let mut placed = Vec::new();
        for commit in pending {
            let sent = self.send(commit);
            placed.push(self.place(sent));
        }
        self.disk = match end {
            End::Kill => self.disk.kill(),
            End::Cut(how) => {
                least = self.oracle.durable;
                self.disk.power_cut(how)
            }
        };
        drop(placed);
        self.store = open(&self.disk, &self.setting)?;
        let found = everything(&self.store).map_err(|error| format!("after a crash: {error:?}"))?;
        let count = found.len();
        let is_whole = count == 0 || self.oracle.ends.contains(&count);
        let is_prefix = self.oracle.events.get(..count) == Some(&found);
        if !is_whole || !is_prefix || count < least {
            let events = &self.oracle.events;
            return Err(format!("{end:?} leaves {found:?} of {events:?}, {least} were promised"));
        }
        self.oracle.cut(count);
        self.past.retain(|(_, appended)| appended.position.0 < count as u64);
        Ok(())
    }
}

#[allow(clippy::disallowed_methods, reason = "how long a test waits is no part of what it decides")]
fn now() -> Instant {
    Instant::now()
}
