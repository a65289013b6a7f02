//! A bulk retry of many stuck sagas beside live orders.
//!
//! Sagas get stuck because their customers panic over every command. The node is then ended, what
//! it had parked for those customers is deleted, as if operators had discarded all of it, and it
//! starts again without that fault: the sagas are stuck still, and a retry succeeds. Live orders
//! come in at a fixed rate, before, while an operator has all of the sagas tried again, and after.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::future::try_join_all;
use serde::Deserialize;
use serde_json::json;

use super::counters::sum_of;
use super::node::{self, Node, Setting, post};
use super::options::Bulk;
use super::ways::plan;
use crate::lag::background::{Background, BackgroundReport};

/// So many customers share the stuck sagas: few enough wait for each that none is refused.
const CUSTOMERS: u32 = 100;
const CONNECTIONS: u32 = 64;
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Sagas give up soon, and their customers never answer.
const STUCK: [Setting; 4] = [
    ("COUNTERFOIL_FAULTS", "panic-customer=Stuck"),
    ("COUNTERFOIL_SAGA_DEADLINE", "1s"),
    ("COUNTERFOIL_SAGA_RETRY", "10ms"),
    ("COUNTERFOIL_SAGA_ATTEMPTS", "1"),
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    customer_id: String,
}

#[derive(Debug, Deserialize)]
struct Ordered {}

/// The answer to a bulk request.
#[derive(Debug, Deserialize)]
struct Retried {
    done: u64,
    refused: u64,
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Listed {
    sagas: Vec<serde_json::Value>,
}

/// What callers and the operator have seen.
#[derive(Debug)]
pub struct Report {
    rate: u32,
    before: Option<BackgroundReport>,
    during: Option<BackgroundReport>,
    after: Option<BackgroundReport>,
    requests: u64,
    done: u64,
    refused: u64,
    /// Until the last bulk request was answered.
    asked: Duration,
    /// Until the last saga had ended.
    ended: Duration,
}

/// Brings the sagas about, and measures.
pub fn measure(binary: &Path, options: &Bulk) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let folder = tempfile::tempdir()?;

    eprintln!("bringing {} sagas to a standstill", options.sagas);
    runtime.block_on(get_stuck(binary, folder.path(), options.sagas))?;
    discard_parked(folder.path())?;

    let node = runtime.block_on(Node::start(binary, folder.path(), &[]))?;
    let live = plan(&runtime, node.load(&["--in-flight", "512"])?)?;
    let quiet = Duration::from_secs(options.seconds);
    let mut report = Report::new(options.rate);

    eprintln!("live orders alone");
    let orders = Background::start(&live, options.rate)?;
    std::thread::sleep(quiet);
    report.before = orders.end()?;

    eprintln!("live orders beside the bulk retry");
    let orders = Background::start(&live, options.rate)?;
    runtime.block_on(retry_all(&node, options.limit, &mut report))?;
    report.during = orders.end()?;

    eprintln!("live orders alone");
    let orders = Background::start(&live, options.rate)?;
    std::thread::sleep(quiet);
    report.after = orders.end()?;

    node.end()?;
    Ok(report)
}

async fn get_stuck(binary: &Path, data: &Path, sagas: u32) -> anyhow::Result<()> {
    // The customers are there before they panic.
    let node = Node::start(binary, data, &[]).await?;
    let mut connection = node.connection();
    let mut customers = Vec::new();
    for _ in 0..CUSTOMERS {
        let new = json!({"name": "Stuck", "creditLimit": {"amount": "1000000.00"}}).to_string();
        let created: Created = post(&mut connection, &node.target, "/customers", &new).await?;
        customers.push(created.customer_id);
    }
    node.end()?;

    let node = Node::start(binary, data, &STUCK).await?;
    let share = CONNECTIONS.min(sagas);
    let shares = (0..share).map(|first| {
        let numbers = (first..sagas).step_by(usize::try_from(share).unwrap_or(1));
        order_all(&node, &customers, numbers)
    });
    try_join_all(shares).await?;

    let stuck = async || -> anyhow::Result<f64> {
        let metrics = node.text("/metrics").await?;
        Ok(sum_of(
            &metrics,
            "counterfoil_open_sagas",
            r#"state="STUCK""#,
        ))
    };
    while stuck().await? < f64::from(sagas) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    node.end()
}

/// One order of each of these numbers, spread over the customers.
async fn order_all(
    node: &Node,
    customers: &[String],
    numbers: impl Iterator<Item = u32>,
) -> anyhow::Result<()> {
    let mut connection = node.connection();
    for number in numbers {
        let place = usize::try_from(number % CUSTOMERS)?;
        let customer = customers.get(place).context("there is no such customer")?;
        let new = json!({"customerId": customer, "orderTotal": {"amount": "1.00"}});
        let _: Ordered = post(&mut connection, &node.target, "/orders", &new.to_string()).await?;
    }
    Ok(())
}

/// Deletes what is parked for the customers, as if operators had discarded it.
fn discard_parked(data: &Path) -> anyhow::Result<()> {
    let database = rusqlite::Connection::open(node::database(data, "customers"))?;
    database.execute("DELETE FROM parked_messages", ())?;
    Ok(())
}

/// Has all of them tried again, some at a time, and waits until the last one has ended.
async fn retry_all(node: &Node, limit: u32, report: &mut Report) -> anyhow::Result<()> {
    let mut connection = node.connection();
    let begun = Instant::now();
    let mut cursor: Option<String> = None;

    loop {
        let mut asked = json!({"action": "retry", "limit": limit});
        if let (Some(cursor), Some(fields)) = (cursor, asked.as_object_mut()) {
            fields.insert("cursor".to_owned(), cursor.into());
        }
        let body = asked.to_string();
        let retried: Retried = post(&mut connection, &node.target, "/sagas/bulk", &body).await?;
        report.requests += 1;
        report.done += retried.done;
        report.refused += retried.refused;
        cursor = retried.next;
        if cursor.is_none() {
            break;
        }
    }
    report.asked = begun.elapsed();

    for state in ["STUCK", "COMPENSATING"] {
        let path = format!("/sagas?state={state}&limit=1");
        loop {
            let listed: Listed = serde_json::from_str(&node.text(&path).await?)?;
            if listed.sagas.is_empty() {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    report.ended = begun.elapsed();
    Ok(())
}

impl Report {
    fn new(rate: u32) -> Self {
        Report {
            rate,
            before: None,
            during: None,
            after: None,
            requests: 0,
            done: 0,
            refused: 0,
            asked: Duration::ZERO,
            ended: Duration::ZERO,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} sagas tried again in {} requests ({} refused): asked for in {:.1} s, ended after {:.1} s\n",
            self.done,
            self.requests,
            self.refused,
            self.asked.as_secs_f64(),
            self.ended.as_secs_f64()
        )?;

        let rate = self.rate;
        writeln!(
            f,
            "| {rate} live orders/s | orders/s | p50, ms | p99, ms | 503 | failed | not sent |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        for (when, seen) in [
            ("before", &self.before),
            ("during", &self.during),
            ("after", &self.after),
        ] {
            let Some(seen) = seen else { continue };
            writeln!(
                f,
                "| {when} | {} | {} | {} | {} | {} | {} |",
                seen.completed_per_second,
                seen.p50,
                seen.p99,
                seen.busy,
                seen.failed,
                seen.not_sent
            )?;
        }
        Ok(())
    }
}
