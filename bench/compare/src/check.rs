//! Whether a store gives back what it was given: each arm asks this after its run.

use crate::failure::{Failure, Result};
use crate::payload::Payloads;
use crate::plan::{Plan, stream_number};
use crate::random::mix;
use crate::store::{Found, Reader};

/// What a store has been given, and where it said that it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// By stream.
    pub(crate) lengths: Vec<u64>,
    /// The sum of the stamps of all events, which is the same in whatever order they are added.
    pub(crate) stamps: u64,
}

impl Given {
    pub(crate) fn new(streams: u64) -> Given {
        Given { lengths: vec![0; streams as usize], stamps: 0 }
    }

    /// What a store holds that was filled by a plan.
    pub(crate) fn by_plan(plan: Plan, streams: u64) -> Given {
        let mut given = Given::new(streams.max(plan.streams()));
        for (event, position) in plan.iter().zip(0..) {
            given.lengths[event.stream as usize] += 1;
            given.stamps = given.stamps.wrapping_add(stamp(event.stream, event.version, position));
        }
        given
    }

    pub(crate) fn events(&self) -> u64 {
        self.lengths.iter().sum()
    }
}

/// A number that tells apart where an event lies.
pub(crate) fn stamp(stream: u64, version: u64, position: u64) -> u64 {
    mix(mix(mix(stream + 1) ^ version) ^ position)
}

/// Reads everything and compares it with what the store has been given; tells how many events there are.
///
/// # Errors
/// The first thing that is wrong, with its position.
pub(crate) fn history(reader: &mut dyn Reader, payloads: &Payloads, given: &Given) -> Result<u64> {
    let versions = vec![0; given.lengths.len()];
    let mut check = Check { payloads, next: 0, versions, stamps: 0, wrong: None };
    reader.all(&mut |found| check.see(found))?;
    if let Some(wrong) = check.wrong {
        return Err(Failure::Failed(wrong));
    }
    for (stream, (found, given)) in check.versions.iter().zip(&given.lengths).enumerate() {
        if found != given {
            let words = format!("stream {stream}: {found} events are there, {given} were given");
            return Err(Failure::Failed(words));
        }
    }
    if check.stamps != given.stamps {
        return Err(Failure::new("events lie elsewhere than the store said as it took them"));
    }
    Ok(check.next)
}

struct Check<'p> {
    payloads: &'p Payloads,
    /// The position that must come next.
    next: u64,
    /// By stream, the version that must come next.
    versions: Vec<u64>,
    stamps: u64,
    wrong: Option<String>,
}

impl Check<'_> {
    fn see(&mut self, found: &Found<'_>) {
        if self.wrong.is_none() {
            self.wrong = self.look(found).err();
            self.next += 1;
        }
    }

    fn look(&mut self, found: &Found<'_>) -> std::result::Result<(), String> {
        let position = self.next;
        if found.position != position {
            return Err(format!("position {} comes where {position} must", found.position));
        }
        let stream = stream_number(found.stream)
            .and_then(|stream| usize::try_from(stream).ok())
            .filter(|stream| *stream < self.versions.len())
            .ok_or_else(|| format!("position {position}: no such stream: {:?}", found.stream))?;
        let version = self.versions[stream];
        self.versions[stream] += 1;
        if found.version.is_some_and(|found| found != version) {
            return Err(format!(
                "position {position}: {:?} where {version} must come",
                found.version
            ));
        }
        let payload = self.payloads.payload(stream as u64, version);
        if found.payload != payload {
            return Err(format!("position {position}: not the payload of {stream}/{version}"));
        }
        self.stamps = self.stamps.wrapping_add(stamp(stream as u64, version, position));
        Ok(())
    }
}
