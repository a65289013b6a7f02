//! Batches of an exact size: the journal takes whatever has gathered, so its thread is held at a gate while a batch
//! gathers.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use store::unit::{Fate, Unit};

use super::units::OrdersStore;

/// Commits `count` units in one transaction and says how long that took, from the first one's submission until the
/// last one is known to be durable. Making the units is not counted.
pub fn commit_at_once(store: &mut OrdersStore, count: usize) -> Duration {
    let (done, all_done) = mpsc::channel();
    let units: Vec<_> = (0..count).map(|_| reporting_unit(store, done.clone())).collect();
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
    for _ in 0..count {
        all_done.recv().expect("every unit has a fate");
    }
    begun.elapsed()
}

fn reporting_unit(store: &mut OrdersStore, done: mpsc::Sender<()>) -> Unit {
    store.unit(Box::new(move |fate| {
        assert!(matches!(fate, Fate::Durable), "{fate:?}");
        // Whoever waits for it is gone only after a failure.
        let _ = done.send(());
    }))
}
