//! What one generator thread has seen: latencies, counts, and how many requests were completed
//! when.
//!
//! Kept per thread without locks and added up at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// Width of a step of the timeline of completions.
pub const STEP: Duration = Duration::from_millis(100);
/// Longest latency told apart, in microseconds; longer ones count as this.
const LONGEST: u64 = 600_000_000;

/// Counts and latencies of one generator thread.
#[derive(Debug, Clone)]
pub struct Recorder {
    /// Microseconds from the time a request was due to its answer.
    pub latencies: Histogram<u64>,
    /// Completed requests per step of the timeline.
    pub timeline: Vec<u64>,
    /// Time of the last completed request since the start.
    pub last: Duration,
    /// Requests that reached what they waited for.
    pub completed: u64,
    /// Requests sent, repeats included.
    pub sent: u64,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    /// Orders by the state that their answer named.
    pub states: BTreeMap<String, u64>,
    /// Rejected orders by reason.
    pub rejection_reasons: BTreeMap<String, u64>,
    /// Answers 503: the server asked to come back later.
    pub busy: u64,
    /// Connections that broke or gave no answer.
    pub broken: u64,
    /// Orders given up: refused, unreadable, or without an answer too often.
    pub failed: u64,
    /// Requests that were due but not sent before the end of an open loop.
    pub not_sent: u64,
    /// The first failure in words.
    pub first_failure: Option<String>,
}

impl Recorder {
    /// Nothing seen yet.
    pub fn new() -> Result<Recorder, hdrhistogram::CreationError> {
        Ok(Recorder {
            latencies: Histogram::new_with_bounds(1, LONGEST, 3)?,
            timeline: Vec::new(),
            last: Duration::ZERO,
            completed: 0,
            sent: 0,
            statuses: BTreeMap::new(),
            states: BTreeMap::new(),
            rejection_reasons: BTreeMap::new(),
            busy: 0,
            broken: 0,
            failed: 0,
            not_sent: 0,
            first_failure: None,
        })
    }

    /// A request that reached what it waited for, `at` after the start.
    pub fn complete(&mut self, at: Duration, latency: Duration) {
        self.latencies
            .saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST));
        self.completed += 1;
        self.last = self.last.max(at);
        let step = usize::try_from(at.as_millis() / STEP.as_millis()).unwrap_or_default();
        if self.timeline.len() <= step {
            self.timeline.resize(step + 1, 0);
        }
        if let Some(count) = self.timeline.get_mut(step) {
            *count += 1;
        }
    }

    /// Counts a state and, if there is one, the reason of a rejection.
    pub fn state(&mut self, state: &str, reason: Option<&str>) {
        count(&mut self.states, state);
        if let Some(reason) = reason {
            count(&mut self.rejection_reasons, reason);
        }
    }

    /// Counts a failure; keeps the words of the first.
    pub fn fail(&mut self, what: impl FnOnce() -> String) {
        self.failed += 1;
        self.first_failure.get_or_insert_with(what);
    }

    /// Adds what another thread has seen since the same start.
    pub fn add(&mut self, other: &Recorder) -> Result<(), hdrhistogram::AdditionError> {
        self.latencies.add(&other.latencies)?;
        self.timeline
            .resize(self.timeline.len().max(other.timeline.len()), 0);

        for (mine, theirs) in self.timeline.iter_mut().zip(&other.timeline) {
            *mine += theirs;
        }

        self.last = self.last.max(other.last);
        self.completed += other.completed;
        self.sent += other.sent;

        for (status, times) in &other.statuses {
            *self.statuses.entry(*status).or_default() += times;
        }

        for (mine, theirs) in [
            (&mut self.states, &other.states),
            (&mut self.rejection_reasons, &other.rejection_reasons),
        ] {
            for (name, times) in theirs {
                *mine.entry(name.clone()).or_default() += times;
            }
        }

        self.busy += other.busy;
        self.broken += other.broken;
        self.failed += other.failed;
        self.not_sent += other.not_sent;

        if self.first_failure.is_none() {
            self.first_failure.clone_from(&other.first_failure);
        }

        Ok(())
    }
}

/// Looks a name up before it is copied: after the first time there is nothing to allocate.
fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(times) => *times += 1,
        None => {
            counts.insert(name.to_owned(), 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_threads_have_seen_adds_up() {
        let mut one = Recorder::new().unwrap();
        let mut two = Recorder::new().unwrap();

        one.complete(Duration::from_millis(20), Duration::from_millis(2));
        two.complete(Duration::from_millis(350), Duration::from_millis(4));
        one.state("APPROVED", None);
        two.state("REJECTED", Some("INSUFFICIENT_CREDIT"));
        two.fail(|| "refused".to_owned());
        one.add(&two).unwrap();
        assert_eq!(one.timeline, [1, 0, 0, 1]);
        assert_eq!(one.last, Duration::from_millis(350));
        assert_eq!(one.latencies.len(), 2);
        assert_eq!((one.completed, one.failed), (2, 1));
        assert_eq!(one.states.len(), 2);
        assert_eq!(one.first_failure.as_deref(), Some("refused"));
    }
}
