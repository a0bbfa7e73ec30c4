//! A disk with a cache of its own, that fails when it is told to.

use std::collections::HashMap;
use std::fmt;
use std::ops::AddAssign;
use std::sync::{Mutex, MutexGuard, PoisonError};

use quipu_tests::random::Random;

use crate::fuse::{Failed, Served};

/// What is kept and lost at once.
const BLOCK_BYTES: usize = 4096;

type Blocks = HashMap<u64, Box<[u8; BLOCK_BYTES]>>;

/// What is asked of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Write,
    Flush,
}

/// How long something fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasting {
    Once,
    ForGood,
}

/// What fails from some moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) call: Call,
    pub(crate) lasting: Lasting,
    /// How many such calls succeed before.
    pub(crate) after: usize,
}

impl Fault {
    /// What its [`Display`](fmt::Display) has written.
    pub(crate) fn parse(line: &str) -> Option<Fault> {
        let mut words = line.split(' ');
        let call = match words.next()? {
            "read" => Call::Read,
            "write" => Call::Write,
            "flush" => Call::Flush,
            _ => return None,
        };
        let lasting = match words.next()? {
            "once" => Lasting::Once,
            "for-good" => Lasting::ForGood,
            _ => return None,
        };
        Some(Fault { call, lasting, after: words.next()?.parse().ok()? })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = match self.call {
            Call::Read => "read",
            Call::Write => "write",
            Call::Flush => "flush",
        };
        let lasting = match self.lasting {
            Lasting::Once => "once",
            Lasting::ForGood => "for-good",
        };
        write!(f, "{call} {lasting} {}", self.after)
    }
}

/// Whether the disk does what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Honesty {
    Honest,
    /// A planted bug: a flush succeeds and does nothing.
    FlushIgnored,
}

/// How many calls failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) flushes: u64,
}

impl Delivered {
    /// As a line from which it can be read again.
    pub(crate) fn to_line(self) -> String {
        format!("{} {} {}", self.reads, self.writes, self.flushes)
    }

    pub(crate) fn parse(line: &str) -> Option<Delivered> {
        let mut numbers = line.split(' ').map(|word| word.parse().ok());
        let mut next = || numbers.next().flatten();
        Some(Delivered { reads: next()?, writes: next()?, flushes: next()? })
    }
}

impl AddAssign for Delivered {
    fn add_assign(&mut self, more: Delivered) {
        self.reads += more.reads;
        self.writes += more.writes;
        self.flushes += more.flushes;
    }
}

impl fmt::Display for Delivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Delivered { reads, writes, flushes } = self;
        write!(f, "{reads} reads, {writes} writes and {flushes} flushes failed")
    }
}

/// The disk.
pub(crate) struct Medium {
    size: u64,
    honesty: Honesty,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What no power cut takes away. What is not there is zero.
    durable: Blocks,
    /// What was written since, as a whole block each.
    cached: Blocks,
    fault: Option<Fault>,
    /// Nothing succeeds.
    is_off: bool,
    delivered: Delivered,
}

impl Medium {
    pub(crate) fn new(size: u64, honesty: Honesty) -> Medium {
        Medium { size, honesty, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails from now on, as told.
    pub(crate) fn fail(&self, fault: Fault) {
        self.state().fault = Some(fault);
    }

    /// Works again. Says what has failed.
    pub(crate) fn heal(&self) -> Delivered {
        let mut state = self.state();
        state.fault = None;
        std::mem::take(&mut state.delivered)
    }

    /// The power goes off: nothing succeeds until it is back.
    pub(crate) fn switch_off(&self) {
        self.state().is_off = true;
    }

    /// The power is back. Of what was not flushed some is there: none, all, or any block.
    pub(crate) fn switch_on(&self, random: &mut Random) {
        let mut state = self.state();
        let kept = random.below(3) * 50;
        let mut cached: Vec<_> = std::mem::take(&mut state.cached).into_iter().collect();
        cached.sort_by_key(|(number, _)| *number);
        state.durable.extend(cached.into_iter().filter(|_| random.percent(kept)));
        state.is_off = false;
    }
}

impl State {
    /// Whether this call succeeds.
    fn admit(&mut self, call: Call) -> Result<(), Failed> {
        if self.is_off {
            return Err(Failed);
        }
        let Some(fault) = self.fault.as_mut().filter(|fault| fault.call == call) else {
            return Ok(());
        };
        if fault.after > 0 {
            fault.after -= 1;
            return Ok(());
        }
        if fault.lasting == Lasting::Once {
            self.fault = None;
        }
        match call {
            Call::Read => self.delivered.reads += 1,
            Call::Write => self.delivered.writes += 1,
            Call::Flush => self.delivered.flushes += 1,
        }
        Err(Failed)
    }

    fn block(&self, number: u64) -> Option<&[u8; BLOCK_BYTES]> {
        self.cached.get(&number).or_else(|| self.durable.get(&number)).map(|block| &**block)
    }
}

/// Block, place in it and length of each part of a range.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = (at % BLOCK_BYTES as u64) as usize;
        let part = (BLOCK_BYTES - within).min(length - done);
        done += part;
        (part > 0).then_some((at / BLOCK_BYTES as u64, within, part))
    })
}

