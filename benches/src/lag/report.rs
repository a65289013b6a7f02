//! What a run has shown, as JSON for scripts and as text for people. Times are in milliseconds
//! unless they say seconds.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::background::BackgroundReport;
use super::options::Options;
use super::probing::{Reads, Seen};
use super::rebuild::{ReadReport, RebuildReport};
use super::searching::SearchReport;
use super::status::LargestLag;
use crate::latency::Summary;

/// The report of one run; phases that were not asked for are absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The name of the run.
    pub label: String,
    /// Orders per second offered in the background.
    pub rate: u32,
    /// Callers that send and read.
    pub probes: u32,
    /// Reads with the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<ProbeReport>,
    /// Reads without a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unaided: Option<ProbeReport>,
    /// The searches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchReport>,
    /// One for each view that was rebuilt.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rebuilds: Vec<RebuildReport>,
    /// The load during the rebuilds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebuild_background: Option<BackgroundReport>,
}

/// The phase `waiting` or `unaided`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeReport {
    /// The document view.
    pub documents: LagReport,
    /// The search view.
    pub search: LagReport,
    /// Events, by view, as `GET /views` told it.
    pub largest_lag: LargestLag,
    /// The load during the phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<BackgroundReport>,
}

/// How far one view was behind, and what its reads showed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LagReport {
    /// From the answer to the order until it shows.
    pub lag: Summary,
    /// Reads that showed less than their token.
    pub stale: u64,
    /// Reads that were told that the view is behind.
    pub behind: u64,
    /// Reads that failed, or whose order never showed.
    pub failed: u64,
}

impl From<Reads> for LagReport {
    fn from(reads: Reads) -> Self {
        let Reads {
            lag,
            stale,
            behind,
            failed,
        } = reads;
        LagReport {
            lag: lag.summary(),
            stale,
            behind,
            failed,
        }
    }
}

impl ProbeReport {
    /// Sums up what a phase has shown.
    #[must_use]
    pub fn new(seen: Seen, background: Option<BackgroundReport>) -> Self {
        let Seen {
            documents,
            search,
            largest_lag,
        } = seen;
        ProbeReport {
            documents: documents.into(),
            search: search.into(),
            largest_lag,
            background,
        }
    }

    fn is_good(&self) -> bool {
        [&self.documents, &self.search]
            .iter()
            .all(|reads| reads.stale + reads.behind + reads.failed == 0)
    }
}

impl ReadReport {
    fn is_good(&self) -> bool {
        self.stale + self.behind + self.failed == 0
    }
}

impl Report {
    /// A report without measurements yet.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Report {
            label: options.label.clone(),
            rate: options.rate,
            probes: options.probes,
            waiting: None,
            unaided: None,
            search: None,
            rebuilds: Vec::new(),
            rebuild_background: None,
        }
    }

    /// Whether no read was stale, refused or failed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let probes = [&self.waiting, &self.unaided];
        probes.into_iter().flatten().all(ProbeReport::is_good)
            && self
                .rebuilds
                .iter()
                .all(|rebuild| rebuild.before.is_good() && rebuild.meanwhile.is_good())
    }
}

fn line(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    Summary {
        count,
        p50,
        p99,
        max,
    }: &Summary,
) -> fmt::Result {
    writeln!(
        f,
        "  {what:<32} p50 {p50:>8.2}  p99 {p99:>8.2}  max {max:>8.2} ms  ({count})"
    )
}

impl fmt::Display for ProbeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (
            name,
            LagReport {
                lag,
                stale,
                behind,
                failed,
            },
        ) in [("documents", &self.documents), ("search", &self.search)]
        {
            line(f, name, lag)?;
            if stale + behind + failed > 0 {
                writeln!(
                    f,
                    "  {name}: {stale} STALE, {behind} behind, {failed} failed"
                )?;
            }
        }

        let largest: Vec<String> = self
            .largest_lag
            .iter()
            .map(|(view, lag)| format!("{view} {lag}"))
            .collect();
        writeln!(f, "  largest lag, events: {}", largest.join(", "))?;

        background(f, self.background.as_ref())
    }
}

fn background(f: &mut fmt::Formatter<'_>, seen: Option<&BackgroundReport>) -> fmt::Result {
    let Some(BackgroundReport {
        completed_per_second,
        p50,
        p99,
        busy,
        failed,
        not_sent,
    }) = seen
    else {
        return Ok(());
    };
    writeln!(
        f,
        "  background: {completed_per_second:.0} sagas/s, p50 {p50:.2}, p99 {p99:.2} ms; \
         {busy} busy, {failed} failed, \
         {not_sent} not sent"
    )
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, probes) in [
            ("from the answer until a read with its token", &self.waiting),
            (
                "from the answer until it shows, nobody waiting",
                &self.unaided,
            ),
        ] {
            if let Some(probes) = probes {
                write!(f, "{title}\n{probes}")?;
            }
        }

        if let Some(search) = &self.search {
            writeln!(f, "search")?;
            line(f, "all texts", &search.all)?;
            for text in &search.texts {
                line(f, &format!("{} [{}]", text.text, text.total), &text.latency)?;
            }
            background(f, search.background.as_ref())?;
        }

        for rebuild in &self.rebuilds {
            let RebuildReport {
                view,
                backend,
                from,
                seconds,
                orders,
                orders_per_second,
                ..
            } = rebuild;
            writeln!(
                f,
                "{view} ({backend}) rebuilt from {from}: {orders} orders in {seconds:.1} s, \
                 {orders_per_second:.0}/s"
            )?;
            for (when, reads) in [
                ("before", &rebuild.before),
                ("meanwhile", &rebuild.meanwhile),
            ] {
                line(f, &format!("documents {when}"), &reads.documents)?;
                line(f, &format!("search {when}"), &reads.search)?;
                if !reads.is_good() {
                    let ReadReport {
                        stale,
                        behind,
                        failed,
                        ..
                    } = reads;
                    writeln!(
                        f,
                        "  {when}: {stale} STALE, {behind} behind, {failed} failed"
                    )?;
                }
            }
        }

        background(f, self.rebuild_background.as_ref())
    }
}
