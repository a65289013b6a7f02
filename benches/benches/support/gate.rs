//! Batches of an exact size: the journal takes whatever has gathered, so its thread is held at a
//! gate while a batch gathers.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use store::unit::Fate;

use super::units::OrdersStore;

/// Commits `count` units in one transaction and says how long that took, from the first one's
/// submission until the last one is known to be durable. The time to make the units does not count.
pub fn commit_at_once(store: &mut OrdersStore, count: usize) -> Duration {
    let (done, all_done) = mpsc::channel();

    let mut units: Vec<_> = (1..count)
        .map(|_| store.unit(Box::new(assert_durable)))
        .collect();
    // They are told in order. If each spoke up, the journal's thread would be kept by those who
    // wake, not by its work.
    units.push(store.unit(Box::new(move |fate| {
        assert_durable(fate);
        // Whoever waits for it is gone only after a failure.
        let _ = done.send(());
    })));

    let (arrived, arrival) = mpsc::channel();
    let (open, opened) = mpsc::channel();

    let gate = store.empty_unit(Box::new(move |_| {
        // Both ends are held by the function around this one, which waits.
        let _ = arrived.send(());
        let _ = opened.recv();
    }));
    store.journal.submit(gate);
    arrival.recv().expect("the journal runs");
    let begun = Instant::now();

    for unit in units {
        store.journal.submit(unit);
    }

    open.send(()).expect("the journal waits at the gate");
    all_done.recv().expect("every unit has a fate");

    begun.elapsed()
}

fn assert_durable(fate: Fate) {
    assert!(matches!(fate, Fate::Durable), "{fate:?}");
}
