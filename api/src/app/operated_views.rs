//! What operators do with views.

use std::sync::Arc;
use std::time::Duration;

use actors::RequestBinding;
use domain::Service;
use projections::generations::{self, Binding};
use projections::views::{self, AnyView};
use projections::{QuarantinedEntity as InQuarantine, ViewError, Views};
use uuid::Uuid;

use super::shown::absent;
use crate::ports::{
    BuildFrom, BuildStage, QuarantinedEntity, ReadError, ReadFuture, RebuildBegun, ViewHealed,
    ViewOperations, ViewProgress, ViewReverted, ViewState, ViewStates, ViewStatus,
};

/// How long a caller waits for the way back; most often it takes milliseconds.
const REVERT_WAIT: Duration = Duration::from_secs(5);
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

impl ViewStates for OperatedViews {
    fn views(&self) -> ReadFuture<'_, Vec<ViewStatus>> {
        Box::pin(async move { Ok(self.views.status().await.into_iter().map(shown).collect()) })
    }
}

impl ViewOperations for OperatedViews {
    fn rebuild<'a>(
        &'a self,
        name: &'a str,
        from: BuildFrom,
        by: Option<RequestBinding>,
    ) -> ReadFuture<'a, RebuildBegun> {
        Box::pin(async move {
            let view = self.named(name)?;

            let built_from = match from {
                BuildFrom::History => generations::BuildFrom::History,
                BuildFrom::Entities => generations::BuildFrom::Entities,
            };

            let generation = view
                .rebuild(built_from, by.map(binding))
                .await
                .map_err(operation_error)?;

            Ok(RebuildBegun {
                name: name.to_owned(),
                generation,
                from,
            })
        })
    }

    fn revert<'a>(
        &'a self,
        name: &'a str,
        by: Option<RequestBinding>,
    ) -> ReadFuture<'a, ViewReverted> {
        Box::pin(async move {
            let reverted = self
                .named(name)?
                .revert(REVERT_WAIT, by.map(binding))
                .await
                .map_err(operation_error)?;

            Ok(ViewReverted {
                name: name.to_owned(),
                generation: reverted.generation,
                done: reverted.done,
            })
        })
    }

    fn heal<'a>(&'a self, name: &'a str, entity: Uuid) -> ReadFuture<'a, ViewHealed> {
        Box::pin(async move {
            let healed = self
                .named(name)?
                .heal(entity)
                .await
                .map_err(operation_error)?;
            let version = healed.ok_or(ReadError::NotFound("customer or order in the view"))?;

            Ok(ViewHealed {
                name: name.to_owned(),
                entity_id: entity,
                version,
            })
        })
    }
}
