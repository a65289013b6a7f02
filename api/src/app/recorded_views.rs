//! What operators do with views is kept with who has done it and why, among what they do to sagas
//! and parked messages (`operator_actions`, in the database of the orders).
//!
//! A view has no unit of work that its record could share. So that nothing happens without one, and
//! none tells of what has not happened, it is written twice:
//!
//! ```text
//! view.rebuild-asked ─► the view does it ─► view.rebuild-begun
//!                                        └► refused: the row is taken back
//! ```
//!
//! Whoever dies in between, or hears nothing of the view, leaves the first: it says that nobody
//! knows. A repeat under the same key goes on from there, and gets the answer of the first that was
//! done.

use std::sync::Arc;

use actors::{CommandError, Gateway, Note, NotedOutcome, Noting, Operator, RequestBinding};
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};
use store::actions;
use uuid::Uuid;

use super::shown::absent;
use super::view_deeds::{Before, Deed, Done, ViewDeeds};
use crate::ports::{
    BuildFrom, ReadError, ReadFuture, RebuildBegun, ViewHealed, ViewOperations, ViewReverted,
};

/// What the names of these actions begin with.
pub(super) const ACTIONS: &str = "view.";

/// The subject of what is done with a view.
pub(super) fn subject_of(view: &str) -> Uuid {
    actions::named("view", view)
}

/// Keeps notes of what operators do.
pub(super) trait Notes: Send + Sync {
    /// Keeps what is known. Gives what the request with this key has come to, if that is known.
    fn note(
        &self,
        binding: RequestBinding,
        noting: Noting,
    ) -> LocalBoxFuture<'_, Result<Option<NotedOutcome>, CommandError>>;
}

impl Notes for Gateway {
    fn note(
        &self,
        binding: RequestBinding,
        noting: Noting,
    ) -> LocalBoxFuture<'_, Result<Option<NotedOutcome>, CommandError>> {
        Box::pin(Gateway::note(self, binding, noting))
    }
}

/// Views whose operators are remembered.
#[derive(Clone)]
pub(super) struct RecordedViews {
    deeds: Arc<dyn ViewDeeds>,
    notes: Arc<dyn Notes>,
}

/// What is kept of a deed.
#[derive(Serialize)]
struct Detail<'a> {
    view: &'a str,
    /// As this node saw it; absent where it does not show the view.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<&'a Before>,
    /// Absent before it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<After>,
}

/// What a repeat is answered with.
#[derive(Deserialize)]
struct RecordedOutcome {
    after: After,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum After {
    Generation { generation: u64, answers: bool },
    Entity { version: u64 },
}

impl After {
    fn of(deed: Deed, Done { number, answers }: Done) -> Self {
        match deed {
            Deed::Heal(_) => After::Entity { version: number },
            _ => After::Generation {
                generation: number,
                answers,
            },
        }
    }

    fn done(self) -> Done {
        match self {
            After::Generation {
                generation,
                answers,
            } => Done {
                number: generation,
                answers,
            },
            After::Entity { version } => Done {
                number: version,
                answers: true,
            },
        }
    }
}

/// How a deed is called while nobody knows whether it has happened.
const fn asked(deed: Deed) -> &'static str {
    match deed {
        Deed::RebuildFromHistory | Deed::RebuildFromEntities => "view.rebuild-asked",
        Deed::Revert => "view.revert-asked",
        Deed::Heal(_) => "view.heal-asked",
    }
}

/// How it is called when it has.
const fn done(deed: Deed, answers: bool) -> &'static str {
    match (deed, answers) {
        (Deed::RebuildFromHistory | Deed::RebuildFromEntities, _) => "view.rebuild-begun",
        (Deed::Revert, true) => "view.reverted",
        (Deed::Revert, false) => "view.revert-begun",
        (Deed::Heal(_), _) => "view.healed",
    }
}

/// Whether a view that answers so has done nothing.
fn is_refusal(error: &ReadError) -> bool {
    matches!(
        error,
        ReadError::NotFound(_)
            | ReadError::NotShown { .. }
            | ReadError::Conflict(_)
            | ReadError::KeyReused
    )
}

/// What an operator hears when it cannot be kept.
fn not_kept(error: CommandError) -> ReadError {
    match error {
        CommandError::Overloaded | CommandError::Unavailable => ReadError::StoreUnavailable,
        error => {
            tracing::error!(error = %error, "what an operator does with a view cannot be kept");
            ReadError::Failed
        }
    }
}

impl RecordedViews {
    pub(super) fn new(deeds: Arc<dyn ViewDeeds>, notes: Arc<dyn Notes>) -> Self {
        RecordedViews { deeds, notes }
    }

