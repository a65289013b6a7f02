//! Whom a command is for.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Service, ShardId};

/// An entity of a service. The shard that owns it follows from both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The service that keeps the entity.
    pub service: Service,
    /// The entity's id within that service.
    pub entity: Uuid,
}

impl Address {
    /// The address of an entity of `service`.
    #[must_use]
    pub const fn new(service: Service, entity: Uuid) -> Self {
        Address { service, entity }
    }

    /// The shard that owns the entity in a service of this many shards.
    #[must_use]
    pub fn shard(self, shards: u16) -> ShardId {
        ShardId::of(self.service, self.entity, shards)
    }
}
