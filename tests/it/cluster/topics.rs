//! A Kafka that has lost what it was given. The nodes need nothing of it: the outboxes have it. For
//! others, who follow the events, `counterfoil republish` brings it back.

use serde_json::Value;
use tests::{Cluster, Topics, eventually, eventually_within};

use super::callers::{Callers, GOES_ON_WITHIN};

const SERVICES: [&str; 2] = ["customers", "orders"];

/// Waits until one of the nodes has said this.
async fn said(cluster: &Cluster, what: &str) {
    eventually_within(GOES_ON_WITHIN, what, async || {
        let nodes = 0..cluster.apis().len();
        nodes
            .into_iter()
            .any(|node| cluster[node].log().contains(what))
            .then_some(())
    })
    .await;
}

/// What `republish` says that it has published: objects by service.
async fn republished(cluster: &Cluster, args: &[&str]) -> Vec<Value> {
    let args = [&["republish", "--json"], args].concat();
    let said = cluster[0].cli().run(&args).await.succeeded().stdout;
    let lines = said.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("it tells in JSON"))
        .collect()
}

async fn lacks_nothing(topics: &Topics) {
    for service in SERVICES {
        let is_whole = async || topics.followed(service).await.is_whole().then_some(());
        eventually("the topic is whole", is_whole).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka"]
async fn topics_that_are_deleted_under_running_nodes_come_back_and_are_refilled() {
    let cluster = Cluster::start(2).await;
    let topics = Topics::of(&cluster);
    let callers = Callers::begin(&cluster).await;
    callers.go_on().await;
    lacks_nothing(&topics).await;

    topics.delete_all().await;
    for service in SERVICES {
        said(
            &cluster,
            &format!("counterfoil republish --service {service}"),
        )
        .await;
    }
    callers.go_on().await;
    // Other customers and orders would hide it, but these are the first ones.
    for service in SERVICES {
        assert!(!topics.followed(service).await.is_whole(), "{service}");
    }

    // While the nodes go on.
    let told = cluster[0].cli().run(&["republish"]).await.succeeded();
    assert!(
        told.stdout.contains("are published again, from "),
        "{}",
        told.stdout
    );
    callers.go_on().await;
    callers.end(&cluster).await;
    lacks_nothing(&topics).await;
    for of_service in republished(&cluster, &[]).await {
        assert_eq!(of_service["events"], 0, "{of_service}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka"]
async fn topics_that_are_deleted_while_no_node_runs_are_made_anew_at_the_start_and_can_be_refilled()
{
    let mut cluster = Cluster::start(2).await;
    let topics = Topics::of(&cluster);
    let callers = Callers::begin(&cluster).await;
    callers.go_on().await;
    callers.end(&cluster).await;
    lacks_nothing(&topics).await;
    let mut before = Vec::new();
    for service in SERVICES {
        before.push(topics.followed(service).await.count());
    }

    cluster[0].terminate().await;
    cluster[1].terminate().await;
    topics.delete_all().await;
    cluster[0].restart().await;
    cluster[1].restart().await;
    let callers = Callers::begin(&cluster).await;
    callers.go_on().await;

    // All of it, though most of it is there: whoever follows drops what it has.
    let all = republished(&cluster, &["--from-sequence", "0"]).await;
    for (of_service, before) in all.iter().zip(before) {
        let events = of_service["events"].as_u64().unwrap();
        assert!(events >= u64::try_from(before).unwrap(), "{of_service}");
    }
    callers.end(&cluster).await;
    lacks_nothing(&topics).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka"]
async fn a_topic_that_comes_back_with_other_partitions_is_told_of_and_refused_at_the_start() {
    let mut cluster = Cluster::start(2).await;
    let topics = Topics::of(&cluster);
    let callers = Callers::begin(&cluster).await;
    callers.go_on().await;

    topics.replace("orders", 3).await;
    let line = format!("{} has 3 partitions", topics.of_events("orders"));
    said(&cluster, &line).await;
    callers.go_on().await;

    cluster[1].terminate().await;
    cluster[1].begin_restart();
    cluster[1].fails().await;
    let log = cluster[1].log();
    assert!(
        log.contains(&line) && log.contains("is to be deleted"),
        "{log}"
    );

    // The command does not put events where nobody looks for them.
    let refused = cluster[0].cli().run(&["republish"]).await.failed();
    assert!(refused.only_line().contains(&line), "{}", refused.stderr);

    topics.replace("orders", 4).await;
    cluster[1].restart().await;
    callers.ask_at(&cluster);
    callers.go_on().await;
    republished(&cluster, &[]).await;
    callers.end(&cluster).await;
    lacks_nothing(&topics).await;
}

#[tokio::test]
async fn without_kafka_and_for_a_service_that_is_not_there_republish_says_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let cli = tests::Cli::new(folder.path());
    let refused = cli.run(&["republish"]).await.failed();
    let line = refused.only_line();
    assert!(
        line.contains("log_url is embedded") && line.contains("kafka://"),
        "{line}"
    );

    let refused = cli.run(&["republish", "--service", "stock"]).await.failed();
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("allowed: customers, orders"),
        "{}",
        refused.stderr
    );
}
