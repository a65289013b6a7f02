//! Relays that read the outboxes: a topic of events gets each of them at least once, whoever dies.
//! What a node hands over itself is missing there when it dies before Kafka has it.

use tests::{Cluster, Topics, eventually};

use super::callers::Callers;

async fn no_event_is_left_out(relay: &str) {
    let mut cluster = Cluster::with_settings(3, &[("COUNTERFOIL_RELAY", relay)]).await;
    let topics = Topics::of(&cluster);
    let callers = Callers::begin(&cluster).await;
    callers.go_on().await;

    for node in 0..2 {
        cluster[node].kill();
        callers.go_on().await;
        cluster[node].restart().await;
        callers.ask_at(&cluster);
    }

    // All at once, in the middle of whatever they do.
    for node in 0..3 {
        cluster[node].kill();
    }
    for node in 0..3 {
        cluster[node].begin_restart();
    }
    for node in 0..3 {
        cluster[node].is_ready().await;
    }
    callers.ask_at(&cluster);
    callers.go_on().await;
    callers.end(&cluster).await;

    for service in ["customers", "orders"] {
        eventually("the topic is whole", async || {
            let followed = topics.followed(service).await;
            (followed.is_whole() && followed.count() > 0).then_some(())
        })
        .await;
    }
    // Events that are there and not those that were committed last would be whole, too.
    let lacking = cluster[0].cli().run(&["republish", "--json"]).await;
    let told = lacking.succeeded().stdout;
    let nothing = told.lines().all(|line| line.contains("\"events\":0"));
    assert!(nothing, "{told}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka"]
async fn polled_outboxes_leave_no_event_out_whoever_dies() {
    no_event_is_left_out("polling").await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka"]
async fn a_followed_log_leaves_no_event_out_whoever_dies() {
    no_event_is_left_out("wal").await;
}
