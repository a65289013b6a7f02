//! Where the views are kept: the one place where the backends of views are chosen, for a node and
//! for the auditor.

use std::sync::Arc;

use anyhow::Context;
use projections::ViewStores;
use projections::documents::Documents;
use projections::documents::mongodb::MongoDocumentStore;
use projections::documents::sqlite::SqliteDocumentStore;
use projections::generations::ViewStore;
use projections::search::{ElasticsearchStore, EmbeddedSearchStore, Search};
use tokio::runtime::Handle;

use crate::config::{Config, DocumentsBackend, SearchBackend};

/// The stores that the configuration names. It connects nothing yet: a store that is down does not
/// keep a node from starting. Connections belong to the runtime of `io`.
///
/// # Errors
/// When an address cannot be one of such a store.
pub(crate) async fn view_stores(config: &Config, io: &Handle) -> anyhow::Result<ViewStores> {
    Ok(ViewStores {
        documents: documents(config, io).await?,
        search: search(config, io)?,
    })
}

async fn documents(config: &Config, io: &Handle) -> anyhow::Result<Arc<dyn ViewStore<Documents>>> {
    match &config.documents_url {
        DocumentsBackend::Embedded => Ok(Arc::new(SqliteDocumentStore::new(&config.data_dir))),
        DocumentsBackend::MongoDb(url) => {
            let store = MongoDocumentStore::new(url.expose(), &config.namespace, io.clone()).await;
            Ok(Arc::new(store.with_context(|| {
                format!("COUNTERFOIL_DOCUMENTS_URL is \"{url}\"")
            })?))
        }
    }
}

fn search(config: &Config, io: &Handle) -> anyhow::Result<Arc<dyn ViewStore<Search>>> {
    match &config.search_url {
        SearchBackend::Embedded => Ok(Arc::new(EmbeddedSearchStore::new(&config.data_dir))),
        SearchBackend::Elasticsearch(url) => {
            let store = ElasticsearchStore::new(url.expose(), &config.namespace, io.clone());
            Ok(Arc::new(store.with_context(|| {
                format!("COUNTERFOIL_SEARCH_URL is \"{url}\"")
            })?))
        }
    }
}
