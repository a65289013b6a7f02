//! What operators do to many things at once, one command each, so that each is bounded, fenced and
//! kept like any other.
//!
//! Under a key, what was found is kept before anything is done, and what has become of it after
//! everything is: a repeat goes on with the same things, each of which remembers what was done to
//! it, and when all is done it gets the same answer.

use std::sync::Arc;

use actors::{CommandError, Gateway, RequestBinding};
use domain::{MessageId, SagaId};
use futures_util::StreamExt;
use futures_util::stream;
use sagas::RequestKey;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::operations::Operations;
use crate::ports::{
    Bulk, BulkError, BulkFuture, BulkOutcome, BulkRefusal, CommandFuture, InViewsBulk,
    InViewsQuery, ParkedBulk, ParkedQuery, Quarantine, ReadError, SagaBulk, SagaQuery, Sagas,
    ViewAction, ViewOperations,
};

/// So many commands are under way at once, so that those of callers find their place among them.
const AT_ONCE: usize = 16;
/// An answer tells of so many refusals.
const REFUSALS: usize = 20;

/// Acts on what operators find.
pub(super) struct BulkOperations {
    gateway: Gateway,
    operations: Arc<Operations>,
    views: Arc<dyn ViewOperations>,
    /// One request at a time.
    turn: Semaphore,
}

/// Something that a request is about.
trait Target: Clone + Serialize + DeserializeOwned {
    fn id(&self) -> Uuid;

    /// What tells it from all others of its request.
    fn key(&self) -> String;
}

/// A saga, or a parked message.
impl Target for Uuid {
    fn id(&self) -> Uuid {
        *self
    }

    fn key(&self) -> String {
        self.to_string()
    }
}

/// An entity in one of the views.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct InView {
    view: String,
    entity: Uuid,
}

impl Target for InView {
    fn id(&self) -> Uuid {
        self.entity
    }

    fn key(&self) -> String {
        format!("{} {}", self.view, self.entity)
    }
}

/// What a request is about.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Found<T> {
    ids: Vec<T>,
    next: Option<String>,
}

impl BulkOperations {
    pub(super) fn new(
        gateway: Gateway,
        operations: Arc<Operations>,
        views: Arc<dyn ViewOperations>,
    ) -> Self {
        BulkOperations {
            gateway,
            operations,
            views,
            turn: Semaphore::new(1),
        }
    }

    /// Does it once, however often it is asked for under this key.
    async fn once<'a, T: Target>(
        &'a self,
        action: &'static str,
        binding: RequestBinding,
        find: impl Future<Output = Result<Found<T>, BulkError>>,
        act: impl Fn(T, Option<RequestBinding>) -> CommandFuture<'a, ()>,
    ) -> Result<BulkOutcome, BulkError> {
        let kept = match self.gateway.bulk(binding.key).await? {
            Some(kept) => kept,
            None => {
                let found = written(&find.await?)?;
                self.gateway.keep_bulk(binding, found, None).await?;
                self.kept(binding.key).await?
            }
        };

        if kept.fingerprint != binding.fingerprint {
            return Err(CommandError::KeyReused.into());
        }
        if let Some(outcome) = &kept.outcome {
            return read(outcome);
        }

        let outcome = each(action, read(&kept.found)?, |target: T| {
            let binding = of_one(binding, &target);
            act(target, Some(binding))
        })
        .await?;
        let ended = Some(written(&outcome)?);
        self.gateway.keep_bulk(binding, kept.found, ended).await?;

        // Somebody else who has asked for it may have been faster.
        let kept = self.kept(binding.key).await?;
        read(&kept.outcome.ok_or(CommandError::Failed)?)
    }

    async fn kept(&self, key: RequestKey) -> Result<store::bulk::BulkRequest, CommandError> {
        let kept = self.gateway.bulk(key).await?;
        kept.ok_or(CommandError::Failed)
    }

    /// What is asked for is carried out once under its key, each time without one, or only looked at.
    async fn run<'a, T: Target>(
        &'a self,
        Asked {
            action,
            dry_run,
            binding,
        }: Asked,
        find: impl Future<Output = Result<Found<T>, BulkError>>,
        act: impl Fn(T, Option<RequestBinding>) -> CommandFuture<'a, ()>,
    ) -> Result<BulkOutcome, BulkError> {
        let _turn = self.turn.acquire().await;
        match binding {
            _ if dry_run => Ok(nothing_done(action, find.await?)),
            Some(binding) => self.once(action, binding, find, act).await,
            None => each(action, find.await?, |target| act(target, None)).await,
        }
    }

    async fn sagas_meant(&self, which: SagaQuery) -> Result<Found<Uuid>, BulkError> {
        let listed = Sagas::list(&*self.operations, which).await?;
        let ids = listed.items.iter().map(|saga| saga.saga_id.0);
        Ok(Found {
            ids: ids.collect(),
            next: listed.next,
        })
    }

    async fn meant_in_views(&self, which: InViewsQuery) -> Result<Found<InView>, BulkError> {
        let listed = Quarantine::list_in_views(&*self.operations, which).await?;
        let ids = listed.items.into_iter().map(|found| InView {
            view: found.view.to_owned(),
            entity: found.entity_id,
        });
        Ok(Found {
            ids: ids.collect(),
            next: listed.next,
        })
    }

    async fn parked_meant(&self, which: ParkedQuery) -> Result<Found<Uuid>, BulkError> {
        let listed = Quarantine::list(&*self.operations, which).await?;
        let ids = listed.items.iter().map(|parked| parked.id.0);
        Ok(Found {
            ids: ids.collect(),
            next: listed.next,
        })
    }
}

