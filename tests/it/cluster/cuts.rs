//! Nodes that are cut off from everybody: from their callers, the other nodes, PostgreSQL and
//! Kafka. Nothing is refused and no connection ends, so all that anybody hears is nothing. They
//! take root, and minutes, and are not part of `.ci/run`.

use tests::Cluster;

use super::callers::Callers;

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka, root for networks, and minutes"]
async fn a_node_that_is_cut_off_from_everybody_is_replaced_and_comes_back() {
    let cluster = Cluster::with_networks(3).await;
    let callers = Callers::who_read(&cluster).await;
    callers.go_on().await;

    for node in [1, 2] {
        cluster[node].cut_off();
        cluster.has_lost_its_shards(node, 0).await;
        callers.avoid(node);
        callers.go_on().await;

        cluster[node].connect();
        callers.ask_at(&cluster);
        cluster.has_shards(node).await;
        callers.go_on().await;
    }
    callers.end(&cluster).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka, root for networks, and minutes"]
async fn a_network_that_is_cut_for_less_than_the_session_costs_time_and_nothing_else() {
    let cluster = Cluster::with_networks(3).await;
    let callers = Callers::who_read(&cluster).await;
    callers.go_on().await;

    for node in [0, 1, 2] {
        cluster[node].cut_off();
        // Whoever asks the others goes on meanwhile, or waits for it.
        let others = cluster[(node + 1) % 3].api();
        Cluster::owners(&others).await;
        cluster[node].connect();
        callers.go_on().await;
    }
    callers.end(&cluster).await;
}
