//! The simulator: histories of a shop in which everything goes wrong, one after the other, each
//! from a seed alone.
#![expect(
    clippy::expect_used,
    reason = "test code: what is not as expected ends the history"
)]

mod callers;
mod checks;
mod damage;
mod events;
mod history;
mod host;
#[cfg(feature = "mistakes")]
mod mistakes;
mod plan;
mod reactions;
mod sent;
mod shrinking;
mod trouble;
mod views;
mod watchdog;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use store::services::SHOP;
use store::simulated::Template;

use crate::history::HistoryOutcome;
use crate::plan::{Plan, SHARDS, Seed};

// A history is mostly small pieces of memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs histories in which everything goes wrong, and looks whether what must hold, holds.
#[derive(Debug, Parser)]
struct Arguments {
    /// Tells the history of this seed.
    #[arg(long, conflicts_with = "from")]
    seed: Option<u64>,
    /// How many nodes there are in each history; one to three otherwise, as the seed wants it.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=5))]
    nodes: Option<u8>,
    /// The first seed of a range.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    histories: u64,
    /// Runs the seeds that have failed once.
    #[arg(long, conflicts_with_all = ["seed", "from"])]
    kept: bool,
    /// Begins no more histories when so many seconds have passed.
    #[arg(long)]
    seconds: Option<u64>,
    /// Runs each history twice and compares.
    #[arg(long)]
    twice: bool,
    /// Makes each of the seeded mistakes in turn, or the one of this name, and runs histories until
    /// one catches it.
    #[cfg(feature = "mistakes")]
    #[arg(long, num_args = 0..=1, default_missing_value = mistakes::ALL)]
    mistakes: Option<String>,
    /// Threads, each with histories of its own.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// Of so many seeds that fail the story is told.
const TOLD: usize = 3;

/// Empty databases, by their number of shards.
type Templates = BTreeMap<u16, Template>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // What panics is told by its consequences.
    std::panic::set_hook(Box::new(|_| {}));
    watchdog::WATCHDOG.watch();
    let templates = templates();

    #[cfg(feature = "mistakes")]
    if let Some(name) = &arguments.mistakes {
        return mistakes::catch(name, &arguments, &templates);
    }

    match arguments.seed {
        Some(number) => tell(
            Seed {
                number,
                nodes: arguments.nodes.map(usize::from),
            },
            &templates,
        ),
        None => run_all(&arguments, &templates),
    }
}

fn templates() -> Templates {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system gives a runtime");
    let make = |shards| {
        let made = runtime.block_on(Template::make(&SHOP, shards));
        (shards, made.expect("there is a disk"))
    };
    SHARDS.into_iter().map(make).collect()
}

fn happen(plan: &Plan, templates: &Templates) -> HistoryOutcome {
    history::run(plan, &templates[&plan.shards])
}

/// Tells a history; a smaller one in its place, if it fails.
fn tell(seed: Seed, templates: &Templates) -> ExitCode {
    let began = Instant::now();
    let outcome = happen(&Plan::of(seed), templates);
    if outcome.violations.is_empty() {
        print(&outcome.story);
    } else {
        tell_smaller(seed, templates);
    }
    report(1, began, outcome.violations.len())
}

fn tell_smaller(seed: Seed, templates: &Templates) {
    let fails = |plan: &Plan| !happen(plan, templates).violations.is_empty();
    let plan = shrinking::shrunk(Plan::of(seed), fails);
    let (acts, faults) = (plan.acts.len(), plan.faults.len());

    println!("seed {seed}, made smaller to {acts} acts and {faults} faults:");
    print(&happen(&plan, templates).story);
}

fn print(story: &[String]) {
    for line in story {
        println!("{line}");
    }
}

fn report(histories: u64, began: Instant, violations: usize) -> ExitCode {
    let seconds = began.elapsed().as_secs_f64();
    println!("{histories} histories in {seconds:.1} s, {violations} violations");
    match violations {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn run_all(arguments: &Arguments, templates: &Templates) -> ExitCode {
    let began = Instant::now();
    let seeds = Mutex::new(seeds(arguments));
    let (run, violations) = (AtomicU64::new(0), AtomicUsize::new(0));
    let failed = Mutex::new(BTreeSet::new());

    let next = || {
        let is_over = |limit| began.elapsed() >= Duration::from_secs(limit);
        let mut seeds = seeds.lock().expect("nobody panics with it");
        seeds
            .next()
            .filter(|_| !arguments.seconds.is_some_and(is_over))
    };
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(|| {
                while let Some(seed) = next() {
                    let found = look_at(seed, arguments.twice, templates);
                    run.fetch_add(1, Ordering::Relaxed);
                    violations.fetch_add(found, Ordering::Relaxed);
                    if found > 0 {
                        failed.lock().expect("nobody panics with it").insert(seed);
                    }
                }
            });
        }
    });

    let failed = failed.into_inner().expect("nobody panics with it");
    for seed in failed.into_iter().take(TOLD) {
        tell_smaller(seed, templates);
    }
    report(run.into_inner(), began, violations.into_inner())
}

fn seeds(arguments: &Arguments) -> Box<dyn Iterator<Item = Seed> + Send> {
    if arguments.kept {
        let lines = include_str!("kept_seeds.txt").lines();
        return Box::new(lines.filter(|line| !line.starts_with('#')).map(kept));
    }

    let nodes = arguments.nodes.map(usize::from);
    let histories = usize::try_from(arguments.histories).unwrap_or(usize::MAX);
    let numbers = (arguments.from..).take(histories);
    Box::new(numbers.map(move |number| Seed { number, nodes }))
}

/// A number, and how many nodes there were when it failed.
fn kept(line: &str) -> Seed {
    let (number, nodes) = line.split_once(' ').expect("a seed and its nodes");
    Seed {
        number: number.parse().expect("a seed is a number"),
        nodes: Some(nodes.parse().expect("nodes are counted")),
    }
}

/// Runs one history and tells what is wrong with it; how much that is.
fn look_at(seed: Seed, twice: bool, templates: &Templates) -> usize {
    let plan = Plan::of(seed);
    let outcome = happen(&plan, templates);
    for violation in &outcome.violations {
        println!("seed {seed}: {violation}");
    }

    if twice && let Some(difference) = history::difference(&plan, &templates[&plan.shards]) {
        println!("seed {seed}: it does not happen in the same way again: {difference}");
        return outcome.violations.len() + 1;
    }
    outcome.violations.len()
}
