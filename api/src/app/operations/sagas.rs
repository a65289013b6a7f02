//! Sagas, read from the orders' own database.

use std::time::Duration;

use domain::saga::{self, CANCEL_ORDER, CREATE_ORDER, DEFINITIONS, OrderSaga, StepRecord};
use domain::{OrderId, SagaId, Timestamp};
use sagas::Step;
use store::inspection::{Cause, ListedSaga, SagaFilter, list_sagas};
use store::sagas::StoredSaga;
use store::services::orders::snapshot as orders;
use store::{Clock, ServiceDatabase};

use super::{Operations, page_of, read_cursor};
use crate::app::history::read_error;
use crate::ports::{
    Listed, ReadError, ReadFuture, SagaDetails, SagaQuery, SagaStep, Sagas, StepAttempt,
};

impl Operations {
    fn orders(&self) -> Result<&ServiceDatabase, ReadError> {
        self.databases
            .iter()
            .find(|database| database.service == domain::ORDERS)
            .ok_or(ReadError::StoreUnavailable)
    }

    async fn filter(
        &self,
        query: SagaQuery,
        before: Option<(Timestamp, SagaId)>,
    ) -> Result<SagaFilter, ReadError> {
        let age = |age: Duration| Clock::system().now().before(age);
        let among = match query.order {
            Some(order) => Some(self.sagas_of(order).await?),
            None => None,
        };

        Ok(SagaFilter {
            kind: query.kind,
            state: query.state,
            started_before: query.older_than.map(age),
            among,
            cause: query.cause.as_deref().map(Cause::containing),
            before,
        })
    }

    /// The sagas that may have worked on an order: their ids follow from its versions, so that they
    /// are found without an index, which every saga would have to write to.
    async fn sagas_of(&self, order: OrderId) -> Result<Vec<SagaId>, ReadError> {
        let head = orders::order_head(self.orders()?, order)
            .await
            .map_err(read_error)?;
        let newest = head.map_or(0, |head| u64::try_from(head.version).unwrap_or(0));

        let oldest = newest.saturating_sub(VERSIONS).max(1);
        let versions = [1].into_iter().chain(oldest.max(2)..=newest);
        let of_version =
            |version| [&CREATE_ORDER, &CANCEL_ORDER].map(|kind| saga::id_of(kind, order, version));
        Ok(versions.flat_map(of_version).collect())
    }
}

/// Looks for the sagas of an order among this many of its newest versions, and the first. An order
/// has one that created it, and one for each time that somebody has tried to cancel it.
const VERSIONS: u64 = 400;

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
        reason: saga.reason.map(|reason| reason.name().to_owned()),
        attempts: saga.attempts,
        steps,
        version: saga.version,
        actions: Vec::new(),
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

/// A saga with what each attempt of its steps has come to.
fn shown_with_attempts(stored: StoredSaga<OrderSaga>) -> SagaDetails {
    let saga = &stored.saga;
    let steps = saga.definition.steps.iter().zip(&saga.steps);
    let attempts: Vec<_> = steps
        .map(|(step, record)| saga.attempts_of(step, record))
        .collect();

    let mut shown = shown_saga(stored);
    for (step, attempts) in shown.steps.iter_mut().zip(attempts) {
        step.attempts = attempts.into_iter().map(StepAttempt::from).collect();
    }
    shown
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
        attempts: Vec::new(),
    }
}

impl Sagas for Operations {
    fn list(&self, query: SagaQuery) -> ReadFuture<'_, Listed<SagaDetails>> {
        Box::pin(async move {
            let before = query.page.cursor.as_deref().map(read_cursor).transpose()?;
            let before = before.map(|(time, id)| (time, SagaId(id)));

            let limit = query.page.limit;
            let filter = self.filter(query, before).await?;
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
            let shown = stored.map(shown_with_attempts).map_err(read_error)?;
            let actions = self.timeline_of(id.0).await?;
            Ok(SagaDetails { actions, ..shown })
        })
    }
}
