//! What the log says of a store, and how long calls wait for it.

use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::*;
use crate::testing::BOOKINGS;

/// Counts what is logged.
struct Counting(Arc<AtomicUsize>);

impl Subscriber for Counting {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn watch() -> Arc<Watch> {
    Watch::new(BOOKINGS, "bookings.db".to_owned())
}

#[test]
fn a_store_that_fails_is_told_of_once_however_often_it_is_tried_and_once_when_that_is_over() {
    let lines = Arc::new(AtomicUsize::new(0));
    let error = StoreError::Injected("the disk is full");

    tracing::subscriber::with_default(Counting(Arc::clone(&lines)), || {
        let watch = watch();

        for round in 1..=3 {
            for _ in 0..500 {
                drop(watch.begin("a commit"));
                watch.failed(&error);
            }
            assert_eq!(lines.load(Ordering::SeqCst), 2 * round - 1);
            let standing = watch.standing().unwrap();
            assert_eq!(standing.cause, "injected fault: the disk is full");

            for _ in 0..500 {
                drop(watch.begin("a commit"));
                watch.succeeded();
            }
            assert_eq!(lines.load(Ordering::SeqCst), 2 * round);
            assert!(watch.standing().is_none());
        }
    });
}

#[test]
fn a_store_that_is_slow_time_and_again_is_told_of_each_time_whatever_its_answers_are() {
    let lines = Arc::new(AtomicUsize::new(0));

    tracing::subscriber::with_default(Counting(Arc::clone(&lines)), || {
        let watch = watch();

        for round in 1..=3 {
            drop(watch.begin("a commit"));
            if let Some(call) = &mut watch.lock().under_way {
                call.since -= STANDS_AFTER;
            }
            for _ in 0..10 {
                watch.tell(&mut watch.lock());
            }
            assert_eq!(lines.load(Ordering::SeqCst), 2 * round - 1);

            // It was a commit that wrote nothing, say.
            watch.answered();
            assert_eq!(lines.load(Ordering::SeqCst), 2 * round);
        }
    });
}

#[test]
fn a_call_without_an_answer_stands_still_with_what_it_waits_for() {
    let watch = watch();
    let patience = watch.begin("a commit");
    patience.waits_for(|| "the file is locked".to_owned());
    assert!(watch.standing().is_none() && !patience.is_over());

    if let Some(call) = &mut watch.lock().under_way {
        call.since -= STANDS_AFTER;
    }
    let cause = watch.standing().unwrap().cause;
    assert_eq!(
        cause,
        "a commit has had no answer for 2 s: the file is locked"
    );

    watch.answered();
    assert!(watch.standing().is_none());
}

#[test]
fn nobody_is_patient_with_a_store_that_stands_still_or_for_long_with_one_that_is_closed() {
    let watch = watch();
    let first = watch.begin("a commit").ends();
    watch.failed(&StoreError::Injected("locked"));
    let second = watch.begin("a commit");
    assert!(second.ends() < first);
    watch.succeeded();

    let third = watch.begin("a commit");
    let before = third.ends();
    watch.close();
    assert!(third.ends() < before && !watch.gives_up());
    watch.failed(&StoreError::Injected("locked"));
    assert!(watch.gives_up());
}
