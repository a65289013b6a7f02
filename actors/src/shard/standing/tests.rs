use sagas::{ShardId, Timestamp};
use uuid::Uuid;

use super::*;

const SOURCE: ShardId = ShardId::new(Service::new(213, "elsewhere"), 1);

fn event(sequence: u64, entity: u128, name: &'static str, time: i64) -> Message {
    Message {
        source: SOURCE,
        sequence,
        previous: 0,
        destination: Destination::Events,
        entity: Uuid::from_u128(entity),
        version: 1,
        name: Cow::Borrowed(name),
        type_version: 1,
        correlation_id: Uuid::nil(),
        attempt: None,
        time: Timestamp::from_micros(time),
        body: serde_json::value::RawValue::from_string("{}".to_owned())
            .unwrap()
            .into(),
    }
}

/// What stands where the fifth message of order 1 could not be read, of time 7.
fn standing(found: Vec<Message>) -> Option<String> {
    let message = event(5, 1, Message::UNREADABLE, 7);
    let stands = stands(&message, found)?;
    Some(format!("{} {}", stands.sequence, stands.name))
}

#[test]
fn a_mended_event_stands_where_it_was_sent() {
    let found = vec![
        event(4, 1, "order.created", 7),
        event(5, 1, "order.approved", 7),
        event(6, 1, "order.shipped", 9),
    ];
    assert_eq!(standing(found).as_deref(), Some("5 order.approved"));
}

#[test]
fn nothing_stands_where_a_row_that_can_be_read_has_no_event() {
    let found = vec![
        event(3, 1, "order.created", 7),
        event(6, 2, "order.created", 9),
    ];
    assert_eq!(standing(found), None);
}

#[test]
fn what_cannot_be_read_still_or_is_not_there_stays_unreadable() {
    let unreadable = Some("5 unreadable");
    let damaged = vec![event(4, 1, Message::UNREADABLE, 7)];
    assert_eq!(standing(damaged).as_deref(), unreadable);

    // Another row, of another time or another order, says nothing about that one.
    assert_eq!(
        standing(vec![event(4, 1, "order.created", 6)]).as_deref(),
        unreadable
    );
    assert_eq!(
        standing(vec![event(4, 2, "order.created", 7)]).as_deref(),
        unreadable
    );
    assert_eq!(
        standing(vec![event(5, 2, "order.created", 7)]).as_deref(),
        unreadable
    );
    assert_eq!(standing(Vec::new()).as_deref(), unreadable);
}
