//! What a run has shown, as JSON for scripts and plots and as text for people.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::catch_up::CatchUp;
use super::intervals::{Interval, intervals};
use super::options::Options;
use super::recorder::Recorder;
use super::verify::Verdict;
use crate::rate::{micros_each, number, per_second, rounded};

/// The report of one run. Latencies are in milliseconds, memory in MiB.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The name of the run.
    pub label: String,
    /// What was run.
    pub settings: Settings,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Requests that reached what they waited for.
    pub completed: u64,
    /// Completed sagas per second; answers per second when nothing was waited for.
    pub completed_per_second: f64,
    /// From when a request was due to its answer.
    pub latency: Latency,
    /// Parts of the run, equal in completed requests.
    pub intervals: Vec<Interval>,
    /// Requests sent, repeats included.
    pub sent: u64,
    /// Answers 503.
    pub busy: u64,
    /// Connections that broke or gave no answer.
    pub broken_connections: u64,
    /// Orders given up.
    pub failed: u64,
    /// Requests that were due and never sent.
    pub not_sent: u64,
    /// The first failure in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_failure: Option<String>,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    /// Orders by the state that their answer named.
    pub states: BTreeMap<String, u64>,
    /// Rejected orders by reason.
    pub rejection_reasons: BTreeMap<String, u64>,
    /// Processor time of the generator, in microseconds.
    pub generator_cpu_micros_per_request: f64,
    /// Absent unless its process was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// Absent when the check was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
}

/// What makes two runs comparable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Customers of the run.
    pub customers: u32,
    /// Connections.
    pub in_flight: u32,
    /// Requests per second of an open loop.
    pub rate: Option<u32>,
    /// How orders are spread over the customers.
    pub distribution: String,
    /// What becomes of the orders.
    pub path: String,
    /// Lines of an order.
    pub lines: u32,
    /// `Prefer: wait`, in seconds.
    pub wait: u32,
    /// Whether orders carry a key.
    pub idempotency_key: bool,
    /// Requests before the measured ones.
    pub warmup: u64,
    /// Threads of the generator.
    pub threads: u32,
}

/// Percentiles in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The 99.9th percentile.
    pub p999: f64,
    /// The longest.
    pub max: f64,
    /// The arithmetic mean.
    pub mean: f64,
}

/// The server's process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// Anonymous memory at the end, in MiB.
    pub rss_anon: f64,
    /// The most anonymous memory seen, in MiB.
    pub peak_rss_anon: f64,
    /// Processor time during the run.
    pub cpu_seconds: f64,
    /// Processor time per completed request, in microseconds.
    pub cpu_micros_per_completed: f64,
}

/// The end state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// Customers checked.
    pub customers: usize,
    /// Orders checked.
    pub orders: usize,
    /// What is not as the answers said.
    pub violations: usize,
    /// The first violations in words.
    pub examples: Vec<String>,
    /// How soon the document view showed the end.
    pub documents: View,
    /// How soon the search view showed the end.
    pub search: View,
}

/// How soon after the load a view showed its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
pub enum View {
    /// All probes showed.
    CaughtUp {
        /// How long after the load the last of them did.
        seconds: f64,
    },
    /// Some probes did not show in time.
    Behind {
        /// How many did not.
        probes: usize,
    },
    /// The server has no such query.
    Unsupported,
}

impl Report {
    /// Sums up what all threads have seen.
    #[must_use]
    pub fn new(options: &Options, seen: Recorder, generator_cpu: Duration) -> Report {
        Report {
            label: options.label.clone(),
            settings: Settings::of(options),
            seconds: rounded(seen.last.as_secs_f64(), 3),
            completed: seen.completed,
            completed_per_second: rounded(per_second(seen.completed, seen.last), 1),
            latency: Latency::of(&seen),
            intervals: intervals(&seen.timeline, seen.last, options.intervals),
            generator_cpu_micros_per_request: rounded(micros_each(generator_cpu, seen.sent), 2),
            sent: seen.sent,
            busy: seen.busy,
            broken_connections: seen.broken,
            failed: seen.failed,
            not_sent: seen.not_sent,
            first_failure: seen.first_failure,
            statuses: seen.statuses,
            states: seen.states,
            rejection_reasons: seen.rejection_reasons,
            server: None,
            verified: None,
        }
    }

    /// Whether the run counts: nothing was violated, no view stayed behind, and something was
    /// completed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let verified = self.verified.as_ref().is_none_or(|verified| {
            let behind = |view: &View| matches!(view, View::Behind { .. });
            verified.violations == 0 && !behind(&verified.documents) && !behind(&verified.search)
        });
        verified && self.completed > 0 && self.failed == 0
    }
}

