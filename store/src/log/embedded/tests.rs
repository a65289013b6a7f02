//! What waits for a subscriber that does not keep up.

use serde_json::value::RawValue;

use super::*;
use crate::log::Delivery;
use crate::testing::BOOKINGS;

const SOURCE: ShardId = ShardId::new(BOOKINGS, 0);
const MIB: usize = 1 << 20;

fn log() -> EmbeddedLog {
    EmbeddedLog::new(Vec::new(), 1, Faults::default())
}

fn event(sequence: u64, bytes: usize) -> Message {
    let body = format!("\"{}\"", "x".repeat(bytes - 2));
    Message {
        source: SOURCE,
        sequence,
        previous: 0,
        destination: Destination::Events,
        entity: Uuid::nil(),
        version: 1,
        name: "order.created".into(),
        type_version: 1,
        correlation_id: Uuid::nil(),
        attempt: None,
        time: Timestamp::from_micros(0),
        body: Arc::from(RawValue::from_string(body).unwrap()),
    }
}

fn sequences(delivery: &Delivery) -> Vec<u64> {
    delivery
        .into_iter()
        .map(|message| message.sequence)
        .collect()
}

#[test]
fn a_follower_that_stands_still_holds_at_most_so_many_bytes_and_sees_the_gap_afterwards() {
    let log = log();
    let mut follower = log.subscribe(Destination::Events).deliveries;
    for sequence in 1..=100 {
        log.publish(vec![event(sequence, MIB)]);
    }

    assert_eq!(follower.len(), 32);
    assert_eq!(log.head(SOURCE, Destination::Events), 100);

    // What it lets go of makes room for what comes next.
    assert_eq!(sequences(&follower.try_recv().unwrap()), [1]);
    log.publish(vec![event(101, MIB)]);
    log.publish(vec![event(102, MIB)]);
    assert_eq!(follower.len(), 32);

    let newest = std::iter::from_fn(|| follower.try_recv().ok()).last();
    let newest = newest.unwrap().into_iter().next().unwrap();
    assert_eq!((newest.sequence, newest.previous), (101, 100));
}

#[test]
fn what_is_being_worked_on_takes_up_room_until_it_is_dropped() {
    let log = log();
    let mut follower = log.subscribe(Destination::Events).deliveries;
    log.publish((1..=32).map(|sequence| event(sequence, MIB)).collect());
    let at_work = follower.try_recv().unwrap();

    log.publish(vec![event(33, MIB)]);
    assert!(follower.is_empty());

    drop(at_work);
    log.publish(vec![event(34, MIB)]);
    assert_eq!(sequences(&follower.try_recv().unwrap()), [34]);
}

#[test]
fn a_delivery_larger_than_all_room_gets_in_alone() {
    let log = log();
    let mut follower = log.subscribe(Destination::Events).deliveries;
    let large = |sequence| vec![event(sequence, 20 * MIB), event(sequence + 1, 20 * MIB)];
    log.publish(large(1));
    log.publish(large(3));

    assert_eq!(sequences(&follower.try_recv().unwrap()), [1, 2]);
    assert!(follower.is_empty());
    log.publish(large(5));
    assert_eq!(sequences(&follower.try_recv().unwrap()), [5, 6]);
}

#[test]
fn one_follower_that_stands_still_takes_no_room_from_another() {
    let log = log();
    let _still = log.subscribe(Destination::Events).deliveries;
    let mut other = log.subscribe(Destination::Events).deliveries;
    for sequence in 1..=100 {
        log.publish(vec![event(sequence, MIB)]);
        assert_eq!(sequences(&other.try_recv().unwrap()), [sequence]);
    }
}
