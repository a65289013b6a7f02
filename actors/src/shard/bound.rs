//! The keys of operators' requests about parked messages: each has its effect once, also when
//! several come at the same time. What an action has done names its key; a message that is gone
//! cannot.

use std::collections::HashMap;

use sagas::{Fingerprint, RequestKey};
use store::{StoreError, actions};

use super::Shard;
use crate::entity::Entity;
use crate::request::RequestBinding;

/// Beyond this many it forgets those that the database shows by now.
const REMEMBERED: usize = 1_000;

/// Keys that are bound by units which may be in flight: what each request asked for, and the ticket
/// of its unit.
#[derive(Debug, Default)]
pub(super) struct BoundKeys(HashMap<RequestKey, (Fingerprint, u64)>);

impl BoundKeys {
    /// The unit with this ticket binds a key. Up to `durable` they are durable.
    pub(super) fn bind(&mut self, binding: RequestBinding, ticket: u64, durable: u64) {
        if self.0.len() >= REMEMBERED {
            self.0.retain(|_, (_, ticket)| *ticket > durable);
        }
        self.0.insert(binding.key, (binding.fingerprint, ticket));
    }
}

impl<E: Entity> Shard<E> {
    /// What the request asked for that has bound this key, if there is one.
    pub(super) async fn bound_to(
        &self,
        key: RequestKey,
    ) -> Result<Option<Fingerprint>, StoreError> {
        if let Some((fingerprint, _)) = self.bound.0.get(&key) {
            return Ok(Some(*fingerprint));
        }
        let done = actions::of_request(&self.parts.database, key).await?;
        Ok(done
            .and_then(|done| done.action.request)
            .map(|(_, bound)| bound))
    }
}
