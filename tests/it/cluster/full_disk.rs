//! A PostgreSQL under three nodes whose disk is full.

use tests::{Cluster, NodeServer, OwnServers, eventually_within};

use super::callers::{Callers, GOES_ON_WITHIN};

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka: servers of its own, by .ci/services; and root"]
async fn a_postgresql_whose_disk_is_full_costs_nobody_anything() {
    let servers = OwnServers::of_nodes_on_a_small_disk().await;
    let cluster = Cluster::on(&servers, 3).await;
    let callers = Callers::begin(&cluster).await;
    callers.go_on().await;

    servers.fill_disk();
    // Whoever has nothing to write does not meet it.
    eventually_within(GOES_ON_WITHIN, "a node names it", async || {
        for api in cluster.apis() {
            let ready = api.get("/health/ready").answer().await.ok()?;
            if ready.text.contains("No space left on device") {
                return Some(());
            }
        }
        None
    })
    .await;

    servers.free_disk();
    // It ends when it cannot write its own log.
    servers.up(NodeServer::Postgres).await;
    callers.go_on().await;
    callers.end(&cluster).await;
}