    /// Does it and keeps it, also when whoever has asked goes away meanwhile.
    async fn operate(
        &self,
        view: &str,
        deed: Deed,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> Result<Done, ReadError> {
        // Nothing is kept about what nobody knows.
        if let unknown @ ReadError::NotFound(_) = absent(view) {
            return Err(unknown);
        }

        let (this, view) = (self.clone(), view.to_owned());
        let work = actix_rt::spawn(async move { this.recorded(view, deed, by, binding).await });
        work.await.unwrap_or_else(|error| {
            tracing::error!(error = %error, "an operation on a view has panicked");
            Err(ReadError::Failed)
        })
    }

    async fn recorded(
        &self,
        view: String,
        deed: Deed,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> Result<Done, ReadError> {
        let id = Uuid::now_v7();
        // What comes without a key is asked for once.
        let key = binding.unwrap_or_else(|| RequestBinding::new("view", &id.to_string(), &[]));
        let before = self.deeds.before(&view, deed).await;
        let note = |action: &str, after| Note {
            id,
            action: action.to_owned(),
            subject: subject_of(&view),
            entity: match deed {
                Deed::Heal(entity) => entity,
                _ => subject_of(&view),
            },
            by: by.clone(),
            detail: written(&view, before.as_ref(), after),
        };

        let noted = self.note(key, Noting::Before(note(asked(deed), None)));
        if let Some(outcome) = noted.await? {
            let first = repeated(&outcome, key)?;
            if matches!(deed, Deed::Revert) && !first.answers {
                // It was on its way, which a node that has died or been relieved has forgotten. The
                // view knows the key when it has come about.
                drop(self.deeds.carry_out(&view, deed, binding).await);
            }
            return Ok(first);
        }

        match self.deeds.carry_out(&view, deed, binding).await {
            Ok(outcome) => {
                let after = Some(After::of(deed, outcome));
                let note = note(done(deed, outcome.answers), after);
                // Somebody who has asked with the same key may have been faster.
                match self.note(key, Noting::After(note)).await? {
                    Some(kept) => repeated(&kept, key),
                    None => Ok(outcome),
                }
            }
            Err(error) => {
                if is_refusal(&error) {
                    // What cannot be taken back says that nobody knows; whoever asked does.
                    drop(self.note(key, Noting::Never(id)).await);
                }
                Err(error)
            }
        }
    }

    async fn note(
        &self,
        key: RequestBinding,
        noting: Noting,
    ) -> Result<Option<NotedOutcome>, ReadError> {
        self.notes.note(key, noting).await.map_err(not_kept)
    }
}

fn written(view: &str, before: Option<&Before>, after: Option<After>) -> String {
    let detail = Detail {
        view,
        before,
        after,
    };
    // Plain text and numbers always have a JSON form.
    serde_json::to_string(&detail).unwrap_or_default()
}

/// The answer to a request that has had its effect before.
fn repeated(outcome: &NotedOutcome, key: RequestBinding) -> Result<Done, ReadError> {
    if outcome.fingerprint != key.fingerprint {
        return Err(ReadError::KeyReused);
    }
    let read: RecordedOutcome = serde_json::from_str(&outcome.detail).map_err(|error| {
        tracing::error!(error = %error, "what was done with a view cannot be read");
        ReadError::Failed
    })?;
    Ok(read.after.done())
}

fn generation(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl ViewOperations for RecordedViews {
    fn rebuild<'a>(
        &'a self,
        name: &'a str,
        from: BuildFrom,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> ReadFuture<'a, RebuildBegun> {
        Box::pin(async move {
            let done = self.operate(name, Deed::rebuild(from), by, binding).await?;
            Ok(RebuildBegun {
                name: name.to_owned(),
                generation: generation(done.number),
                from,
            })
        })
    }

    fn revert<'a>(
        &'a self,
        name: &'a str,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> ReadFuture<'a, ViewReverted> {
        Box::pin(async move {
            let done = self.operate(name, Deed::Revert, by, binding).await?;
            Ok(ViewReverted {
                name: name.to_owned(),
                generation: generation(done.number),
                done: done.answers,
            })
        })
    }

    fn heal<'a>(
        &'a self,
        name: &'a str,
        entity: Uuid,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> ReadFuture<'a, ViewHealed> {
        Box::pin(async move {
            let done = self.operate(name, Deed::Heal(entity), by, binding).await?;
            Ok(ViewHealed {
                name: name.to_owned(),
                entity_id: entity,
                version: done.number,
            })
        })
    }
}

#[cfg(test)]
mod tests;
