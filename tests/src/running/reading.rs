//! One who reads the store, here or in another process.

use quipu::ErrorKind;

use super::gauge::{Gauge, Way};
use super::ground::{Ground, Life};
use super::source::{Manner, Source};
use crate::checker::{Checked, Rule, ensure};
use crate::content::STREAMS;
use crate::flips::asking::Choice;
use crate::subject::Asked;

/// Reading that tells of more pieces than this does not come to its end.
const PIECES_MAX: usize = 10_000;
/// Looks of a follower: it may have looked at much that was not asked for.
const LOOKS: usize = 4;

/// A cursor or a subscription under way.
pub(super) struct UnderWay {
    source: Source,
    gauge: Gauge,
    manner: Manner,
    /// Positions below were visible as it was begun.
    bound: u64,
}

/// What has become of something under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goes {
    On,
    /// It has come to the end of what there is, and waits for more.
    Waits,
    /// Something could not be read. Asked again, it goes on from there.
    Halted,
    /// It has come to its end, or an error has ended it.
    Over,
}

impl UnderWay {
    /// Begins to read. None if that is refused, for a reason.
    pub(super) fn begin(
        ground: &mut Ground,
        life: &mut Life,
        store: &impl Asked,
        (choice, manner, from): (Choice, Manner, u64),
    ) -> Checked<Option<UnderWay>> {
        life.fails_now = false;
        let bound = store.next_position().0;
        let way = if manner == Manner::Read(Way::Backward) { Way::Backward } else { Way::Forward };
        match Source::new(store, &choice, manner, from) {
            Ok(source) => {
                let from = if way == Way::Backward { 0 } else { from };
                let gauge = Gauge::new(choice, way, from, bound);
                Ok(Some(UnderWay { source, gauge, manner, bound }))
            }
            Err(error) => {
                // What is lost is told as it is read, and keeps nobody from reading the rest.
                ground.explain(life, &error).map(|()| None)
            }
        }
    }

    /// Goes on by so many pieces.
    pub(super) fn go_on(
        &mut self,
        ground: &mut Ground,
        life: &mut Life,
        store: &impl Asked,
        pieces: usize,
    ) -> Checked<Goes> {
        life.fails_now = false;
        let mut looks = 0;
        for _ in 0..pieces {
            let visible = store.next_position().0;
            match self.source.next() {
                Ok(Some(seen)) => {
                    ground.adopt(life, &seen);
                    self.gauge.given(&ground.ledger, &seen)?;
                }
                Ok(None) if self.manner == Manner::Followed => {
                    looks += 1;
                    if looks == LOOKS {
                        self.gauge.ended(&ground.ledger, visible)?;
                        return Ok(Goes::Waits);
                    }
                }
                Ok(None) => {
                    self.gauge.ended(&ground.ledger, self.bound)?;
                    return Ok(Goes::Over);
                }
                Err(error) => {
                    ground.catch_up(life);
                    if let Some(damage) = error.damage() {
                        ground.counts.told += 1;
                        let pending = ground.pending.len() as u64;
                        self.gauge.told(&ground.ledger, (&life.harmed, pending), damage)?;
                    } else {
                        ground.explain(life, &error)?;
                        let is_over = error.kind() != ErrorKind::Io;
                        return Ok(if is_over { Goes::Over } else { Goes::Halted });
                    }
                }
            }
        }
        Ok(Goes::On)
    }
}

/// Reads all that is asked for, in some way.
pub(super) fn read(
    ground: &mut Ground,
    life: &mut Life,
    store: &impl Asked,
    asked: (Choice, Manner, u64),
) -> Checked {
    let words = format!("{asked:?}");
    let Some(mut reading) = UnderWay::begin(ground, life, store, asked)? else { return Ok(()) };
    let mut goes = reading.go_on(ground, life, store, PIECES_MAX)?;
    if goes == Goes::Halted {
        goes = reading.go_on(ground, life, store, PIECES_MAX)?;
    }
    ground.counts.read += u64::from(matches!(goes, Goes::Waits | Goes::Over));
    ensure(goes != Goes::On, Rule::Stuck, || format!("{words} has no end"))
}

