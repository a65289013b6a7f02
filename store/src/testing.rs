//! Two services that the tests of this crate work on, which keep nothing but the mechanism's
//! tables; and the ground that their databases stand on.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sagas::Service;
use tempfile::TempDir;
use tokio::runtime::Builder;

use crate::database::postgres::testing::TestDatabase;
use crate::{ServiceDatabase, ServiceSchema, StoreError};

/// Is asked by the other one.
pub const ROOMS: Service = Service::new(101, "rooms");
/// Asks the other one.
pub const BOOKINGS: Service = Service::new(102, "bookings");

/// Keeps entities as JSON.
pub const ROOMS_SCHEMA: ServiceSchema = ServiceSchema::new(ROOMS).hearing_from(&[BOOKINGS]);
/// The same, and its sagas ask the other one.
pub const BOOKINGS_SCHEMA: ServiceSchema = ServiceSchema::new(BOOKINGS).hearing_from(&[ROOMS]);

/// Makes their names readable.
pub fn register() {
    ROOMS_SCHEMA.register().unwrap();
    BOOKINGS_SCHEMA.register().unwrap();
}

/// What a test's database stands on. It goes when it is dropped, and all it holds.
pub enum Ground {
    /// A folder for embedded databases.
    Folder(TempDir),
    /// A database of its own on a server.
    Postgres(TestDatabase),
}

impl Ground {
    /// An empty folder.
    pub fn folder() -> Arc<Self> {
        Arc::new(Ground::Folder(TempDir::new().unwrap()))
    }

    /// On the server that the tests are told of.
    pub fn postgres() -> Arc<Self> {
        Arc::new(Ground::Postgres(TestDatabase::new()))
    }

    /// Opens the database, as a process does that starts.
    pub async fn open(
        &self,
        schema: ServiceSchema,
        shards: u16,
    ) -> Result<ServiceDatabase, StoreError> {
        match self {
            Ground::Folder(folder) => {
                ServiceDatabase::open_embedded(schema, folder.path(), shards).await
            }
            Ground::Postgres(database) => {
                ServiceDatabase::open_postgres(schema, &database.address(), shards).await
            }
        }
    }

    /// The folder of embedded databases.
    pub fn path(&self) -> &Path {
        match self {
            Ground::Folder(folder) => folder.path(),
            Ground::Postgres(database) => panic!("{} is no folder", database.name()),
        }
    }
}

/// Runs a test to its end, as one that waits.
pub fn run(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(test);
}

/// Waits until something observable is so.
pub async fn eventually(patience: Duration, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(
            began.elapsed() < patience,
            "it has not come about in {patience:?}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
