//! When requests are due in an open loop, and the thread that lets them go in time.
//!
//! Request `i` of the whole run is due at `i / rate`, whatever became of the requests before it;
//! each generator thread has every n-th of them. A thread of its own keeps the time, because timers
//! of the asynchronous runtime are a millisecond coarse, which would show in the latencies
//! measured.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

const NANOS: u128 = 1_000_000_000;
/// Requests due closer together than this are let go together. It bounds what keeping the time
/// costs the measured machine, and how much too high latencies in an open loop come out.
const SHORTEST_SLEEP: Duration = Duration::from_micros(250);

/// The share of one thread in a fixed arrival schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Requests per second of all threads together, at least one.
    pub rate: u32,
    /// The thread, counted from 0.
    pub thread: u32,
    /// The number of threads.
    pub threads: u32,
}

impl Schedule {
    /// When this thread's request number `own` (from 0) is due, counted from the start.
    #[must_use]
    pub fn due(&self, own: u64) -> Duration {
        let of_all = u128::from(own) * u128::from(self.threads) + u128::from(self.thread);
        let nanos = of_all * NANOS / u128::from(self.rate.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many of this thread's requests are due within `elapsed`: those whose time is not after
    /// it.
    #[must_use]
    pub fn due_by(&self, elapsed: Duration) -> u64 {
        let threads = u128::from(self.threads.max(1));
        // Requests of all threads that are due: the largest i with floor(i * NANOS / rate) <=
        // elapsed, plus one.
        let of_all = ((elapsed.as_nanos() + 1) * u128::from(self.rate)).div_ceil(NANOS);
        let mine = (of_all + threads - 1).saturating_sub(u128::from(self.thread)) / threads;
        u64::try_from(mine).unwrap_or(u64::MAX)
    }

    /// How many of this thread's requests a run of this length has: one due at its very end is not
    /// sent any more.
    #[must_use]
    pub fn due_before(&self, end: Duration) -> u64 {
        end.checked_sub(Duration::from_nanos(1))
            .map_or(0, |last| self.due_by(last))
    }
}

/// Adds a permit to `gate` for each request when it is due, up to `limit`, until `stop`. Then adds
/// `waiting` more, so that no connection is left waiting for a request that never comes.
pub fn keep_time(
    schedule: Schedule,
    start: Instant,
    limit: u64,
    waiting: u32,
    gate: &Semaphore,
    stop: &AtomicBool,
) {
    let mut released = 0;

    while released < limit && !stop.load(Ordering::Relaxed) {
        let due = schedule.due_by(start.elapsed()).min(limit);
        if due > released {
            gate.add_permits(usize::try_from(due - released).unwrap_or_default());
            released = due;
        }
        let next = (start + schedule.due(released)).saturating_duration_since(Instant::now());
        // Bounded above as well, so that a stop is noticed at a slow rate.
        std::thread::sleep(next.clamp(SHORTEST_SLEEP, Duration::from_millis(100)));
    }

    gate.add_permits(usize::try_from(waiting).unwrap_or_default());
}

#[cfg(test)]
mod tests;
