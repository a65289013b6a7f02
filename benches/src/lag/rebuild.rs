//! A view that is built anew while it answers: how fast, and what reads take before and meanwhile.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use clap::ValueEnum;
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::caller::{Acknowledged, Reader};
use super::options::Options;
use super::probing::{Probes, Reads};
use super::searching;
use super::status::Operator;
use crate::latency::{Latencies, Summary};
use crate::load::connection::Connection;
use crate::rate::{per_second, rounded};

/// How often to ask for the progress of the rebuild.
const EVERY: Duration = Duration::from_millis(100);
const TIMEOUT: Duration = Duration::from_secs(60);
/// Each caller has this many orders, which the readers read again and again.
const ORDERS: u32 = 50;

/// One rebuild.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RebuildReport {
    /// The view's name.
    pub view: String,
    /// Where it is kept.
    pub backend: String,
    /// What it was built from.
    pub from: String,
    /// Until the new generation answers.
    pub seconds: f64,
    /// Orders in the view when it was done.
    pub orders: u64,
    /// Orders in the view by the time it took.
    pub orders_per_second: f64,
    /// Places of the log, or entities, as the node tells it.
    pub places: u64,
    /// Places, or entities, by the time it took.
    pub places_per_second: f64,
    /// Reads before the rebuild.
    pub before: ReadReport,
    /// Reads during the rebuild.
    pub meanwhile: ReadReport,
}

/// Reads of both views, each with the token of what is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadReport {
    /// Latencies of reads by id.
    pub documents: Summary,
    /// Latencies of searches.
    pub search: Summary,
    /// Reads that showed less than their token.
    pub stale: u64,
    /// Reads that were told that the view is behind.
    pub behind: u64,
    /// Reads that failed.
    pub failed: u64,
}

/// Rebuilds a view.
pub async fn measure(
    options: &Options,
    probes: &Probes,
    view: &str,
    before: Duration,
) -> anyhow::Result<RebuildReport> {
    let mut operator = Operator::new(&options.url);
    let backend = operator.view(view).await?.backend;
    let orders = probes.orders(ORDERS).await?;
    let end = Instant::now() + before;
    let reads_before = read_until(options, &orders, &|| Instant::now() >= end).await?;
    let done = Cell::new(false);
    let is_done = || done.get();
    let begun = Instant::now();

    let (places, meanwhile) = tokio::try_join!(
        async {
            let places = rebuild(options, &mut operator, view).await;
            done.set(true);
            Ok((places?, begun.elapsed()))
        },
        read_until(options, &orders, &is_done),
    )?;
    let (places, took) = places;
    let mut connection = Connection::new(&options.url, TIMEOUT);
    let orders = searching::total_of(&mut connection, "/orders?limit=1").await?;

    Ok(RebuildReport {
        view: view.to_owned(),
        backend,
        from: name_of(options),
        seconds: rounded(took.as_secs_f64(), 2),
        orders,
        orders_per_second: rounded(per_second(orders, took), 0),
        places,
        places_per_second: rounded(per_second(places, took), 0),
        before: reads_before,
        meanwhile,
    })
}

fn name_of(options: &Options) -> String {
    options
        .from
        .to_possible_value()
        .map(|name| name.get_name().to_owned())
        .unwrap_or_default()
}

/// Rebuilds a view, and gives how many places or entities the node has counted.
async fn rebuild(options: &Options, operator: &mut Operator, view: &str) -> anyhow::Result<u64> {
    let generation = operator.rebuild(view, &name_of(options)).await?;
    let deadline = Instant::now() + Duration::from_secs(options.rebuild_timeout);
    let mut places = 0;

    while Instant::now() < deadline {
        let status = operator.view(view).await?;
        if status.generation == Some(generation) {
            return Ok(places);
        }
        match status
            .progress
            .filter(|progress| progress.generation == generation)
        {
            Some(progress) => places = progress.total.max(places),
            // Neither built nor answering: it was given up, or is about to answer.
            None => ensure!(
                status.error.is_none(),
                "{view}: {}",
                status.error.unwrap_or_default()
            ),
        }
        tokio::time::sleep(EVERY).await;
    }

    bail!(
        "rebuild-timeout: {view} is not rebuilt after {} s",
        options.rebuild_timeout
    )
}

/// Reads orders as documents and by search, with this many readers of each kind, until the rebuild
/// is over.
async fn read_until(
    options: &Options,
    orders: &[Acknowledged],
    over: &dyn Fn() -> bool,
) -> anyhow::Result<ReadReport> {
    let readers = (0..options.readers).map(|number| read(options, orders, number, over));

    let (mut documents, mut search) = (Reads::new()?, Latencies::new()?);
    for (of_documents, of_search) in try_join_all(readers).await? {
        documents.add(&of_documents)?;
        search.add(&of_search)?;
    }

    let Reads {
        lag,
        stale,
        behind,
        failed,
    } = documents;

    Ok(ReadReport {
        documents: lag.summary(),
        search: search.summary(),
        stale,
        behind,
        failed,
    })
}

async fn read(
    options: &Options,
    orders: &[Acknowledged],
    number: u32,
    over: &dyn Fn() -> bool,
) -> anyhow::Result<(Reads, Latencies)> {
    let mut reader = Reader::new(&options.url);
    let mut connection = Connection::new(&options.url, TIMEOUT);
    let texts = searching::texts(options.queries.as_deref())?;
    let (mut documents, mut search) = (Reads::new()?, Latencies::new()?);
    let first = usize::try_from(number)?;

    for (order, text) in orders
        .iter()
        .cycle()
        .skip(first)
        .zip(texts.iter().cycle().skip(first))
    {
        if over() {
            break;
        }
        let begun = Instant::now();
        let shown = reader.document(order, &order.waiting).await?;
        documents.count(shown, begun.elapsed());
        let begun = Instant::now();
        searching::total_of(&mut connection, &searching::path_of(text)).await?;
        search.record(begun.elapsed());
    }

    Ok((documents, search))
}
