//! What a coordinator may say to a node that asks whether it is still a member. On coordinators
//! inside this process, which say what they are told to.

use futures_util::future::join_all;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::leaderless::{Cluster, cluster};
use super::support::{ROOMS, SHARDS, Taken, owned, shard};
use super::*;

/// A node that is alone in its group, and is confirmed.
async fn node() -> (Cluster, Arc<Kafka>) {
    let (cluster, settings) = cluster();
    let node = Kafka::connect(settings).await.unwrap();
    node.begin(Arc::new(Taken::default()), false);
    owned(&node, usize::from(SHARDS)).await;
    assert!(node.confirm(shard(ROOMS, 1)).await);
    (cluster, node)
}

#[tokio::test]
async fn who_is_no_member_or_one_of_an_older_generation_is_not_confirmed() {
    let refusals = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
    ];
    let all = refusals.map(async |refusal| {
        let (cluster, node) = node().await;

        cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[refusal]);
        assert!(!node.confirm(shard(ROOMS, 1)).await, "{refusal:?}");
        node.leave(NEEDS).await;
    });
    join_all(all).await;
}

#[tokio::test]
async fn a_coordinator_that_does_not_answer_is_not_waited_for() {
    let (cluster, node) = node().await;

    cluster.broker_down(-1).unwrap();
    let asked = Instant::now();
    assert!(!node.confirm(shard(ROOMS, 1)).await);
    assert!(asked.elapsed() < CONFIRM + Duration::from_secs(1));

    cluster.broker_up(-1).unwrap();
    node.leave(NEEDS).await;
}

#[tokio::test]
async fn who_is_lost_asks_nothing_until_it_takes_part_again() {
    let (cluster, node) = node().await;

    let waits = RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE;
    cluster.request_errors(RDKafkaApiKey::JoinGroup, &[waits; 3]);
    let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID;
    cluster.request_errors(RDKafkaApiKey::Heartbeat, &[unknown]);
    eventually(NEEDS, || node.participation() == Participation::OutOfTouch).await;

    // Whoever asks next is told this.
    let busy = RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
    cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[busy]);
    let kept = shard(ROOMS, 1);
    assert!(!node.confirm(kept).await);
    assert_eq!(node.participation(), Participation::OutOfTouch);

    eventually(NEEDS, || node.participation() == Participation::Full).await;
    assert!(!node.confirm(kept).await, "nobody has asked before");
    assert!(node.confirm(kept).await);
    node.leave(NEEDS).await;
}

#[tokio::test]
async fn what_a_member_tells_all_nodes_has_to_come_back_to_it() {
    let (cluster, node) = node().await;
    node.tell_all(b"well");
    eventually(NEEDS, || node.roll().has("a")).await;

    let takes_nothing = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS;
    cluster.request_errors(RDKafkaApiKey::Produce, &[takes_nothing; 1_000]);
    eventually(NEEDS, || {
        node.tell_all(b"well");
        node.participation() == Participation::Unheard
    })
    .await;
    assert!(node.confirm(shard(ROOMS, 1)).await, "it is a member");

    cluster.clear_request_errors(RDKafkaApiKey::Produce);
    eventually(NEEDS, || {
        node.tell_all(b"well");
        node.participation() == Participation::Full
    })
    .await;
    node.leave(NEEDS).await;
}
