//! The services' databases: the one place where their backends are chosen.

use std::time::Duration;

use actors::{Embedded, NodeParts};
use anyhow::Context;
use store::faults::Faults;
use store::services::{customers, orders};
use store::{Deployment, Home, ServiceSchema, StoreError};
use tokio::task::JoinSet;

use super::io::IoRuntime;
use crate::config::Config;

/// A server that does not answer is tried again after this long.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Opens the databases that the configuration names, and starts their journals. A server that is
/// not there is waited for: whoever starts all at once need not start one before the other. What
/// no waiting mends ends the start. Connections belong to the runtime of `io`.
pub(super) async fn open(
    config: &Config,
    faults: Faults,
    io: &IoRuntime,
) -> anyhow::Result<Embedded> {
    let (homes, shards) = (homes(config), config.shards);
    // A start that is given up drops this, and opens nothing any more.
    let mut opening = JoinSet::new();
    opening.spawn_on(
        async move {
            let deployment = when_there(&homes, shards).await?;
            NodeParts::on(deployment, shards, faults).await
        },
        io.handle(),
    );
    let opened = opening.join_next().await;
    Ok(opened.context("no task has opened the databases")???)
}

fn homes(config: &Config) -> Vec<(ServiceSchema, Home)> {
    let home = |schema, database: &crate::config::DatabaseBackend| {
        (schema, database.home(&config.data_dir))
    };
    vec![
        home(customers::SCHEMA, &config.customers_database_url),
        home(orders::SCHEMA, &config.orders_database_url),
    ]
}

async fn when_there(
    homes: &[(ServiceSchema, Home)],
    shards: u16,
) -> Result<Deployment, StoreError> {
    let mut told = String::new();
    loop {
        let error = match Deployment::open(homes, shards).await {
            Err(error @ (StoreError::Unreachable { .. } | StoreError::Database { .. })) => error,
            opened => return opened,
        };

        let cause = error.chain();
        if cause != told {
            tracing::error!(cause, "the node waits for a database before it starts");
            told = cause;
        }
        tokio::time::sleep(TRY_EVERY).await;
    }
}
