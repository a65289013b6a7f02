//! The view as an auditor reads it: all documents, range by range. Positions are read before
//! documents, so that these show at least what the positions say.

use domain::Service;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, TryStreamExt as _};
use mongodb::bson::{self, RawDocumentBuf, deserialize_from_slice, doc};
use serde::de::DeserializeOwned;
use store::Positions;
use store::snapshot::IdRange;

use super::connection::Connection;
use super::errors::failed;
use super::shapes::{StoredCustomer, StoredOrder, id_of};
use super::{Names, WRITE_BOUND, positions, quarantine, queries};
use crate::ViewError;
use crate::documents::damaged;
use crate::port::QuarantinedEntity;
use crate::shop::document::beside_order;
use crate::shop::{CustomerDocument, Document, OrderDocument};
use crate::slices::{Slice, Stored, ViewAudit};

/// Reads one generation in whole.
#[derive(Debug)]
pub(super) struct MongoDocumentAudit {
    /// How its database is reached.
    pub connection: Connection,
    /// Of the generation's collections.
    pub names: Names,
}

type Raw = (Positions, Vec<RawDocumentBuf>, Vec<QuarantinedEntity>);

impl MongoDocumentAudit {
    async fn read(
        &self,
        collection: &str,
        mut filter: bson::Document,
        range: IdRange,
    ) -> Result<Raw, ViewError> {
        let mut ids = bson::Document::new();
        if let Some(after) = range.after {
            ids.insert("$gt", after.to_string());
        }

        if let Some(up_to) = range.up_to {
            ids.insert("$lte", up_to.to_string());
        }

        if !ids.is_empty() {
            filter.insert("_id", ids);
        }

        let (database, generation) = (self.connection.database.clone(), self.names.generation);
        let collection = database.collection::<RawDocumentBuf>(collection);

        let reading = async move {
            let positions = positions::committed(&database, generation).await?;
            let found = collection
                .find(filter)
                .sort(doc! {"_id": 1})
                .projection(doc! {"orders": 0});
            let found = found
                .max_time(WRITE_BOUND)
                .await
                .map_err(failed)?
                .try_collect()
                .await
                .map_err(failed)?;
            let quarantined = quarantine::list(&database, generation, None).await?;
            Ok((positions, found, quarantined))
        };
        self.connection.run(WRITE_BOUND, reading).await
    }
}

impl ViewAudit<Document> for MongoDocumentAudit {
    fn slice(
        &self,
        service: Service,
        range: IdRange,
    ) -> BoxFuture<'_, Result<Slice<Document>, ViewError>> {
        async move {
            let (collection, filter, stored): (_, _, fn(&RawDocumentBuf) -> _) = match service {
                domain::CUSTOMERS => (&self.names.customers, queries::is_customer(), customer),
                _ => (&self.names.orders, bson::Document::new(), order),
            };
            let (positions, found, quarantined) = self.read(collection, filter, range).await?;

            Ok(Slice {
                entities: found.iter().map(stored).collect::<Result<_, _>>()?,
                positions,
                quarantined,
            })
        }
        .boxed()
    }
}

fn customer(raw: &RawDocumentBuf) -> Result<Stored<Document>, ViewError> {
    let id = id_of(raw.get_str("_id").map_err(damaged)?)?;
    let document = read_back::<StoredCustomer>(raw).and_then(CustomerDocument::try_from);
    Ok(Stored::once(id, document.map(Document::Customer)))
}

/// The id is the collection's key, so an order is there once.
fn order(raw: &RawDocumentBuf) -> Result<Stored<Document>, ViewError> {
    let id = id_of(raw.get_str("_id").map_err(damaged)?)?;

    let version = raw
        .get_i64("version")
        .ok()
        .and_then(|version| u64::try_from(version).ok())
        .unwrap_or(0);

    let total = raw
        .get_document("orderTotal")
        .and_then(|total| total.get_i64("cents"))
        .unwrap_or(0);

    let document = read_back::<StoredOrder>(raw).and_then(OrderDocument::try_from);

    Ok(Stored {
        disagreements: beside_order(&document, version, total),
        ..Stored::once(id, document.map(Document::Order))
    })
}

fn read_back<T: DeserializeOwned>(raw: &RawDocumentBuf) -> Result<T, ViewError> {
    deserialize_from_slice(raw.as_bytes()).map_err(damaged)
}
