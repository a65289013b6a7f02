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
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_evenly_from_the_start() {
        let schedule = Schedule {
            rate: 4,
            thread: 0,
            threads: 1,
        };
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(1), Duration::from_millis(250));
        assert_eq!(schedule.due(40), Duration::from_secs(10));
    }

    #[test]
    fn what_is_due_by_a_time_is_exactly_what_is_due_not_after_it() {
        for (rate, threads) in [(1, 1), (3, 1), (7, 2), (1_000, 3), (33_333, 4)] {
            for thread in 0..threads {
                let schedule = Schedule {
                    rate,
                    thread,
                    threads,
                };
                for own in 0..50 {
                    let due = schedule.due(own);
                    assert_eq!(schedule.due_by(due), own + 1, "{schedule:?}, request {own}");

                    if let Some(before) = due.checked_sub(Duration::from_nanos(1)) {
                        assert_eq!(
                            schedule.due_by(before),
                            own,
                            "{schedule:?}, just before request {own}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_threads_together_send_every_request_once() {
        let mut due: Vec<Duration> = (0..3)
            .flat_map(|thread| {
                (0..10).map(move |own| {
                    Schedule {
                        rate: 10,
                        thread,
                        threads: 3,
                    }
                    .due(own)
                })
            })
            .collect();
        due.sort();

        let one: Vec<Duration> = (0..30)
            .map(|own| {
                Schedule {
                    rate: 10,
                    thread: 0,
                    threads: 1,
                }
                .due(own)
            })
            .collect();
        assert_eq!(due, one);
    }

    #[test]
    fn the_time_keeper_releases_the_limit_and_those_who_wait() {
        let gate = Semaphore::new(0);

        let schedule = Schedule {
            rate: 100_000,
            thread: 0,
            threads: 1,
        };

        keep_time(
            schedule,
            Instant::now(),
            100,
            8,
            &gate,
            &AtomicBool::new(false),
        );

        assert_eq!(gate.available_permits(), 108);
    }
}
