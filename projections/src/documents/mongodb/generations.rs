//! The generations of the view in one database, and the catalog that says which is which: a
//! document of the collection `views`.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use mongodb::Database;
use mongodb::bson::{Document, deserialize_from_document, doc, serialize_to_bson};
use tokio::runtime::Handle;

use super::audit::MongoDocumentAudit;
use super::connection::{Connection, InvalidUrl};
use super::errors::failed;
use super::reader::MongoDocumentReader;
use super::writer::MongoDocumentWriter;
use super::{BACKEND, Names, WRITE_BOUND, indexes, names, positions, quarantine};
use crate::ViewError;
use crate::audit::ViewAudit;
use crate::documents::{DocumentReader, VIEW, corrupt};
use crate::generations::{Catalog, Opened, ViewStore};

const CATALOGS: &str = "views";

/// The document view of a cluster.
#[derive(Clone, Debug)]
pub struct MongoDocumentStore {
    connection: Connection,
}

impl MongoDocumentStore {
    /// The view in the database that the URL names, else in one of the name of `namespace`. All
    /// work is done on `runtime`, which has more threads than one and drives I/O and time. Nothing
    /// is connected yet, so the server may be down.
    ///
    /// # Errors
    /// When the URL cannot be read; it names what is wrong with it.
    pub async fn new(url: &str, namespace: &str, runtime: Handle) -> Result<Self, InvalidUrl> {
        domain::ids::register();
        Ok(MongoDocumentStore {
            connection: Connection::new(url, namespace, runtime).await?,
        })
    }

    /// Keeps generations on the runtime of the sockets.
    fn keep<T, F>(&self, work: impl FnOnce(Database) -> F) -> BoxFuture<'_, Result<T, ViewError>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ViewError>> + Send + 'static,
    {
        self.connection
            .run(WRITE_BOUND, work(self.connection.database.clone()))
            .boxed()
    }
}

impl ViewStore<dyn DocumentReader> for MongoDocumentStore {
    fn backend(&self) -> &'static str {
        BACKEND
    }

    fn catalog(&self) -> BoxFuture<'_, Result<Catalog, ViewError>> {
        self.keep(|database| async move {
            let catalogs = database.collection::<Document>(CATALOGS);
            let Some(stored) = catalogs
                .find_one(doc! {"_id": VIEW})
                .await
                .map_err(failed)?
            else {
                return Ok(Catalog::default());
            };
            let catalog = stored.get_document("catalog").map_err(corrupt)?;
            deserialize_from_document(catalog.clone()).map_err(corrupt)
        })
    }

    fn save<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), ViewError>> {
        let (stored, live) = (serialize_to_bson(catalog), catalog.live);
        self.keep(move |database| async move {
            let stored = doc! {"_id": VIEW, "catalog": stored.map_err(corrupt)?};
            let catalogs = database.collection::<Document>(CATALOGS);
            catalogs
                .replace_one(doc! {"_id": VIEW}, stored)
                .upsert(true)
                .await
                .map_err(failed)?;
            names::point_to(&database, live).await
        })
    }

    fn open(
        &self,
        generation: u32,
    ) -> BoxFuture<'_, Result<Opened<dyn DocumentReader>, ViewError>> {
        let names = Names::of(generation);
        async move {
            let named = names.clone();
            self.keep(|database| async move { indexes::create(&database, &named).await })
                .await?;
            let writer = MongoDocumentWriter::new(self.connection.clone(), names.clone());
            let reader = Arc::new(MongoDocumentReader::new(self.connection.clone(), names));
            let versions = Arc::clone(&reader);

            Ok(Opened::<dyn DocumentReader> {
                writer: Box::new(writer),
                reader,
                versions,
            })
        }
        .boxed()
    }

    fn audit(
        &self,
        generation: u32,
    ) -> BoxFuture<'_, Result<Option<Box<dyn ViewAudit>>, ViewError>> {
        let names = Names::of(generation);
        async move {
            let wanted = names.orders.clone();

            let listing = self.keep(|database| async move {
                database
                    .list_collection_names()
                    .filter(doc! {"name": wanted})
                    .await
                    .map_err(failed)
            });

            if listing.await?.is_empty() {
                return Ok(None);
            }

            let audit: Box<dyn ViewAudit> = Box::new(MongoDocumentAudit {
                connection: self.connection.clone(),
                names,
            });

            Ok(Some(audit))
        }
        .boxed()
    }

    fn discard(&self, generation: u32) -> BoxFuture<'_, Result<(), ViewError>> {
        let names = Names::of(generation);
        self.keep(move |database| async move {
            // The positions go first: whatever is left of a generation without them, should this be
            // interrupted, is written over when it is opened again.
            positions::forget(&database, generation).await?;
            quarantine::forget(&database, generation).await?;

            for collection in [&names.customers, &names.orders] {
                database
                    .collection::<Document>(collection)
                    .drop()
                    .await
                    .map_err(failed)?;
            }

            Ok(())
        })
    }
}
