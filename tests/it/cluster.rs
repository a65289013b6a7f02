//! Three nodes on one PostgreSQL with Kafka between them: any of them takes any command and answers
//! any query, and whatever becomes of one of them, no caller that repeats with its key goes without
//! an answer and the books balance.

mod callers;
mod cuts;
mod full_disk;
mod nodes;
mod relays;
mod roles;
mod servers;
mod services;
mod storms;
mod topics;
mod upgrade;

use futures_util::future::join_all;
use tests::{Api, Cluster, eventually};

use crate::books;
use callers::Callers;

const NODES: u32 = 3;

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka"]
async fn what_one_node_was_told_every_node_shows() {
    let cluster = Cluster::start(NODES).await;
    let customer = cluster.any().create_customer("Ada Park", "100.00").await;

    let orders = (0..12).map(|_| async {
        let call = cluster.any().new_order(&customer.id, "9.00");
        let order = call.key(&uuid::Uuid::new_v4().to_string()).wait(30);
        let order = order.await.is(201);
        let id = order.str("orderId").to_owned();

        for api in cluster.apis() {
            let shown = api.order(&id).token(&order.token()).wait(30).await.is(200);
            assert_eq!(shown.str("state"), order.str("state"), "{}", shown.text);

            let found = api
                .get("/orders")
                .query("text", "Ada")
                .token(&shown.token());
            let found = found.wait(30).await.is(200);
            assert!(
                found.each("orders", "orderId").contains(&id),
                "{}",
                found.text
            );
        }
        order.str("state").to_owned()
    });
    let states = join_all(orders).await;

    // The sequential result, whichever nodes they went through.
    assert_eq!(
        states.iter().filter(|state| *state == "APPROVED").count(),
        11
    );
    assert_eq!(
        states.iter().filter(|state| *state == "REJECTED").count(),
        1
    );
    for api in cluster.apis() {
        books::balance(&api, std::slice::from_ref(&customer.id)).await;
    }
    cluster[0].cli().run(&["verify"]).await.succeeded();
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka"]
async fn a_key_has_one_effect_at_whichever_node_it_is_repeated() {
    let cluster = Cluster::start(NODES).await;
    let customer = cluster.any().create_customer("Ada Park", "100.00").await;

    let ask = async |api: Api| {
        let call = api.new_order(&customer.id, "1.00");
        call.key("the-same").wait(30).await.is(201)
    };
    let answers = join_all(cluster.apis().into_iter().map(ask)).await;
    let ids: Vec<_> = answers.iter().map(|answer| answer.str("orderId")).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");

    let shown = cluster
        .any()
        .customer(&customer.id)
        .token(&answers[0].token());
    let shown = shown.wait(30).await.is(200);
    assert_eq!(shown.json["availableCredit"]["amount"], "99.00");
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka"]
async fn the_shards_of_a_node_that_is_killed_are_served_by_others() {
    let mut cluster = Cluster::start(NODES).await;
    let callers = Callers::begin(&cluster).await;
    callers.go_on().await;

    cluster[1].kill();
    cluster.has_lost_its_shards(1, 0).await;
    callers.go_on().await;

    cluster[1].restart().await;
    callers.ask_at(&cluster);
    cluster.has_shards(1).await;
    callers.go_on().await;
    callers.end(&cluster).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka"]
async fn a_node_that_was_taken_for_dead_and_wakes_changes_nothing() {
    let cluster = Cluster::start(NODES).await;
    let callers = Callers::begin(&cluster).await;
    callers.go_on().await;

    cluster[2].pause();
    cluster.has_lost_its_shards(2, 0).await;
    cluster[2].resume();
    callers.go_on().await;

    cluster.has_shards(2).await;
    callers.go_on().await;
    callers.end(&cluster).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka"]
async fn nodes_that_are_restarted_one_after_the_other_leave_no_caller_without_an_answer() {
    let mut cluster = Cluster::start(NODES).await;
    let callers = Callers::who_read(&cluster).await;

    for node in 0..cluster.apis().len() {
        callers.go_on().await;
        cluster[node].terminate().await;
        cluster[node].begin_restart();
        callers.ask_at(&cluster);
        cluster[node].is_ready().await;
        cluster.has_shards(node).await;
    }
    callers.go_on().await;
    callers.have_repeated_once_at_most();
    callers.end(&cluster).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka"]
async fn a_node_that_is_to_be_alone_is_refused_beside_others() {
    let (cluster, mut stranger) = Cluster::start_beside_a_stranger(2).await;

    stranger.begin_restart();
    stranger.fails().await;
    let log = stranger.log();
    assert!(
        log.contains("another node runs") && log.contains("log_url=embedded"),
        "{log}"
    );

    // The others have noticed nothing.
    let api = cluster.any();
    eventually("the cluster is ready", async || {
        let ready = api.get("/health/ready").answer().await.ok()?;
        (ready.status == 200).then_some(())
    })
    .await;
}
