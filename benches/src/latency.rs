//! Latencies of many repetitions, and their summary.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::rate::{number, rounded};

/// The longest latency that is told apart: ten minutes, in microseconds.
const LONGEST: u64 = 600_000_000;

/// Latencies, to three digits.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

/// What a report says of latencies, in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Measurements.
    pub count: u64,
    /// The median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Latencies {
    /// No latencies yet.
    pub fn new() -> Result<Self, hdrhistogram::CreationError> {
        Ok(Latencies(Histogram::new_with_bounds(1, LONGEST, 3)?))
    }

    /// Adds one; longer ones than ten minutes count as ten minutes.
    pub fn record(&mut self, latency: Duration) {
        self.0
            .saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST));
    }

    /// Takes over what another has seen.
    pub fn add(&mut self, other: &Latencies) -> Result<(), hdrhistogram::AdditionError> {
        self.0.add(&other.0)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Median, 99th percentile and maximum.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let millis = |micros: u64| rounded(number(micros) / 1e3, 3);
        Summary {
            count: self.0.len(),
            p50: millis(self.0.value_at_quantile(0.5)),
            p99: millis(self.0.value_at_quantile(0.99)),
            max: millis(self.0.max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_of_a_hundred_is_beyond_the_99th_percentile() {
        let mut latencies = Latencies::new().unwrap();
        (0..99).for_each(|_| latencies.record(Duration::from_millis(1)));
        latencies.record(Duration::from_millis(50));
        let Summary {
            count,
            p50,
            p99,
            max,
        } = latencies.summary();
        assert_eq!(count, 100);
        assert!(p50 < 1.1 && p99 < 1.1, "{p50} {p99}");
        assert!((49.0..51.0).contains(&max), "{max}");
    }
}
