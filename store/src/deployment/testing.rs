//! Databases of two services with messages between them, written behind the back of any node.

use std::path::Path;

use rusqlite::{Connection, params};
use sagas::Service;

use crate::database::file_of;
use crate::testing::{BOOKINGS_SCHEMA, ROOMS_SCHEMA};
use crate::{Deployment, ServiceSchema, StoreError};

pub(crate) const SCHEMAS: [ServiceSchema; 2] = [ROOMS_SCHEMA, BOOKINGS_SCHEMA];

const SEND: &str = "INSERT INTO outbox \
    (shard, sequence, count, entity_id, version, correlation_id, time, events, messages) \
    VALUES (0, ?1, 1, zeroblob(16), ?1, zeroblob(16), 0, '[]', NULL)";
const RECEIVE: &str = "INSERT INTO inbox (shard, source_service, source_shard, stream, position) \
    VALUES (0, ?1, 0, 'messages', ?2) ON CONFLICT DO UPDATE SET position = excluded.position";
const CLAIM: &str = "INSERT INTO shards (shard, epoch, owner, published, heads, pruned, indexed) \
    VALUES (0, 1, 'test', 0, '{}', 0, 0) ON CONFLICT (shard) DO UPDATE SET epoch = epoch + 1";

pub(crate) async fn open(folder: &Path) -> Result<Deployment, StoreError> {
    Deployment::open_embedded(&SCHEMAS, folder, 2).await
}

/// Opens and closes the databases as a node does that is not asked anything.
pub(crate) async fn run(folder: &Path) -> Result<uuid::Uuid, StoreError> {
    let deployment = open(folder).await?;
    for schema in SCHEMAS {
        connect(schema.service, folder).execute(CLAIM, []).unwrap();
    }
    let id = deployment.id;
    close(deployment).await;
    Ok(id)
}

pub(crate) async fn close(deployment: Deployment) {
    deployment.note_seen().await.unwrap();
    for database in deployment.databases {
        database.close().await;
    }
}

pub(crate) fn connect(service: Service, folder: &Path) -> Connection {
    let connection = Connection::open(file_of(service, folder)).unwrap();
    connection
        .busy_timeout(std::time::Duration::from_secs(10))
        .unwrap();
    connection
}

/// Shard 0 of a service sends its next message.
pub(crate) fn send(connection: &Connection, sequence: u64) {
    connection.execute(SEND, [sequence]).unwrap();
}

/// Shard 0 of a service has read shard 0 of another up to here.
pub(crate) fn receive(connection: &Connection, source: Service, position: u64) {
    connection
        .execute(RECEIVE, params![source.name(), position])
        .unwrap();
}
