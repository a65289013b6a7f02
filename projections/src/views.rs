//! The views of a node: opened, fed, asked how they are, and stopped.
//!
//! Here a view is put together: its writer with a projector, its read side with a waiter table. Queries go to the
//! readers directly ([`Views::documents`]), after [`View::wait_until`] with the caller's token.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::{Service, ShardId};
use serde::Serialize;
use store::{Destination, Log};
use uuid::Uuid;

use crate::ViewError;
use crate::documents::{self, DocumentReader};
use crate::generations::{Opened, ViewStore as _};
use crate::port::{QuarantinedEntity, VersionReader, ViewWriter};
use crate::projector::{CommitPolicy, Lag, Progress, Projector, ViewDefinition, ViewState};
use crate::search::{self, EmbeddedSearchStore, SearchReader};
use crate::token::ConsistencyToken;
use crate::waiting::Waiting;

/// Where the views are.
#[derive(Clone, Debug)]
pub struct ViewsConfig {
    /// The data directory; it exists.
    pub directory: PathBuf,
}

/// Documents are cheap to commit: what gathers is there so that `PENDING` and `APPROVED` of one order become one write.
const DOCUMENTS_COMMIT: CommitPolicy = CommitPolicy { linger: Duration::from_millis(50), max_events: 4_096 };

/// A commit of the index costs tens of milliseconds, whatever is in it; a reader that waits asks for one at once.
const SEARCH_COMMIT: CommitPolicy = CommitPolicy { linger: Duration::from_secs(1), max_events: 50_000 };

/// One view: what feeds it, and who waits for it.
pub struct View {
    definition: ViewDefinition,
    log: Arc<dyn Log>,
    waiting: Arc<Waiting>,
    progress: Arc<Progress>,
    projector: Projector,
}

/// How a view is, as `GET /views` shows it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ViewStatus {
    pub name: &'static str,
    pub backend: &'static str,
    pub state: ViewState,
    /// `None` when the log cannot be read.
    pub lag: Option<Lag>,
    pub quarantined: Vec<QuarantinedEntity>,
    /// Why it is failed, for the operator's log; not for callers.
    #[serde(skip)]
    pub error: Option<String>,
}

impl View {
    /// Starts feeding a view from where it stands.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        definition: ViewDefinition,
        writer: Box<dyn ViewWriter>,
        versions: Arc<dyn VersionReader>,
        log: Arc<dyn Log>,
    ) -> Result<Self, ViewError> {
        let waiting = Arc::new(Waiting::new(definition.name, definition.uses, versions));
        let progress = Arc::new(Progress::new());
        let projector =
            Projector::start(definition, writer, Arc::clone(&log), Arc::clone(&waiting), Arc::clone(&progress))
                .map_err(|source| ViewError::Unavailable { view: definition.name, source: Box::new(source) })?;
        Ok(View { definition, log, waiting, progress, projector })
    }

    #[must_use]
    pub fn name(&self) -> &'static str {
        self.definition.name
    }

    /// Cheap: for every request.
    #[must_use]
    pub fn state(&self) -> ViewState {
        self.progress.state()
    }

    /// Waits until the view has reached all that the token names, at most `timeout`.
    ///
    /// # Errors
    /// [`ViewError::Behind`] when the time is over, [`ViewError::Unavailable`] when the view cannot be asked.
    pub async fn wait_until(&self, token: &ConsistencyToken, timeout: Duration) -> Result<(), ViewError> {
        self.waiting.wait_until(token, timeout).await
    }

    /// How the view is. Measuring the lag reads some rows of the log.
    pub async fn status(&self) -> ViewStatus {
        let shown = self.progress.snapshot();
        let lag = Lag::measure(&*self.log, &self.waiting.committed()).await;
        ViewStatus {
            name: self.definition.name,
            backend: self.definition.backend,
            state: shown.state,
            error: shown.error.or_else(|| lag.as_ref().err().map(ToString::to_string)),
            lag: lag.ok(),
            quarantined: shown.quarantined,
        }
    }

    /// Takes an entity out of quarantine and applies what its history has; see [`Projector::replay`].
    ///
    /// # Errors
    /// When the view has stopped or its store does not answer.
    pub async fn replay(&self, service: Service, entity: Uuid) -> Result<bool, ViewError> {
        self.projector.replay(service, entity).await
    }

    /// Commits what was applied and stops.
    pub async fn stop(&self) {
        self.projector.stop().await;
    }
}

