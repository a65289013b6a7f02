//! What an audit has found, written for people and as one JSON object.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use store::snapshot::AsRead;

use super::problem::Problem;

/// What an audit checks, in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invariant {
    /// 0 ≤ reserved ≤ limit, and reserved is the sum of the customer's reservations.
    Credit,
    /// An order has the reservation that its state asks for.
    Reservations,
    /// Versions are contiguous, times never go back, and the fold of the events is the row, and at
    /// its version the snapshot.
    History,
    /// The sequences of each shard are contiguous, and what is stored can be read.
    Outbox,
    /// No shard has a position beyond what its source has sent.
    Inbox,
    /// Sagas and orders agree, none is overdue, and timers wake those that want it.
    Sagas,
    /// Parked messages are readable, and behind the positions of their shards.
    Quarantine,
    /// What operators have done and asked for can be read, and lies where it belongs.
    Operators,
    /// The document view is a fold of the events.
    Documents,
    /// The search view has each order once, and is a fold of the events.
    Search,
}

impl Invariant {
    const fn text(self) -> &'static str {
        match self {
            Invariant::Credit => {
                "reserved credit is the sum of the reservations and within the limit"
            }
            Invariant::Reservations => "orders hold the reservations their states ask for",
            Invariant::History => "the fold of the events is the row, versions without gaps",
            Invariant::Outbox => "outbox sequences without gaps, messages readable",
            Invariant::Inbox => "inbox positions within what the sources have sent",
            Invariant::Sagas => "sagas agree with their orders, none overdue",
            Invariant::Quarantine => {
                "parked messages readable, behind the positions of their shards"
            }
            Invariant::Operators => "what operators have done is readable, in its place",
            Invariant::Documents => "the document view is the fold of the events",
            Invariant::Search => "the search view has each order once, as the fold of its events",
        }
    }
}

/// The state of one invariant.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The number of customers, orders, rows or documents checked.
    pub checked: u64,
    /// The number of violations, listed or not.
    pub violations: u64,
    /// The first few violations.
    pub examples: Vec<Problem>,
    /// Why there was nothing to look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unchecked: Option<&'static str>,
}

/// What is under way, which is no violation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkInFlight {
    /// Commands and replies that their shards have not taken yet.
    pub messages: u64,
    /// Parked messages that a shard will try again.
    pub waiting_for_retry: u64,
    /// Parked messages that wait for an operator.
    pub quarantined: u64,
    /// Some of the entities whose messages are in quarantine.
    pub quarantined_entities: Vec<String>,
    /// Sagas that have not ended.
    pub open_sagas: u64,
    /// Open sagas past their deadline, which only a running node could end.
    pub overdue_sagas: u64,
    /// Open sagas that wait for an operator.
    pub stuck_sagas: u64,
    /// Sagas that were given up, and whose customers have not heard their last word.
    pub unsettled_sagas: u64,
    /// Some of those that are stuck.
    pub stuck: Vec<String>,
}

/// How far a view is behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ViewLag {
    /// Entities of which it shows an older version.
    pub behind: u64,
    /// Shards with events that it has not taken in.
    pub shards_behind: u64,
    /// Entities in quarantine, with the version that could not be applied.
    pub quarantined: Vec<String>,
}

/// The outcome of an audit.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether a node held the data folder, or committed to a database on a server.
    pub node_running: bool,
    /// About how many customers, orders and sagas each were looked at; absent when all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<u64>,
    /// What the audit has found of each invariant.
    pub invariants: BTreeMap<Invariant, Finding>,
    /// What is under way, which is no violation.
    pub work_in_flight: WorkInFlight,
    /// How far each view is behind, by its name.
    pub views: BTreeMap<&'static str, ViewLag>,
}

/// Shows at most this many violations of each invariant.
pub(super) const EXAMPLES: usize = 5;

