//! What operators do to things that no shard owns: the shard of the request's key keeps it.

use std::collections::HashMap;

use sagas::RequestKey;
use store::StoreError;
use store::actions::{self, StoredAction};
use store::row_changes::RowChange;
use uuid::Uuid;

use super::Shard;
use super::submit::Cause;
use crate::entity::Entity;
use crate::error::CommandError;
use crate::noting::{NotedOutcome, Noting};
use crate::request::{Command, Request, RequestBinding, ShardAnswer};
use crate::step::Step;

/// Beyond this many it forgets those that the database shows by now.
const REMEMBERED: usize = 1_000;

/// What units that may be in flight have done, each with the ticket of its unit.
#[derive(Debug, Default)]
pub(super) struct NotedActions {
    done: HashMap<RequestKey, Noted>,
    withdrawn: HashMap<Uuid, u64>,
}

/// What a request has come to.
#[derive(Debug)]
struct Noted {
    outcome: NotedOutcome,
    /// Its row, which tells of it with the next unit that is durable.
    row: Uuid,
    ticket: u64,
}

impl NotedActions {
    /// Up to `durable` the database shows it.
    fn forget(&mut self, durable: u64) {
        if self.done.len() + self.withdrawn.len() >= REMEMBERED {
            self.done.retain(|_, noted| noted.ticket > durable);
            self.withdrawn.retain(|_, ticket| *ticket > durable);
        }
    }
}

/// What is kept of the request with a key.
struct Kept {
    outcome: Option<NotedOutcome>,
    /// The notes of which it is not known what has come of them.
    asked: Vec<Uuid>,
}

impl<E: Entity> Shard<E> {
    /// Keeps what is known of an action. What was done first under a key counts, and is the answer.
    pub(super) async fn note(&mut self, request: Request<E>) {
        let (Command::Note(noting), Some(binding)) =
            (request.question.command.clone(), request.question.binding)
        else {
            return request.answer(Err(CommandError::Failed));
        };

        let kept = match self.noted(binding.key).await {
            Ok(kept) => kept,
            Err(error) => {
                self.again.push_back(request);
                self.broken = Some(error.chain());
                return;
            }
        };

        let (row, outcome) = self.change_of_note(*noting, binding, kept);
        let step = Step {
            answer: Some(Ok(ShardAnswer::Noted(outcome))),
            ..Step::default()
        };
        self.submit(
            Box::new(step),
            row.into_iter().collect(),
            Cause::Request(request),
        );
    }

    /// The row to write, if any, and what the request has come to then.
    fn change_of_note(
        &mut self,
        noting: Noting,
        binding: RequestBinding,
        kept: Kept,
    ) -> (Option<RowChange>, Option<NotedOutcome>) {
        let at = (self.parts.shard, self.parts.clock.now());
        let durable = self.parts.journal.durable(self.parts.shard);
        self.noted.forget(durable);

        match (noting, kept.outcome) {
            (Noting::Before(note), None) => (Some(note.row(binding, at)), None),
            (Noting::Before(_), done) => (None, done),
            (Noting::After(note), None) => {
                let outcome = note.outcome(binding);
                let done = Noted {
                    outcome: outcome.clone(),
                    row: note.id,
                    ticket: self.ticket + 1,
                };
                self.noted.done.insert(binding.key, done);
                (Some(note.row(binding, at)), Some(outcome))
            }
            // Somebody else who has asked for it was faster.
            (Noting::After(note), done) => (self.withdrawn(note.id, &kept.asked), done),
            (Noting::Never(id), done) => (self.withdrawn(id, &kept.asked), done),
        }
    }

    fn withdrawn(&mut self, id: Uuid, asked: &[Uuid]) -> Option<RowChange> {
        if !asked.contains(&id) {
            return None;
        }
        self.noted.withdrawn.insert(id, self.ticket + 1);
        Some(actions::withdraw(id))
    }

    async fn noted(&self, key: RequestKey) -> Result<Kept, StoreError> {
        let stored = actions::noted_of_request(&self.parts.database, key).await?;
        let known = self.noted.done.get(&key);

        let is_there = |stored: &&StoredAction| {
            let is_done = known.is_some_and(|known| known.row == stored.id);
            let is_withdrawn = self.noted.withdrawn.contains_key(&stored.id);
            stored.action.is_asked() && !is_done && !is_withdrawn
        };
        let outcome = known.map(|known| known.outcome.clone());
        Ok(Kept {
            outcome: outcome.or_else(|| stored.iter().find_map(NotedOutcome::of)),
            asked: stored
                .iter()
                .filter(is_there)
                .map(|stored| stored.id)
                .collect(),
        })
    }
}
