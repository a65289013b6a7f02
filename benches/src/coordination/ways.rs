//! Choreography against orchestration. Each run has a node of its own on a new data directory: a
//! warm-up, many callers at once, then one caller alone. Both ways take turns, so that whatever
//! else the machine does falls on both.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::counters::Counters;
use super::node::Node;
use super::options::Ways;
use crate::load::options::{Amount, Options};
use crate::load::phase::{self, Plan};
use crate::load::progress::Progress;
use crate::load::recorder::Recorder;
use crate::load::{customers, picker::Picker, template::Template};
use crate::rate::{number, per_second};

const WAYS: [&str; 2] = ["orchestration", "choreography"];

/// What callers have seen and the node has counted, per order.
#[derive(Debug, Clone, Copy)]
struct Seen {
    per_second: f64,
    p50: f64,
    p99: f64,
    counted: Counters,
}

/// One run of one way.
#[derive(Debug, Clone, Copy)]
struct Run {
    many: Seen,
    alone: Seen,
}

/// All runs of one way, and the other.
#[derive(Debug)]
pub struct Comparison {
    in_flight: u32,
    runs: [Vec<Run>; 2],
}

/// Measures both ways, in turns.
pub fn measure(binary: &Path, options: &Ways) -> anyhow::Result<Comparison> {
    let mut runs = [Vec::new(), Vec::new()];
    for round in 0..options.rounds {
        let mut turns: Vec<_> = WAYS.iter().zip(&mut runs).collect();
        if round % 2 == 1 {
            turns.reverse();
        }
        for (way, runs) in turns {
            eprintln!("round {}: {way}", round + 1);
            runs.push(run(binary, way, options)?);
        }
    }
    Ok(Comparison {
        in_flight: options.in_flight,
        runs,
    })
}

fn run(binary: &Path, way: &'static str, options: &Ways) -> anyhow::Result<Run> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let folder = tempfile::tempdir()?;
    let settings = [("COUNTERFOIL_COORDINATION", way)];
    let node = runtime.block_on(Node::start(binary, folder.path(), &settings))?;

    let in_flight = options.in_flight.to_string();
    let many = plan(&runtime, node.load(&["--in-flight", &in_flight])?)?;
    let alone = plan(&runtime, node.load(&["--in-flight", "1"])?)?;

    send(&many, options.requests / 5)?;
    let measured = |plan: &Arc<Plan>, requests| -> anyhow::Result<Seen> {
        let before = runtime.block_on(Counters::of(&node))?;
        let seen = send(plan, requests)?;
        let after = runtime.block_on(Counters::of(&node))?;
        Ok(Seen::new(&seen, after, before))
    };
    let run = Run {
        many: measured(&many, options.requests)?,
        alone: measured(&alone, options.alone)?,
    };
    node.end()?;
    Ok(run)
}

/// Orders of customers of their own.
pub(super) fn plan(
    runtime: &tokio::runtime::Runtime,
    options: Options,
) -> anyhow::Result<Arc<Plan>> {
    Ok(Arc::new(Plan {
        customers: runtime.block_on(customers::create(&options))?,
        picker: Picker::new(options.distribution, options.customers)?,
        templates: Template::all(&options)?,
        options,
    }))
}

fn send(plan: &Arc<Plan>, requests: u64) -> anyhow::Result<Recorder> {
    let amount = Amount::Requests(requests);
    let mut progress = Progress::new("orders", amount, Vec::new());
    let outcome = phase::run(plan, amount, None, &mut progress)?;
    progress.finish();
    Ok(outcome.recorder)
}

impl Seen {
    fn new(seen: &Recorder, after: Counters, before: Counters) -> Self {
        let millis = |quantile| number(seen.latencies.value_at_quantile(quantile)) / 1e3;
        Seen {
            per_second: per_second(seen.completed, seen.last),
            p50: millis(0.5),
            p99: millis(0.99),
            counted: after.each(before, number(seen.completed)),
        }
    }
}

/// What was seen with some callers, and the words for them.
type Callers<'a> = (&'a str, fn(&Run) -> Seen);
/// One figure of what was seen, and its name.
type Figure = (&'static str, fn(Seen) -> f64);

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, other] = WAYS;
        writeln!(f, "| per order, each run | {one} | {other} |")?;
        writeln!(f, "|---|---|---|")?;

        let many = format!("{} callers", self.in_flight);
        let callers: [Callers<'_>; 2] = [
            (many.as_str(), |run| run.many),
            ("one caller", |run| run.alone),
        ];
        for (who, of) in callers {
            let figures: [Figure; 6] = [
                ("orders/s", |seen| seen.per_second),
                ("p50, ms", |seen| seen.p50),
                ("p99, ms", |seen| seen.p99),
                ("units", |seen| seen.counted.units),
                ("transactions", |seen| seen.counted.commits),
                ("messages", |seen| seen.counted.messages),
            ];
            for (what, value) in figures {
                let decimals = if what == "orders/s" { 0 } else { 2 };
                let of_way = |runs: &Vec<Run>| {
                    let values = runs.iter().map(|run| value(of(run)));
                    let texts: Vec<_> = values.map(|value| format!("{value:.decimals$}")).collect();
                    texts.join("; ")
                };
                let [one, other] = self.runs.each_ref().map(of_way);
                writeln!(f, "| {who}: {what} | {one} | {other} |")?;
            }
        }
        Ok(())
    }
}