impl Report {
    /// Whether every invariant holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.violations() == 0
    }

    /// The violations of all invariants together.
    #[must_use]
    pub fn violations(&self) -> u64 {
        self.invariants
            .values()
            .map(|finding| finding.violations)
            .sum()
    }

    /// The invariants that do not hold.
    pub fn violated(&self) -> impl Iterator<Item = Invariant> {
        self.invariants
            .iter()
            .filter(|(_, finding)| finding.violations > 0)
            .map(|(invariant, _)| *invariant)
    }

    /// The report as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let mut report = serde_json::to_value(self).unwrap_or_default();
        if let Some(object) = report.as_object_mut() {
            object.insert("holds".to_owned(), self.holds().into());
            object.insert("violations".to_owned(), self.violations().into());
        }
        report
    }

    pub(super) fn checked(&mut self, invariant: Invariant, count: usize) {
        self.finding(invariant).checked += u64::try_from(count).unwrap_or(0);
    }

    pub(super) fn violated_by(&mut self, invariant: Invariant, problem: Problem) {
        let finding = self.finding(invariant);
        finding.violations += 1;
        if finding.examples.len() < EXAMPLES {
            finding.examples.push(problem);
        }
    }

    /// Tells of the rows that cannot be read, and gives the others.
    pub(super) fn readable<R>(&mut self, invariant: Invariant, rows: Vec<AsRead<R>>) -> Vec<R> {
        let mut readable = Vec::with_capacity(rows.len());
        for row in rows {
            match row {
                Ok(row) => readable.push(row),
                Err(unreadable) => self.violated_by(invariant, Problem::unreadable(&unreadable)),
            }
        }
        readable
    }

    pub(super) fn unchecked(&mut self, invariant: Invariant, why: &'static str) {
        self.finding(invariant).unchecked = Some(why);
    }

    pub(super) fn view(&mut self, name: &'static str) -> &mut ViewLag {
        self.views.entry(name).or_default()
    }

    fn finding(&mut self, invariant: Invariant) -> &mut Finding {
        self.invariants.entry(invariant).or_default()
    }

    /// Takes in what another part of the audit has found.
    pub(super) fn merge(&mut self, other: Report) {
        for (invariant, found) in other.invariants {
            let finding = self.finding(invariant);
            finding.checked += found.checked;
            finding.violations += found.violations;
            finding.examples.extend(found.examples);
            finding.examples.truncate(EXAMPLES);
            finding.unchecked = finding.unchecked.or(found.unchecked);
        }

        for (name, lag) in other.views {
            let view = self.view(name);
            view.behind += lag.behind;
            view.shards_behind += lag.shards_behind;
            view.quarantined.extend(lag.quarantined);
        }

        let (work, more) = (&mut self.work_in_flight, other.work_in_flight);
        work.messages += more.messages;
        work.waiting_for_retry += more.waiting_for_retry;
        work.quarantined += more.quarantined;
        work.quarantined_entities.extend(more.quarantined_entities);
        work.open_sagas += more.open_sagas;
        work.overdue_sagas += more.overdue_sagas;
        work.stuck_sagas += more.stuck_sagas;
        work.unsettled_sagas += more.unsettled_sagas;
        work.stuck.extend(more.stuck);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (invariant, finding) in &self.invariants {
            let text = invariant.text();
            match (finding.unchecked, finding.violations) {
                (Some(why), 0) => writeln!(f, "unchecked     {text}: {why}")?,
                (_, 0) => writeln!(f, "ok            {text} ({} checked)", finding.checked)?,
                (_, violations) => {
                    writeln!(f, "{:<13} {text}", format!("violated ({violations})"))?
                }
            }
            for example in &finding.examples {
                writeln!(f, "              {example}")?;
            }
        }

        self.fmt_work(f)?;

        for (name, lag) in &self.views {
            write!(
                f,
                "view {name}: {} documents behind, in {} shards",
                lag.behind, lag.shards_behind
            )?;
            fmt_some(f, "in quarantine", &lag.quarantined)?;
            writeln!(f)?;
        }

        if let Some(sample) = self.sample {
            writeln!(
                f,
                "a sample of about {sample} customers, orders and sagas each"
            )?;
        }

        match self.violations() {
            0 => writeln!(f, "all invariants hold"),
            1 => writeln!(f, "1 violation"),
            violations => writeln!(f, "{violations} violations"),
        }
    }
}

impl Report {
    fn fmt_work(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let work = &self.work_in_flight;

        let node = if self.node_running {
            "a node is running"
        } else {
            "no node is running"
        };

        write!(
            f,
            "in flight ({node}): {} messages, {} waiting for a retry, {} in quarantine",
            work.messages, work.waiting_for_retry, work.quarantined
        )?;

        fmt_some(f, "entities", &work.quarantined_entities)?;

        write!(
            f,
            "; {} sagas open, {} overdue, {} given up and not settled, {} stuck",
            work.open_sagas, work.overdue_sagas, work.unsettled_sagas, work.stuck_sagas
        )?;

        fmt_some(f, "sagas", &work.stuck)?;

        writeln!(f)
    }
}

fn fmt_some(f: &mut fmt::Formatter<'_>, what: &str, ids: &[String]) -> fmt::Result {
    if ids.is_empty() {
        Ok(())
    } else {
        write!(f, " ({what}: {})", ids.join(", "))
    }
}
