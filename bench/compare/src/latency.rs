//! Latencies, kept in histograms with three significant digits.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::failure::Result;

/// Latencies of one thread, or of several taken together.
pub(crate) struct Latencies(Histogram<u64>);

/// What is told of them, in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) count: u64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
    /// Quantile and latency, for the picture.
    pub(crate) curve: Vec<(f64, f64)>,
}

/// No latency is longer: what takes longer counts as this.
const MOST_NANOS: u64 = 600_000_000_000;
/// Of the curve's points, each ten times as near to 1 as the fourth before it.
const CURVE_POINTS: i32 = 24;

impl Latencies {
    pub(crate) fn new() -> Result<Latencies> {
        Ok(Latencies(Histogram::new_with_bounds(1, MOST_NANOS, 3)?))
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(MOST_NANOS));
    }

    pub(crate) fn add(&mut self, other: &Latencies) -> Result<()> {
        Ok(self.0.add(&other.0)?)
    }

    /// Nothing if none was recorded.
    pub(crate) fn summary(&self) -> Option<Latency> {
        if self.0.is_empty() {
            return None;
        }
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1_000.0;
        // Behind the last latency there is nothing to be told.
        let finest = 1.0 - 0.5 / self.0.len() as f64;
        let quantiles = (0..=CURVE_POINTS).map(|point| 1.0 - 10_f64.powf(-f64::from(point) / 4.0));
        Some(Latency {
            count: self.0.len(),
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: self.0.max() as f64 / 1_000.0,
            curve: quantiles.take_while(|q| *q <= finest).map(|q| (q, at(q))).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_latencies_of_all_threads() {
        let (mut one, mut other) = (Latencies::new().unwrap(), Latencies::new().unwrap());
        for micros in 1..=500 {
            one.record(Duration::from_micros(micros));
            other.record(Duration::from_micros(500 + micros));
        }
        one.add(&other).unwrap();
        let told = one.summary().unwrap();
        let near = |value: f64, expected: f64| (value / expected - 1.0).abs() < 0.002;
        assert_eq!(told.count, 1_000);
        assert!(near(told.p50, 500.0) && near(told.p99, 990.0), "{told:?}");
        assert!(near(told.p999, 999.0) && near(told.max, 1_000.0), "{told:?}");
        assert!(told.curve.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{told:?}");
    }

    #[test]
    fn nothing_is_told_of_no_latency_and_a_huge_one_is_cut() {
        let mut latencies = Latencies::new().unwrap();
        assert_eq!(latencies.summary(), None);
        latencies.record(Duration::from_secs(100_000));
        assert!(latencies.summary().unwrap().max >= 599e6);
    }
}
