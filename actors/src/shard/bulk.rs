//! Requests of operators about many things at once: the shard of their key keeps them.

use std::collections::HashMap;

use sagas::RequestKey;
use store::StoreError;
use store::bulk::{self, BulkRequest};

use super::Shard;
use super::submit::Cause;
use crate::entity::Entity;
use crate::error::CommandError;
use crate::request::{Command, Request, ShardAnswer};
use crate::step::Step;

/// Beyond this many it forgets what the database shows by then.
const REMEMBERED: usize = 1_000;

/// Requests that have begun or ended by units which may be in flight.
#[derive(Debug, Default)]
pub(super) struct BulkRequests(HashMap<RequestKey, BulkRequest>);

impl<E: Entity> Shard<E> {
    /// Keeps what a request is about, or what has become of it. The first one counts: whoever asks
    /// reads what is kept when this is answered.
    pub(super) async fn keep_bulk(&mut self, request: Request<E>) {
        let (Command::Bulk { found, outcome }, Some(binding)) =
            (request.question.command.clone(), request.question.binding)
        else {
            return request.answer(Err(CommandError::Failed));
        };

        let known = match self.known_bulk(binding.key).await {
            Ok(known) => known,
            Err(error) => {
                self.again.push_back(request);
                self.broken = Some(error.chain());
                return;
            }
        };

        let shard = self.parts.shard;
        let asked = BulkRequest {
            key: binding.key,
            fingerprint: binding.fingerprint,
            time: self.parts.clock.now(),
            found,
            outcome,
        };
        let row = match known {
            None if asked.outcome.is_none() => Some(asked.clone().begins(shard)),
            Some(known) if known.outcome.is_none() && asked.outcome.is_some() => {
                Some(asked.clone().ends(shard))
            }
            _ => None,
        };

        if row.is_some() {
            if self.bulk.0.len() >= REMEMBERED {
                self.bulk.0.clear();
            }
            self.bulk.0.insert(asked.key, asked);
        }
        let step = Step {
            answer: Some(Ok(ShardAnswer::Done)),
            ..Step::default()
        };
        self.submit(
            Box::new(step),
            row.into_iter().collect(),
            Cause::Request(request),
        );
    }

    async fn known_bulk(&self, key: RequestKey) -> Result<Option<BulkRequest>, StoreError> {
        match self.bulk.0.get(&key) {
            Some(known) => Ok(Some(known.clone())),
            None => bulk::find(&self.parts.database, key).await,
        }
    }
}
