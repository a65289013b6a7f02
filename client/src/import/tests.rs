//! The import against a node in memory: real baskets with a known end, an unkind node, bad lines,
//! an import interrupted.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::engine::{Engine, Options, Report};
use super::progress::Progress;
use super::source;
use crate::ClientError;
use crate::fake::Fake;
use crate::http::Node;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/data")
        .join(name)
}

fn expected() -> Value {
    let all: Value =
        serde_json::from_str(&std::fs::read_to_string(data("expected.json")).unwrap()).unwrap();
    all["groceries-small.jsonl"].clone()
}

async fn import(fake: &Fake, file: &Path, keep_going: bool, patience: Duration) -> Report {
    let node = Node::new(&fake.url).unwrap().with_patience(patience);
    let lines = source::read_in_background(source::open(file).unwrap());
    Engine::new(
        node,
        Options {
            most_at_once: 16,
            keep_going,
        },
        Progress::Silent,
    )
    .play(lines)
    .await
}

fn assert_as_expected(report: &Report) {
    assert!(report.failure.is_none(), "{:?}", report.failure);

    let summary: Value = serde_json::from_str(&report.summary.to_json().unwrap()).unwrap();
    let expected = expected();
    for field in ["customers", "orders", "states", "refused"] {
        assert_eq!(summary[field], expected[field], "{field}");
    }

    assert_eq!(
        (
            &summary["skipped"],
            &summary["rejectedBy"]["INSUFFICIENT_CREDIT"]
        ),
        (&Value::from(0), &expected["states"]["REJECTED"])
    );
}

fn assert_node_as_expected(fake: &Fake) {
    let mut states: BTreeMap<&str, u64> = BTreeMap::new();
    fake.state
        .lock()
        .unwrap()
        .orders
        .values()
        .for_each(|order| *states.entry(order.state).or_default() += 1);
    assert_eq!(serde_json::to_value(states).unwrap(), expected()["states"]);
}

