//! What is written is read back, field by field, and what cannot be read says why.

use super::*;
use crate::testing::{BOOKINGS, ROOMS};

const ENTITY: Uuid = Uuid::from_u128(0x0190_a5c8_7e2b_7c3d_8f4e_1234_5678_9abc);

fn message() -> Message {
    Message {
        source: ShardId::new(BOOKINGS, 3),
        sequence: 17,
        previous: 12,
        destination: Destination::Events,
        entity: ENTITY,
        version: 4,
        name: Cow::Borrowed("booking.created"),
        type_version: 1,
        correlation_id: Uuid::from_u128(0xfeed),
        attempt: None,
        time: Timestamp::from_micros(1_767_225_600_123_456),
        body: raw(r#"{"nights":3}"#),
    }
}

fn raw(json: &str) -> Arc<RawValue> {
    Arc::from(RawValue::from_string(json.to_owned()).unwrap())
}

fn service(name: &str) -> Option<Service> {
    [BOOKINGS, ROOMS]
        .into_iter()
        .find(|service| service.name() == name)
}

fn read_back(message: &Message) -> Message {
    let key = key(message);
    let (headers, body) = (headers(message), message.body.get());
    read(
        Some(key.as_bytes()),
        Some(&headers),
        Some(body.as_bytes()),
        service,
    )
    .unwrap()
}

/// Every field, with nothing left to what it prints as.
fn fields(message: &Message) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        (message.source, message.sequence, message.previous),
        (message.destination, message.entity, message.version),
        (message.name.to_string(), message.type_version),
        (message.correlation_id, message.attempt.clone()),
        (message.time, message.body.get().to_owned()),
    )
}

/// Each field in turn has every value worth a thought, and then all have.
#[test]
fn what_is_written_is_read_back() {
    let numbers = [0, 1, 9, u64::from(u32::MAX) + 1, u64::MAX];
    let ids = [Uuid::nil(), Uuid::max(), ENTITY, Uuid::from_u128(1)];
    let destinations = [
        Destination::Events,
        Destination::Shard(ShardId::new(ROOMS, 0)),
        Destination::Shard(ShardId::new(BOOKINGS, u16::MAX)),
    ];
    let attempts = ids.map(|saga| Attempt {
        saga: SagaId(saga),
        step: Cow::Borrowed("reserve-räume"),
        number: u32::MAX,
    });
    let attempts = attempts.map(Some).into_iter().chain([None]);
    let times = [0, -1, 1, 1_767_225_600_000_000, Timestamp::LAST.micros()];
    let texts = [
        "{}",
        "null",
        "\"é\\u0000\"",
        " [ 1.50 , 1e400 ]",
        "{\"a\":{\"b\":[]}}",
    ];
    let names = ["", "booking.created", Message::UNREADABLE, "größe"];

    let mut variants = vec![message()];
    let mut vary = |change: &dyn Fn(&mut Message)| {
        for all in [false, true] {
            let mut changed = if all {
                variants.last().unwrap().clone()
            } else {
                message()
            };
            change(&mut changed);
            variants.push(changed);
        }
    };
    for number in numbers {
        vary(&|message| message.sequence = number);
        vary(&|message| message.previous = number);
        vary(&|message| message.version = number);
    }
    for id in ids {
        vary(&|message| message.entity = id);
        vary(&|message| message.correlation_id = id);
    }
    for number in [0, 1, u16::MAX] {
        vary(&|message| message.type_version = number);
        vary(&|message| message.source = ShardId::new(ROOMS, number));
    }
    for destination in destinations {
        vary(&|message| message.destination = destination);
    }
    for attempt in attempts {
        vary(&|message| message.attempt = attempt.clone());
    }
    for time in times {
        vary(&|message| message.time = Timestamp::from_micros(time));
    }
    for text in texts {
        vary(&|message| message.body = raw(text));
    }
    for name in names {
        vary(&|message| message.name = Cow::Borrowed(name));
    }

    assert!(variants.len() > 80);
    for message in variants {
        assert_eq!(fields(&read_back(&message)), fields(&message));
    }
}

#[test]
fn a_record_is_a_cloud_event() {
    let headers = headers(&message());
    let header = |key: &str| {
        let mut headers = headers.iter().filter(|header| header.key == key);
        let found = headers.next().and_then(|header| header.value);
        found.map(|value| String::from_utf8(value.to_vec()).unwrap())
    };

    assert_eq!(header("ce_specversion").as_deref(), Some("1.0"));
    assert_eq!(header("ce_id"), Some(message().id().to_string()));
    assert_eq!(header("ce_source").as_deref(), Some("bookings/3"));
    assert_eq!(header("ce_type").as_deref(), Some("booking.created"));
    assert_eq!(
        header("ce_time").as_deref(),
        Some("2026-01-01T00:00:00.123456Z")
    );
    assert_eq!(header("content-type").as_deref(), Some("application/json"));
    assert_eq!(
        header("traceparent").as_deref(),
        Some("00-0000000000000000000000000000feed-0000000000000011-01")
    );
    assert_eq!(header("ce_destination"), None);
}

#[test]
fn what_cannot_be_read_says_why() {
    let message = message();
    let key = key(&message);
    let body = message.body.get().as_bytes();
    let with = |key: Option<&str>, headers: Option<&OwnedHeaders>, body: Option<&[u8]>| {
        read(key.map(str::as_bytes), headers, body, service).map(|_| ())
    };
    let headers = headers(&message);
    let changed = |name: &'static str, value: &str| {
        headers
            .iter()
            .map(|header| {
                let value = if header.key == name {
                    Some(value.as_bytes())
                } else {
                    header.value
                };
                Header { value, ..header }
            })
            .fold(OwnedHeaders::new(), OwnedHeaders::insert_header)
    };

    assert_eq!(with(None, Some(&headers), Some(body)), Err(Unreadable::Key));
    assert_eq!(
        with(Some("7"), Some(&headers), Some(body)),
        Err(Unreadable::Key)
    );
    assert_eq!(
        with(Some(&key), Some(&headers), None),
        Err(Unreadable::Body)
    );
    assert_eq!(
        with(Some(&key), Some(&headers), Some(b"{\xff}")),
        Err(Unreadable::Body)
    );
    assert_eq!(
        with(Some(&key), None, Some(body)),
        Err(Unreadable::Missing(SOURCE))
    );

    for (name, value) in [
        (SOURCE, "ferries/3"),
        (SOURCE, "bookings"),
        (SOURCE, "bookings/65536"),
        (SEQUENCE, "-1"),
        (TIME, "yesterday"),
        (CORRELATION, "x"),
    ] {
        let headers = changed(name, value);
        assert_eq!(
            with(Some(&key), Some(&headers), Some(body)),
            Err(Unreadable::Header(name))
        );
    }
}

trait InsertHeader {
    fn insert_header(self, header: Header<'_, &[u8]>) -> Self;
}

impl InsertHeader for OwnedHeaders {
    fn insert_header(self, header: Header<'_, &[u8]>) -> Self {
        self.insert(Header {
            key: header.key,
            value: header.value,
        })
    }
}
