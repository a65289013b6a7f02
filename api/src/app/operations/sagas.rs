//! Sagas, read from the orders' own database.

use domain::SagaId;
use domain::saga::{Action, Step, StepRecord};
use store::ServiceDatabase;
use store::inspection::{SagaFilter, list_sagas};
use store::sagas::StoredSaga;

use super::{Operations, page_of, read_cursor};
use crate::app::history::read_error;
use crate::ports::{Listed, ReadError, ReadFuture, SagaDetails, SagaQuery, SagaStep, Sagas};

impl Operations {
    fn orders(&self) -> Result<&ServiceDatabase, ReadError> {
        self.databases
            .iter()
            .find(|database| database.service == domain::ORDERS)
            .ok_or(ReadError::StoreUnavailable)
    }
}

fn shown_saga(stored: StoredSaga) -> SagaDetails {
    let saga = stored.saga;

    let steps = saga
        .definition()
        .steps
        .iter()
        .zip(&saga.steps)
        .map(shown_step)
        .collect();

    SagaDetails {
        saga_id: saga.id,
        kind: saga.kind,
        state: saga.state,
        order_id: saga.order_id,
        started_at: saga.started_at,
        updated_at: saga.updated_at,
        ended_at: saga.ended_at,
        deadline: Some(saga.deadline),
        attempts: saga.attempts,
        steps,
        version: saga.version,
    }
}

fn shown_step((step, record): (&Step, &StepRecord)) -> SagaStep {
    SagaStep {
        name: step.name.to_owned(),
        kind: match step.action {
            Action::Local(_) => "local".to_owned(),
            Action::Remote { participant, .. } => participant.name().to_owned(),
        },
        state: record.state,
        at: record.at,
        detail: record.detail.clone(),
    }
}

impl Sagas for Operations {
    fn list(&self, query: SagaQuery) -> ReadFuture<'_, Listed<SagaDetails>> {
        Box::pin(async move {
            let before = query.page.cursor.as_deref().map(read_cursor).transpose()?;
            let before = before.map(|(time, id)| (time, SagaId(id)));

            let filter = SagaFilter {
                kind: query.kind,
                state: query.state,
                before,
            };

            let limit = query.page.limit;
            let found = list_sagas(self.orders()?, filter, limit + 1)
                .await
                .map_err(read_error)?;

            let sagas = found.into_iter().map(shown_saga).collect();
            Ok(page_of(sagas, limit, |saga: &SagaDetails| {
                (saga.started_at, saga.saga_id.0)
            }))
        })
    }

    fn show(&self, id: SagaId) -> ReadFuture<'_, SagaDetails> {
        Box::pin(async move {
            let mut found = store::sagas::load(self.orders()?, &[id])
                .await
                .map_err(read_error)?;
            let stored = found.remove(&id).ok_or(ReadError::NotFound("saga"))?;
            stored.map(shown_saga).map_err(read_error)
        })
    }
}