/// Reads everything in every way.
pub(super) fn read_all(ground: &mut Ground, life: &mut Life, store: &impl Asked) -> Checked {
    for choice in Choice::every() {
        for manner in [Manner::Read(Way::Forward), Manner::Read(Way::Backward), Manner::Followed] {
            read(ground, life, store, (choice.clone(), manner, 0))?;
        }
    }
    (0..STREAMS.len()).try_for_each(|at| head(ground, life, store, at))?;
    names(ground, life, store)
}

/// The last event of a stream, or that it is lost.
pub(super) fn head(ground: &mut Ground, life: &mut Life, store: &impl Asked, at: usize) -> Checked {
    life.fails_now = false;
    let told = store.head(STREAMS[at]);
    ground.catch_up(life);
    let next = store.next_position().0;
    let events = ground.ledger.events.iter().filter(|event| event.position < next);
    let own: Vec<_> = events.filter(|event| usize::from(event.stream) == at).collect();
    let last = own.last().map(|event| (event.position, event.version));
    match told {
        Ok(head) => {
            let head = head.map(|head| (head.position.0, head.version.0));
            ensure(head == last, Rule::Selection, || {
                format!("head of {at}: {head:?} instead of {last:?}, {:?} harmed", life.harmed)
            })
        }
        Err(error) if error.kind() == ErrorKind::Damaged => {
            let sound = own.iter().rfind(|event| !life.harmed.contains(&event.position));
            let mut behind = life.harmed.range(sound.map_or(0, |event| event.position)..);
            let is_own = |at: &u64| own.iter().any(|event| event.position == *at);
            let concerns = |at: &u64| is_own(at) || ground.may_be_of_any(life, *at);
            // Of a commit whose outcome is unknown it is not known what stands where.
            let damage = error.damage().map(|damage| damage.positions.start.0);
            let is_unknown = !ground.pending.is_empty() && damage >= Some(ground.ledger.next());
            ensure(is_unknown || behind.any(concerns), Rule::Error, || {
                format!("head of {at}: {error:?}")
            })
        }
        Err(error) => ground.explain(life, &error),
    }
}

/// The names of streams: each whose first event is there, and where one is not, that is told.
pub(super) fn names(ground: &mut Ground, life: &mut Life, store: &impl Asked) -> Checked {
    life.fails_now = false;
    let next = store.next_position().0;
    let (mut names, mut lost) = (Vec::new(), std::collections::BTreeSet::new());
    let told = match store.streams("") {
        Ok(told) => told,
        Err(error) => return ground.explain(life, &error),
    };
    let mut pieces = 0;
    for name in told.take(PIECES_MAX) {
        pieces += 1;
        match name {
            Ok(name) => names.push(name),
            Err(error) => match error.damage() {
                Some(damage) => lost.extend(damage.positions.start.0..damage.positions.end.0),
                None => return ground.explain(life, &error),
            },
        }
    }
    ground.catch_up(life);
    ensure(pieces < PIECES_MAX, Rule::Stuck, || "the names have no end".to_owned())?;
    let is_known = names.iter().all(|name| STREAMS.iter().any(|known| name == known));
    ensure(is_known && names.is_sorted_by(|one, next| one < next), Rule::Selection, || {
        format!("names that are unknown, or come twice: {names:?}")
    })?;
    let made_up = lost.iter().find(|at| !life.harmed.contains(at));
    ensure(made_up.is_none(), Rule::Reading, || format!("names: {made_up:?} is called lost"))?;
    for (at, &name) in STREAMS.iter().enumerate() {
        let mut own = ground.ledger.events.iter().filter(|e| usize::from(e.stream) == at);
        let first = own.next().map(|event| event.position).filter(|&first| first < next);
        let is_named = names.iter().any(|named| named == name);
        let explained = first.map_or(!is_named, |first| is_named || lost.contains(&first));
        ensure(explained, Rule::Selection, || {
            format!("{name} begins at {first:?}: {names:?}, {lost:?} lost")
        })?;
    }
    Ok(())
}
