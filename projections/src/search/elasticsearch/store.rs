//! The generations of the search view on a server: an index each, `<namespace>-orders-1`,
//! `<namespace>-orders-2`, … The alias `<namespace>-orders` stands for the one that answers, for
//! people who look at it.

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tracing::warn;
use uuid::Uuid;

use super::client::{Client, InvalidAddress};
use super::index::{Names, describe};
use super::index_slices::ElasticsearchAudit;
use super::reader::ElasticsearchReader;
use super::writer::ElasticsearchWriter;
use super::{BACKEND, catalog, ownership, state};
use crate::ViewError;
use crate::generations::{Audit, Catalog, Found, Opened, ViewStore};
use crate::search::{Search, SearchReader, VIEW, unavailable};

/// The search view on Elasticsearch. It holds no connection: the server may be down, now or later.
#[derive(Clone)]
pub struct ElasticsearchStore {
    client: Client,
    names: Names,
    runtime: Handle,
}

/// Without the address, which may hold secrets.
impl fmt::Debug for ElasticsearchStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ElasticsearchStore")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

impl ElasticsearchStore {
    /// The view at this address, `http(s)://[user:password@]host[:port]`, under this namespace. An
    /// API key goes in the place of the password of a user `ApiKey`. All requests run on `runtime`,
    /// which has threads of its own.
    ///
    /// # Errors
    /// When no server can have this address, or no index this name.
    pub fn new(address: &str, namespace: &str, runtime: Handle) -> Result<Self, InvalidAddress> {
        domain::ids::register();
        Ok(ElasticsearchStore {
            client: Client::new(address)?,
            names: Names::new(namespace)?,
            runtime,
        })
    }

    /// Runs `work` where the connections belong.
    async fn run<T, F>(&self, work: impl FnOnce(Client, Names) -> F) -> Result<T, ViewError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ViewError>> + Send + 'static,
    {
        let task = self
            .runtime
            .spawn(work(self.client.clone(), self.names.clone()));
        task.await.map_err(unavailable)?
    }
}

impl ViewStore<Search> for ElasticsearchStore {
    fn backend(&self) -> &'static str {
        BACKEND
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn catalog(&self) -> BoxFuture<'_, Result<Catalog, ViewError>> {
        self.run(|client, names| async move { catalog::load(&client, &names).await })
            .boxed()
    }

    fn save<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), ViewError>> {
        let catalog = catalog.clone();
        self.run(|client, names| async move {
            catalog::store(&client, &names, &catalog).await?;
            let Some(live) = catalog.live else { return Ok(()) };
            // The catalog is saved; nothing of ours reads through the alias.
            if let Err(error) = state::point_alias(&client, &names, live).await {
                warn!(view = VIEW, alias = names.live(), %error, "the alias does not stand for the answering generation");
            }
            Ok(())
        })
        .boxed()
    }

    fn generations(&self) -> BoxFuture<'_, Result<Vec<Found>, ViewError>> {
        self.run(|client, names| async move { ownership::generations(&client, &names).await })
            .boxed()
    }

    fn open(
        &self,
        generation: u32,
        deployment: Uuid,
    ) -> BoxFuture<'_, Result<Opened<Search>, ViewError>> {
        async move {
            self.run(move |client, names| async move {
                ownership::ensure(&client, &names, generation, deployment).await
            })
            .await?;

            let parts = || {
                (
                    self.client.clone(),
                    self.names.clone(),
                    self.runtime.clone(),
                )
            };
            let (client, names, runtime) = parts();
            let writer = ElasticsearchWriter::new(client, names, generation, deployment, runtime);
            let (client, names, runtime) = parts();
            let reader = Arc::new(ElasticsearchReader::new(client, names, generation, runtime));
            let versions = Arc::clone(&reader);
            let reader: Arc<dyn SearchReader> = reader;

            Ok(Opened {
                writer: Box::new(writer),
                reader,
                versions,
            })
        }
        .boxed()
    }

    fn check(&self, generation: u32, deployment: Uuid) -> BoxFuture<'_, Result<(), ViewError>> {
        self.run(move |client, names| async move {
            ownership::check(&client, &names, generation, deployment).await?;
            Ok(())
        })
        .boxed()
    }

    fn audit(&self, generation: u32) -> BoxFuture<'_, Result<Option<Audit<Search>>, ViewError>> {
        let runtime = self.runtime.clone();
        self.run(move |client, names| async move {
            let found = describe(&client, &names.orders(generation)).await?;
            if found.is_none() {
                return Ok(None);
            }

            let audit: Audit<Search> = Box::new(ElasticsearchAudit {
                client,
                names,
                generation,
                runtime,
            });
            Ok(Some(audit))
        })
        .boxed()
    }

    fn discard(&self, generation: u32, deployment: Uuid) -> BoxFuture<'_, Result<(), ViewError>> {
        self.run(move |client, names| async move {
            match state::load(&client, &names, generation).await {
                Ok((state, _)) => ownership::not_of_another(&state, deployment)?,
                // Whoever had it has lost it: nothing but the numbers of our catalog leads here.
                Err(ViewError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
            // What is left without its index counts as nothing.
            client
                .delete(&format!("/{}", names.orders(generation)))
                .await?;
            Ok(state::discard(&client, &names, generation).await?)
        })
        .boxed()
    }
}
