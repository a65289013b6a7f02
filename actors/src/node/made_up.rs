//! Tests the mechanism with made-up services: nothing here knows the shop.

mod agency;
mod ambiguous;
mod following;
mod left_out;
mod moving;
mod nested;
mod noted;
mod remote;
mod replayed;

use std::future::Future;
use std::time::Duration;

use store::ServiceSchema;
use store::faults::Faults;
use tempfile::TempDir;

use super::*;
use crate::{Follow, RequestBinding, Requests};
use agency::{GROUPS, Group, SEATS, Seats, TOURS, Tour};

const PATIENCE: Duration = Duration::from_secs(20);
const SHARDS: u16 = 3;

/// Of a node with so many threads of its own.
fn config(arbiters: usize) -> NodeConfig {
    NodeConfig {
        shards: SHARDS,
        arbiters,
        ..NodeConfig::default()
    }
}

/// What a node has that begins on these, in an empty folder.
async fn parts_for(schemas: &[ServiceSchema], folder: &TempDir) -> NodeParts {
    let opened = NodeParts::embedded(schemas, folder.path(), SHARDS).await;
    opened.unwrap().parts
}

/// A node that runs seats, tours that take one, and groups that need a tour and a seat besides.
struct Agency {
    node: Node,
    parts: NodeParts,
    seats: Requests<Seats>,
    tours: Requests<Tour>,
    groups: Requests<Group>,
    folder: TempDir,
}

impl Agency {
    async fn open(faults: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let schemas = [SEATS, TOURS, GROUPS].map(ServiceSchema::new);
        let faults = Faults::new(faults.parse().unwrap());
        let opened = NodeParts::embedded_with_faults(&schemas, folder.path(), SHARDS, faults).await;
        let parts = opened.unwrap().parts;
        Agency::on(parts, folder, 2).await
    }

    /// The same with these parts, on so many threads of its own.
    async fn on(parts: NodeParts, folder: TempDir, arbiters: usize) -> Self {
        let config = config(arbiters);
        let mut node = Node::builder(&config, &parts);
        let (seats, tours, groups) = (node.run(), node.run(), node.run());
        let node = node.start();
        node.opened().await;

        Agency {
            node,
            parts,
            seats: seats.unwrap(),
            tours: tours.unwrap(),
            groups: groups.unwrap(),
            folder,
        }
    }

    async fn close(self) {
        self.node.stop().await;
        for database in self.parts.databases {
            database.close().await;
        }
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    actix_rt::System::new().block_on(test)
}

fn key(name: &str) -> RequestBinding {
    RequestBinding::new("test", name, name.as_bytes())
}
