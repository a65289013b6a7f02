//! Three nodes become the next release one after the other, which writes a new version of an event,
//! and one of them becomes this release again. No caller notices, and each release can read what
//! the other has written.

use futures_util::future::join_all;
use tests::{CHOREOGRAPHED, Cluster, ORCHESTRATED, Release};

use super::callers::Callers;

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka"]
async fn nodes_become_the_next_release_one_after_the_other_and_nobody_notices() {
    upgrade(ORCHESTRATED).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka"]
async fn nodes_without_sagas_become_the_next_release_one_after_the_other_and_nobody_notices() {
    upgrade(CHOREOGRAPHED).await;
}

async fn upgrade(coordination: (&str, &str)) {
    let mut cluster = Cluster::with_settings(3, &[coordination]).await;
    let callers = Callers::who_read(&cluster).await;
    callers.go_on().await;
    assert_eq!(versions_written(&cluster, &callers).await, [true, false]);

    for node in 0..cluster.apis().len() {
        becomes(Release::Next, node, &mut cluster, &callers).await;
    }
    assert_eq!(versions_written(&cluster, &callers).await, [true, true]);

    // Somebody thinks better of it.
    becomes(Release::This, 1, &mut cluster, &callers).await;
    callers.have_repeated_once_at_most();

    let next = cluster[0].cli().of_release(Release::Next);
    callers.end(&cluster).await;
    next.run(&["verify"]).await.succeeded();
}

async fn becomes(release: Release, node: usize, cluster: &mut Cluster, callers: &Callers) {
    cluster[node].terminate().await;
    cluster[node].take_release(release);
    cluster[node].begin_restart();
    callers.ask_at(cluster);
    cluster[node].is_ready().await;
    cluster.has_shards(node).await;
    callers.go_on().await;
}

/// Whether reservations were written in version 1, which says no limit, and in version 2.
async fn versions_written(cluster: &Cluster, callers: &Callers) -> [bool; 2] {
    let histories = callers.customers().iter().map(async |customer| {
        let history = cluster.any().get(&format!("/customers/{customer}/history"));
        let history = history.await.is(200);
        let events = history.items("events").iter();
        let reserved = events.filter(|event| event["type"] == "customer.credit-reserved");
        let says_it = |event: &serde_json::Value| !event["data"]["creditLimit"].is_null();
        reserved.map(says_it).collect::<Vec<_>>()
    });
    let says_it: Vec<_> = join_all(histories).await.into_iter().flatten().collect();
    [false, true].map(|version_2| says_it.contains(&version_2))
}
