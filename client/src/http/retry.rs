//! When a failed call is sent again: exponential back-off with jitter, within a patience, never
//! sooner than `Retry-After`.

use std::time::Duration;

use rand::Rng;
use reqwest::header::{HeaderMap, RETRY_AFTER};

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// The pauses of one call.
#[derive(Debug)]
pub struct Backoff {
    patience: Duration,
    next: Duration,
    tries: u32,
}

impl Backoff {
    /// Goes on for as long as `patience` allows.
    pub fn new(patience: Duration) -> Self {
        Self {
            patience,
            next: FIRST,
            tries: 0,
        }
    }

    /// How often the call has failed so far.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// The pause before the next try, or `None` when that try would come after the patience is
    /// over. The jitter (half to whole) keeps many callers of a restarted node from coming back in
    /// step.
    pub fn pause(&mut self, elapsed: Duration, retry_after: Option<Duration>) -> Option<Duration> {
        self.tries = self.tries.saturating_add(1);
        let jittered = self.next.mul_f64(rand::rng().random_range(0.5..=1.0));
        self.next = self.next.saturating_mul(2).min(LONGEST);
        let pause = retry_after.map_or(jittered, |asked| asked.max(jittered));
        (elapsed.saturating_add(pause) <= self.patience).then_some(pause)
    }
}

/// `Retry-After` in seconds. The other form, a date, is not used by a node; the back-off stands in
/// for it.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_with_the_patience() {
        let mut backoff = Backoff::new(Duration::from_secs(10));
        let mut elapsed = Duration::ZERO;
        let mut pauses = Vec::new();
        while let Some(pause) = backoff.pause(elapsed, None) {
            elapsed += pause;
            pauses.push(pause);
        }
        assert!(elapsed <= Duration::from_secs(10));
        assert!(pauses[0] <= FIRST && pauses.iter().all(|pause| *pause <= LONGEST));
        assert!(pauses.len() > 8, "{pauses:?}");
    }

    #[test]
    fn a_node_that_names_its_time_is_not_asked_sooner() {
        let mut backoff = Backoff::new(Duration::from_secs(10));
        assert_eq!(
            backoff.pause(Duration::ZERO, Some(Duration::from_secs(3))),
            Some(Duration::from_secs(3))
        );
        assert_eq!(
            backoff.pause(Duration::from_secs(8), Some(Duration::from_secs(3))),
            None
        );
    }
}