/// A file that is removed when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, text: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("counterfoil-{}-{name}", uuid::Uuid::now_v7()));
        std::fs::File::create(&path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

const PATIENT: Duration = Duration::from_secs(20);

#[actix_web::test]
async fn real_baskets_end_as_the_oracle_says_even_on_an_unkind_node() {
    let fake = Fake::start();
    fake.state.lock().unwrap().fail_every = Some(23);
    assert_as_expected(&import(&fake, &data("groceries-small.jsonl"), false, PATIENT).await);
    assert_node_as_expected(&fake);
}

#[actix_web::test]
async fn an_import_that_was_interrupted_ends_the_same_when_it_is_run_again() {
    let fake = Fake::start();
    for calls in [400, 1_500] {
        fake.state.lock().unwrap().dies_after = Some(calls);
        let report = import(
            &fake,
            &data("groceries-small.jsonl"),
            false,
            Duration::from_millis(200),
        )
        .await;
        assert!(
            matches!(report.failure, Some(ClientError::Refused(problem)) if problem.status == 503)
        );
    }

    fake.state.lock().unwrap().dies_after = None;
    assert_as_expected(&import(&fake, &data("groceries-small.jsonl"), false, PATIENT).await);
    assert_as_expected(&import(&fake, &data("groceries-small.jsonl"), false, PATIENT).await);
    assert_node_as_expected(&fake);
}

#[actix_web::test]
async fn every_kind_of_view_is_asked_for_every_write_before_the_import_ends() {
    let fake = Fake::start();
    import(&fake, &data("groceries-small.jsonl"), false, PATIENT).await;

    let state = fake.state.lock().unwrap();
    // An answer on the way (PENDING) is covered by that of the end.
    let ended: Vec<&String> = state
        .given
        .iter()
        .filter(|token| !token.ends_with("PENDING"))
        .collect();

    for (view, seen) in state.seen.iter().enumerate() {
        let of_orders = |token: &&&String| view != 1 || token.starts_with("o:");
        assert!(
            ended
                .iter()
                .filter(of_orders)
                .all(|token| seen.contains(*token)),
            "view {view}"
        );
    }
}

const BAD: &str = concat!(
    r#"{"type":"customer","ref":"c1","name":"Ada Park","creditLimit":{"amount":"500.00"}}"#,
    "\n",
    r#"{"type":"customer","ref":"c2","name":"","creditLimit":{"amount":"1"}}"#,
    "\n",
    r#"{"type":"order","ref":"o1","customer":"c1","lines":[{"sku":"9","#,
    r#""name":"YOGURT","quantity":2,"unitPrice":{"amount":"1.25"}}]}"#,
    "\n",
    r#"{"type":"order","ref":"o2","customer":"c2","lines":[{"sku":"9","#,
    r#""name":"YOGURT","quantity":2,"unitPrice":{"amount":"1.25"}}]}"#,
    "\n",
    r#"{"type":"ship","order":"o2"}"#,
    "\n",
    r#"{"type":"ship","order":"o9"}"#,
    "\n",
    r#"{"type":"customer","ref":"c1","name":"Ada Moss","creditLimit":{"amount":"500.00"}}"#,
    "\n",
    r#"{"type":"refund","order":"o1"}"#,
    "\n",
    r#"{"type":"ship","order":"o1"}"#,
    "\n",
);

#[actix_web::test]
async fn bad_lines_are_told_by_number_and_skipped_when_asked_to_keep_going() {
    let (fake, file) = (Fake::start(), Scratch::new("bad.jsonl", BAD));
    let Report { summary, failure } = import(&fake, &file.0, true, PATIENT).await;
    assert!(failure.is_none());

    let mut errors: Vec<(u64, &str)> = summary
        .errors
        .iter()
        .map(|error| (error.line, error.message.as_str()))
        .collect();
    errors.sort_unstable();

    let expected = [
        (2, "name must have 1 to 200 characters (status 400)"),
        (4, "customer \"c2\" was not made, its line failed"),
        (5, "order \"o2\" was not made, its line failed"),
        (6, "order \"o9\" is not known above this line"),
        (7, "ref \"c1\" is already used by another customer"),
    ];
    assert_eq!(errors[..5], expected);
    assert!(errors[5].0 == 8 && errors[5].1.contains("unknown variant `refund`"));

    assert_eq!(
        (summary.skipped, summary.orders, summary.customers),
        (6, 1, 1)
    );

    assert_eq!(
        fake.state
            .lock()
            .unwrap()
            .orders
            .values()
            .map(|order| order.state)
            .collect::<Vec<_>>(),
        ["SHIPPED"]
    );
}

#[actix_web::test]
async fn a_bad_line_stops_the_import_when_not_asked_to_keep_going() {
    let (fake, file) = (
        Fake::start(),
        Scratch::new(
            "bad.jsonl",
            &BAD.lines().skip(5).collect::<Vec<_>>().join("\n"),
        ),
    );
    let report = import(&fake, &file.0, false, PATIENT).await;

    let message = report.failure.unwrap().to_string();
    assert_eq!(
        message,
        "import stopped at line 1: order \"o9\" is not known above this line"
    );
}

#[actix_web::test]
async fn another_content_under_a_known_reference_is_a_bad_line() {
    let fake = Fake::start();
    let line = |name: &str| {
        format!(
            r#"{{"type":"customer","ref":"c1","name":"{name}","creditLimit":{{"amount":"1"}}}}"#
        )
    };
    for (name, failed) in [("Ada", false), ("Ada", false), ("Bea", true)] {
        let file = Scratch::new("again.jsonl", &line(name));
        let report = import(&fake, &file.0, false, PATIENT).await;
        assert_eq!(report.failure.is_some(), failed, "{:?}", report.failure);
    }
}

#[actix_web::test]
async fn the_same_line_twice_has_no_effect_and_stops_nothing() {
    let fake = Fake::start();
    let lines: Vec<&str> = BAD.lines().take(1).collect();
    let order = BAD.lines().nth(2).unwrap();
    let ship = r#"{"type":"ship","order":"o1"}"#;
    let all = [&lines[..], &lines[..], &[order, order, ship, ship, order]].concat();

    let file = Scratch::new("twice.jsonl", &all.join("\n"));
    let report = import(&fake, &file.0, false, PATIENT).await;
    assert!(report.failure.is_none(), "{:?}", report.failure);

    let summary = report.summary;
    assert_eq!(
        (summary.customers, summary.orders, summary.skipped),
        (1, 1, 0)
    );
    assert_eq!(fake.state.lock().unwrap().orders.len(), 1);
}

#[actix_web::test]
async fn a_node_that_is_not_there_is_told_in_one_line() {
    let fake = Fake {
        url: "http://127.0.0.1:9".to_owned(),
        state: Fake::start().state,
    };
    let file = Scratch::new("one.jsonl", BAD.lines().next().unwrap());
    let report = import(&fake, &file.0, true, Duration::from_millis(300)).await;
    let message = report.failure.unwrap().to_string();
    assert!(
        message.starts_with("no answer from http://127.0.0.1:9/ (tried")
            && message.contains("refused"),
        "{message}"
    );
}
