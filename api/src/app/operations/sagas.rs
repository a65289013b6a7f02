//! Sagas, read from the orders' own database.

use domain::SagaId;
use domain::saga::{DEFINITIONS, OrderSaga, StepRecord};
use sagas::Step;
use store::ServiceDatabase;
use store::inspection::{ListedSaga, SagaFilter, list_sagas};
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

fn shown_saga(stored: StoredSaga<OrderSaga>) -> SagaDetails {
    let saga = stored.saga;

    let steps = saga.definition.steps.iter().zip(&saga.steps);
    let steps = steps.map(|step| shown_step(&saga.data, step)).collect();

    SagaDetails {
        saga_id: saga.id,
        kind: saga.definition.name,
        state: saga.state,
        order_id: saga.data.order_id,
        started_at: saga.started_at,
        updated_at: saga.updated_at,
        ended_at: saga.ended_at,
        deadline: Some(saga.deadline),
        attempts: saga.attempts,
        steps,
        version: saga.version,
    }
}

/// Leaves one that cannot be read out of a list, so that the others show.
fn readable(listed: ListedSaga<OrderSaga>) -> Option<SagaDetails> {
    listed
        .saga
        .inspect_err(|error| tracing::error!(error = %error.chain(), "a saga is not listed"))
        .map(shown_saga)
        .ok()
}

fn shown_step(data: &OrderSaga, (step, record): (&Step<OrderSaga>, &StepRecord)) -> SagaStep {
    let participant = step.action.participant(data);
    let kind = participant.map_or("local", |participant| participant.service.name());

    SagaStep {
        name: step.name.to_owned(),
        kind: kind.to_owned(),
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
            let found = list_sagas(self.orders()?, &DEFINITIONS, filter, limit + 1)
                .await
                .map_err(read_error)?;

            let place = |saga: &ListedSaga<OrderSaga>| (saga.started_at, saga.id.0);
            let Listed { items, next } = page_of(found, limit, place);
            Ok(Listed {
                items: items.into_iter().filter_map(readable).collect(),
                next,
            })
        })
    }

    fn show(&self, id: SagaId) -> ReadFuture<'_, SagaDetails> {
        Box::pin(async move {
            let mut found = store::sagas::load(self.orders()?, &DEFINITIONS, &[id])
                .await
                .map_err(read_error)?;
            let stored = found.remove(&id).ok_or(ReadError::NotFound("saga"))?;
            stored.map(shown_saga).map_err(read_error)
        })
    }
}
