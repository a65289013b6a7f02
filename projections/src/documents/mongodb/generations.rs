//! The generations of the view in one database, and the catalog that says which is which: a
//! document of the collection `views`.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use mongodb::Database;
use mongodb::bson::{Bson, Document, deserialize_from_document, doc, serialize_to_bson};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::connection::{Connection, InvalidUrl};
use super::document_slices::MongoDocumentAudit;
use super::errors::{DUPLICATE_KEY, code_of, failed};
use super::reader::MongoDocumentReader;
use super::writer::MongoDocumentWriter;
use super::{BACKEND, Names, WRITE_BOUND, indexes, names, ownership, positions, quarantine};
use crate::ViewError;
use crate::documents::{Documents, VIEW, damaged, refused};
use crate::generations::{Audit, Catalog, Found, Opened, ViewStore};

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

impl ViewStore<Documents> for MongoDocumentStore {
    fn backend(&self) -> &'static str {
        BACKEND
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn catalog(&self) -> BoxFuture<'_, Result<Catalog, ViewError>> {
        self.keep(|database| async move { read_catalog(&database).await })
    }

    fn save<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), ViewError>> {
        let catalog = catalog.clone();
        self.keep(move |database| async move {
            write_catalog(&database, &catalog).await?;
            // The catalog is saved; nothing of ours reads through the names.
            if let Err(error) = names::point_to(&database, catalog.live).await {
                tracing::warn!(view = VIEW, %error, "the names do not stand for the answering generation");
            }
            Ok(())
        })
    }

    fn generations(&self) -> BoxFuture<'_, Result<Vec<Found>, ViewError>> {
        self.keep(|database| async move {
            let collections = database.list_collection_names().await.map_err(failed)?;
            let number = |name: &String| {
                let number = name
                    .strip_prefix("customers_")
                    .or_else(|| name.strip_prefix("orders_"));
                number?.parse().ok()
            };
            let numbers: BTreeSet<u32> = collections.iter().filter_map(number).collect();

            let mut generations = Vec::new();
            for number in numbers {
                generations.push(Found {
                    number,
                    deployment: ownership::owner(&database, number).await?,
                });
            }
            Ok(generations)
        })
    }

    fn open(
        &self,
        generation: u32,
        deployment: Uuid,
    ) -> BoxFuture<'_, Result<Opened<Documents>, ViewError>> {
        let names = Names::of(generation);
        async move {
            let named = names.clone();
            self.keep(move |database| async move { ensure(&database, &named, deployment).await })
                .await?;
            let connection = self.connection.clone();
            let writer = MongoDocumentWriter::new(connection, names.clone(), deployment);
            let reader = Arc::new(MongoDocumentReader::new(self.connection.clone(), names));
            let versions = Arc::clone(&reader);

            Ok(Opened::<Documents> {
                writer: Box::new(writer),
                reader,
                versions,
            })
        }
        .boxed()
    }

    fn check(&self, generation: u32, deployment: Uuid) -> BoxFuture<'_, Result<(), ViewError>> {
        let names = Names::of(generation);
        self.keep(move |database| async move {
            if !ownership::is_unchanged(&database, &names, deployment).await? {
                return Err(damaged("its collections are not noted any more"));
            }
            // An index that somebody has dropped is made again, and queries need it.
            indexes::create(&database, &names).await
        })
    }

    fn audit(&self, generation: u32) -> BoxFuture<'_, Result<Option<Audit<Documents>>, ViewError>> {
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

            let audit: Audit<Documents> = Box::new(MongoDocumentAudit {
                connection: self.connection.clone(),
                names,
            });

            Ok(Some(audit))
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.connection.close().boxed()
    }

    fn discard(&self, generation: u32, deployment: Uuid) -> BoxFuture<'_, Result<(), ViewError>> {
        let names = Names::of(generation);
        self.keep(move |database| async move {
            ownership::not_of_another(&database, generation, deployment).await?;
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

/// Makes what a generation needs and does not have.
async fn ensure(database: &Database, names: &Names, deployment: Uuid) -> Result<(), ViewError> {
    ownership::claim(database, names.generation, deployment).await?;
    let is_noted = ownership::is_unchanged(database, names, deployment).await?;
    indexes::create(database, names).await?;
    if is_noted {
        Ok(())
    } else {
        ownership::note(database, names).await
    }
}

async fn read_catalog(database: &Database) -> Result<Catalog, ViewError> {
    let catalogs = database.collection::<Document>(CATALOGS);
    let found = catalogs.find_one(doc! {"_id": VIEW}).await;
    let Some(stored) = found.map_err(failed)? else {
        return Ok(Catalog::default());
    };
    let catalog = stored.get_document("catalog").map_err(no_catalog)?;
    deserialize_from_document(catalog.clone()).map_err(no_catalog)
}

/// Writes the catalog over whatever is there, if that is no newer one, and not that of another
/// deployment.
async fn write_catalog(database: &Database, catalog: &Catalog) -> Result<(), ViewError> {
    let stored = serialize_to_bson(catalog).map_err(refused)?;
    let mut stands_back = free_or_ours(&stored);
    if catalog.revision > 0 {
        let revision = i64::try_from(catalog.revision).map_err(refused)?;
        let older = doc! {"catalog.revision": {"$lt": revision}};
        let unnumbered = doc! {"catalog.revision": {"$exists": false}};
        stands_back.insert("$and", vec![doc! {"$or": [older, unnumbered]}]);
    }
    if replace_catalog(database, stands_back, &stored).await? {
        return Ok(());
    }

    match read_catalog(database).await {
        Ok(found)
            if found
                .deployment
                .is_none_or(|owner| Some(owner) == catalog.deployment) =>
        {
            Err(ViewError::overtaken(VIEW))
        }
        // What has a revision may be no catalog all the same.
        Err(ViewError::Damaged { .. })
            if replace_catalog(database, free_or_ours(&stored), &stored).await? =>
        {
            Ok(())
        }
        Ok(_) | Err(ViewError::Damaged { .. }) => Err(ViewError::Foreign {
            view: VIEW,
            what: "another deployment has begun to keep its views in the same database".to_owned(),
        }),
        Err(error) => Err(error),
    }
}

/// What is stored, where it belongs to nobody else.
fn free_or_ours(catalog: &Bson) -> Document {
    let owner = |catalog: &Bson| catalog.as_document()?.get("deployment").cloned();
    let ours = owner(catalog);
    doc! {
        "_id": VIEW,
        "$or": [{"catalog.deployment": ours}, {"catalog.deployment": {"$exists": false}}],
    }
}

/// Puts the catalog in the place of what is so, or of nothing; false when something else is there.
async fn replace_catalog(
    database: &Database,
    what: Document,
    catalog: &Bson,
) -> Result<bool, ViewError> {
    let catalogs = database.collection::<Document>(CATALOGS);
    let new = doc! {"_id": VIEW, "catalog": catalog};
    let written = catalogs.replace_one(what, new).upsert(true).await;
    match written {
        Err(error) if code_of(&error) == Some(DUPLICATE_KEY) => Ok(false),
        written => written.map(|_| true).map_err(failed),
    }
}

fn no_catalog(error: impl std::fmt::Display) -> ViewError {
    damaged(format_args!("its catalog: {error}"))
}
