//! The load behind the measurements: orders at a fixed rate until it is told to end, by the load
//! generator's threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use serde::{Deserialize, Serialize};

use crate::load::options::Amount;
use crate::load::phase::{self, Plan};
use crate::load::progress::Progress;
use crate::load::recorder::Recorder;
use crate::rate::{number, per_second, rounded};

/// Sends in pieces of this length, so that it ends soon after it is told to. Between two pieces it
/// waits for the last answers.
const PIECE: Duration = Duration::from_secs(2);

/// Running load.
pub struct Background {
    stop: Arc<AtomicBool>,
    begun: Instant,
    thread: Option<JoinHandle<anyhow::Result<Recorder>>>,
}

/// What the background load has achieved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackgroundReport {
    /// Completed sagas per second.
    pub completed_per_second: f64,
    /// Latency of a whole saga, in milliseconds.
    pub p50: f64,
    /// The 99th percentile of that latency.
    pub p99: f64,
    /// Answers 503.
    pub busy: u64,
    /// Orders given up.
    pub failed: u64,
    /// Orders that were due and never sent.
    pub not_sent: u64,
}

impl Background {
    /// Starts it; with a rate of 0 nothing is sent.
    pub fn start(plan: &Arc<Plan>, rate: u32) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, plan) = (Arc::clone(&stop), Arc::clone(plan));
        let send = move || send_until(&plan, rate, &told);

        let thread = (rate > 0).then(|| {
            std::thread::Builder::new()
                .name("background".to_owned())
                .spawn(send)
        });

        Ok(Background {
            stop,
            begun: Instant::now(),
            thread: thread.transpose()?,
        })
    }

    /// Ends it and reports it; `None` when there was none.
    pub fn end(self) -> anyhow::Result<Option<BackgroundReport>> {
        self.stop.store(true, Ordering::Relaxed);

        let Some(thread) = self.thread else {
            return Ok(None);
        };

        let seen = thread
            .join()
            .map_err(|_| anyhow!("the background load panicked"))??;
        let millis =
            |quantile| rounded(number(seen.latencies.value_at_quantile(quantile)) / 1e3, 2);

        Ok(Some(BackgroundReport {
            completed_per_second: rounded(per_second(seen.completed, self.begun.elapsed()), 0),
            p50: millis(0.5),
            p99: millis(0.99),
            busy: seen.busy,
            failed: seen.failed,
            not_sent: seen.not_sent,
        }))
    }
}

fn send_until(plan: &Arc<Plan>, rate: u32, stop: &AtomicBool) -> anyhow::Result<Recorder> {
    let mut all = Recorder::new()?;
    while !stop.load(Ordering::Relaxed) {
        let amount = Amount::Time(PIECE);
        let mut progress = Progress::new("background", amount, Vec::new());
        let outcome = phase::run(plan, amount, Some(rate), &mut progress)?;
        progress.finish();
        all.add(&outcome.recorder)?;
    }
    Ok(all)
}
