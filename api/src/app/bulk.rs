//! What operators do to many things at once, one command each, so that each is bounded, fenced and
//! kept like any other.
//!
//! Under a key, what was found is kept before anything is done, and what has become of it after
//! everything is: a repeat goes on with the same things, each of which remembers what was done to
//! it, and when all is done it gets the same answer.

use std::cell::Cell;
use std::sync::Arc;

use actors::{CommandError, Gateway, RequestBinding};
use domain::{MessageId, SagaId};
use futures_util::StreamExt;
use futures_util::stream;
use sagas::RequestKey;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use self::targets::{Found, InView, Target, of_one};
use super::operations::Operations;
use crate::ports::{
    Bulk, BulkError, BulkFuture, BulkOutcome, BulkRefusal, CommandFuture, InViewsBulk,
    InViewsQuery, ParkedBulk, ParkedQuery, Quarantine, ReadError, SagaBulk, SagaQuery, Sagas,
    ViewAction, ViewOperations,
};

mod targets;

/// So many commands are under way at once, so that those of callers find their place among them.
const AT_ONCE: usize = 16;
/// An answer tells of this many refusals.
const REFUSALS: usize = 20;

/// Acts on what operators find.
pub(super) struct BulkOperations(Arc<Acting>);

struct Acting {
    gateway: Gateway,
    operations: Arc<Operations>,
    views: Arc<dyn ViewOperations>,
    /// One request at a time.
    turn: Arc<Semaphore>,
}

impl BulkOperations {
    pub(super) fn new(
        gateway: Gateway,
        operations: Arc<Operations>,
        views: Arc<dyn ViewOperations>,
    ) -> Self {
        BulkOperations(Arc::new(Acting {
            gateway,
            operations,
            views,
            turn: Arc::new(Semaphore::new(1)),
        }))
    }

    /// Waits for its turn, as long as somebody waits for the answer. From then on it goes on.
    async fn begin(&self) -> (Arc<Acting>, Option<OwnedSemaphorePermit>) {
        let acting = Arc::clone(&self.0);
        // Nobody closes it.
        let turn = Arc::clone(&acting.turn).acquire_owned().await.ok();
        (acting, turn)
    }
}

impl Acting {
    /// Does it once, or looks once what it would be done to, however often it is asked for under
    /// this key.
    async fn once<'a, T: Target>(
        &'a self,
        (action, dry_run): (&'static str, bool),
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

        let found: Found<T> = read(&kept.found)?;
        let outcome = match dry_run {
            true => nothing_done(action, found),
            false => {
                let act = |target: T| {
                    let binding = of_one(binding, &target);
                    act(target, Some(binding))
                };
                each(action, found, act).await?
            }
        };
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

    /// What is asked for is carried out once under its key, each time without one, or only looked
    /// at.
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
        match binding {
            Some(binding) => self.once((action, dry_run), binding, find, act).await,
            None if dry_run => Ok(nothing_done(action, find.await?)),
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
        Box::pin(async move {
            let (acting, turn) = self.begin().await;
            goes_on(turn, async move { acting.sagas(bulk).await }).await
        })
    }

    fn parked(&self, bulk: ParkedBulk) -> BulkFuture<'_> {
        Box::pin(async move {
            let (acting, turn) = self.begin().await;
            goes_on(turn, async move { acting.parked(bulk).await }).await
        })
    }

    fn in_views(&self, bulk: InViewsBulk) -> BulkFuture<'_> {
        Box::pin(async move {
            let (acting, turn) = self.begin().await;
            goes_on(turn, async move { acting.in_views(bulk).await }).await
        })
    }
}

impl Acting {
    async fn sagas(&self, bulk: SagaBulk) -> Result<BulkOutcome, BulkError> {
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
        self.run(asked, find, act).await
    }

    async fn parked(&self, bulk: ParkedBulk) -> Result<BulkOutcome, BulkError> {
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
        self.run(asked, find, act).await
    }

    async fn in_views(&self, bulk: InViewsBulk) -> Result<BulkOutcome, BulkError> {
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
        self.run(asked, find, act).await
    }
}

/// Goes on when nobody waits any more: five hundred things may take longer than an answer, and
/// whoever asks again with the key finds it done, or waits for it.
async fn goes_on(
    turn: Option<OwnedSemaphorePermit>,
    work: impl Future<Output = Result<BulkOutcome, BulkError>> + 'static,
) -> Result<BulkOutcome, BulkError> {
    let going_on = actix_rt::spawn(async move {
        let _turn = turn;
        work.await
    });
    going_on.await.unwrap_or_else(|error| {
        tracing::error!(error = %error, "what is done to many things has not come to its end");
        Err(CommandError::Failed.into())
    })
}

/// Why an entity is not healed, where several views may be meant. That a view does not answer is
/// told as it is told of a service: it is not known what has come of it.
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
/// When it is not known of one whether it was done: then no other is begun, and it is asked for
/// again.
async fn each<'a, T: Target>(
    action: &'static str,
    found: Found<T>,
    act: impl Fn(T) -> CommandFuture<'a, ()>,
) -> Result<BulkOutcome, BulkError> {
    let is_away = Cell::new(false);
    let acted = stream::iter(found.ids.clone()).map(|target| {
        let (id, done) = (target.id(), act(target));
        let is_away = &is_away;
        async move {
            if is_away.get() {
                return (id, Err(CommandError::Unavailable));
            }
            let done = done.await;
            is_away.set(is_away.get() || is_unknown(&done));
            (id, done)
        }
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

/// Whether nobody knows what has come of it.
fn is_unknown(done: &Result<(), CommandError>) -> bool {
    matches!(
        done,
        Err(CommandError::Overloaded | CommandError::Unavailable)
    )
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

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;

    use super::*;

    #[actix_web::test]
    async fn when_one_is_not_answered_no_other_is_begun() {
        let ids = (0..100).map(Uuid::from_u128).collect();
        let found = Found { ids, next: None };
        let asked = Rc::new(Cell::new(0));
        let begun = Rc::clone(&asked);
        let outcome = each("retry", found, |_: Uuid| {
            let begun = Rc::clone(&begun);
            Box::pin(async move {
                begun.set(begun.get() + 1);
                Err(CommandError::Unavailable)
            })
        });
        assert!(outcome.await.is_err());
        assert!(asked.get() <= AT_ONCE, "{}", asked.get());
    }

    #[actix_web::test]
    async fn what_nobody_waits_for_any_more_goes_on() {
        let (go_on, gone_on) = oneshot::channel();
        let (told, done) = oneshot::channel();
        let work = async move {
            gone_on.await.unwrap();
            told.send(()).unwrap();
            let nothing = Found::<Uuid> {
                ids: Vec::new(),
                next: None,
            };
            Ok(nothing_done("retry", nothing))
        };

        // Its answer takes too long.
        assert!(Box::pin(goes_on(None, work)).now_or_never().is_none());

        go_on.send(()).unwrap();
        done.await.unwrap();
    }
}
