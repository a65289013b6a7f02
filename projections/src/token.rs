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
mod tests;
