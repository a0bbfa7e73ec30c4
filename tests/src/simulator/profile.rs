//! What a seed stands for, apart from the schedule.

use std::fmt;

use quipu::{Durability, Options, ReadMode};
use serde_json::Value;

use crate::content::STREAMS_MAX;
use crate::random::Random;

/// Percentage of seeds that stand for a large store.
const LARGE: usize = 2;

/// The options and habits of one run.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Options of the store.
    pub options: Options,
    /// Steps of the schedule.
    pub steps: usize,
    /// Commits that may wait for their place or their copy at a time.
    pub writers: usize,
    /// Streams that are written.
    pub streams: usize,
    /// A usual payload has up to so many bytes.
    pub payload_bytes: usize,
    /// Percentage of commits that do not take the store's durability.
    pub other_durability: usize,
    /// Chance in ten thousand that a step is a crash, planned or at once.
    pub crashes: usize,
    /// Chance in ten thousand that a step plans an error, a short call or a full disk.
    pub errors: usize,
    /// The store cannot tell other processes anything.
    pub silent: bool,
}

impl Profile {
    /// Draws a profile.
    pub fn draw(random: &mut Random) -> Profile {
        let least = [8, 8, 12, 16, 32];
        let segment_bytes_min = random.pick(&least).unwrap_or(8) << 10;
        let segment_bytes_max = (segment_bytes_min << random.below(3)).min(64 << 10);
        let durability = if random.percent(60) { Durability::Sync } else { Durability::Os };
        let options = Options {
            durability,
            buffer_bytes: 4096 * random.between(1, 4),
            buffers: random.between(2, 4),
            segment_bytes_min,
            segment_bytes_max,
            id_segments: random.pick(&[0, 0, 1000]).unwrap_or(0),
            read_mode: if random.percent(80) { ReadMode::Map } else { ReadMode::Pread },
            ballast_bytes: 0,
            ..Options::default()
        };
        let profile = Profile {
            options,
            steps: random.between(760, 1520),
            writers: random.between(2, 6),
            streams: random.between(2, 10),
            payload_bytes: usize::try_from(segment_bytes_min).unwrap_or(8192)
                / random.between(54, 216),
            other_durability: random.pick(&[0, 10, 40, 100]).unwrap_or(0),
            crashes: random.pick(&[6, 12, 24, 48]).unwrap_or(12),
            errors: random.pick(&[0, 0, 14, 56]).unwrap_or(0),
            silent: random.percent(10),
        };
        if random.percent(LARGE) { profile.large(random) } else { profile }
    }

    /// A store of many streams and segments, so that runs sum up others and an index has several pages of entries. It
    /// lives longer, and crashes as seldom as the others do in their lives.
    fn large(self, random: &mut Random) -> Profile {
        let (segment_bytes_min, segment_bytes_max) = (8 << 10, 16 << 10);
        let options = Options { segment_bytes_min, segment_bytes_max, ..self.options };
        Profile {
            options,
            steps: random.between(4000, 6000),
            streams: random.between(200, STREAMS_MAX),
            payload_bytes: random.between(150, 600),
            crashes: 6,
            ..self
        }
    }
}

impl Profile {
    /// All that was drawn, by name: what is printed and what is written as JSON.
    #[must_use]
    pub fn drawn(&self) -> Vec<(&'static str, Value)> {
        // Without a rest, so that what is added is printed too.
        let Profile {
            options,
            steps,
            writers,
            streams,
            payload_bytes,
            other_durability,
            crashes,
            errors,
            silent,
        } = self;
        vec![
            ("segment_bytes_min", options.segment_bytes_min.into()),
            ("segment_bytes_max", options.segment_bytes_max.into()),
            ("buffers", options.buffers.into()),
            ("buffer_bytes", options.buffer_bytes.into()),
            ("durability", format!("{:?}", options.durability).into()),
            ("other_durability_percent", (*other_durability).into()),
            ("id_segments", options.id_segments.into()),
            ("read_mode", format!("{:?}", options.read_mode).into()),
            ("steps", (*steps).into()),
            ("writers", (*writers).into()),
            ("streams", (*streams).into()),
            ("payload_bytes_max", (*payload_bytes).into()),
            ("crashes_in_10000_steps", (*crashes).into()),
            ("errors_in_10000_steps", (*errors).into()),
            ("tells_other_processes", (!silent).into()),
        ]
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drawn = self.drawn();
        let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let words = drawn.iter().map(|(name, value)| format!("{name} {}", word(value)));
        let words: Vec<String> = words.collect();
        f.write_str(&words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Whatever differs between the options of two seeds is printed with other words.
    #[test]
    fn every_option_that_a_seed_draws_is_printed() {
        let (mut options, mut printed) = (BTreeMap::new(), BTreeMap::new());
        for seed in 0..200 {
            let profile = Profile::draw(&mut Random::new(seed));
            for line in format!("{:#?}", profile.options).lines() {
                let (name, value) = line.trim().split_once(": ").unwrap_or_default();
                let values: &mut BTreeSet<String> = options.entry(name.to_owned()).or_default();
                values.insert(value.to_owned());
            }
            for (name, value) in profile.drawn() {
                let values: &mut BTreeSet<String> = printed.entry(name.to_owned()).or_default();
                values.insert(value.to_string());
            }
        }
        options.retain(|_, values| values.len() > 1);
        assert!(options.len() > 6, "{options:?}");
        for (name, values) in options {
            assert_eq!(printed.get(&name).map(BTreeSet::len), Some(values.len()), "{name}");
        }
    }
}
