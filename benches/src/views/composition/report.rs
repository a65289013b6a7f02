//! What the comparison has shown, as JSON and as a table.

use std::fmt;

use serde::Serialize;

use super::view::LookedAt;
use super::{ComposedAnswer, PAGE, VALUABLE};
use crate::latency::{Latencies, Summary};
use crate::rate::{number, rounded};
use crate::views::options::Composition;

/// What a round trip between two hosts of one data centre adds, in milliseconds. Computed, not
/// measured.
pub const NETWORK_MILLIS: f64 = 0.5;

/// A way to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Way {
    /// 1+N, on the orders service as it is.
    OneByOneWithoutIndex,
    /// Two bulk reads, on the orders service as it is.
    BulkWithoutIndex,
    /// 1+N, with an index by customer.
    OneByOne,
    /// 1+N that stops when the page is full.
    OneByOneUntilFull,
    /// Two bulk reads, with the indexes.
    Bulk,
    /// One read of the view in SQLite.
    SqliteView,
    /// One read of the view in MongoDB.
    MongodbView,
}

impl Way {
    /// Whether the services lack the indexes that only composition needs.
    #[must_use]
    pub fn lacks_its_index(self) -> bool {
        matches!(self, Way::OneByOneWithoutIndex | Way::BulkWithoutIndex)
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Way::OneByOneWithoutIndex => "1+N, no index for it",
            Way::BulkWithoutIndex => "two bulk reads, no index for it",
            Way::OneByOne => "1+N",
            Way::OneByOneUntilFull => "1+N until the page is full",
            Way::Bulk => "two bulk reads",
            Way::SqliteView => "view (SQLite)",
            Way::MongodbView => "view (MongoDB)",
        })
    }
}

/// All ways with all numbers of recent customers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Orders in the data.
    pub orders: u64,
    /// Customers in the data.
    pub customers: u32,
    /// The lowest total of a valuable order.
    pub valuable_from: String,
    /// At most this many customers in an answer.
    pub page: u16,
    /// By the number of recent customers, then by way.
    pub ways: Vec<WayReport>,
}

/// One way with one number of recent customers. Latencies are in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WayReport {
    /// Recent customers.
    pub recent: u32,
    /// How the question was asked.
    pub way: Way,
    /// Customers in the answer.
    pub found: usize,
    /// Reads that wait for each other.
    pub round_trips: u64,
    /// Rows or documents that came over.
    pub rows: u64,
    /// As measured.
    pub latency: Summary,
    /// The median and what a network would add for the round trips.
    pub p50_with_network: f64,
    /// The 99th percentile and what a network would add.
    pub p99_with_network: f64,
    /// What the view's server has looked at for one query, where it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documents_examined: Option<u64>,
    /// Index keys, where the server tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_keys_examined: Option<u64>,
}

impl Report {
    /// A report without measurements yet.
    #[must_use]
    pub fn new(asked: &Composition) -> Self {
        let (orders, customers) = (asked.orders, asked.customers);
        Report {
            orders,
            customers,
            valuable_from: VALUABLE.to_string(),
            page: PAGE,
            ways: Vec::new(),
        }
    }

    /// Sorts the measurements for the table.
    pub fn sort(&mut self) {
        self.ways.sort_by_key(|way| (way.recent, way.way));
    }
}

impl WayReport {
    /// Sums up one measurement. With `looked_at`, the view's server has told how often it was
    /// asked.
    #[must_use]
    pub fn new(
        recent: u32,
        way: Way,
        answer: &ComposedAnswer,
        latencies: &Latencies,
        looked_at: Option<LookedAt>,
    ) -> Self {
        let latency = latencies.summary();
        let trips = looked_at.map_or(answer.trips, |seen| seen.commands);
        let network = number(trips) * NETWORK_MILLIS;

        WayReport {
            recent,
            way,
            found: answer.customers.len(),
            round_trips: trips,
            rows: answer.rows,
            p50_with_network: rounded(latency.p50 + network, 2),
            p99_with_network: rounded(latency.p99 + network, 2),
            latency,
            documents_examined: looked_at.map(|seen| seen.documents),
            index_keys_examined: looked_at.map(|seen| seen.index_keys),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            orders,
            customers,
            valuable_from,
            page,
            ..
        } = self;

        writeln!(
            f,
            "the newest {page} recent customers with an approved order of {valuable_from} or more, \
             of {orders} orders and \
             {customers} customers\n"
        )?;

        writeln!(
            f,
            "| recent | way | found | round trips | rows | p50 ms | p99 ms \
             | p50 + {NETWORK_MILLIS} ms a trip (computed) | \
             runs |\n|---|---|---|---|---|---|---|---|---|"
        )?;

        for WayReport {
            recent,
            way,
            found,
            round_trips,
            rows,
            latency,
            p50_with_network,
            ..
        } in &self.ways
        {
            let Summary {
                count, p50, p99, ..
            } = latency;
            writeln!(
                f,
                "| {recent} | {way} | {found} | {round_trips} | {rows} | {p50:.2} | {p99:.2} \
                 | {p50_with_network:.1} | \
                 {count} |"
            )?;
        }

        for seen in self
            .ways
            .iter()
            .filter(|seen| seen.documents_examined.is_some())
        {
            let count = |seen: Option<u64>| seen.unwrap_or_default();
            writeln!(
                f,
                "\n{} recent, {}: {} commands, {} documents and {} index keys examined \
                 by the server",
                seen.recent,
                seen.way,
                seen.round_trips,
                count(seen.documents_examined),
                count(seen.index_keys_examined),
            )?;
        }

        Ok(())
    }
}
