//! What a store holds before a measurement: every event follows from its number.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::payload::{Payload, Payloads};
use crate::random::Random;
use crate::store::{Entry, Seen};

/// The name of a stream, made without memory of its own: it is made for every append.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamName([u8; 16]);

/// The name of a stream.
pub(crate) fn stream_name(stream: u64) -> StreamName {
    let mut name = *b"order-0000000000";
    let mut left = stream;
    for digit in name.iter_mut().skip(PREFIX.len()).rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    StreamName(name)
}

const PREFIX: &str = "order-";

impl Deref for StreamName {
    type Target = str;

    fn deref(&self) -> &str {
        // It is made of digits and letters alone.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The number of the stream of this name.
pub(crate) fn stream_number(name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX)?.parse().ok()
}

/// The name of a tag.
pub(crate) fn tag_name(tag: u64) -> String {
    format!("customer:{tag:06}")
}

const KINDS: [&str; 5] = ["OrderPlaced", "LineAdded", "AddressSet", "OrderPaid", "OrderShipped"];

/// The type of an event.
pub(crate) fn kind(version: u64) -> &'static str {
    KINDS[(version % KINDS.len() as u64) as usize]
}

/// An event of a stream, without its tag.
pub(crate) fn entry(payload: &Payload, version: u64) -> Entry<'_> {
    Entry { kind: kind(version), payload, tag: None }
}

/// Events of the long streams among short ones.
pub(crate) const LONG: u64 = 50;

/// What a store is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Plan {
    /// Streams of equal length, one event of each in turn.
    Even { streams: u64, each: u64, tags: Tags },
    /// `long` streams of 50 events, evenly spread, between events of `short` streams that are drawn at random. The long
    /// ones have the lowest numbers.
    Mixed { short: u64, events: u64, long: u64, seed: u64 },
}

/// Which tags events have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tags {
    None,
    /// Each stream has its own.
    OfStream,
    /// One of so many, by the position.
    Among(u64),
}

/// Nothing is in the store.
pub(crate) const NOTHING: Plan = Plan::Even { streams: 0, each: 0, tags: Tags::None };

/// One of the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) stream: u64,
    pub(crate) version: u64,
    pub(crate) tag: Option<u64>,
}

impl Plan {
    /// Number of all events.
    pub(crate) fn events(self) -> u64 {
        match self {
            Plan::Even { streams, each, .. } => streams * each,
            Plan::Mixed { events, long, .. } => events + long * LONG,
        }
    }

    /// Number of all streams, which are numbered from 0.
    pub(crate) fn streams(self) -> u64 {
        match self {
            Plan::Even { streams, .. } => streams,
            Plan::Mixed { short, long, .. } => long + short,
        }
    }

    /// All events, in their order.
    pub(crate) fn iter(self) -> Box<dyn Iterator<Item = Event>> {
        match self {
            Plan::Even { streams, tags, .. } => {
                Box::new((0..self.events()).map(move |position| even(position, streams, tags)))
            }
            Plan::Mixed { short, long, seed, .. } => {
                let mut mixture = Mixture::new(self.events(), short, long, seed);
                Box::new((0..self.events()).map(move |position| mixture.next(position)))
            }
        }
    }

    /// What a writer has seen of a stream of a plan of equal lengths.
    pub(crate) fn seen(self, stream: u64) -> Option<Seen> {
        match self {
            Plan::Even { streams, each, .. } if stream < streams && each > 0 => {
                Some(Seen { version: each - 1, position: (each - 1) * streams + stream })
            }
            _ => None,
        }
    }
}

fn even(position: u64, streams: u64, tags: Tags) -> Event {
    let (stream, version) = (position % streams, position / streams);
    let tag = match tags {
        Tags::None => None,
        Tags::OfStream => Some(stream),
        // Not in turn, so that an event of a tag says nothing of the next one.
        Tags::Among(tags) => Some(Random::numbered(0, position).below(tags)),
    };
    Event { stream, version, tag }
}

/// Long streams evenly between short ones.
struct Mixture {
    random: Random,
    short: u64,
    long: u64,
    /// After how many events one of a long stream comes.
    step: u64,
    long_written: u64,
    lengths: Vec<u32>,
}

impl Mixture {
    fn new(events: u64, short: u64, long: u64, seed: u64) -> Mixture {
        let lengths = vec![0; short as usize];
        let step = (events / (long * LONG).max(1)).max(1);
        Mixture { random: Random::new(seed), short, long, step, long_written: 0, lengths }
    }

    fn next(&mut self, position: u64) -> Event {
        if position.is_multiple_of(self.step) && self.long_written < self.long * LONG {
            let written = self.long_written;
            self.long_written += 1;
            return Event { stream: written % self.long, version: written / self.long, tag: None };
        }
        let drawn = self.random.below(self.short);
        let length = &mut self.lengths[drawn as usize];
        *length += 1;
        Event { stream: self.long + drawn, version: u64::from(*length - 1), tag: None }
    }
}

/// Names and payload of an event, made when it is needed.
pub(crate) struct Made {
    pub(crate) stream: StreamName,
    tag: Option<String>,
    payload: Payload,
    pub(crate) version: u64,
}

impl Made {
    pub(crate) fn new(event: Event, payloads: &Payloads) -> Made {
        let Event { stream, version, tag } = event;
        let payload = payloads.payload(stream, version);
        Made { stream: stream_name(stream), tag: tag.map(tag_name), payload, version }
    }

    pub(crate) fn entry(&self) -> Entry<'_> {
        Entry { tag: self.tag.as_deref(), ..entry(&self.payload, self.version) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_found_again_by_its_name() {
        assert_eq!(&*stream_name(1_234_567_890), "order-1234567890");
        for stream in [0, 7, 999_999_999] {
            assert_eq!(stream_number(&stream_name(stream)), Some(stream));
        }
        assert_eq!(stream_number("customer:7"), None);
    }

    #[test]
    fn versions_of_every_plan_go_up_without_a_gap() {
        let mixed = Plan::Mixed { short: 40, events: 900, long: 3, seed: 9 };
        for plan in [Plan::Even { streams: 7, each: 5, tags: Tags::Among(3) }, mixed] {
            let mut next = vec![0; plan.streams() as usize];
            let mut events = 0;
            for event in plan.iter() {
                assert_eq!(event.version, next[event.stream as usize]);
                next[event.stream as usize] += 1;
                events += 1;
            }
            assert_eq!(events, plan.events());
        }
    }

    #[test]
    fn long_streams_are_as_long_as_they_should_be_and_lie_far_apart() {
        let plan = Plan::Mixed { short: 1_000, events: 5_000, long: 4, seed: 9 };
        let positions: Vec<_> =
            plan.iter().enumerate().filter(|(_, event)| event.stream == 2).collect();
        assert_eq!(positions.len() as u64, LONG);
        assert!(positions[49].0 - positions[0].0 > 4_000);
    }

    #[test]
    fn what_was_seen_of_an_even_plan_is_where_it_lies() {
        let plan = Plan::Even { streams: 6, each: 4, tags: Tags::OfStream };
        for (position, event) in plan.iter().enumerate().skip(18) {
            let seen = Seen { version: event.version, position: position as u64 };
            assert_eq!(plan.seen(event.stream), Some(seen));
        }
        assert_eq!(plan.seen(6), None);
    }
}
