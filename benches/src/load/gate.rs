//! Lets the connections of one thread send: at once in a closed loop, when due in an open loop, and
//! not at all any more when the run's requests or its time are used up.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::sync::Semaphore;

use super::options::Amount;
use super::schedule::Schedule;

/// What one thread sends, and when.
#[derive(Debug)]
pub struct Gate {
    start: Instant,
    deadline: Option<Instant>,
    /// Requests of this thread.
    limit: u64,
    next: Cell<u64>,
    open_loop: Option<OpenLoop>,
    stop: Arc<AtomicBool>,
}

/// A fixed schedule, and the permits by which its time keeper lets requests go.
#[derive(Debug, Clone)]
pub struct OpenLoop {
    /// When this thread's requests are due.
    pub schedule: Schedule,
    /// Gets one permit for each request that is due.
    pub permits: Arc<Semaphore>,
}

impl Gate {
    /// The share of thread `thread` of `threads` in `amount`; in an open loop `rate` requests per
    /// second are sent by all threads together.
    #[must_use]
    pub fn new(
        start: Instant,
        amount: Amount,
        rate: Option<u32>,
        (thread, threads): (u32, u32),
        stop: Arc<AtomicBool>,
    ) -> Gate {
        let schedule = rate.map(|rate| Schedule {
            rate,
            thread,
            threads,
        });

        let (limit, deadline) = match amount {
            Amount::Requests(requests) => (share(requests, thread, threads), None),
            Amount::Time(time) => (
                schedule.map_or(u64::MAX, |schedule| schedule.due_before(time)),
                Some(start + time),
            ),
        };

        let open_loop = schedule.map(|schedule| OpenLoop {
            schedule,
            permits: Arc::new(Semaphore::new(0)),
        });

        Gate {
            start,
            deadline,
            limit,
            next: Cell::new(0),
            open_loop,
            stop,
        }
    }

    /// What the time keeper of an open loop needs.
    #[must_use]
    pub fn open_loop(&self) -> Option<OpenLoop> {
        self.open_loop.clone()
    }

    /// Set when the run was given up.
    #[must_use]
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// When the run began.
    #[must_use]
    pub fn start(&self) -> Instant {
        self.start
    }

    /// The most requests that this thread sends.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The next request may be sent; its latency counts from the time returned. `None`: there is
    /// none left.
    pub async fn next(&self) -> Option<Instant> {
        if self.ended() {
            return None;
        }

        let Some(OpenLoop { schedule, permits }) = &self.open_loop else {
            self.next.set(self.next.get() + 1);
            return Some(Instant::now());
        };
        permits.acquire().await.ok()?.forget();

        if self.ended() {
            return None;
        }

        let number = self.next.replace(self.next.get() + 1);

        Some(self.start + schedule.due(number))
    }

    /// Whether there is nothing more to send.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.next.get() >= self.limit || self.is_overdue()
    }

    /// Whether the time is over or the run was given up, so that there are no repeats either.
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
            || self
                .deadline
                .is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Requests of an open loop that were due and never sent.
    #[must_use]
    pub fn not_sent(&self) -> u64 {
        if self.open_loop.is_some() {
            self.limit.saturating_sub(self.next.get())
        } else {
            0
        }
    }

    /// Ends the run for all threads.
    pub fn abort(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The part of `requests` that thread `thread` sends.
fn share(requests: u64, thread: u32, threads: u32) -> u64 {
    let threads = u64::from(threads.max(1));
    requests / threads + u64::from(u64::from(thread) < requests % threads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn gate(amount: Amount, rate: Option<u32>) -> Gate {
        Gate::new(
            Instant::now(),
            amount,
            rate,
            (0, 1),
            Arc::new(AtomicBool::new(false)),
        )
    }

    #[test]
    fn the_shares_of_the_threads_add_up() {
        let shares: Vec<u64> = (0..3).map(|thread| share(10, thread, 3)).collect();
        assert_eq!(shares, [4, 3, 3]);
    }

    #[tokio::test]
    async fn a_closed_loop_ends_with_its_requests() {
        let gate = gate(Amount::Requests(2), None);
        assert!(gate.next().await.is_some());
        assert!(gate.next().await.is_some());
        assert!(gate.next().await.is_none());
        assert_eq!(gate.not_sent(), 0);
    }

    #[tokio::test]
    async fn an_open_loop_counts_latency_from_the_time_a_request_was_due() {
        let gate = gate(Amount::Requests(2), Some(1));
        let permits = gate.open_loop().unwrap().permits;
        permits.add_permits(3);
        assert_eq!(gate.next().await, Some(gate.start()));
        assert_eq!(
            gate.next().await,
            Some(gate.start() + Duration::from_secs(1))
        );
        assert_eq!(gate.next().await, None);
    }

    #[tokio::test]
    async fn an_open_loop_that_runs_out_of_time_says_what_it_did_not_send() {
        let gate = gate(Amount::Time(Duration::from_secs(10)), Some(2));
        assert_eq!(gate.limit(), 20);
        let permits = gate.open_loop().unwrap().permits;
        permits.add_permits(1);
        assert!(gate.next().await.is_some());
        gate.abort();
        assert!(gate.next().await.is_none());
        assert_eq!(gate.not_sent(), 19);
    }
}
