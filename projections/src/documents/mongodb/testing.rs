//! For tests: a database of their own on the real server, dropped in the end.

use mongodb::bson::Document;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::MongoDocumentStore;
use super::connection::Connection;
use crate::documents::contract::Open;

/// The name of the variable that says where the server is.
pub(crate) const URL: &str = "COUNTERFOIL_TEST_MONGODB_URL";

pub(crate) struct TestDatabase {
    pub(super) connection: Connection,
    url: String,
    name: String,
    runtime: Handle,
}

impl TestDatabase {
    pub(crate) fn new(runtime: &Handle) -> Self {
        let url = std::env::var(URL).unwrap_or_else(|_| panic!("{URL} must say where MongoDB is"));
        let name = format!("counterfoil-test-{}", Uuid::now_v7());
        let connection = runtime
            .block_on(Connection::new(&url, &name, runtime.clone()))
            .unwrap();
        TestDatabase {
            connection,
            url,
            name,
            runtime: runtime.clone(),
        }
    }

    /// All that was written so far is durable afterwards.
    pub(super) async fn everything_durable(&self) {
        let barriers = self.connection.database.collection::<Document>("barriers");
        barriers.insert_one(Document::new()).await.unwrap();
    }

    /// With connections of its own.
    pub(crate) fn store(&self) -> MongoDocumentStore {
        self.runtime
            .block_on(MongoDocumentStore::new(
                &self.url,
                &self.name,
                self.runtime.clone(),
            ))
            .unwrap()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let dropping = async { self.connection.database.drop().await };
        if let Err(error) = self.runtime.block_on(dropping) {
            eprintln!("the database {} is left behind: {error}", self.name);
        }
    }
}

/// A place for the contract of document stores.
pub(crate) fn place(runtime: &Handle) -> Open {
    let database = TestDatabase::new(runtime);
    Box::new(move || Box::new(database.store()))
}
