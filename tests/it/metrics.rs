//! What an operator watches: the metrics of a node, and the dashboard and alerts in `docs/` that
//! use them. A name that no node exposes makes an alert that never fires.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use reqwest::Method;
use rusqlite::Connection;
use serde_json::Value;
use tests::{Node, ORCHESTRATED, eventually};
use tokio::process::{Child, Command};

/// The program of a Prometheus, for the test that needs one.
const PROMETHEUS: &str = "COUNTERFOIL_TEST_PROMETHEUS";

fn docs(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(file)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(docs(file)).expect(file)
}

/// All expressions of the dashboard.
fn dashboard() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("grafana/counterfoil.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten()
        .map(|target| target["expr"].as_str().expect("an expression").to_owned())
        .collect()
}

/// The metrics that a text names, without what Prometheus adds to those of a histogram.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == '_';
    text.split(|char| !is_part(char))
        .filter(|word| word.starts_with("counterfoil_") || word.starts_with("process_"))
        .map(|word| {
            let ends = ["_bucket", "_sum", "_count"];
            let base = ends.iter().find_map(|end| word.strip_suffix(end));
            base.unwrap_or(word).to_owned()
        })
        .collect()
}

/// The names in the lines of a scrape that begin with `# WORD `.
fn declared(scrape: &str, word: &str) -> BTreeSet<String> {
    let start = format!("# {word} ");
    scrape
        .lines()
        .filter_map(|line| line.strip_prefix(&start)?.split(' ').next())
        .map(str::to_owned)
        .collect()
}

/// The value of a metric with these labels, as they stand in a scrape.
fn value(scrape: &str, metric: &str) -> Option<f64> {
    let line = scrape.lines().find_map(|line| line.strip_prefix(metric))?;
    line.trim().parse().ok()
}

async fn scrape(node: &Node) -> String {
    node.api().get("/metrics").await.is(200).text
}

/// A node that has worked, and whose observers have looked at its stores and at its views.
async fn observed() -> Node {
    let node = Node::start().await;
    let ada = node.api().create_customer("Ada", "15.00").await;
    node.api().place(&ada.id, "12.34", "APPROVED").await;

    let looked_at = [
        "counterfoil_inbox_backlog_messages{service=\"orders\"}",
        "counterfoil_view_waiting_readers{view=\"documents\"}",
        "counterfoil_view_lag_events{view=\"search\",shard=\"orders/0\"}",
    ];
    eventually("the observers have looked", async || {
        let scrape = scrape(&node).await;
        let is_shown = |metric: &&str| value(&scrape, metric).is_some();
        looked_at.iter().all(is_shown).then_some(())
    })
    .await;
    node
}

#[tokio::test]
async fn dashboard_and_alerts_name_only_metrics_that_a_node_exposes() {
    let exposed = declared(&scrape(&observed().await).await, "TYPE");

    let alerts = metrics_in(&read("prometheus/alerts.yml"));
    let shown = metrics_in(&dashboard().join("\n"));
    assert!(
        alerts.len() > 10 && shown.len() > 20,
        "{alerts:?} {shown:?}"
    );

    let unknown: Vec<_> = alerts
        .union(&shown)
        .filter(|name| !exposed.contains(*name))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?} are not among {exposed:?}");
}

#[tokio::test]
async fn every_metric_says_what_it_is() {
    let scrape = scrape(&observed().await).await;
    let (typed, explained) = (declared(&scrape, "TYPE"), declared(&scrape, "HELP"));
    let mute: Vec<_> = typed.difference(&explained).collect();
    assert!(mute.is_empty(), "{mute:?}");
}

#[tokio::test]
async fn requests_that_no_route_sees_are_counted_by_their_status() {
    let node = Node::start().await;
    let foreign = ("host", "evil.example");
    let elsewhere = ("origin", "http://evil.example");
    let asks = ("access-control-request-method", "POST");
    for (method, headers) in [
        (Method::GET, &[foreign][..]),
        (Method::POST, &[elsewhere]),
        (Method::OPTIONS, &[elsewhere, asks]),
    ] {
        let call = node.api().call(method, "/customers");
        let call = headers
            .iter()
            .fold(call, |call, (name, value)| call.header(name, value));
        call.await.is_problem(403);
    }
    node.api().get("/nowhere").await.is_problem(404);
    node.api().post("/customers/count").await.is_problem(405);

    let scrape = scrape(&node).await;
    for (status, count) in [("403", 3.0), ("404", 1.0), ("405", 1.0)] {
        let labels = format!("{{route=\"unrouted\",outcome=\"refused\",status=\"{status}\"}}");
        let metric = format!("counterfoil_http_requests_total{labels}");
        assert_eq!(value(&scrape, &metric), Some(count), "{metric}: {scrape}");
    }
    for (problem, count) in [("host-not-allowed", 1.0), ("origin-not-allowed", 2.0)] {
        let metric = format!("counterfoil_http_problems_total{{type=\"{problem}\"}}");
        assert_eq!(value(&scrape, &metric), Some(count), "{metric}: {scrape}");
    }
}

