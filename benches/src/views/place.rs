//! Where the views are while they are measured: a temporary folder, and names of their own on the
//! servers. All of it is removed at the end.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use mongodb::options::ClientOptions;
use projections::documents::Documents;
use projections::documents::mongodb::MongoDocumentStore;
use projections::documents::sqlite::SqliteDocumentStore;
use projections::generations::ViewStore;
use projections::search::{ElasticsearchStore, EmbeddedSearchStore, Search};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::options::{Backend, PlaceOptions};

/// Attempts to remove the folder, over ten seconds.
const REMOVALS: u32 = 100;
const BETWEEN_REMOVALS: Duration = Duration::from_millis(100);

/// A folder and a name that nobody else uses.
pub struct Place<'a> {
    /// Runs the connections to servers.
    pub runtime: &'a Runtime,
    options: &'a PlaceOptions,
    folder: TempDir,
    /// The MongoDB database, and what the names of indices begin with.
    pub namespace: String,
}

/// The generations of a view.
pub enum Store {
    /// Generations of the document view.
    Documents(Arc<dyn ViewStore<Documents>>),
    /// Generations of the search view.
    Search(Arc<dyn ViewStore<Search>>),
}

impl<'a> Place<'a> {
    /// Makes a temporary folder, and a name for the servers.
    pub fn new(runtime: &'a Runtime, options: &'a PlaceOptions) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("views-")
            .tempdir_in(&options.folder);
        let folder = folder
            .with_context(|| format!("folder: cannot write to {}", options.folder.display()))?;
        let namespace = format!("bench-{}", uuid::Uuid::now_v7().simple());
        Ok(Place {
            runtime,
            options,
            folder,
            namespace,
        })
    }

    /// The folder of embedded views.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The MongoDB server; an error when none was named.
    pub fn mongodb_url(&self) -> anyhow::Result<&str> {
        self.options
            .mongodb_url
            .as_deref()
            .context("mongodb-url: is needed for MongoDB")
    }

    /// The Elasticsearch server; an error when none was named.
    pub fn elasticsearch_url(&self) -> anyhow::Result<&str> {
        self.options
            .elasticsearch_url
            .as_deref()
            .context("elasticsearch-url: is needed for Elasticsearch")
    }

    /// The view's generations; none exists yet.
    pub fn store(&self, backend: Backend) -> anyhow::Result<Store> {
        let runtime = self.runtime.handle().clone();

        Ok(match backend {
            Backend::Sqlite => Store::Documents(Arc::new(SqliteDocumentStore::new(self.folder()))),
            Backend::Tantivy => Store::Search(Arc::new(EmbeddedSearchStore::new(self.folder()))),
            Backend::Mongodb => {
                let store = MongoDocumentStore::new(self.mongodb_url()?, &self.namespace, runtime);
                self.mongodb()?;
                Store::Documents(Arc::new(
                    self.runtime.block_on(store).context("mongodb-url")?,
                ))
            }
            Backend::Elasticsearch => {
                let store =
                    ElasticsearchStore::new(self.elasticsearch_url()?, &self.namespace, runtime);
                Store::Search(Arc::new(store.context("elasticsearch-url")?))
            }
        })
    }

    /// The database of this place by the bare driver.
    pub fn mongodb(&self) -> anyhow::Result<mongodb::Database> {
        self.runtime.block_on(async {
            let options = ClientOptions::parse(self.mongodb_url()?)
                .await
                .context("mongodb-url")?;
            ensure!(
                options.default_database.is_none(),
                "mongodb-url: names a database; here one is made and dropped"
            );
            Ok(mongodb::Client::with_options(options)?.database(&self.namespace))
        })
    }

    /// The bare client of Elasticsearch.
    pub fn elasticsearch(&self) -> anyhow::Result<elasticsearch::Elasticsearch> {
        use elasticsearch::http::transport::Transport;
        let transport =
            Transport::single_node(self.elasticsearch_url()?).context("elasticsearch-url")?;
        Ok(elasticsearch::Elasticsearch::new(transport))
    }

    /// Removes the folder, and what the servers have of this place.
    pub fn remove(self, backend: Backend) -> anyhow::Result<()> {
        match backend {
            Backend::Sqlite | Backend::Tantivy => {}
            Backend::Mongodb => self
                .runtime
                .block_on(self.mongodb()?.drop().into_future())?,
            Backend::Elasticsearch => self.delete_indices()?,
        }

        // Merges of an index go on for a moment after its writer was dropped, and write into the
        // folder.
        for _ in 0..REMOVALS {
            if fs::remove_dir_all(self.folder()).is_ok() {
                return Ok(());
            }
            std::thread::sleep(BETWEEN_REMOVALS);
        }
        bail!("folder: {} cannot be removed", self.folder().display())
    }

    fn delete_indices(&self) -> anyhow::Result<()> {
        use elasticsearch::indices::IndicesDeleteParts;
        let names =
            ["orders-1", "orders-2", "views"].map(|name| format!("{}-{name}", self.namespace));
        let names = names.each_ref().map(String::as_str);
        let client = self.elasticsearch()?;

        let deleting = client.indices();
        let deleting = deleting
            .delete(IndicesDeleteParts::Index(&names))
            .ignore_unavailable(true)
            .send();

        let status = self.runtime.block_on(deleting)?.status_code();
        if !status.is_success() {
            bail!("the indices {}-* are not deleted: {status}", self.namespace);
        }

        Ok(())
    }
}
