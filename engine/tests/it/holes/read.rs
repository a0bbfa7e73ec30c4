//! What was read, and what has to be.

use std::ops::Range;
use std::path::PathBuf;

use quipu::{Delivery, Error, ErrorKind, Events, Subscription};

/// The positions that were served, in the order of reading, and what was told to be lost.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Read {
    pub(crate) served: Vec<u64>,
    pub(crate) lost: Vec<(PathBuf, u64, Range<u64>)>,
}

impl Read {
    pub(crate) fn note(&mut self, error: &Error) {
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        let damage = error.damage().unwrap();
        let positions = damage.positions.start.0..damage.positions.end.0;
        self.lost.push((damage.file.clone(), damage.offset.0, positions));
        assert!(self.lost.len() < 100, "reading does not come to an end: {error}");
    }

    pub(crate) fn of(mut events: Events) -> Read {
        let mut read = Read::default();
        loop {
            match events.next() {
                Ok(Some(event)) => read.served.push(event.position().0),
                Ok(None) => return read,
                Err(error) => read.note(&error),
            }
        }
    }

    pub(crate) fn by<From>(subscription: &mut Subscription<From>) -> Read {
        let mut read = Read::default();
        loop {
            match subscription.try_next() {
                Ok(Some(Delivery::Event(event))) => read.served.push(event.position().0),
                Ok(Some(Delivery::CaughtUp)) => return read,
                Ok(None) => {}
                Err(error) => read.note(&error),
            }
        }
    }

    pub(crate) fn reversed(mut self) -> Read {
        self.served.reverse();
        self.lost.reverse();
        self
    }

    /// What must be read from a position on of so many events, of which those are lost.
    pub(crate) fn expected(
        from: u64,
        events: u64,
        lost: &[(PathBuf, Range<u64>)],
        is_selected: impl Fn(u64) -> bool,
    ) -> Read {
        let is_lost = |position: u64| lost.iter().any(|(_, range)| range.contains(&position));
        let served = (from..events).filter(|&at| is_selected(at) && !is_lost(at)).collect();
        let lost = lost.iter().filter(|(_, range)| range.end > from);
        let lost = lost.map(|(file, range)| (file.clone(), 0, range.start.max(from)..range.end));
        Read { served, lost: lost.collect() }
    }
}
