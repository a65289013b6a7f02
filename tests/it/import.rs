//! `counterfoil import`: real grocery baskets end in the states an independent oracle computed
//! (`tests/data/expected.json`).

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tests::{Api, Node, cents, data_file, eventually};

const FILE: &str = "groceries-small.jsonl";

/// A customer who can pay for the first of two orders; the first is shipped.
const SMALL: &str = concat!(
    r#"{"type":"customer","ref":"c1","name":"Ada Park","creditLimit":{"amount":"5.00"}}"#,
    "\n",
    r#"{"type":"order","ref":"o1","customer":"c1","lines":[{"sku":"1","#,
    r#""name":"YOGURT","quantity":2,"unitPrice":{"amount":"1.25"}}],"note":"first"}"#,
    "\n",
    r#"{"type":"ship","order":"o1"}"#,
    "\n",
    r#"{"type":"order","ref":"o2","customer":"c1","lines":[{"sku":"2","#,
    r#""name":"TUNA","quantity":3,"unitPrice":{"amount":"1.39"}}]}"#,
    "\n",
);

#[tokio::test]
async fn imported_baskets_end_as_the_oracle_says_however_often_they_are_imported() {
    let node = Node::start().await;
    let file = data_file(FILE);
    let import = ["import", path(&file), "--url", node.url(), "--json"];

    for _ in 0..2 {
        let outcome = node.cli().run(&import).await.succeeded();
        let summary: Value =
            serde_json::from_str(outcome.stdout.trim()).expect("the summary is JSON");
        assert!(summary.is_object(), "{summary}");
        is_as_expected(&node.api()).await;
    }
    node.cli().run(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn an_import_interrupted_by_a_crash_is_simply_run_again() {
    let mut node = Node::start().await;
    let file = data_file(FILE);
    let (cli, url, name) = (node.cli(), node.url().to_owned(), path(&file).to_owned());
    let interrupted = tokio::spawn(async move {
        cli.run(&["import", &name, "--url", &url, "--patience", "2"])
            .await
    });
    let api = node.api();
    eventually("the import is under way", async || {
        let customers = api.get("/customers/count").await.is(200);
        (customers.json["count"].as_u64() >= Some(20)).then_some(())
    })
    .await;
    node.kill();
    interrupted.await.expect("the import ends").failed();

    node.restart().await;
    node.cli()
        .run(&["import", path(&file), "--url", node.url()])
        .await
        .succeeded();

    is_as_expected(&node.api()).await;
    node.cli().run(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn a_compressed_file_is_read_as_it_is() {
    let node = Node::start().await;
    let file = node.folder().join("small.jsonl.gz");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(SMALL.as_bytes()).expect("it compresses");
    std::fs::write(&file, encoder.finish().expect("it compresses"))
        .expect("the file can be written");

    let outcome = node
        .cli()
        .run(&["import", path(&file), "--url", node.url()])
        .await
        .succeeded();

    assert!(!outcome.stdout.trim().is_empty(), "no summary");
    assert_eq!(
        total(&node.api(), &[("state", "SHIPPED"), ("text", "yogurt")]).await,
        1
    );
    assert_eq!(total(&node.api(), &[("state", "APPROVED")]).await, 0);
    assert_eq!(
        total(&node.api(), &[("state", "REJECTED"), ("text", "tuna")]).await,
        1
    );
}

#[tokio::test]
async fn a_bad_line_is_reported_with_its_number_and_stops_the_import() {
    let node = Node::start().await;

    for bad in [
        "nonsense",
        r#"{"type":"parcel","ref":"p1"}"#,
        r#"{"type":"order","ref":"o9","customer":"c1","lines":[]}"#,
    ] {
        let file = with_bad_line_3(&node, bad);
        let outcome = node
            .cli()
            .run(&["import", path(&file), "--url", node.url()])
            .await
            .failed();
        let said = outcome.said();
        assert!(
            said.lines()
                .any(|line| line.contains("line") && line.contains('3')),
            "{said}"
        );
    }
}

#[tokio::test]
async fn an_import_that_keeps_going_skips_the_bad_line_alone() {
    let node = Node::start().await;
    let file = with_bad_line_3(&node, "nonsense");

    let outcome = node
        .cli()
        .run(&["import", path(&file), "--url", node.url(), "--keep-going"])
        .await;

    let said = outcome.said();
    assert!(
        said.lines()
            .any(|line| line.contains("line") && line.contains('3')),
        "{said}"
    );
    assert_eq!(total(&node.api(), &[("state", "SHIPPED")]).await, 1);
    assert_eq!(total(&node.api(), &[("state", "REJECTED")]).await, 1);
}

#[tokio::test]
async fn an_import_of_a_missing_file_says_so() {
    let node = Node::start().await;

    let outcome = node
        .cli()
        .run(&["import", "missing.jsonl", "--url", node.url()])
        .await
        .failed();

    assert!(
        outcome.stderr.contains("missing.jsonl"),
        "{}",
        outcome.stderr
    );
}

/// Compares the shop with `expected.json`, through the views alone.
async fn is_as_expected(api: &Api) {
    let expected =
        std::fs::read_to_string(data_file("expected.json")).expect("the expected states");
    let expected: Value = serde_json::from_str(&expected).expect("JSON");
    let expected = &expected[FILE];

    assert_eq!(
        api.get("/customers/count").await.is(200).json["count"],
        expected["customers"]
    );
    assert_eq!(total(api, &[]).await, expected["orders"]);
    for (state, count) in expected["states"].as_object().expect("the states") {
        assert_eq!(total(api, &[("state", state)]).await, *count, "{state}");
    }
    assert_eq!(total(api, &[("state", "PENDING")]).await, 0);
    for (word, count) in expected["hits"].as_object().expect("the hits") {
        assert_eq!(total(api, &[("text", word)]).await, *count, "{word}");
    }
    let customers = api
        .walk("/customers", &[("limit", "200")], "customers", "customerId")
        .await;
    let limits: i64 = customers
        .iter()
        .map(|customer| cents(&customer["creditLimit"]))
        .sum();
    let available: i64 = customers
        .iter()
        .map(|customer| cents(&customer["availableCredit"]))
        .sum();
    assert_eq!(Value::from(limits), expected["limitCents"]);
    assert_eq!(Value::from(limits - available), expected["reservedCents"]);
}

async fn total(api: &Api, query: &[(&str, &str)]) -> Value {
    let mut call = api.get("/orders").query("limit", "1");
    for (name, value) in query {
        call = call.query(name, value);
    }
    call.await.is(200).json["total"].clone()
}

fn with_bad_line_3(node: &Node, bad: &str) -> PathBuf {
    let mut lines: Vec<&str> = SMALL.lines().collect();
    lines.insert(2, bad);
    let file = node.folder().join("bad.jsonl");
    std::fs::write(&file, lines.join("\n")).expect("the file can be written");
    file
}

fn path(file: &Path) -> &str {
    file.to_str().expect("a path in UTF-8")
}
