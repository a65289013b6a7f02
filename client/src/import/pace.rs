//! How many customers are worked on at once: as many as the node serves without delay.
//!
//! A node commits in groups, so with more callers it does more a second, ever less so, and all of
//! them wait longer. Throughput alone says too little of where to stop: it varies from one moment
//! to the next by more than another few callers bring. How long a line takes says it clearly. So
//! the number grows while lines take less time than a caller hardly notices, or little more than
//! the node needs when it has nothing else to do; it shrinks when they take much longer, or when
//! the node pushes back.
//!
//! Pure bookkeeping: the clock is the caller's.

use std::time::Duration;

use tokio::time::Instant;

/// What an import begins with.
const FIRST: usize = 16;
/// What it goes on with, however hard a node pushes back.
const FEWEST: usize = 4;
/// It judges no shorter time than this, and no fewer lines than customers.
const SHORTEST_WINDOW: Duration = Duration::from_millis(100);
/// A line may take this long: others who use the node meanwhile hardly notice.
const HARDLY_NOTICED: f64 = 0.050;
/// A node that is slow by itself may take this many times as long as it did at its quickest.
const TIMES_QUICKEST: f64 = 4.0;
/// The number grows to this share of itself, in percent, far below that time and near it; and it
/// shrinks to this one.
const FAR_BELOW: usize = 200;
const NEAR: usize = 115;
const TOO_SLOW: usize = 85;
const PUSHED_BACK: usize = 70;

/// Finds how many lines should be under way.
#[derive(Debug)]
pub struct Pace {
    /// Never more than these.
    most: usize,
    limit: usize,
    /// The quickest window, in seconds a line.
    quickest: f64,
    window: Window,
}

/// What has happened since the last judgement.
#[derive(Debug)]
struct Window {
    began: Instant,
    ended: usize,
    /// How long these lines took, added up.
    took: Duration,
    /// There was room for another line, and no customer who could go: the limit was no limit.
    had_room: bool,
    /// The node has refused to take a command, or has not answered.
    pushed_back: bool,
}

impl Pace {
    /// Begins with few at once, and never goes beyond `most`.
    pub fn new(most: usize, now: Instant) -> Self {
        Pace {
            most,
            limit: FIRST.min(most),
            quickest: f64::INFINITY,
            window: Window::new(now),
        }
    }

    /// How many lines may be under way.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// There was room for another line, and none to send.
    pub fn had_room(&mut self) {
        self.window.had_room = true;
    }

    /// A line has ended and took this long. `pushed_back` says that the node has refused to take a
    /// command, or has not answered, since this was called last.
    pub fn ended(&mut self, now: Instant, took: Duration, pushed_back: bool) {
        let window = &mut self.window;
        window.ended += 1;
        window.took += took;
        window.pushed_back |= pushed_back;

        if now.saturating_duration_since(window.began) < SHORTEST_WINDOW {
            return;
        }
        if window.pushed_back {
            self.go_on(PUSHED_BACK, now);
        } else if window.ended >= self.limit {
            self.judge(now);
        }
    }

    fn judge(&mut self, now: Instant) {
        let seconds = self.window.took.as_secs_f64() / count(self.window.ended);
        self.quickest = self.quickest.min(seconds);
        let allowed = HARDLY_NOTICED.max(TIMES_QUICKEST * self.quickest);

        let share = if seconds > 1.25 * allowed {
            TOO_SLOW
        } else if seconds > allowed || self.window.had_room {
            100
        } else if seconds > allowed / 2.0 {
            NEAR
        } else {
            FAR_BELOW
        };
        self.go_on(share, now);
    }

    /// Goes on with this share of the limit, in percent.
    fn go_on(&mut self, share: usize, now: Instant) {
        let limit = self.limit * share / 100;
        let at_least = if share > 100 { self.limit + 1 } else { FEWEST };
        self.limit = limit.max(at_least).min(self.most);
        self.window = Window::new(now);
    }
}

impl Window {
    fn new(began: Instant) -> Self {
        Window {
            began,
            ended: 0,
            took: Duration::ZERO,
            had_room: false,
            pushed_back: false,
        }
    }
}

fn count(of: usize) -> f64 {
    f64::from(u32::try_from(of).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
