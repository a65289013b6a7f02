//! Given parked messages of entities, when time passes and units become durable, then what is due,
//! what holds whom, and what is known without reading the messages.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use sagas::{Service, ShardId};
use serde_json::value::RawValue;
use store::Destination;

use super::*;

const ROOMS: Service = Service::new(131, "rooms");
const BOOKINGS: Service = Service::new(132, "bookings");

const NOW: Timestamp = Timestamp::from_micros(1_000_000_000_000);

fn entity(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn message(of: Uuid, sequence: u64) -> Message {
    let shard = ShardId::new(BOOKINGS, 1);
    Message {
        source: shard,
        sequence,
        previous: 0,
        destination: Destination::Shard(ShardId::new(ROOMS, 0)),
        entity: of,
        version: 0,
        name: Cow::Borrowed("customer.reserve-credit"),
        type_version: 1,
        correlation_id: Uuid::nil(),
        attempt: None,
        time: NOW,
        body: Arc::from(RawValue::NULL.to_owned()),
    }
}

fn due(parked: &ParkedMessages, now: Timestamp) -> Vec<MessageId> {
    parked.due(now, 9).iter().map(|head| head.id).collect()
}

/// What the table would show.
fn head(parked: &Parked) -> ParkedHead {
    head_of(parked)
}

#[test]
fn a_failed_message_holds_its_entity_and_nobody_else() {
    let mut parked = ParkedMessages::new(Vec::new(), 0, NOW);
    parked.park(message(entity(1), 1), 2, Some("it fails".into()), 1, NOW);

    assert!(parked.holds(entity(1)) && !parked.holds(entity(2)));
    assert!(due(&parked, NOW).is_empty());
    assert_eq!(due(&parked, NOW.after(Duration::from_secs(1))).len(), 1);
}

#[test]
fn those_that_wait_behind_follow_one_after_the_other_and_the_last_frees_the_entity() {
    let mut parked = ParkedMessages::new(Vec::new(), 0, NOW);
    let first = parked.park(message(entity(1), 1), 2, Some("it fails".into()), 1, NOW);
    let second = parked.park(message(entity(1), 2), 0, None, 2, NOW);

    parked.settle(entity(1), 3);
    assert_eq!(parked.without_head(9), [(entity(1), first.place)]);

    // The unit that parked the second one is in flight: it is not to be seen yet.
    parked.found_next(entity(1), None, 1);
    assert!(parked.holds(entity(1)));

    parked.found_next(entity(1), Some(head(&second)), 2);
    assert_eq!(due(&parked, NOW), [second.id]);

    parked.settle(entity(1), 4);
    parked.found_next(entity(1), None, 3);
    assert!(!parked.holds(entity(1)));
}

#[test]
fn a_row_that_goes_with_a_unit_in_flight_is_not_taken_for_the_next_one() {
    let mut parked = ParkedMessages::new(Vec::new(), 0, NOW);
    let first = parked.park(message(entity(1), 1), HOPELESS, Some("no".into()), 1, NOW);
    let second = parked.park(message(entity(1), 2), 0, None, 2, NOW);

    // An operator drops the second one while it waits; its row is still there.
    let third = parked.park(message(entity(1), 3), 0, None, 3, NOW);
    parked.removed(second.id, entity(1), 4);
    assert!(parked.is_gone(second.id));
    parked.settle(entity(1), 5);
    parked.found_next(entity(1), Some(head(&second)), 3);
    assert!(due(&parked, NOW).is_empty());

    // The third one holds the entity all the same.
    assert!(parked.holds(entity(1)));
    assert_eq!(parked.without_head(9), [(entity(1), second.place)]);
    parked.found_next(entity(1), Some(head(&third)), 3);
    assert_eq!(due(&parked, NOW), [third.id]);

    parked.settle(entity(1), 6);
    parked.durable(6);
    parked.found_next(entity(1), None, 6);
    assert!(!parked.holds(entity(1)) && !parked.is_gone(first.id));
}

#[test]
fn a_quarantined_message_waits_for_an_operator_and_is_tried_again_at_once_then() {
    let mut parked = ParkedMessages::new(Vec::new(), 0, NOW);
    let bad = parked.park(message(entity(1), 1), HOPELESS, Some("no".into()), 1, NOW);
    assert_eq!(bad.state, ParkedState::Quarantined);
    assert!(due(&parked, NOW.after(Duration::from_secs(86_400))).is_empty());

    let (row, expected) = parked.replay(bad, NOW).unwrap();
    assert_eq!((row.version, expected, row.attempts), (2, 1, 0));
    assert_eq!(due(&parked, NOW), [row.id]);

    // It fails again and again, and comes back into quarantine.
    let mut row = row;
    for attempt in 1..=ATTEMPTS {
        let (next, expected) = parked.failed_again(row, "no".into(), false, NOW).unwrap();
        assert_eq!(u64::from(attempt) + 1, expected);
        row = next;
    }
    assert_eq!(row.state, ParkedState::Quarantined);
}

#[test]
fn a_message_behind_another_is_not_replayed_before_it() {
    let mut parked = ParkedMessages::new(Vec::new(), 0, NOW);
    parked.park(message(entity(1), 1), HOPELESS, Some("no".into()), 1, NOW);
    let second = parked.park(message(entity(1), 2), 0, None, 2, NOW);
    assert!(parked.replay(second, NOW).is_none());
}

#[test]
fn a_retry_that_a_clock_had_put_hours_away_is_due_within_its_delay() {
    let mut before = ParkedMessages::new(Vec::new(), 0, NOW);
    let three_hours_on = NOW.after(Duration::from_secs(3 * 3600));
    let failed = message(entity(1), 1);
    let row = before.park(failed, 2, Some("it fails".into()), 1, three_hours_on);

    let after = ParkedMessages::new(vec![head(&row)], row.place, NOW);
    assert_eq!(due(&after, NOW.after(delay(2))), [row.id]);
}

#[test]
fn a_row_that_cannot_be_read_holds_its_entity_until_somebody_drops_it() {
    let mut parked = ParkedMessages::new(Vec::new(), 0, NOW);
    let row = parked.park(message(entity(1), 1), 2, Some("it fails".into()), 1, NOW);
    let later = NOW.after(Duration::from_secs(60));
    assert_eq!(due(&parked, later), [row.id]);

    parked.give_up(row.id, later);
    assert!(due(&parked, later).is_empty() && parked.holds(entity(1)));
    assert_eq!(due(&parked, later.after(LOOK_AGAIN)), [row.id]);
    assert_eq!(parked.entity_of(row.id), Some(entity(1)));

    parked.removed(row.id, entity(1), 2);
    parked.found_next(entity(1), None, 1);
    assert!(!parked.holds(entity(1)));
}

#[test]
fn what_a_row_waits_for_is_known_when_it_has_been_mended() {
    let mut before = ParkedMessages::new(Vec::new(), 0, NOW);
    let waits = before.park(message(entity(1), 1), 2, Some("it fails".into()), 1, NOW);
    let rests = before.park(message(entity(2), 1), ATTEMPTS, Some("no".into()), 1, NOW);
    let unread = |row: &Parked| ParkedHead {
        state: ParkedState::Waiting,
        next_attempt_at: None,
        version: ParkedHead::NEVER_READ,
        ..head(row)
    };

    let mut after = ParkedMessages::new(vec![unread(&waits), unread(&rests)], 2, NOW);
    assert_eq!(due(&after, NOW).len(), 2);
    assert!(after.is_due(&waits) && !after.is_due(&rests));

    let (row, expected) = after.failed_again(waits, "no".into(), false, NOW).unwrap();
    assert_eq!((expected, row.version), (1, 2));

    // An operator may be faster.
    let mut mended = ParkedMessages::new(vec![unread(&rests)], 2, NOW);
    let (row, expected) = mended.replay(rests, NOW).unwrap();
    assert_eq!((expected, row.version), (1, 2));
}
