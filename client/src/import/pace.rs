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
mod tests {
    use super::*;

    /// A node whose throughput has an end: with as many callers as `half_at` it brings half of it.
    struct Model {
        most_per_second: f64,
        half_at: f64,
    }

    impl Model {
        fn rate(&self, callers: usize) -> f64 {
            let callers = count(callers);
            self.most_per_second * callers / (callers + self.half_at)
        }

        /// Plays for this long, from `now` on.
        fn play(&self, pace: &mut Pace, now: &mut Instant, time: Duration) {
            let end = *now + time;
            while *now < end {
                let rate = self.rate(pace.limit());
                *now += Duration::from_secs_f64(1.0 / rate);
                let took = Duration::from_secs_f64(count(pace.limit()) / rate);
                pace.ended(*now, took, false);
            }
        }
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_pace_is_found_at_which_a_node_does_most_of_what_it_can() {
        for (most_per_second, half_at) in [(10_000.0, 64.0), (20_000.0, 200.0), (300.0, 10.0)] {
            let model = Model {
                most_per_second,
                half_at,
            };
            let mut now = Instant::now();
            let mut pace = Pace::new(4_096, now);
            model.play(&mut pace, &mut now, MINUTE);

            let share = model.rate(pace.limit()) / most_per_second;
            assert!(share > 0.75, "{half_at}: {share} with {}", pace.limit());
            assert!(
                count(pace.limit()) < 10.0 * half_at,
                "{half_at}: {}",
                pace.limit()
            );
        }
    }

    #[test]
    fn it_is_found_within_seconds() {
        let model = Model {
            most_per_second: 10_000.0,
            half_at: 64.0,
        };
        let mut now = Instant::now();
        let mut pace = Pace::new(4_096, now);
        model.play(&mut pace, &mut now, Duration::from_secs(2));
        assert!(model.rate(pace.limit()) > 7_500.0, "{}", pace.limit());
    }

    #[test]
    fn it_stays_below_what_was_asked_for() {
        let model = Model {
            most_per_second: 10_000.0,
            half_at: 64.0,
        };
        for most in [1, 2, 100] {
            let mut now = Instant::now();
            let mut pace = Pace::new(most, now);
            model.play(&mut pace, &mut now, MINUTE);
            assert_eq!(pace.limit(), most);
        }
    }

    #[test]
    fn a_node_that_pushes_back_is_given_less_and_gets_more_again_when_it_can() {
        let model = Model {
            most_per_second: 10_000.0,
            half_at: 64.0,
        };
        let mut now = Instant::now();
        let mut pace = Pace::new(4_096, now);
        model.play(&mut pace, &mut now, MINUTE);
        let found = pace.limit();

        for _ in 0..100 {
            now += SHORTEST_WINDOW;
            pace.ended(now, SHORTEST_WINDOW, true);
        }
        assert_eq!(pace.limit(), FEWEST);
        // A hundred refusals of one moment are one push.
        let before = pace.limit();
        for _ in 0..100 {
            pace.ended(now, SHORTEST_WINDOW, true);
        }
        assert_eq!(pace.limit(), before);

        model.play(&mut pace, &mut now, 10 * MINUTE);
        assert!(pace.limit() > found / 2, "{} of {found}", pace.limit());
    }

    #[test]
    fn a_node_that_others_keep_busy_is_given_less() {
        let alone = Model {
            most_per_second: 10_000.0,
            half_at: 64.0,
        };
        let mut now = Instant::now();
        let mut pace = Pace::new(4_096, now);
        alone.play(&mut pace, &mut now, MINUTE);
        let found = pace.limit();

        let busy = Model {
            most_per_second: 2_000.0,
            ..alone
        };
        busy.play(&mut pace, &mut now, MINUTE);
        assert!(pace.limit() < found / 2, "{} of {found}", pace.limit());

        alone.play(&mut pace, &mut now, MINUTE);
        assert!(pace.limit() > found * 3 / 4, "{} of {found}", pace.limit());
    }

    #[test]
    fn an_import_of_few_customers_is_no_reason_to_grow() {
        let mut now = Instant::now();
        let mut pace = Pace::new(4_096, now);
        for _ in 0..100_000 {
            now += Duration::from_millis(1);
            pace.had_room();
            pace.ended(now, Duration::from_millis(1), false);
        }
        assert_eq!(pace.limit(), FIRST);
    }
}
