//! What is parked, read from the services' own databases.

use domain::messages::{CustomerNotice, OrderNotice, OrderRequest};
use domain::wire::names::is_among;
use domain::{CustomerEvent, MessageId, OrderEvent, Service, ShardId};
use store::actions::ActionFilter;
use store::inspection::Cause;
use store::parking::QuarantineFilter;
use store::{Clock, Destination, Message, ServiceDatabase, StoreError, history, parking};
use uuid::Uuid;

use super::{Operations, page_of, read_cursor};
use crate::app::history::read_error;
use crate::app::{quarantined_views, recorded_views};
use crate::ports::{
    EventNotTakenIn, InViewsQuery, Listed, Parked, ParkedInView, ParkedMessage, ParkedQuery,
    Quarantine, QuarantineCause, ReadError, ReadFuture,
};

/// Shows this many causes at most.
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

fn shown_event(event: &Message) -> EventNotTakenIn {
    let body = event.body.get();
    EventNotTakenIn {
        message_id: event.id(),
        message_type: event.name.clone().into_owned(),
        type_version: event.type_version,
        correlation_id: event.correlation_id,
        // What is no JSON is shown as the text that it is.
        body: serde_json::from_str(body).unwrap_or_else(|_| body.into()),
    }
}

/// What a parked message is about: who asks is told by its name where nobody has sent it to a saga.
fn kind_of(service: Service, name: &str) -> &'static str {
    let is_among = |names| is_among(name, names);
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

/// The messages that a filter means, oldest first, at most `limit`: of what `find` finds, as many
/// at a time. A database finds by their causes some that have others.
async fn all_meant(
    mut filter: QuarantineFilter,
    limit: usize,
    find: impl AsyncFn(&QuarantineFilter) -> Result<Vec<parking::Parked>, StoreError>,
) -> Result<Vec<parking::Parked>, StoreError> {
    let cause = filter.cause.clone();
    let is_meant = |parked: &parking::Parked| {
        let told = parked.cause.as_deref().unwrap_or_default();
        cause.as_ref().is_none_or(|meant| meant.is_in(told))
    };
    let mut listed = Vec::new();

    loop {
        let found = find(&filter).await?;
        let is_all = found.len() < limit;
        let last = found.last().map(|parked| (parked.parked_at, parked.id.0));
        listed.extend(found.into_iter().filter(is_meant));

        // A row that says nothing of itself stands before all others, and leads nowhere.
        let goes_on = last > filter.after;
        if is_all || !goes_on || listed.len() >= limit {
            listed.truncate(limit);
            return Ok(listed);
        }
        filter.after = last;
    }
}

async fn behind(database: &ServiceDatabase, entity: Uuid) -> Result<u64, ReadError> {
    parking::count_of(database, entity)
        .await
        .map_err(read_error)
}

impl Operations {
    /// The event that brought an entity to a version. None where this node does not reach its
    /// database, or its row is what cannot be read: the cause says so.
    async fn event_at(
        &self,
        source: ShardId,
        entity: Uuid,
        version: u64,
    ) -> Result<Option<EventNotTakenIn>, ReadError> {
        let mut databases = self.databases.iter();
        let Some(database) = databases.find(|database| database.service == source.service) else {
            return Ok(None);
        };
        match history::events(database, source, entity, version, 1).await {
            Ok(events) => {
                let event = events.iter().find(|event| event.version == version);
                Ok(event.map(shown_event))
            }
            Err(StoreError::Corrupt { .. }) => Ok(None),
            Err(error) => Err(read_error(error)),
        }
    }
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
                let find = async |filter: &QuarantineFilter| {
                    parking::list_quarantined(database, filter, limit + 1).await
                };
                let quarantined = all_meant(filter.clone(), limit + 1, find).await;
                for parked in quarantined.map_err(read_error)? {
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
        quarantined_views::beside(&self.views, query)
    }

    fn list_in_views(&self, query: InViewsQuery) -> ReadFuture<'_, Listed<ParkedInView>> {
        Box::pin(async move { quarantined_views::list(&self.views, &query) })
    }

    fn show_in_view<'a>(&'a self, view: &'a str, entity: Uuid) -> ReadFuture<'a, ParkedInView> {
        Box::pin(async move {
            let (found, source) = quarantined_views::find(&self.views, view, entity)?;
            let about_it_here = ActionFilter {
                about: Some(entity),
                subject: Some(recorded_views::subject_of(view)),
                before: None,
            };
            Ok(ParkedInView {
                event: self.event_at(source, entity, found.version).await?,
                actions: self.timeline(about_it_here).await?,
                ..found
            })
        })
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
                        actions: self.timeline_of(id.0).await?,
                        ..shown_parked(database.service, &parked, behind)
                    });
                }
            }
            Err(ReadError::NotFound("quarantined message"))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::Timestamp;
    use serde_json::value::RawValue;
    use store::parking::ParkedState;

    use super::*;

    fn parked(number: u8, cause: &str) -> parking::Parked {
        let shard = ShardId::new(domain::CUSTOMERS, 0);
        let parked_at = Timestamp::from_micros(i64::from(number));
        parking::Parked {
            id: MessageId(Uuid::from_u128(u128::from(number))),
            message: Message {
                source: shard,
                sequence: u64::from(number),
                previous: 0,
                destination: Destination::Shard(shard),
                entity: Uuid::nil(),
                version: 0,
                name: "customer.reserve-credit".into(),
                type_version: 1,
                correlation_id: Uuid::nil(),
                attempt: None,
                time: parked_at,
                body: Arc::from(RawValue::NULL.to_owned()),
            },
            place: u64::from(number),
            state: ParkedState::Quarantined,
            attempts: 5,
            cause: Some(cause.to_owned()),
            next_attempt_at: None,
            parked_at,
            version: 1,
        }
    }

    /// The numbers of those listed, of a database that finds all there are by their causes.
    async fn listed(cause: &str, limit: usize) -> Vec<u64> {
        let id = Uuid::from_u128(7);
        let all = [
            parked(1, "größe"),
            parked(2, "grotte"),
            parked(3, &format!("order {id} is gone")),
            parked(4, "order not-an-id is gone"),
            parked(5, &format!("order {id} is gone")),
        ];
        let filter = QuarantineFilter {
            cause: Some(Cause::containing(cause)),
            ..QuarantineFilter::default()
        };
        let find = async |filter: &QuarantineFilter| {
            let rest = all.iter().filter(|parked| {
                filter
                    .after
                    .is_none_or(|after| after < (parked.parked_at, parked.id.0))
            });
            Ok(rest.take(limit).cloned().collect())
        };
        let listed = all_meant(filter, limit, find).await.unwrap();
        listed.iter().map(|parked| parked.place).collect()
    }

    #[actix_web::test]
    async fn only_what_has_the_cause_is_listed_however_much_else_the_database_finds() {
        for limit in 1..=6 {
            let first = |all: &[u64]| all.iter().copied().take(limit).collect::<Vec<_>>();
            assert_eq!(listed("order {id} is", limit).await, first(&[3, 5]));
            assert_eq!(listed("{id}", limit).await, first(&[3, 5]));
            assert_eq!(listed("größe", limit).await, first(&[1]));
            assert_eq!(listed("{id}{id}", limit).await, first(&[]));
        }
    }
}
