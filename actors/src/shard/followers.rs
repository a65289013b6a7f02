//! Callers that wait for the end of a saga, or of what an entity waits for by itself.

use sagas::SagaId;
use store::StoreError;
use uuid::Uuid;

use super::Shard;
use super::submit::Cause;
use crate::entity::Entity;
use crate::step::Step;

impl<E: Entity> Shard<E> {
    /// Forgets callers that have hung up while they waited for a saga.
    pub(super) fn forget_gone_callers(&mut self) {
        self.waiting.retain(|_, callers| {
            callers.retain(|caller| !caller.is_gone());
            !callers.is_empty()
        });
    }

    /// Tells callers of sagas that had ended before the shard reloaded. Nobody was told when the
    /// outcome of that unit was not known, and no other unit will tell.
    pub(super) async fn tell_of_what_has_ended(&mut self) -> Result<(), StoreError> {
        if !std::mem::take(&mut self.may_have_ended) {
            return Ok(());
        }

        self.forget_gone_callers();
        let rests = |id: &&Uuid| !self.timers.has(**id);
        let resting: Vec<Uuid> = self.waiting.keys().filter(rests).copied().collect();
        if resting.is_empty() {
            return Ok(());
        }

        for (id, end) in self.entities.ended(&resting).await? {
            let step = match end.saga_id {
                Some(_) => Step {
                    ended: Some((SagaId(id), Some(Box::new(end)))),
                    ..Step::default()
                },
                None => Step {
                    settled: Some(Box::new(end)),
                    ..Step::default()
                },
            };
            // As any answer, it leaves when it is sure that the shard is still held.
            self.submit(Box::new(step), Vec::new(), Cause::Reload);
        }
        Ok(())
    }
}
