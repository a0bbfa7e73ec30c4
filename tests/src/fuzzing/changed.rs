//! Inputs of a target with a few bytes changed at random: what can be asked for without a fuzzer, and again.

use super::{Judged, Target, seeds};
use crate::random::Random;

/// A target and what it begins with.
#[derive(Debug)]
pub struct Changed {
    target: &'static Target,
    seeds: Vec<Vec<u8>>,
}

impl Changed {
    /// Inputs of this target.
    #[must_use]
    pub fn of(target: &'static Target) -> Changed {
        Changed { target, seeds: seeds(target.name) }
    }

    /// Gives the target the input of this number.
    ///
    /// # Errors
    /// What was wrong.
    pub fn judge(&self, number: u64) -> Judged {
        self.target.judge(&self.input(number))
    }

    /// One of the seeds, changed.
    #[must_use]
    pub fn input(&self, number: u64) -> Vec<u8> {
        let random = &mut Random::new(number);
        let mut input = self.seeds[random.below(self.seeds.len())].clone();
        for _ in 0..random.between(1, 6) {
            let at = random.below(input.len());
            match random.below(8) {
                0 => input.truncate(at + 1),
                1 => input[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
                2 => input[at] = input[at].wrapping_add(1 + random.below(16) as u8),
                3 => input.insert(at, random.number() as u8),
                4 => self.splice(&mut input, at, random),
                5 => input[at] = random.number() as u8,
                _ => input[at] ^= 1 << random.below(8),
            }
        }
        input
    }

    /// Lays a piece of one of the seeds over another piece.
    fn splice(&self, input: &mut [u8], at: usize, random: &mut Random) {
        let other = &self.seeds[random.below(self.seeds.len())];
        let from = random.below(other.len());
        let len = random.between(1, 64).min(other.len() - from).min(input.len() - at);
        input[at..at + len].copy_from_slice(&other[from..from + len]);
    }
}