/// What all requests about many things have in common.
struct Asked {
    action: &'static str,
    dry_run: bool,
    binding: Option<RequestBinding>,
}

impl Bulk for BulkOperations {
    fn sagas(&self, bulk: SagaBulk) -> BulkFuture<'_> {
        let asked = Asked {
            action: bulk.action.name(),
            dry_run: bulk.dry_run,
            binding: bulk.binding,
        };
        let find = self.sagas_meant(bulk.which);
        let act = move |id, binding| -> CommandFuture<'_, ()> {
            let (action, by) = (bulk.action, bulk.by.clone());
            let done = self.gateway.operate_saga(SagaId(id), action, by, binding);
            Box::pin(async { done.await.map(drop) })
        };
        Box::pin(self.run(asked, find, act))
    }

    fn parked(&self, bulk: ParkedBulk) -> BulkFuture<'_> {
        let asked = Asked {
            action: bulk.action.name(),
            dry_run: bulk.dry_run,
            binding: bulk.binding,
        };
        let find = self.parked_meant(bulk.which);
        let act = move |id, binding| -> CommandFuture<'_, ()> {
            let (action, by) = (bulk.action.clone(), bulk.by.clone());
            let done = self
                .gateway
                .operate_parked(MessageId(id), action, by, binding);
            Box::pin(done)
        };
        Box::pin(self.run(asked, find, act))
    }

    fn in_views(&self, bulk: InViewsBulk) -> BulkFuture<'_> {
        let ViewAction::Heal = bulk.action;
        let asked = Asked {
            action: bulk.action.name(),
            dry_run: bulk.dry_run,
            binding: bulk.binding,
        };
        let find = self.meant_in_views(bulk.which);
        let act = move |InView { view, entity }, binding| -> CommandFuture<'_, ()> {
            let by = bulk.by.clone();
            Box::pin(async move {
                let healed = self.views.heal(&view, entity, by, binding).await;
                healed.map(drop).map_err(|error| not_healed(&view, error))
            })
        };
        Box::pin(self.run(asked, find, act))
    }
}

/// Why an entity is not healed, where several views may be meant. That a view does not answer is told
/// as it is told of a service: it is not known what has come of it.
fn not_healed(view: &str, error: ReadError) -> CommandError {
    match error {
        ReadError::NotFound(_) | ReadError::NotShown { .. } | ReadError::Conflict(_) => {
            CommandError::Conflict(format!("{view}: {error}"))
        }
        ReadError::KeyReused => CommandError::KeyReused,
        ReadError::Failed => CommandError::Failed,
        _ => CommandError::Unavailable,
    }
}

/// The key of one command among many.
fn of_one(binding: RequestBinding, target: &impl Target) -> RequestBinding {
    let scope = format!("bulk {}", binding.key.as_uuid());
    RequestBinding {
        key: RequestKey::new(&scope, &target.key()),
        ..binding
    }
}

fn nothing_done<T: Target>(action: &'static str, found: Found<T>) -> BulkOutcome {
    BulkOutcome {
        action: action.to_owned(),
        dry_run: true,
        matched: found.ids.len(),
        done: 0,
        refused: 0,
        ids: found.ids.iter().map(Target::id).collect(),
        refusals: Vec::new(),
        next: found.next,
    }
}

/// Does something to each of what was found.
///
/// # Errors
/// When it is not known of one whether it was done: then it is asked for again.
async fn each<'a, T: Target>(
    action: &'static str,
    found: Found<T>,
    act: impl Fn(T) -> CommandFuture<'a, ()>,
) -> Result<BulkOutcome, BulkError> {
    let acted = stream::iter(found.ids.clone()).map(|target| {
        let (id, done) = (target.id(), act(target));
        async move { (id, done.await) }
    });
    let acted: Vec<_> = acted.buffered(AT_ONCE).collect().await;

    let mut outcome = BulkOutcome {
        dry_run: false,
        ..nothing_done(action, found)
    };
    for (id, done) in acted {
        match done {
            Ok(()) => outcome.done += 1,
            Err(error @ (CommandError::Overloaded | CommandError::Unavailable)) => {
                return Err(error.into());
            }
            Err(error) => {
                outcome.refused += 1;
                if outcome.refusals.len() < REFUSALS {
                    let detail = error.to_string();
                    outcome.refusals.push(BulkRefusal { id, detail });
                }
            }
        }
    }
    Ok(outcome)
}

fn written<T: Serialize>(value: &T) -> Result<String, CommandError> {
    serde_json::to_string(value).map_err(|_| CommandError::Failed)
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T, BulkError> {
    serde_json::from_str(json).map_err(|error| {
        tracing::error!(error = %error, "a request about many things cannot be read");
        CommandError::Failed.into()
    })
}
