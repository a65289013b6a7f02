//! What is parked, read from the services' own databases.

use domain::{MessageId, Service};
use store::{Destination, parking};

use super::{Operations, page_of, read_cursor};
use crate::app::history::read_error;
use crate::ports::{Listed, Page, Parked, Quarantine, ReadError, ReadFuture};

fn shown_parked(service: Service, parked: parking::Parked, behind: u64) -> Parked {
    let message = &parked.message;

    let shard = match message.destination {
        Destination::Shard(shard) => shard.number,
        Destination::Events => 0,
    };

    Parked {
        id: parked.id,
        service: service.name().to_owned(),
        shard,
        entity_type: match service {
            domain::CUSTOMERS => "customer".to_owned(),
            _ => "saga".to_owned(),
        },
        entity_id: message.entity,
        message_type: message.name.clone().into_owned(),
        messages: behind,
        attempts: parked.attempts,
        since: parked.parked_at,
        cause: parked.cause.unwrap_or_default(),
    }
}

impl Quarantine for Operations {
    fn list(&self, page: Page) -> ReadFuture<'_, Listed<Parked>> {
        Box::pin(async move {
            let after = page.cursor.as_deref().map(read_cursor).transpose()?;
            let mut all = Vec::new();

            for database in self.databases.iter() {
                let quarantined = parking::list_quarantined(database, after, page.limit + 1)
                    .await
                    .map_err(read_error)?;
                for parked in quarantined {
                    let behind = parking::count_of(database, parked.message.entity)
                        .await
                        .map_err(read_error)?;
                    all.push(shown_parked(database.service, parked, behind));
                }
            }

            all.sort_by_key(|parked| (parked.since, parked.id));

            Ok(page_of(all, page.limit, |parked: &Parked| {
                (parked.since, parked.id.0)
            }))
        })
    }

    fn show(&self, id: MessageId) -> ReadFuture<'_, Parked> {
        Box::pin(async move {
            for database in self.databases.iter() {
                if let Some(parked) = parking::find(database, id).await.map_err(read_error)? {
                    let behind = parking::count_of(database, parked.message.entity)
                        .await
                        .map_err(read_error)?;
                    return Ok(shown_parked(database.service, parked, behind));
                }
            }
            Err(ReadError::NotFound("quarantined message"))
        })
    }
}
