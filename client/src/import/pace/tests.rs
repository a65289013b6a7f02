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
