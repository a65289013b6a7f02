//! One phase of a run: the generator's threads send a number of requests, or for a time, and add up
//! what they saw.
//!
//! Each thread is a runtime of its own with its share of the connections; the threads share nothing
//! while they run.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::task::LocalSet;
use uuid::Uuid;

use super::customers::CustomerId;
use super::gate::{Gate, OpenLoop};
use super::ledger::Ledger;
use super::options::{Amount, Options};
use super::picker::Picker;
use super::progress::Progress;
use super::recorder::Recorder;
use super::schedule::keep_time;
use super::sender::{Lane, send_orders};
use super::template::Template;

/// How often to show the progress.
const TICK: Duration = Duration::from_millis(200);

/// What all threads of a run share, fixed before it begins.
#[derive(Debug)]
pub struct Plan {
    /// The command line.
    pub options: Options,
    /// The customers of the run.
    pub customers: Vec<CustomerId>,
    /// How orders are spread over them.
    pub picker: Picker,
    /// The requests, used in turn.
    pub templates: Vec<Template>,
}

/// What a phase has seen.
#[derive(Debug)]
pub struct PhaseOutcome {
    /// Counts and latencies of all threads.
    pub recorder: Recorder,
    /// What the answers oblige the server to show.
    pub ledger: Ledger,
    /// When its last request had ended.
    pub ended: Instant,
}

/// Runs one phase; `rate` makes it an open loop.
pub fn run(
    plan: &Arc<Plan>,
    amount: Amount,
    rate: Option<u32>,
    progress: &mut Progress,
) -> anyhow::Result<PhaseOutcome> {
    let threads = plan.options.threads.min(plan.options.in_flight);
    let stop = Arc::new(AtomicBool::new(false));
    let completed = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let (finished, results) = mpsc::channel();

    for thread in 0..threads {
        let gate = Gate::new(start, amount, rate, (thread, threads), Arc::clone(&stop));
        let (plan, completed, finished) =
            (Arc::clone(plan), Arc::clone(&completed), finished.clone());
        let run = move || {
            // Nobody listens any more when another thread has failed.
            finished
                .send(generate(plan, gate, (thread, threads), &completed))
                .ok();
        };
        std::thread::Builder::new()
            .name(format!("load-{thread}"))
            .spawn(run)?;
    }

    drop(finished);
    let mut recorder = Recorder::new()?;
    let mut ledger = Ledger::new(plan.customers.len(), plan.options.credit_limit, 1);

    let mut missing = threads;
    while missing > 0 {
        match results.recv_timeout(TICK) {
            Ok(result) => {
                let (seen, acknowledged) = result?;
                recorder.add(&seen)?;
                ledger.add(acknowledged);
                missing -= 1;
            }
            Err(RecvTimeoutError::Timeout) => {
                progress.show(completed.load(Ordering::Relaxed), start.elapsed())
            }
            Err(RecvTimeoutError::Disconnected) => bail!("a generator thread panicked"),
        }
    }

    Ok(PhaseOutcome {
        recorder,
        ledger,
        ended: Instant::now(),
    })
}

/// The work of one thread.
fn generate(
    plan: Arc<Plan>,
    gate: Gate,
    (thread, threads): (u32, u32),
    completed: &AtomicU64,
) -> anyhow::Result<(Recorder, Ledger)> {
    let connections = (plan.options.in_flight + threads - 1 - thread) / threads;

    let ledger = Ledger::new(
        plan.customers.len(),
        plan.options.credit_limit,
        usize::try_from(threads).unwrap_or(usize::MAX),
    );

    let seed = plan
        .options
        .seed
        .wrapping_mul(0x9e37_79b9)
        .wrapping_add(u64::from(thread));
    // Keys of no other run: a v7 UUID's upper half is the time; below it a number per thread and a
    // counter.
    let keys = (Uuid::now_v7().as_u128() >> 64 << 64) | (u128::from(thread) << 48);

    let lane = Rc::new(Lane {
        plan,
        gate,
        recorder: RefCell::new(Recorder::new()?),
        ledger: RefCell::new(ledger),
        random: RefCell::new(SmallRng::seed_from_u64(seed)),
        next_key: Cell::new(keys),
        last_answer: Cell::new(Instant::now()),
        published: Cell::new(0),
    });
    let time_keeper = start_time_keeper(&lane.gate, connections)?;

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(31)
        .build()?;

    let tasks = LocalSet::new();
    for connection in 0..connections {
        let number = connection * threads + thread;
        tasks.spawn_local(send_orders(Rc::clone(&lane), number));
    }

    runtime.block_on(async {
        let report = async {
            loop {
                tokio::time::sleep(TICK / 2).await;
                publish(&lane, completed);
            }
        };
        tokio::select! { () = tasks => (), () = report => () }
    });

    if let Some(keeper) = time_keeper {
        keeper
            .join()
            .map_err(|_| anyhow!("the time keeper panicked"))?;
    }

    let lane = Rc::into_inner(lane).context("a connection is still at work")?;
    let mut recorder = lane.recorder.into_inner();
    recorder.not_sent = lane.gate.not_sent();

    Ok((recorder, lane.ledger.into_inner()))
}

/// Adds what was completed since the last time to what is shown.
fn publish(lane: &Lane, completed: &AtomicU64) {
    let now = lane.recorder.borrow().completed;
    let before = lane.published.replace(now);
    completed.fetch_add(now - before, Ordering::Relaxed);
}

/// In an open loop: the thread that lets requests go when they are due. It ends with the run.
fn start_time_keeper(gate: &Gate, connections: u32) -> anyhow::Result<Option<JoinHandle<()>>> {
    let Some(OpenLoop { schedule, permits }) = gate.open_loop() else {
        return Ok(None);
    };
    let (start, limit, stop) = (gate.start(), gate.limit(), gate.stop_flag());
    let keep = move || keep_time(schedule, start, limit, connections, &permits, &stop);
    Ok(Some(
        std::thread::Builder::new()
            .name("load-time".to_owned())
            .spawn(keep)?,
    ))
}
