//! What a service keeps, as a value: whoever builds one registers it with a [`ServiceSchema`], and
//! nothing else in this crate knows which services there are.
//!
//! Every service has the mechanism's tables: outbox, inbox, shards, settings, parked messages,
//! sagas, timers and history. A schema says what it has beside them.
//!
//! ```
//! use sagas::Service;
//! use store::ServiceSchema;
//!
//! const FLIGHTS: Service = Service::new(1, "flights");
//! const BOOKINGS: Service = Service::new(2, "bookings");
//!
//! /// Keeps its entities as JSON; see `store::entities`.
//! const FLIGHTS_SCHEMA: ServiceSchema = ServiceSchema::new(FLIGHTS).hearing_from(&[BOOKINGS]);
//! const BOOKINGS_SCHEMA: ServiceSchema = ServiceSchema::new(BOOKINGS).hearing_from(&[FLIGHTS]);
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! # let folder = tempfile::tempdir().unwrap();
//! # let folder = folder.path();
//! let schemas = [FLIGHTS_SCHEMA, BOOKINGS_SCHEMA];
//! let deployment = store::Deployment::open_embedded(&schemas, folder, 16).await.unwrap();
//! assert_eq!(deployment.databases.len(), 2);
//! # });
//! ```

#[cfg(feature = "shop")]
pub mod customers;
#[cfg(feature = "shop")]
pub mod orders;

use std::collections::BTreeMap;

use sagas::Service;
use sagas::nested::{NestedCommand, NestedReply};
use sagas::wire::names::Names;
use sea_orm_migration::MigrationTrait;

use crate::StoreError;
use crate::tables::entity;

/// The services of the shop, in the order in which a node opens them.
#[cfg(feature = "shop")]
pub const SHOP: [ServiceSchema; 2] = [customers::SCHEMA, orders::SCHEMA];

/// Those of release 0.1, each with a database of then.
#[cfg(all(test, feature = "shop"))]
pub(crate) const RELEASED: [(ServiceSchema, &str); 2] = [
    (customers::SCHEMA, customers::FIRST_SCHEMA),
    (orders::SCHEMA, orders::FIRST_SCHEMA),
];

/// What a service keeps beside the mechanism's tables.
#[derive(Clone, Copy, Debug)]
pub struct ServiceSchema {
    /// Whose it is.
    pub service: Service,
    peers: &'static [Service],
    entities: EntityTable,
    migrations: Option<Migrations>,
    messages: &'static [Names],
}

/// Makes a service's own migrations.
pub type Migrations = fn() -> Vec<Box<dyn MigrationTrait>>;

/// The table that has one row for each entity of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityTable {
    /// As the database knows it.
    pub name: &'static str,
    /// The column of the entities' ids.
    pub key: &'static str,
}

impl ServiceSchema {
    /// A service that keeps its entities as JSON; see [`crate::entities`].
    #[must_use]
    pub const fn new(service: Service) -> Self {
        ServiceSchema {
            service,
            peers: &[],
            entities: entity::TABLE,
            migrations: None,
            messages: &[],
        }
    }

    /// The services whose messages it receives, and to which it sends. Their names stand in its
    /// tables and must be readable even where only this service runs.
    #[must_use]
    pub const fn hearing_from(self, peers: &'static [Service]) -> Self {
        ServiceSchema { peers, ..self }
    }

    /// The service keeps its entities in a table of its own, made by its own migrations, and has no
    /// table of JSON.
    ///
    /// Migrations run in the order of their names, the mechanism's among them, so each begins with
    /// its date (`m2026_11_28_000001_rooms`). One that has the name of a migration of the mechanism
    /// runs after that as a part of it. Each is one transaction with the row that says it was
    /// applied, and its statements can be repeated.
    #[must_use]
    pub const fn with_tables(self, entities: EntityTable, migrations: Migrations) -> Self {
        ServiceSchema {
            entities,
            migrations: Some(migrations),
            ..self
        }
    }

    /// The names of all messages of the service, with the newest versions that this release reads:
    /// its events and notices, what is asked of it, what its sagas ask, and the replies of both. A
    /// node checks that none is missing. The database notes what is written to it; once there is a
    /// version that a release does not read, that release is refused at its start. So a name stays
    /// here although nothing of it is written any more.
    #[must_use]
    pub const fn with_messages(self, messages: &'static [Names]) -> Self {
        ServiceSchema { messages, ..self }
    }

    /// The newest versions by their names, those of the mechanism among them; `None` when the
    /// service does not say.
    pub(crate) fn read_versions(&self) -> Option<BTreeMap<&'static str, u16>> {
        let of_mechanism = [NestedCommand::WIRE_NAMES, NestedReply::WIRE_NAMES];
        let mut read = BTreeMap::new();
        for (name, version) in self.messages.iter().copied().chain(of_mechanism).flatten() {
            let newest = read.entry(*name).or_insert(*version);
            *newest = (*newest).max(*version);
        }
        (!self.messages.is_empty()).then_some(read)
    }

    /// The table of its entities.
    #[must_use]
    pub const fn entities(&self) -> EntityTable {
        self.entities
    }

    /// Its own migrations; absent when it keeps its entities as JSON.
    pub(crate) fn own_migrations(&self) -> Option<Vec<Box<dyn MigrationTrait>>> {
        self.migrations.map(|migrations| migrations())
    }

    /// Makes the names that stand in its tables readable.
    ///
    /// # Errors
    /// When another service of this process has one of them, or its number.
    pub(crate) fn register(&self) -> Result<(), StoreError> {
        for service in self.peers.iter().chain([&self.service]) {
            let registered = service.register();
            registered.map_err(|conflict| StoreError::Configuration(conflict.to_string()))?;
        }
        Ok(())
    }
}
