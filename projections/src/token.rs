//! The consistency token: what a caller has seen, handed back to it as a short opaque text.
//!
//! A token names entity versions (what a command wrote) and positions per shard (what a view had
//! reached when it answered a list). A read that carries it never returns less; [`crate::waiting`]
//! sees to that.
//!
//! Nothing of a token may be lost on the way out, or its caller could read backwards. So when the
//! entity versions of one would make it longer than [`MAX_TEXT`],
//! [`ConsistencyToken::to_bounded_text`] replaces each by the newest committed position of its
//! shard: that asks for more than was seen, never for less, and its size depends on the number of
//! shards alone.

use std::collections::BTreeMap;

use sagas::{Service, ShardId};
use store::Positions;
use uuid::Uuid;

use crate::ViewError;

mod codec;

/// The longest text that is handed out, up to 64 shards per service.
pub const MAX_TEXT: usize = 2 * 1024;
/// The longest text that is read: callers may put several tokens together with `,`.
pub const MAX_INPUT: usize = 16 * 1024;

/// What a caller has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsistencyToken {
    entities: BTreeMap<(Service, Uuid), u64>,
    positions: Positions,
}

impl ConsistencyToken {
    /// The token of a caller who has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        ConsistencyToken::default()
    }

    /// A token of one entity's version.
    #[must_use]
    pub fn of(service: Service, entity: Uuid, version: u64) -> Self {
        let mut token = ConsistencyToken::new();
        token.see_entity(service, entity, version);
        token
    }

    /// A token of the positions a view had reached.
    #[must_use]
    pub fn at(positions: &Positions) -> Self {
        let mut token = ConsistencyToken::new();
        token.see_positions(positions);
        token
    }

    /// Notes that the caller has seen an entity at a version; version 0 is nothing.
    pub fn see_entity(&mut self, service: Service, entity: Uuid, version: u64) {
        if version > 0 {
            let seen = self.entities.entry((service, entity)).or_default();
            *seen = version.max(*seen);
        }
    }

    /// Notes that the caller has seen what a view showed that had reached a sequence of a shard.
    pub fn see_position(&mut self, shard: ShardId, sequence: u64) {
        if sequence > 0 {
            let seen = self.positions.entry(shard).or_default();
            *seen = sequence.max(*seen);
        }
    }

    /// Notes that the caller has seen what a view showed at these positions.
    pub fn see_positions(&mut self, positions: &Positions) {
        for (shard, sequence) in positions {
            self.see_position(*shard, *sequence);
        }
    }

    /// Takes in all that `other` has seen.
    pub fn merge(&mut self, other: &ConsistencyToken) {
        for ((service, entity), version) in &other.entities {
            self.see_entity(*service, *entity, *version);
        }
        self.see_positions(&other.positions);
    }

    /// The entity versions seen.
    pub fn entities(&self) -> impl Iterator<Item = (Service, Uuid, u64)> + '_ {
        self.entities
            .iter()
            .map(|((service, entity), version)| (*service, *entity, *version))
    }

    /// The positions of views seen.
    #[must_use]
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    /// Whether nothing was seen: then no read has to wait.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty() && self.positions.is_empty()
    }

    /// The text of a token that asks for at least as much, not longer than [`MAX_TEXT`]. `shards`
    /// is the number of shards of a service, `head` the newest committed sequence of a shard's
    /// events; both are asked for large tokens alone.
    #[must_use]
    pub fn to_bounded_text(
        &self,
        deployment: Uuid,
        shards: impl Fn(Service) -> u16,
        head: impl Fn(ShardId) -> u64,
    ) -> String {
        let text = self.to_text(deployment);
        if text.len() <= MAX_TEXT {
            return text;
        }

        let mut bounded = ConsistencyToken::at(&self.positions);
        for (service, entity, _) in self.entities() {
            let shard = ShardId::of(service, entity, shards(service));
            bounded.see_position(shard, head(shard));
        }
        bounded.to_text(deployment)
    }

    /// The opaque text, which tells the deployment that gives it out: base64url without padding.
    #[must_use]
    pub fn to_text(&self, deployment: Uuid) -> String {
        codec::encode(self, deployment)
    }

    /// Reads one token of this deployment, or several with `,` between them: the result asks for
    /// the most of each. What earlier releases gave out tells no deployment, and is read as ours.
    ///
    /// # Errors
    /// [`ViewError::ForeignToken`] when another deployment has given one out: its versions mean
    /// nothing here. [`ViewError::InvalidQuery`] when a text is no token, or longer than
    /// [`MAX_INPUT`].
    pub fn parse(text: &str, deployment: Uuid) -> Result<Self, ViewError> {
        let invalid = |message: String| ViewError::InvalidQuery {
            field: "Consistency-Token",
            message,
        };

        if text.len() > MAX_INPUT {
            return Err(invalid(format!("must be at most {MAX_INPUT} bytes")));
        }

        let mut merged = ConsistencyToken::new();

        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let token = codec::decode(part, deployment).map_err(|problem| match problem {
                codec::Problem::Foreign => ViewError::ForeignToken,
                problem => invalid(format!("must be a token from an earlier answer: {problem}")),
            })?;
            merged.merge(&token);
        }

        Ok(merged)
    }
}

#[cfg(test)]
mod tests {
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
}
