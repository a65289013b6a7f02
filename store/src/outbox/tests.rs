use super::*;
use crate::testing::{BOOKINGS, register};
use crate::unit::OutgoingMessage;

const SHARD: ShardId = ShardId::new(BOOKINGS, 0);

/// As the journal writes it and a reader finds it.
fn stored(outgoing: &Outgoing) -> outbox::Model {
    let (events, messages) = to_columns(outgoing).unwrap();
    outbox::Model {
        shard: 0,
        sequence: 1,
        count: 1,
        entity_id: outgoing.entity,
        version: None,
        correlation_id: outgoing.correlation_id,
        time: 0,
        events,
        messages,
    }
}

fn outgoing(attempt: Option<Attempt>) -> Outgoing {
    let message = OutgoingMessage {
        destination: SHARD,
        entity: Uuid::from_u128(1),
        name: "test.do",
        type_version: 1,
        attempt,
        body: Arc::from(RawValue::from_string("{}".to_owned()).unwrap()),
    };

    Outgoing {
        first_sequence: 1,
        entity: Uuid::from_u128(2),
        first_version: 0,
        correlation_id: Uuid::from_u128(3),
        time: Timestamp::from_micros(0),
        events: Vec::new(),
        messages: vec![message],
    }
}

#[test]
fn an_attempt_is_the_same_whether_it_is_handed_over_or_read() {
    register();

    for saga in [3, 4] {
        let attempt = Attempt {
            saga: SagaId(Uuid::from_u128(saga)),
            step: "reserve-credit".into(),
            number: 7,
        };

        let outgoing = outgoing(Some(attempt.clone()));
        let row = stored(&outgoing);
        let read = from_row(BOOKINGS, &row).unwrap();
        let handed_over: Vec<_> = from_outgoing(SHARD, outgoing).collect();

        assert_eq!(read[0].attempt.as_ref(), Some(&attempt));
        assert_eq!(handed_over[0].attempt.as_ref(), Some(&attempt));
        let names_its_saga = row.messages.unwrap().contains("\"saga\"");
        assert_eq!(
            names_its_saga,
            saga != 3,
            "what the row says is not repeated"
        );
    }
}

#[test]
fn a_message_of_release_0_1_has_no_attempt() {
    register();
    let row = stored(&outgoing(None));

    let release_0_1 = "[{\"type\":\"test.do\",\"v\":1,\"to\":\"bookings\",\"shard\":0,\
        \"entity\":\"00000000-0000-0000-0000-000000000001\",\"data\":{}}]";
    assert_eq!(row.messages.as_deref(), Some(release_0_1));
    assert_eq!(from_row(BOOKINGS, &row).unwrap()[0].attempt, None);
}
