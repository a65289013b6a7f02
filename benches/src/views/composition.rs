//! *Recent, valuable customers* (created since a time, with an approved order of at least some
//! total, the newest 20) in the ways an application has to ask for them:
//!
//! - **API composition**: the asker reads the customers service and the orders service, each of
//!   which has a database of its own, and joins what it gets ([`composer`]);
//! - **a view**: the join was made when the events came; one read of the document view.
//!
//! Every way must give the same customers with the same fields. Latencies are measured on one
//! machine, where a round trip to an embedded database costs no network; what a network would add
//! is *computed* from the round trips counted.

pub mod composer;
pub mod data;
pub mod plot;
pub mod report;
pub mod view;

use std::time::Instant;

use anyhow::{Context, ensure};
use domain::{Money, Timestamp};
use projections::CustomerDocument;
use tokio::runtime::Runtime;

use self::composer::Composer;
use self::data::Data;
use self::report::{Report, Way, WayReport};
use self::view::FilledView;
use super::options::{Backend, Composition, PlaceOptions};
use super::place::Place;
use crate::latency::Latencies;

/// An order of at least this total is valuable: one in a hundred.
pub const VALUABLE: Money = Money::from_cents(50_000);
/// Asks for at most this many customers.
pub const PAGE: u16 = 20;

/// The question.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// Customers created after this time are recent.
    pub since: Timestamp,
    /// An approved order of this total makes a customer valuable.
    pub min_total: Money,
    /// At most this many customers.
    pub limit: u16,
}

/// The answer, and what it took.
#[derive(Debug, Clone)]
pub struct ComposedAnswer {
    /// Newest first.
    pub customers: Vec<CustomerDocument>,
    /// Reads that wait for each other: each is a round trip.
    pub trips: u64,
    /// Rows or documents that came over to the asker.
    pub rows: u64,
}

/// The question, all ways to ask it, and the data.
struct Sides {
    composer: Composer,
    sqlite: FilledView,
    mongodb: Option<FilledView>,
}

impl Sides {
    async fn ask(&self, way: Way, question: Question) -> anyhow::Result<ComposedAnswer> {
        match way {
            Way::OneByOne | Way::OneByOneWithoutIndex => {
                self.composer.one_by_one(question, false).await
            }
            Way::OneByOneUntilFull => self.composer.one_by_one(question, true).await,
            Way::Bulk | Way::BulkWithoutIndex => self.composer.bulk(question).await,
            Way::SqliteView => self.sqlite.ask(question).await,
            Way::MongodbView => {
                self.mongodb
                    .as_ref()
                    .context("MongoDB is left out")?
                    .ask(question)
                    .await
            }
        }
    }
}

/// Fills the services and the views, and asks.
pub fn measure(
    runtime: &Runtime,
    place: &PlaceOptions,
    asked: &Composition,
) -> anyhow::Result<Report> {
    let place = Place::new(runtime, place)?;
    let measured = measure_in(&place, asked);
    place.remove(if asked.no_mongodb {
        Backend::Sqlite
    } else {
        Backend::Mongodb
    })?;
    measured
}

fn measure_in(place: &Place<'_>, asked: &Composition) -> anyhow::Result<Report> {
    let runtime = place.runtime;
    let data = Data::new(asked.seed, asked.customers, asked.orders);

    eprintln!(
        "filling the services' databases and the views with {} orders",
        asked.orders
    );

    let composer = runtime.block_on(Composer::fill(place.folder(), &data))?;
    let sqlite = FilledView::fill(place, Backend::Sqlite, &data)?;

    let mongodb = if asked.no_mongodb {
        None
    } else {
        Some(FilledView::fill(place, Backend::Mongodb, &data)?)
    };

    let sides = Sides {
        composer,
        sqlite,
        mongodb,
    };

    let mut report = Report::new(asked);
    let fewest = asked.recent.iter().copied().min().unwrap_or_default();

    if asked.runs_without_index > 0 {
        for recent in &asked.recent {
            let one_by_one = (*recent == fewest).then_some(Way::OneByOneWithoutIndex);
            let ways: Vec<Way> = one_by_one
                .into_iter()
                .chain([Way::BulkWithoutIndex])
                .collect();
            report.ways.extend(compare(
                runtime,
                &sides,
                &data,
                *recent,
                &ways,
                asked.runs_without_index,
            )?);
        }
    }

    runtime.block_on(sides.composer.index_for_composition())?;

    let mut ways = vec![
        Way::OneByOne,
        Way::OneByOneUntilFull,
        Way::Bulk,
        Way::SqliteView,
    ];
    ways.extend(sides.mongodb.as_ref().map(|_| Way::MongodbView));

    for recent in &asked.recent {
        report
            .ways
            .extend(compare(runtime, &sides, &data, *recent, &ways, asked.runs)?);
    }

    report.sort();
    runtime.block_on(sides.composer.close());

    Ok(report)
}

/// Asks each way in turn, again and again, and checks that all give what the data says.
fn compare(
    runtime: &Runtime,
    sides: &Sides,
    data: &Data,
    recent: u32,
    ways: &[Way],
    runs: u32,
) -> anyhow::Result<Vec<WayReport>> {
    eprintln!(
        "{recent} recent customers, {} ways, {runs} runs each",
        ways.len()
    );

    let question = Question {
        since: data.since(recent)?,
        min_total: VALUABLE,
        limit: PAGE,
    };
    let expected = data.answer(question);
    let mut seen = Vec::with_capacity(ways.len());

    for way in ways {
        let answer = runtime.block_on(sides.ask(*way, question))?;
        seen.push((*way, answer, Latencies::new()?));
    }

    for _ in 0..runs {
        for (way, last, latencies) in &mut seen {
            let begun = Instant::now();
            *last = runtime.block_on(sides.ask(*way, question))?;
            latencies.record(begun.elapsed());
            ensure!(
                last.customers == expected,
                "{way} gives other customers than the data has: {:?}",
                last.customers
            );
        }
    }

    let mut reports = Vec::with_capacity(seen.len());

    for (way, answer, latencies) in seen {
        let looked_at = match (way, &sides.mongodb) {
            (Way::MongodbView, Some(view)) => runtime.block_on(view.looked_at(question))?,
            _ => None,
        };
        reports.push(WayReport::new(recent, way, &answer, &latencies, looked_at));
    }

    Ok(reports)
}