impl Served for Medium {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, bytes: &mut [u8], offset: u64) -> Result<(), Failed> {
        let mut state = self.state();
        state.admit(Call::Read)?;
        let mut rest = bytes;
        for (number, within, length) in parts(offset, rest.len()) {
            let (part, behind) = rest.split_at_mut(length);
            match state.block(number) {
                Some(block) => part.copy_from_slice(&block[within..within + length]),
                None => part.fill(0),
            }
            rest = behind;
        }
        Ok(())
    }

    fn write(&self, bytes: &[u8], offset: u64) -> Result<(), Failed> {
        let mut state = self.state();
        state.admit(Call::Write)?;
        let mut rest = bytes;
        for (number, within, length) in parts(offset, bytes.len()) {
            let (part, behind) = rest.split_at(length);
            rest = behind;
            let before = state.block(number);
            // Most of a new file system is zeros.
            if before.is_none() && part.iter().all(|&byte| byte == 0) {
                continue;
            }
            let mut block = before.map_or([0; BLOCK_BYTES], |block| *block);
            block[within..within + length].copy_from_slice(part);
            state.cached.insert(number, Box::new(block));
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Failed> {
        let mut state = self.state();
        state.admit(Call::Flush)?;
        if self.honesty == Honesty::Honest {
            let State { durable, cached, .. } = &mut *state;
            durable.extend(cached.drain());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Call; 3] = [Call::Read, Call::Write, Call::Flush];

    fn call(medium: &Medium, call: Call) -> Result<(), Failed> {
        match call {
            Call::Read => medium.read(&mut [0; 9], 4090),
            Call::Write => medium.write(&[7; 9], 4090),
            Call::Flush => medium.flush(),
        }
    }

    fn found(medium: &Medium) -> [u8; 12] {
        let mut bytes = [1; 12];
        medium.read(&mut bytes, 4088).unwrap();
        bytes
    }

    #[test]
    fn a_call_fails_once_or_for_good_and_no_other_does() {
        for failing in ALL {
            for lasting in [Lasting::Once, Lasting::ForGood] {
                let medium = Medium::new(1 << 20, Honesty::Honest);
                let fault = Fault { call: failing, lasting, after: 1 };
                assert_eq!(Fault::parse(&fault.to_string()), Some(fault));
                medium.fail(fault);
                let results: Vec<_> =
                    (0..4).map(|_| ALL.map(|each| call(&medium, each).is_ok())).collect();
                let fails = |round: usize| round == 1 || round > 1 && lasting == Lasting::ForGood;
                let expected: Vec<_> =
                    (0..4).map(|round| ALL.map(|each| each != failing || !fails(round))).collect();
                assert_eq!(results, expected);
                let failed = medium.heal();
                let all = failed.reads + failed.writes + failed.flushes;
                assert_eq!(all, if lasting == Lasting::Once { 1 } else { 3 });
                assert_eq!(Delivered::parse(&failed.to_line()), Some(failed));
                assert!(call(&medium, failing).is_ok());
            }
        }
    }

    #[test]
    fn a_power_cut_takes_only_what_was_not_flushed() {
        let mut outcomes = Vec::new();
        for seed in 0..40 {
            let (medium, mut random) = (Medium::new(1 << 20, Honesty::Honest), Random::new(seed));
            medium.write(&[1; 12], 4088).unwrap();
            medium.flush().unwrap();
            medium.write(&[2; 12], 4088).unwrap();
            medium.switch_off();
            assert!(ALL.iter().all(|&each| call(&medium, each).is_err()));
            medium.switch_on(&mut random);
            let found = found(&medium);
            assert!(found[..8].iter().all(|byte| *byte == found[0]), "a block is whole");
            if !outcomes.contains(&(found[0], found[11])) {
                outcomes.push((found[0], found[11]));
            }
        }
        assert_eq!(outcomes.len(), 4, "each block is kept or lost by itself: {outcomes:?}");
    }

    #[test]
    fn a_disk_that_ignores_flushes_loses_what_it_said_was_safe() {
        let lost = (0..10).any(|seed| {
            let medium = Medium::new(1 << 20, Honesty::FlushIgnored);
            medium.write(&[1; 12], 4088).unwrap();
            medium.flush().unwrap();
            medium.switch_off();
            medium.switch_on(&mut Random::new(seed));
            found(&medium) == [0; 12]
        });
        assert!(lost);
    }
}
