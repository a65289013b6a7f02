//! How many customers are worked on at once: as many as pay.
//!
//! A node commits in groups, so more callers first bring more commands a second and then only make
//! each other wait; where that turns depends on the node, its disk and what else it does. So it
//! finds the number by trying, as in the slow start and the congestion avoidance of TCP: it grows
//! while a larger one brings clearly more in the same time, rests where it does not, tries again
//! now and then, and shrinks when the node pushes back. It judges throughput: the latency of group
//! commits grows long before their throughput ends.
//!
//! Pure bookkeeping: the clock is the caller's.

use std::time::Duration;

use tokio::time::Instant;

/// What an import begins with.
const FIRST: usize = 16;
/// What it goes on with, however hard a node pushes back.
const FEWEST: usize = 4;
/// It judges no shorter time than this, and no fewer lines than this for each customer.
const SHORTEST_WINDOW: Duration = Duration::from_millis(200);
const LINES_EACH: usize = 2;
/// In percent: in the beginning the number doubles, later it only looks whether a little more would
/// pay.
const DOUBLED: usize = 200;
const A_LITTLE_MORE: usize = 125;
const PUSHED_BACK: usize = 70;
/// This share of a growth in customers must come back as throughput: twice as many must bring 15 %
/// more, or they only wait.
const RETURN: f64 = 0.15;
/// Windows between two tries.
const REST: u32 = 10;

/// Finds how many lines should be under way.
#[derive(Debug)]
pub struct Pace {
    /// Never more than these.
    most: usize,
    limit: usize,
    stage: Stage,
    window: Window,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Nothing is known yet of the first limit.
    Measuring,
    /// The limit has grown by this much, from one that brought this rate.
    Trying {
        from: usize,
        growth: usize,
        rate: f64,
    },
    /// The limit does well; it tries to grow after this many windows.
    Resting { windows: u32 },
}

/// What has happened since the last judgement.
#[derive(Debug)]
struct Window {
    began: Instant,
    ended: usize,
    /// There was room for another line, and no customer who could go: the limit was no limit.
    had_room: bool,
    /// The node has refused to take a command, or has not answered.
    pushed_back: bool,
}

impl Pace {
    pub fn new(most: usize, now: Instant) -> Self {
        Pace {
            most,
            limit: FIRST.min(most),
            stage: Stage::Measuring,
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

    /// A line has ended. `pushed_back` says that the node has refused to take a command, or has not
    /// answered, since this was called last.
    pub fn ended(&mut self, now: Instant, pushed_back: bool) {
        self.window.ended += 1;
        self.window.pushed_back |= pushed_back;
        let elapsed = now.saturating_duration_since(self.window.began);
        let enough = self.window.ended >= LINES_EACH * self.limit;

        if elapsed < SHORTEST_WINDOW {
            return;
        }
        if self.window.pushed_back {
            let smaller = (self.limit * PUSHED_BACK / 100).max(FEWEST.min(self.most));
            self.go_on(smaller, Stage::Resting { windows: REST }, now);
        } else if enough && self.window.had_room {
            self.window = Window::new(now);
        } else if enough {
            self.judge(count(self.window.ended) / elapsed.as_secs_f64(), now);
        }
    }

    fn judge(&mut self, rate: f64, now: Instant) {
        match self.stage {
            Stage::Measuring => self.grow(rate, DOUBLED, now),
            Stage::Trying {
                from,
                growth,
                rate: before,
            } => {
                let growth_is = count(self.limit) / count(from);
                if rate >= before * (1.0 + RETURN * (growth_is - 1.0)) {
                    self.grow(rate, growth, now);
                } else {
                    self.go_on(from, Stage::Resting { windows: REST }, now);
                }
            }
            Stage::Resting { windows: 0 } => self.grow(rate, A_LITTLE_MORE, now),
            Stage::Resting { windows } => {
                let windows = windows - 1;
                self.go_on(self.limit, Stage::Resting { windows }, now);
            }
        }
    }

    /// Tries more than what has just brought this rate.
    fn grow(&mut self, rate: f64, growth: usize, now: Instant) {
        let from = self.limit;
        let larger = (from * growth / 100).max(from + 1).min(self.most);

        let stage = if larger == from {
            Stage::Resting { windows: REST }
        } else {
            Stage::Trying { from, growth, rate }
        };
        self.go_on(larger, stage, now);
    }

    fn go_on(&mut self, limit: usize, stage: Stage, now: Instant) {
        self.limit = limit;
        self.stage = stage;
        self.window = Window::new(now);
    }
}

impl Window {
    fn new(began: Instant) -> Self {
        Window {
            began,
            ended: 0,
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

    /// A node whose throughput has an end: with as many callers as this it brings half of it.
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
                *now += Duration::from_secs_f64(1.0 / self.rate(pace.limit()));
                pace.ended(*now, false);
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
            pace.ended(now, true);
        }
        assert_eq!(pace.limit(), FEWEST);
        // A hundred refusals of one moment are one push.
        let before = pace.limit();
        for _ in 0..100 {
            pace.ended(now, true);
        }
        assert_eq!(pace.limit(), before);

        model.play(&mut pace, &mut now, 10 * MINUTE);
        assert!(pace.limit() > found / 2, "{} of {found}", pace.limit());
    }

    #[test]
    fn an_import_of_few_customers_is_no_reason_to_grow() {
        let mut now = Instant::now();
        let mut pace = Pace::new(4_096, now);
        for _ in 0..100_000 {
            now += Duration::from_millis(1);
            pace.had_room();
            pace.ended(now, false);
        }
        assert_eq!(pace.limit(), FIRST);
    }
}
