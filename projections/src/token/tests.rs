use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::*;

const SENDERS: Service = Service::new(211, "senders");
const PARCELS: Service = Service::new(212, "parcels");

const OURS: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
const THEIRS: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002);

fn read(text: &str) -> Result<ConsistencyToken, ViewError> {
    ConsistencyToken::parse(text, OURS)
}

/// One that can be read back.
fn service() -> impl Strategy<Value = Service> {
    for service in [SENDERS, PARCELS] {
        service.register().unwrap();
    }
    prop_oneof![Just(SENDERS), Just(PARCELS)]
}

prop_compose! {
    fn token()(
        entities in prop::collection::vec((service(), any::<u128>(), 1u64..), 0..20),
        positions in prop::collection::vec((service(), any::<u16>(), 1u64..), 0..40),
    ) -> ConsistencyToken {
        let mut token = ConsistencyToken::new();
        for (service, id, version) in entities {
            token.see_entity(service, Uuid::from_u128(id), version);
        }
        for (service, number, sequence) in positions {
            token.see_position(ShardId::new(service, number), sequence);
        }
        token
    }
}

proptest! {
    #[test]
    fn a_token_reads_back_as_it_was_written(token in token()) {
        prop_assert_eq!(read(&token.to_text(OURS)).unwrap(), token);
    }

    #[test]
    fn tokens_put_together_ask_for_the_most_of_each(one in token(), other in token()) {
        let read = read(&format!("{}, {}", one.to_text(OURS), other.to_text(OURS))).unwrap();
        let mut merged = one;
        merged.merge(&other);
        prop_assert_eq!(read, merged);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[A-Za-z0-9_,-]{0,80}") {
        if let Err(error) = read(&text) {
            prop_assert!(error.to_string().starts_with("Consistency-Token: must be"));
        }
    }

    #[test]
    fn any_damaged_token_is_read_or_refused(token in token(), at in any::<prop::sample::Index>(), with in "[A-Za-z]") {
        let mut text = token.to_text(OURS);
        let at = at.index(text.len());
        text.replace_range(at..=at, &with);
        let _ = read(&text);
    }
}

#[test]
fn the_positions_of_64_shards_of_two_services_fit() {
    let mut token = ConsistencyToken::new();
    for service in [SENDERS, PARCELS] {
        for number in 0..64 {
            token.see_position(ShardId::new(service, number), u64::MAX);
        }
    }
    assert!(
        token.to_text(OURS).len() <= MAX_TEXT,
        "{}",
        token.to_text(OURS).len()
    );
}

#[test]
fn what_is_too_long_asks_for_the_shards_head_instead_and_loses_nothing() {
    let mut token = ConsistencyToken::new();
    token.see_position(ShardId::new(PARCELS, 3), 7);

    for id in 0..200 {
        token.see_entity(PARCELS, Uuid::from_u128(id), 2);
    }

    let head = |shard: ShardId| 100 + u64::from(shard.number);
    let text = token.to_bounded_text(OURS, |_| 16, head);
    assert!(text.len() <= MAX_TEXT);
    let bounded = ConsistencyToken::parse(&text, OURS).unwrap();

    for (service, entity, _) in token.entities() {
        let shard = ShardId::of(service, entity, 16);
        assert_eq!(
            bounded.positions().get(&shard),
            Some(&(100 + u64::from(shard.number)))
        );
    }

    let short = ConsistencyToken::of(PARCELS, Uuid::from_u128(1), 2);
    assert_eq!(
        short.to_bounded_text(OURS, |_| 16, |_| 9),
        short.to_text(OURS)
    );
}

#[test]
fn a_token_of_another_deployment_is_told_apart_also_beside_our_own() {
    let token = ConsistencyToken::of(PARCELS, Uuid::from_u128(1), 2);
    let theirs = token.to_text(THEIRS);
    let both = format!("{},{theirs}", token.to_text(OURS));

    for text in [&theirs, &both, &ConsistencyToken::new().to_text(THEIRS)] {
        assert!(matches!(read(text), Err(ViewError::ForeignToken)), "{text}");
    }
}

#[test]
fn a_token_of_a_release_that_told_no_deployment_is_read() {
    PARCELS.register().unwrap();
    // An entity at version 2, as it was written before.
    let bytes = [&[1, 1, PARCELS.number()][..], &[7; 16], &[2]].concat();
    let text = URL_SAFE_NO_PAD.encode(bytes);

    let expected = ConsistencyToken::of(PARCELS, Uuid::from_bytes([7; 16]), 2);
    assert_eq!(read(&text).unwrap(), expected);
}

#[test]
fn nothing_is_an_empty_token() {
    assert!(read("").unwrap().is_empty());
    assert!(read(" , ").unwrap().is_empty());
}

#[test]
fn foreign_texts_are_refused_with_what_is_wrong() {
    for (text, problem) in [
        ("%%%", "not base64url"),
        ("AA", "unknown form 0"),
        ("AQ", ""),
        ("AQkB", "unknown part 9"),
    ] {
        match read(text) {
            Ok(token) => assert!(token.is_empty() && problem.is_empty(), "{text}"),
            Err(error) => assert!(
                !problem.is_empty() && error.to_string().contains(problem),
                "{text}: {error}"
            ),
        }
    }
    assert!(read(&"A".repeat(MAX_INPUT + 1)).is_err());
}