/// All views of a node.
pub struct Views {
    log: Arc<dyn Log>,
    documents: Arc<dyn DocumentReader>,
    document_view: View,
    search: Arc<dyn SearchReader>,
    search_view: View,
}

impl Views {
    /// Opens the views and starts feeding them.
    ///
    /// # Errors
    /// When a view's store cannot be opened.
    pub async fn open(config: &ViewsConfig, log: Arc<dyn Log>) -> Result<Self, ViewError> {
        let (writer, reader) = documents::sqlite::open(&config.directory).await?;
        let reader = Arc::new(reader);
        let definition = ViewDefinition {
            name: documents::VIEW,
            backend: documents::sqlite::BACKEND,
            uses: documents::USES,
            commit: DOCUMENTS_COMMIT,
        };
        let document_view = View::start(definition, Box::new(writer), reader.clone(), Arc::clone(&log))?;
        let store = EmbeddedSearchStore::new(&config.directory);
        let Opened { writer, reader: search, versions } = store.open(1).await?;
        let definition =
            ViewDefinition { name: search::VIEW, backend: store.backend(), uses: search::USES, commit: SEARCH_COMMIT };
        let search_view = View::start(definition, writer, versions, Arc::clone(&log))?;
        Ok(Views { log, documents: reader, document_view, search, search_view })
    }

    /// The read side of the document view.
    #[must_use]
    pub fn documents(&self) -> &Arc<dyn DocumentReader> {
        &self.documents
    }

    /// The document view itself: to wait for it.
    #[must_use]
    pub fn document_view(&self) -> &View {
        &self.document_view
    }

    /// The read side of the search view.
    #[must_use]
    pub fn search(&self) -> &Arc<dyn SearchReader> {
        &self.search
    }

    /// The search view itself: to wait for it.
    #[must_use]
    pub fn search_view(&self) -> &View {
        &self.search_view
    }

    /// All views.
    pub fn all(&self) -> impl Iterator<Item = &View> {
        [&self.document_view, &self.search_view].into_iter()
    }

    /// How all views are.
    pub async fn status(&self) -> Vec<ViewStatus> {
        let mut status = Vec::new();
        for view in self.all() {
            status.push(view.status().await);
        }
        status
    }

    /// The text of a token for an answer, at most [`MAX_TEXT`](crate::token::MAX_TEXT) bytes.
    #[must_use]
    pub fn token_text(&self, token: ConsistencyToken) -> String {
        let sources = self.log.sources();
        let shards = |service| sources.iter().filter(|source| source.service == service).count();
        let shards = |service| u16::try_from(shards(service)).unwrap_or(u16::MAX);
        let head = |shard: ShardId| self.log.head(shard, Destination::Events);
        token.bounded(shards, head).to_text()
    }

    /// Commits what was applied and stops feeding all views. The readers answer still.
    pub async fn stop(&self) {
        for view in self.all() {
            view.stop().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Shop;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_views_of_a_node_are_fed_waited_for_shown_and_stopped() {
        let mut shop = Shop::new();
        let directory = tempfile::TempDir::new().unwrap();
        let config = ViewsConfig { directory: directory.path().to_owned() };
        let views = Views::open(&config, shop.log.clone()).await.unwrap();
        let message = shop.create_customer(1, "Ada Park");
        shop.log.deliver([Arc::clone(&message)]);
        let token = ConsistencyToken::of(Service::Customers, message.entity, 1);
        let text = views.token_text(token.clone());
        let token = ConsistencyToken::parse(&text).unwrap();
        views.document_view().wait_until(&token, Duration::from_secs(5)).await.unwrap();
        let seen = views.documents().count_customers().await.unwrap();
        assert_eq!(seen.value, 1);
        // What an answer gives as its token is reached by whoever sends it.
        let token = ConsistencyToken::at(&seen.positions);
        views.document_view().wait_until(&token, Duration::from_secs(5)).await.unwrap();
        let status = serde_json::to_value(views.status().await).unwrap();
        assert_eq!(status[0]["name"], "documents");
        assert_eq!(status[0]["lag"]["events"], 0);
        let reader = Arc::clone(views.documents());
        views.stop().await;
        assert_eq!(reader.count_customers().await.unwrap().value, 1);
    }
}