/// The backlogs of a service in `GET /cluster`, over all its shards: outbox, inbox.
async fn backlogs(node: &Node, service: &str) -> (u64, u64) {
    let cluster = node.api().get("/cluster").await.is(200).json;
    let shards = cluster["shards"].as_array().expect("shards").iter();
    shards
        .filter(|shard| shard["service"] == service)
        .fold((0, 0), |(outbox, inbox), shard| {
            let number = |name: &str| shard[name].as_u64().expect(name);
            (
                outbox + number("outboxBacklog"),
                inbox + number("inboxBacklog"),
            )
        })
}

#[tokio::test]
async fn messages_that_nobody_can_apply_are_shown_as_backlog_and_their_sagas_as_open() {
    let node = Node::start_with(&[ORCHESTRATED]).await;
    let api = node.api();
    let ada = api.create_customer("Ada", "100.00").await;

    let lock = Connection::open(node.data().join("customers.db")).expect("the database opens");
    lock.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    api.new_order(&ada.id, "1.00").await.is(201);

    eventually("the backlog is shown", async || {
        let (orders, customers) = (
            backlogs(&node, "orders").await,
            backlogs(&node, "customers").await,
        );
        (orders == (1, 0) && customers == (0, 1)).then_some(())
    })
    .await;
    let running = "counterfoil_open_sagas{type=\"create-order\",state=\"RUNNING\"}";
    for metric in [
        "counterfoil_outbox_backlog_messages{service=\"orders\"}",
        "counterfoil_inbox_backlog_messages{service=\"customers\"}",
        "counterfoil_journal_stands_still{service=\"customers\"}",
        running,
    ] {
        eventually(metric, async || {
            (value(&scrape(&node).await, metric) == Some(1.0)).then_some(())
        })
        .await;
    }

    lock.execute_batch("ROLLBACK")
        .expect("the lock is given back");
    eventually("nothing waits any more", async || {
        let nothing = backlogs(&node, "orders").await == (0, 0)
            && backlogs(&node, "customers").await == (0, 0)
            && value(&scrape(&node).await, running) == Some(0.0);
        nothing.then_some(())
    })
    .await;
}

/// A real Prometheus that scrapes one node; ends when it is dropped.
struct Prometheus {
    _process: Child,
    _folder: tempfile::TempDir,
    url: String,
}

impl Prometheus {
    fn of(node: &Node) -> Self {
        let program = std::env::var(PROMETHEUS).expect(PROMETHEUS);
        let folder = tempfile::tempdir().expect("a folder");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let address = free.expect("a free port").to_string();

        let config = folder.path().join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: [{:?}]\n\
             scrape_configs: [{{job_name: counterfoil, static_configs: [{{targets: [{:?}]}}]}}]\n",
            docs("prometheus/alerts.yml"),
            node.url().trim_start_matches("http://"),
        );
        std::fs::write(&config, text).expect("the configuration is written");

        let process = Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("Prometheus starts");
        Prometheus {
            _process: process,
            _folder: folder,
            url: format!("http://{address}/api/v1"),
        }
    }

    async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let url = reqwest::Url::parse_with_params(&format!("{}{path}", self.url), query).ok()?;
        reqwest::get(url).await.ok()?.json().await.ok()
    }
}

#[tokio::test]
#[ignore = "needs Prometheus: COUNTERFOIL_TEST_PROMETHEUS"]
async fn a_real_prometheus_evaluates_each_alert_and_finds_data_for_each_panel() {
    let node = observed().await;
    let prometheus = Prometheus::of(&node);

    for expression in dashboard() {
        let asked = expression
            .replace("$instance", ".*")
            .replace("$__rate_interval", "1m");
        eventually(&expression, async || {
            let answer = prometheus.ask("/query", &[("query", &asked)]).await?;
            assert_eq!(answer["status"], "success", "{asked}: {answer}");
            (!answer["data"]["result"].as_array()?.is_empty()).then_some(())
        })
        .await;
    }

    eventually("each alert is evaluated", async || {
        let answer = prometheus.ask("/rules", &[]).await?;
        let rules = answer["data"]["groups"][0]["rules"].as_array()?.clone();
        let fine = |rule: &Value| rule["health"] == "ok";
        (!rules.is_empty() && rules.iter().all(fine)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_saga_counts_once_whatever_commits_fail() {
    let faults = ("COUNTERFOIL_FAULTS", "fail-commit=3");
    let node = Node::start_with(&[faults, ORCHESTRATED]).await;
    let api = node.api();
    let ada = api.create_customer("Ada", "1000.00").await;
    for _ in 0..12 {
        api.place(&ada.id, "1.00", "APPROVED").await;
    }

    let scrape = scrape(&node).await;
    let labels = r#"type="create-order",state="COMPLETED""#;
    let ended = value(
        &scrape,
        &format!("counterfoil_sagas_ended_total{{{labels}}}"),
    );
    assert_eq!(ended, Some(12.0), "{scrape}");
}
