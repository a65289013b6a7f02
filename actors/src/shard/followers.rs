//! Callers that wait for the end of a saga, or of what an entity waits for by itself.

use std::collections::BTreeMap;

use sagas::SagaId;
use sagas::mistakes::{Mistake, makes};
use store::StoreError;
use uuid::Uuid;

use super::Shard;
use super::submit::Cause;
use crate::entity::Entity;
use crate::request::{Follower, Request};
use crate::step::Step;

/// A caller on the waiting list.
pub(crate) struct Waiting<E: Entity> {
    pub(super) follower: Follower<E>,
    /// The ticket of the unit that its command has become.
    pub(super) since: u64,
}

impl<E: Entity> Shard<E> {
    /// Forgets callers that have hung up while they waited for a saga.
    pub(super) fn forget_gone_callers(&mut self) {
        self.waiting.retain(|_, callers| {
            callers.retain(|caller| !caller.follower.is_gone());
            !callers.is_empty()
        });
    }

    /// Takes callers off the waiting list whose commands are to be done again: those put them there
    /// again. Until then nothing of theirs is under way, and an end that comes about is one of what
    /// was before.
    pub(super) fn give_followers_back(&mut self) {
        if makes(Mistake::EndToldBeforeRepeat) {
            return;
        }

        let again = self.again.iter_mut();
        let mut again: BTreeMap<u64, &mut Request<E>> =
            again.map(|request| (request.ticket, request)).collect();
        let mut back = Vec::new();
        for callers in self.waiting.values_mut() {
            back.extend(callers.extract_if(.., |caller| again.contains_key(&caller.since)));
        }
        for Waiting { follower, since } in back {
            if let Some(request) = again.get_mut(&since) {
                request.take_back(follower);
            }
        }
        self.waiting.retain(|_, callers| !callers.is_empty());
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
