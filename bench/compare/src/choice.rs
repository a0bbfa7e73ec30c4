//! Which stream comes next: uniform, or a few often and many seldom.

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// How streams are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Choice {
    Uniform,
    Zipf,
}

/// The exponent: the first of the items comes as often as the second one, times 2^0.99.
const THETA: f64 = 0.99;

/// Draws numbers from 0 up to but without a bound.
pub(crate) struct Sampler {
    bound: u64,
    zipf: Option<Zipf>,
}

impl Sampler {
    pub(crate) fn new(choice: Choice, bound: u64) -> Sampler {
        let zipf = (choice == Choice::Zipf && bound > 1).then(|| Zipf::new(bound));
        Sampler { bound, zipf }
    }

    pub(crate) fn draw(&self, random: &mut Random) -> u64 {
        match &self.zipf {
            None => random.below(self.bound),
            Some(zipf) => zipf.draw(random.fraction()).min(self.bound - 1),
        }
    }
}

/// After Gray and others, "Quickly generating billion-record synthetic databases" (SIGMOD 1994).
struct Zipf {
    items: f64,
    zeta: f64,
    eta: f64,
}

impl Zipf {
    fn new(bound: u64) -> Zipf {
        let items = bound as f64;
        let zeta = zeta(bound);
        let eta = (1.0 - (2.0 / items).powf(1.0 - THETA)) / (1.0 - zeta_of_two() / zeta);
        Zipf { items, zeta, eta }
    }

    fn draw(&self, fraction: f64) -> u64 {
        let reached = fraction * self.zeta;
        if reached < 1.0 {
            return 0;
        }
        if reached < zeta_of_two() {
            return 1;
        }
        (self.items * (self.eta * fraction - self.eta + 1.0).powf(1.0 / (1.0 - THETA))) as u64
    }
}

fn zeta(items: u64) -> f64 {
    (1..=items).map(|item| (item as f64).powf(-THETA)).sum()
}

fn zeta_of_two() -> f64 {
    1.0 + 0.5_f64.powf(THETA)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(choice: Choice, bound: u64, draws: u64) -> Vec<u64> {
        let sampler = Sampler::new(choice, bound);
        let mut random = Random::new(7);
        let mut counts = vec![0; bound as usize];
        for _ in 0..draws {
            counts[sampler.draw(&mut random) as usize] += 1;
        }
        counts
    }

    #[test]
    fn zipf_draws_come_as_often_as_the_law_says() {
        let draws = 400_000;
        let counts = drawn(Choice::Zipf, 1_000, draws);
        let zeta = zeta(1_000);
        for item in [0, 1] {
            let share = (item as f64 + 1.0).powf(-THETA) / zeta;
            let counted = counts[item] as f64 / draws as f64;
            assert!((counted / share - 1.0).abs() < 0.05, "item {item}: {counted} and not {share}");
        }
        // Behind the first two the method is an approximation, good for sums.
        let expected: f64 = (1..=100).map(|item| f64::from(item).powf(-THETA) / zeta).sum();
        let counted = counts[..100].iter().sum::<u64>() as f64 / draws as f64;
        assert!((counted / expected - 1.0).abs() < 0.05, "{counted} and not {expected}");
    }

    #[test]
    fn uniform_draws_come_equally_often() {
        let counts = drawn(Choice::Uniform, 100, 100_000);
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_single_item_is_always_drawn() {
        assert_eq!(drawn(Choice::Zipf, 1, 10), [10]);
    }
}
