//! The connection to the database: all of the driver's work is done on one runtime, and none of it
//! takes for ever.
//!
//! A socket belongs to the runtime that opened it, and callers come from many: HTTP workers each
//! have one of their own.

use std::time::Duration;

use mongodb::options::{
    ClientOptions, DatabaseOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern,
};
use mongodb::{Client, Database};
use tokio::runtime::Handle;

use crate::ViewError;
use crate::documents::unavailable;

/// How long it takes at most to see that no server answers.
const SELECTION_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the end of a client is awaited.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

/// Why a URL names no MongoDB database.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidUrl(String);

#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// Where the view is. Its calls belong on the runtime.
    pub database: Database,
    runtime: Handle,
}

impl Connection {
    /// Reads the URL. Nothing is connected yet, so the server may be down.
    pub(super) async fn new(
        url: &str,
        namespace: &str,
        runtime: Handle,
    ) -> Result<Self, InvalidUrl> {
        let url = url.to_owned();

        let parsing = runtime.spawn(async move { ClientOptions::parse(url).await });
        let parsed = parsing
            .await
            .map_err(|error| InvalidUrl(error.to_string()))?;

        let mut options = parsed.map_err(|error| InvalidUrl(error.to_string()))?;
        options.server_selection_timeout = Some(
            options
                .server_selection_timeout
                .unwrap_or(SELECTION_TIMEOUT),
        );

        options.connect_timeout = Some(options.connect_timeout.unwrap_or(SELECTION_TIMEOUT));

        options
            .app_name
            .get_or_insert_with(|| "counterfoil".to_owned());

        let name = options
            .default_database
            .clone()
            .unwrap_or_else(|| namespace.to_owned());
        // The client starts watching its servers on the runtime that it is made on.
        let _inside = runtime.enter();

        let client =
            Client::with_options(options).map_err(|error| InvalidUrl(error.to_string()))?;

        let options = DatabaseOptions::builder()
            .read_concern(ReadConcern::majority())
            .write_concern(WriteConcern::majority())
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .build();
        let database = client.database_with_options(&name, options);

        Ok(Connection { database, runtime })
    }

    /// Ends the tasks of the client. A client that is dropped says farewell to its servers in the
    /// background, and panics there when its runtime ends before it has.
    pub(super) async fn close(&self) {
        let client = self.database.client().clone();
        let ends = self.runtime.spawn(async move {
            let ends = client.shutdown().immediate(true);
            // Farewell or not, nothing is lost.
            let _ = tokio::time::timeout(ENDS_WITHIN, ends.into_future()).await;
        });
        let _ = ends.await;
    }

    /// Does some work on the runtime of the sockets.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        bound: Duration,
        work: impl Future<Output = Result<T, ViewError>> + Send + 'static,
    ) -> Result<T, ViewError> {
        self.runtime
            .spawn(bounded(bound, work))
            .await
            .map_err(unavailable)?
    }

    /// Does some work while the calling thread, which belongs to no runtime, waits for it.
    pub(super) fn wait_for<T>(
        &self,
        bound: Duration,
        work: impl Future<Output = Result<T, ViewError>>,
    ) -> Result<T, ViewError> {
        self.runtime.block_on(bounded(bound, work))
    }
}

async fn bounded<T>(
    bound: Duration,
    work: impl Future<Output = Result<T, ViewError>>,
) -> Result<T, ViewError> {
    tokio::time::timeout(bound, work)
        .await
        .unwrap_or_else(|elapsed| Err(unavailable(elapsed)))
}