impl Settings {
    fn of(options: &Options) -> Settings {
        Settings {
            customers: options.customers,
            in_flight: options.in_flight,
            rate: options.rate,
            distribution: Options::name_of(options.distribution),
            path: Options::name_of(options.path),
            lines: options.lines,
            wait: options.wait,
            idempotency_key: options.idempotency_key,
            warmup: options.warmup,
            threads: options.threads,
        }
    }
}

impl Latency {
    fn of(seen: &Recorder) -> Latency {
        let millis = |micros: u64| rounded(number(micros) / 1e3, 3);
        let quantile = |q: f64| millis(seen.latencies.value_at_quantile(q));
        Latency {
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p999: quantile(0.999),
            max: millis(seen.latencies.max()),
            mean: rounded(seen.latencies.mean() / 1e3, 3),
        }
    }
}

impl Verified {
    /// Joins the end state with how soon the views showed it.
    #[must_use]
    pub fn new(verdict: Verdict, (documents, search): (CatchUp, CatchUp)) -> Verified {
        Verified {
            customers: verdict.customers,
            orders: verdict.orders,
            violations: verdict.violations,
            examples: verdict.examples,
            documents: documents.into(),
            search: search.into(),
        }
    }
}

impl From<CatchUp> for View {
    fn from(catch_up: CatchUp) -> View {
        match catch_up {
            CatchUp::After(time) => View::CaughtUp {
                seconds: rounded(time.as_secs_f64(), 3),
            },
            CatchUp::Behind(probes) => View::Behind { probes },
            CatchUp::Unsupported => View::Unsupported,
        }
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            View::CaughtUp { seconds } => write!(f, "caught up {seconds:.3} s after the load"),
            View::Behind { probes } => write!(f, "STILL BEHIND ({probes} probes)"),
            View::Unsupported => f.write_str("not offered by this server"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.settings.wait == 0 {
            "answers"
        } else {
            "sagas"
        };

        writeln!(
            f,
            "rate          {:.0} {what}/s: {} completed in {:.2} s",
            self.completed_per_second, self.completed, self.seconds
        )?;

        let Latency {
            p50,
            p90,
            p99,
            p999,
            max,
            ..
        } = self.latency;

        writeln!(
            f,
            "latency (ms)  p50 {p50:.2}  p90 {p90:.2}  p99 {p99:.2}  p99.9 {p999:.2}  max {max:.2}"
        )?;

        let rates: Vec<String> = self
            .intervals
            .iter()
            .map(|part| format!("{:.0}", part.per_second))
            .collect();
        writeln!(f, "over time     {} /s", rates.join(" "))?;
        writeln!(f, "states        {}", listed(&self.states))?;

        if !self.rejection_reasons.is_empty() {
            writeln!(f, "rejected for  {}", listed(&self.rejection_reasons))?;
        }

        writeln!(
            f,
            "answers       {}; {} busy, {} connections broken, {} orders failed, {} not sent",
            listed(&self.statuses),
            self.busy,
            self.broken_connections,
            self.failed,
            self.not_sent
        )?;

        if let Some(failure) = &self.first_failure {
            writeln!(f, "first failure {failure}")?;
        }

        writeln!(
            f,
            "generator     {:.1} µs of processor time per request",
            self.generator_cpu_micros_per_request
        )?;

        if let Some(server) = &self.server {
            writeln!(
                f,
                "server        {:.1} µs of processor time per completed request; \
                 RssAnon {:.1} MiB, peak {:.1} MiB",
                server.cpu_micros_per_completed, server.rss_anon, server.peak_rss_anon
            )?;
        }

        if let Some(verified) = &self.verified {
            writeln!(f, "documents     {}", verified.documents)?;
            writeln!(f, "search        {}", verified.search)?;
            let Verified {
                customers,
                orders,
                violations,
                ..
            } = verified;
            writeln!(
                f,
                "end state     {customers} customers and {orders} orders checked, \
                 {violations} violations"
            )?;
            for example in &verified.examples {
                writeln!(f, "              {example}")?;
            }
        }

        Ok(())
    }
}

fn listed<K: fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    let parts: Vec<String> = counts
        .iter()
        .map(|(name, times)| format!("{name} {times}"))
        .collect();
    if parts.is_empty() {
        "none".to_owned()
    } else {
        parts.join(", ")
    }
}
