//! The servers under three nodes are killed, stand still, and come back: no caller that repeats with
//! its key goes without an answer, and the books balance.

use tests::{Cluster, NodeServer, OwnServers, Wire, eventually_within};

use super::callers::{Callers, GOES_ON_WITHIN};

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka: servers of its own, by .ci/services"]
async fn a_kafka_that_is_killed_or_stands_still_costs_nobody_anything() {
    trouble(NodeServer::Kafka, "Kafka").await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka: servers of its own, by .ci/services"]
async fn a_postgresql_that_is_killed_or_stands_still_costs_nobody_anything() {
    trouble(NodeServer::Postgres, "database").await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka: servers of its own, by .ci/services"]
async fn a_standby_that_takes_over_costs_nobody_anything() {
    let servers = OwnServers::of_nodes().await;
    let wire = Wire::to(&address(&servers)).await;
    let through = wire.url().replace("http://", "postgres://counterfoil@");
    let standby = servers.standby().await;
    let cluster = Cluster::at(through, servers.kafka(), 3).await;
    let callers = Callers::begin(&cluster).await;
    callers.go_on().await;

    servers.kill(NodeServer::Postgres).await;
    every_node_names(&cluster, "database").await;
    standby.take_over().await;
    wire.lead_to(address(&standby));
    callers.go_on().await;
    callers.end(&cluster).await;
}

/// Where its PostgreSQL listens.
fn address(servers: &OwnServers<NodeServer>) -> String {
    servers.postgres().replace("postgres://counterfoil@", "")
}

async fn trouble(server: NodeServer, named: &str) {
    let servers = OwnServers::of_nodes().await;
    let cluster = Cluster::on(&servers, 3).await;
    let callers = Callers::begin(&cluster).await;
    callers.go_on().await;

    servers.kill(server).await;
    servers.up(server).await;
    callers.go_on().await;

    servers.pause(server).await;
    every_node_names(&cluster, named).await;
    servers.resume(server).await;
    callers.go_on().await;
    callers.end(&cluster).await;
}

/// Waits until readiness says at each node what is in the way.
async fn every_node_names(cluster: &Cluster, named: &str) {
    for (node, api) in (1..).zip(cluster.apis()) {
        let mut told = String::new();
        eventually_within(GOES_ON_WITHIN, "the node names what is away", async || {
            let ready = api.get("/health/ready").answer().await.ok()?;
            if ready.text != told {
                told = ready.text;
                println!("node-{node} tells: {told}");
            }
            told.contains(named).then_some(())
        })
        .await;
    }
}
