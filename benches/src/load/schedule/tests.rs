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
