//! Nodes that come and go without a pause: shards move while they are still on their way from the
//! time before. They take minutes, and are not part of `.ci/run`.

use tests::Cluster;

use super::callers::Callers;

/// Of these nodes one after the other leaves and comes back; the first one stays.
const RESTLESS: [usize; 2] = [1, 2];
const ROUNDS: usize = 12;

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka, and takes minutes"]
async fn nodes_that_leave_and_join_without_a_pause_lose_and_repeat_nothing() {
    let mut cluster = Cluster::start(3).await;
    let callers = Callers::who_read(&cluster).await;
    callers.go_on().await;

    for node in RESTLESS.into_iter().cycle().take(ROUNDS) {
        cluster[node].terminate().await;
        cluster[node].begin_restart();
        callers.ask_at(&cluster);
        // It need not have shards before the next one leaves.
        cluster[node].is_ready().await;
    }
    callers.go_on().await;
    callers.end(&cluster).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka, and takes minutes"]
async fn nodes_that_are_killed_and_join_again_before_they_are_missed_lose_and_repeat_nothing() {
    let mut cluster = Cluster::start(3).await;
    let callers = Callers::who_read(&cluster).await;
    callers.go_on().await;

    // The group takes each for alive until its session is over, and the one that comes for another.
    for node in RESTLESS.into_iter().cycle().take(ROUNDS) {
        cluster[node].kill();
        cluster[node].begin_restart();
        callers.ask_at(&cluster);
        cluster[node].is_ready().await;
    }
    callers.go_on().await;
    callers.end(&cluster).await;
}
