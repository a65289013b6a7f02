//! The soak: rounds on a real node, in which everything goes wrong that a seed has drawn, one after
//! the other for as long as anybody likes.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is not as expected ends the round"
)]

mod asking;
mod callers;
mod checks;
mod clock;
mod faults;
mod ledger;
mod machine;
mod plan;
mod readers;
mod rest;
mod round;
mod smaller;
mod world;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};

use crate::faults::Servers;
use crate::plan::Plan;
use crate::round::Store;

/// Without a limit there are so many rounds.
const ROUNDS: u64 = 10;

/// So many violations of a round are listed below its story, which has them all.
const LISTED: usize = 10;
/// The exit code of what was interrupted.
const INTERRUPTED: u8 = 130;

/// Runs a node through rounds in which everything goes wrong, and looks whether what must hold,
/// holds.
#[derive(Debug, Parser)]
struct Arguments {
    /// The seed of the first round; the next round has the next one.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many rounds.
    #[arg(long)]
    rounds: Option<u64>,
    /// Begins no more rounds when so many minutes have passed.
    #[arg(long)]
    minutes: Option<u64>,
    /// Where the node has its views.
    #[arg(long, default_value = "embedded")]
    views: Views,
    /// Tells each round's story, also where nothing is wrong.
    #[arg(long)]
    tell: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Views {
    /// In its data folder.
    Embedded,
    /// On a MongoDB and an Elasticsearch of this run's own, to which things happen, too.
    Servers,
}

impl Arguments {
    fn goes_on(&self, rounds: u64, since: Instant) -> bool {
        let limit = match self.minutes {
            Some(_) => self.rounds,
            None => self.rounds.or(Some(ROUNDS)),
        };
        let time = self
            .minutes
            .map(|minutes| Duration::from_secs(minutes * 60));
        limit.is_none_or(|limit| rounds < limit) && time.is_none_or(|time| since.elapsed() < time)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut ended = signal(SignalKind::terminate()).expect("signals can be listened for");
    tokio::select! {
        code = soak(&arguments) => code,
        // What was started ends along with what holds it.
        _ = ctrl_c() => ExitCode::from(INTERRUPTED),
        _ = ended.recv() => ExitCode::from(INTERRUPTED),
    }
}

async fn soak(arguments: &Arguments) -> ExitCode {
    let servers = match arguments.views {
        Views::Embedded => None,
        Views::Servers => Some(Arc::new(Servers::start().await)),
    };

    let began = Instant::now();
    let (mut rounds, mut violations) = (0, 0);
    let mut store = None;
    while arguments.goes_on(rounds, began) {
        let plan = Plan::of(arguments.seed + rounds, servers.is_some());
        let (found, left) = go_round(plan, store, servers.clone(), arguments.tell).await;
        rounds += 1;
        violations += found;
        store = left;
    }
    drop(store);

    let seconds = began.elapsed().as_secs_f64();
    println!("{rounds} rounds in {seconds:.1} s, {violations} violations");
    match violations {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Has one round happen; how much was wrong, and the store for the next round, if it is whole.
async fn go_round(
    plan: Plan,
    store: Option<Store>,
    servers: Option<Arc<Servers>>,
    tell: bool,
) -> (usize, Option<Store>) {
    let store = match store.filter(|_| plan.goes_on) {
        Some(store) => store,
        None => Store::new(&plan, servers.as_ref()).await,
    };
    let began = Instant::now();
    let (seed, age) = (plan.seed, store.rounds);
    let (acts, faults) = (plan.acts.len(), plan.faults.len());
    let drawn = plan.clone();
    let mut outcome = round::run(plan, store, servers.clone()).await;

    let (found, seconds) = (outcome.violations.len(), began.elapsed().as_secs_f64());
    println!(
        "seed {seed}: {acts} acts, {faults} faults, on a store of {age} rounds: {seconds:.1} s, \
         {found} violations"
    );
    if found > 0 || tell {
        println!("{drawn:#?}");
        outcome.story.iter().for_each(|line| println!("{line}"));
    }
    if found == 0 {
        return (0, Some(outcome.store));
    }

    for violation in outcome.violations.iter().take(LISTED) {
        println!("seed {seed}: {violation}");
    }
    println!(
        "seed {seed}: the data and the log are in {}",
        outcome.store.keep()
    );
    drop(outcome);
    tell_smallest(&drawn, servers).await;
    (found, None)
}

/// Tells the smallest round that fails like this one, as far as it fails again.
async fn tell_smallest(plan: &Plan, servers: Option<Arc<Servers>>) {
    let seed = plan.seed;
    let Some((smallest, mut outcome)) = smaller::smallest(plan, servers).await else {
        println!("seed {seed}: it has not failed again on an empty store");
        return;
    };

    let (acts, faults) = (smallest.acts.len(), smallest.faults.len());
    println!("seed {seed}, made smaller to {acts} acts and {faults} faults:");
    println!("{smallest:#?}");
    outcome.story.iter().for_each(|line| println!("{line}"));
    println!(
        "seed {seed}: the data and the log of the smaller one are in {}",
        outcome.store.keep()
    );
}
