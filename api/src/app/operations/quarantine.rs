//! What is parked, read from the services' own databases.

use domain::messages::{CustomerNotice, OrderNotice, OrderRequest};
use domain::{CustomerEvent, MessageId, OrderEvent, Service};
use store::inspection::Cause;
use store::parking::QuarantineFilter;
use store::{Clock, Destination, ServiceDatabase, parking};
use uuid::Uuid;

use super::{Operations, page_of, read_cursor};
use crate::app::history::read_error;
use crate::app::quarantined_views;
use crate::ports::{
    Listed, Parked, ParkedInView, ParkedMessage, ParkedQuery, Quarantine, QuarantineCause,
    ReadError, ReadFuture,
};

/// Shows at most so many causes.
const CAUSES: usize = 200;

fn shown_parked(service: Service, parked: &parking::Parked, behind: u64) -> Parked {
    let message = &parked.message;

    let shard = match message.destination {
        Destination::Shard(shard) => shard.number,
        Destination::Events => 0,
    };

    Parked {
        id: parked.id,
        service: service.name().to_owned(),
        shard,
        entity_type: kind_of(service, &message.name).to_owned(),
        entity_id: message.entity,
        message_type: message.name.clone().into_owned(),
        messages: behind,
        attempts: parked.attempts,
        since: parked.parked_at,
        cause: parked.cause.clone().unwrap_or_default(),
        message: None,
        actions: Vec::new(),
    }
}

/// What a parked message is about: who asks is told by its name where nobody has sent it to a saga.
fn kind_of(service: Service, name: &str) -> &'static str {
    let is_among = |names: &[(&str, u16)]| names.iter().any(|(known, _)| *known == name);
    let of_orders = [
        OrderEvent::WIRE_NAMES,
        OrderNotice::WIRE_NAMES,
        OrderRequest::WIRE_NAMES,
    ];
    let of_customers = [CustomerEvent::WIRE_NAMES, CustomerNotice::WIRE_NAMES];

    if of_orders.into_iter().any(is_among) {
        "order"
    } else if service == domain::CUSTOMERS || of_customers.into_iter().any(is_among) {
        "customer"
    } else {
        "saga"
    }
}

fn shown_message(parked: &parking::Parked) -> ParkedMessage {
    let message = &parked.message;
    let attempt = message.attempt.as_ref();
    let body = message.body.get();

    ParkedMessage {
        source: message.source.to_string(),
        sequence: message.sequence,
        type_version: message.type_version,
        time: message.time,
        saga_id: attempt.map(|attempt| attempt.saga.0),
        saga_step: attempt.map(|attempt| attempt.step.clone().into_owned()),
        saga_attempt: attempt.map(|attempt| attempt.number),
        // What is no JSON is shown as the text that it is.
        body: serde_json::from_str(body).unwrap_or_else(|_| body.into()),
    }
}

fn filter(query: &ParkedQuery) -> Result<QuarantineFilter, ReadError> {
    let cursor = query.page.cursor.as_deref();
    Ok(QuarantineFilter {
        entity: query.entity,
        name: query.message_type.clone(),
        cause: query.cause.as_deref().map(Cause::containing),
        parked_before: query
            .older_than
            .map(|age| Clock::system().now().before(age)),
        after: cursor.map(read_cursor).transpose()?,
    })
}

async fn behind(database: &ServiceDatabase, entity: Uuid) -> Result<u64, ReadError> {
    parking::count_of(database, entity)
        .await
        .map_err(read_error)
}

impl Quarantine for Operations {
    fn list(&self, query: ParkedQuery) -> ReadFuture<'_, Listed<Parked>> {
        Box::pin(async move {
            let (filter, limit) = (filter(&query)?, query.page.limit);
            let mut all = Vec::new();

            let is_meant = |database: &&ServiceDatabase| {
                query
                    .service
                    .is_none_or(|service| service == database.service)
            };
            for database in self.databases.iter().filter(is_meant) {
                let quarantined = parking::list_quarantined(database, &filter, limit + 1)
                    .await
                    .map_err(read_error)?;
                for parked in quarantined {
                    let behind = behind(database, parked.message.entity).await?;
                    all.push(shown_parked(database.service, &parked, behind));
                }
            }

            all.sort_by_key(|parked| (parked.since, parked.id));

            Ok(page_of(all, limit, |parked: &Parked| {
                (parked.since, parked.id.0)
            }))
        })
    }

    fn in_views(&self, query: &ParkedQuery) -> Vec<ParkedInView> {
        quarantined_views::list(&self.views, query)
    }

    fn causes(&self) -> ReadFuture<'_, Vec<QuarantineCause>> {
        Box::pin(async move {
            let mut all = Vec::new();
            for database in self.databases.iter() {
                let causes = parking::causes(database).await.map_err(read_error)?;
                all.extend(causes.into_iter().map(|count| QuarantineCause {
                    cause: count.cause,
                    service: database.service.name().to_owned(),
                    view: None,
                    messages: count.messages,
                    since: count.since,
                    newest: count.newest,
                }));
            }
            all.extend(quarantined_views::causes(&self.views));
            all.sort_by_key(|cause| std::cmp::Reverse(cause.messages));
            all.truncate(CAUSES);
            Ok(all)
        })
    }

    fn show(&self, id: MessageId) -> ReadFuture<'_, Parked> {
        Box::pin(async move {
            for database in self.databases.iter() {
                if let Some(parked) = parking::find(database, id).await.map_err(read_error)? {
                    let behind = behind(database, parked.message.entity).await?;
                    return Ok(Parked {
                        message: Some(shown_message(&parked)),
                        actions: self.timeline(id.0).await?,
                        ..shown_parked(database.service, &parked, behind)
                    });
                }
            }
            Err(ReadError::NotFound("quarantined message"))
        })
    }
}
