//! The rate over parts of a run that are equal in completed requests: does it hold as the data
//! grows?
//!
//! The parts are found on the timeline of completions, inside a step in proportion.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::recorder::STEP;
use crate::rate::{number, rounded};

/// One part of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Interval {
    /// Number of the first and one past the last completed request.
    pub from: u64,
    /// One past the last completed request.
    pub to: u64,
    /// How long the part took.
    pub seconds: f64,
    /// Completed requests per second.
    pub per_second: f64,
}

/// `parts` intervals of a run that ended at `end`; fewer when there were fewer requests.
#[must_use]
pub fn intervals(timeline: &[u64], end: Duration, parts: u32) -> Vec<Interval> {
    let total: u64 = timeline.iter().sum();
    let parts = u64::from(parts).min(total);
    let mut intervals = Vec::new();
    let mut began = 0.0;

    for part in 0..parts {
        let (from, to) = (total * part / parts, total * (part + 1) / parts);
        let ended = reached(timeline, end, to);
        let seconds = (ended - began).max(f64::EPSILON);
        let per_second = rounded(number(to - from) / seconds, 1);
        intervals.push(Interval {
            from,
            to,
            seconds: rounded(seconds, 3),
            per_second,
        });
        began = ended;
    }

    intervals
}

/// Seconds from the start until `count` requests were completed.
fn reached(timeline: &[u64], end: Duration, count: u64) -> f64 {
    let step = STEP.as_secs_f64();
    let mut before = 0;
    let mut start = 0.0;
    for completed in timeline {
        let width = (end.as_secs_f64() - start).clamp(0.0, step);
        if before + completed >= count && *completed > 0 {
            return start + width * number(count - before) / number(*completed);
        }
        before += completed;
        start += step;
    }
    end.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_halves_its_speed_shows_it() {
        // 100 requests in the first step, then 50 in each of two.
        let parts = intervals(&[100, 50, 50], Duration::from_millis(300), 2);
        assert_eq!(parts.len(), 2);
        assert_eq!((parts[0].from, parts[0].to, parts[1].to), (0, 100, 200));
        assert!((parts[0].per_second - 1_000.0).abs() < 0.5);
        assert!((parts[1].per_second - 500.0).abs() < 0.5);
    }

    #[test]
    fn the_last_step_ends_with_the_run() {
        let parts = intervals(&[100, 50], Duration::from_millis(150), 1);
        assert!((parts[0].seconds - 0.15).abs() < 1e-9);
        assert!((parts[0].per_second - 1_000.0).abs() < 0.5);
    }

    #[test]
    fn a_pause_lies_in_the_part_that_waits_for_it() {
        let parts = intervals(&[10, 0, 0, 10], Duration::from_millis(400), 2);
        assert!((parts[0].seconds - 0.1).abs() < 1e-9);
        assert!((parts[1].seconds - 0.3).abs() < 1e-9);
    }

    #[test]
    fn nothing_completed_has_no_intervals() {
        assert_eq!(intervals(&[], Duration::ZERO, 10), []);
    }
}
