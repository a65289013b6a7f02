//! The views of this node: how they are, and what is done with them here.

use std::sync::Arc;
use std::time::Duration;

use actors::RequestBinding;
use domain::Service;
use futures_util::future::LocalBoxFuture;
use projections::generations::{self, Binding};
use projections::views::{self, AnyView};
use projections::{QuarantinedEntity as InQuarantine, ViewError, Views};
use uuid::Uuid;

use super::shown::absent;
use super::view_deeds::{Before, Deed, Done, NotTakenIn, ViewDeeds};
use crate::ports::{
    BuildFrom, BuildStage, QuarantinedEntity, ReadError, ReadFuture, ViewProgress, ViewState,
    ViewStates, ViewStatus,
};

/// How long a caller waits for the way back; most often it takes milliseconds.
const REVERT_WAIT: Duration = Duration::from_secs(5);
/// How long is looked at most how a view is before something is done with it.
const LOOKS_WITHIN: Duration = Duration::from_secs(1);
/// Shows at most this many entities in quarantine.
const QUARANTINED: usize = 100;

pub(super) struct OperatedViews {
    views: Arc<Views>,
}

impl OperatedViews {
    pub(super) fn new(views: Arc<Views>) -> Self {
        OperatedViews { views }
    }

    fn named(&self, name: &str) -> Result<&dyn AnyView, ReadError> {
        self.views.named(name).ok_or_else(|| absent(name))
    }
}

/// What an operator hears of an error; the log has the rest.
fn operation_error(error: ViewError) -> ReadError {
    match error {
        ViewError::Conflict { what, .. } | ViewError::Foreign { what, .. } => {
            ReadError::Conflict(what)
        }
        ViewError::KeyReused { .. } => ReadError::KeyReused,
        ViewError::Damaged { view, .. } => ReadError::Rebuilding {
            view: view.to_owned(),
        },
        ViewError::Unavailable { view, .. }
        | ViewError::Panicked { view, .. }
        | ViewError::Closed { view }
        | ViewError::NotReady { view } => {
            tracing::warn!(error = %error, view, "an operation on a view is not done");
            ReadError::Unavailable {
                view: view.to_owned(),
            }
        }
        ViewError::Log(error) => super::history::read_error(error),
        error => {
            tracing::error!(error = %error, "an operation on a view failed");
            ReadError::Failed
        }
    }
}

fn binding(by: RequestBinding) -> Binding {
    Binding {
        key: by.key.as_uuid(),
        fingerprint: by.fingerprint,
    }
}

fn shown(status: views::ViewStatus) -> ViewStatus {
    ViewStatus {
        name: status.name.to_owned(),
        backend: status.backend.to_owned(),
        state: match status.state {
            views::ViewState::Live => ViewState::Live,
            views::ViewState::Rebuilding => ViewState::Rebuilding,
            views::ViewState::Failed => ViewState::Failed,
        },
        lag: status.lag.map_or(0, |lag| lag.events),
        generation: status.generation,
        kept: status.kept,
        progress: status.progress.as_ref().map(shown_progress),
        error: status.error,
        quarantined: status
            .quarantined
            .into_iter()
            .take(QUARANTINED)
            .map(shown_quarantined)
            .collect(),
    }
}

fn shown_progress(progress: &views::BuildProgress) -> ViewProgress {
    ViewProgress {
        generation: progress.generation,
        from: match progress.from {
            generations::BuildFrom::History => BuildFrom::History,
            generations::BuildFrom::Entities => BuildFrom::Entities,
        },
        stage: match progress.stage {
            _ if progress.stopped => BuildStage::Stopped,
            views::BuildStage::Copying => BuildStage::Copying,
            views::BuildStage::CatchingUp => BuildStage::CatchingUp,
            views::BuildStage::Comparing => BuildStage::Comparing,
        },
        done: progress.done,
        total: progress.total,
        fraction: progress.fraction,
        events_per_second: progress.events_per_second,
        eta_seconds: progress.eta_seconds,
    }
}

fn shown_quarantined(entity: InQuarantine) -> QuarantinedEntity {
    QuarantinedEntity {
        service: Service::name(entity.source.service).to_owned(),
        entity_id: entity.entity,
        version: entity.version,
        since: entity.time,
        cause: entity.cause,
    }
}

fn not_taken_in(entity: InQuarantine) -> NotTakenIn {
    NotTakenIn {
        service: Service::name(entity.source.service),
        version: entity.version,
        cause: entity.cause,
    }
}

impl ViewStates for OperatedViews {
    fn views(&self) -> ReadFuture<'_, Vec<ViewStatus>> {
        Box::pin(async move { Ok(self.views.status().await.into_iter().map(shown).collect()) })
    }
}

impl OperatedViews {
    async fn rebuild(
        &self,
        view: &str,
        from: generations::BuildFrom,
        by: Option<RequestBinding>,
    ) -> Result<Done, ReadError> {
        let begun = self.named(view)?.rebuild(from, by.map(binding)).await;
        let generation = begun.map_err(operation_error)?;
        Ok(Done::generation(generation, false))
    }

    async fn revert(&self, view: &str, by: Option<RequestBinding>) -> Result<Done, ReadError> {
        let view = self.named(view)?;
        let reverted = view.revert(REVERT_WAIT, by.map(binding)).await;
        let reverted = reverted.map_err(operation_error)?;
        Ok(Done::generation(reverted.generation, reverted.done))
    }

    async fn heal(&self, view: &str, entity: Uuid) -> Result<Done, ReadError> {
        let healed = self.named(view)?.heal(entity).await;
        let version = healed.map_err(operation_error)?;
        Ok(Done {
            number: version.ok_or(ReadError::NotFound("customer or order in the view"))?,
            answers: true,
        })
    }
}

impl ViewDeeds for OperatedViews {
    fn carry_out<'a>(
        &'a self,
        view: &'a str,
        deed: Deed,
        by: Option<RequestBinding>,
    ) -> ReadFuture<'a, Done> {
        use generations::BuildFrom;
        Box::pin(async move {
            match deed {
                Deed::RebuildFromHistory => self.rebuild(view, BuildFrom::History, by).await,
                Deed::RebuildFromEntities => self.rebuild(view, BuildFrom::Entities, by).await,
                Deed::Revert => self.revert(view, by).await,
                Deed::Heal(entity) => self.heal(view, entity).await,
            }
        })
    }

    fn before<'a>(&'a self, view: &'a str, deed: Deed) -> LocalBoxFuture<'a, Option<Before>> {
        Box::pin(async move {
            let view = self.views.named(view)?;
            if let Deed::Heal(id) = deed {
                let all = view.quarantined().into_iter();
                let mut quarantined = all.filter(|entity| entity.entity == id).map(not_taken_in);
                let quarantined = quarantined.next();
                return Some(Before::Entity { quarantined });
            }

            // It reads the log for the lag; nobody waits long for what is only told.
            let status = tokio::time::timeout(LOOKS_WITHIN, view.status())
                .await
                .ok()?;
            Some(Before::Generation {
                generation: status.generation,
                kept: status.kept,
            })
        })
    }
}
