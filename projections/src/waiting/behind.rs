//! What a reader hears who has waited in vain.

use std::fmt;

use sagas::{Service, ShardId};
use uuid::Uuid;

use super::{Waiting, reached};
use crate::ViewError;
use crate::token::ConsistencyToken;

/// What a token asks of a view, or what the view has reached of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// A version of an entity.
    Entity {
        /// Whose entity it is.
        service: Service,
        /// The entity.
        entity: Uuid,
        /// Its version.
        version: u64,
    },
    /// A place in the events of a shard.
    Position {
        /// The shard.
        shard: ShardId,
        /// The sequence of its last event, or the place asked for.
        sequence: u64,
    },
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mark::Entity {
                service,
                entity,
                version,
            } => write!(f, "{service} {entity} version {version}"),
            Mark::Position { shard, sequence } => write!(f, "{shard} position {sequence}"),
        }
    }
}

/// What was asked for and has not been reached, and how far the view has come instead, pairwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// What the token names.
    pub required: Vec<Mark>,
    /// What the view has of each of those.
    pub reached: Vec<Mark>,
}

impl Waiting {
    /// What the token asks for that the view has not reached; nothing of that means it was reached
    /// meanwhile.
    pub(super) async fn behind(&self, token: &ConsistencyToken) -> Result<(), ViewError> {
        let entities: Vec<_> = token
            .entities()
            .filter(|(service, _, _)| self.uses.contains(service))
            .collect();

        let keys: Vec<_> = entities
            .iter()
            .map(|(service, entity, _)| (*service, *entity))
            .collect();

        let versions = if keys.is_empty() {
            Vec::new()
        } else {
            self.versions.versions_of(&keys).await?
        };

        let mut behind = Behind {
            required: Vec::new(),
            reached: Vec::new(),
        };

        for ((service, entity, required), version) in entities.into_iter().zip(versions) {
            if version < required {
                behind.required.push(Mark::Entity {
                    service,
                    entity,
                    version: required,
                });
                behind.reached.push(Mark::Entity {
                    service,
                    entity,
                    version,
                });
            }
        }

        let committed = self.committed();
        for (shard, required) in token.positions() {
            let sequence = reached(&committed, *shard);
            if self.uses.contains(&shard.service) && sequence < *required {
                behind.required.push(Mark::Position {
                    shard: *shard,
                    sequence: *required,
                });
                behind.reached.push(Mark::Position {
                    shard: *shard,
                    sequence,
                });
            }
        }

        if behind.required.is_empty() {
            return Ok(());
        }

        Err(ViewError::Behind {
            view: self.view,
            behind: Box::new(behind),
        })
    }
}
