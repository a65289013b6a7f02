//! What the measurement of one backend has shown, as JSON and as text.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use crate::rate::{number, per_second, rounded};
use crate::views::options::Throughput;

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Where the view is kept.
    pub backend: String,
    /// Orders of the run.
    pub orders: u64,
    /// Customers of the run.
    pub customers: u32,
    /// Events taken in.
    pub events: u64,
    /// Events of one commit.
    pub events_per_commit: u32,
    /// Commits.
    pub commits: u64,
    /// Documents written, each as often as batches have changed it.
    pub documents: u64,
    /// The time that the view's writer took.
    pub view_seconds: f64,
    /// Events by that time.
    pub view_events_per_second: f64,
    /// The time that the floor took.
    pub floor_seconds: f64,
    /// Events by that time.
    pub floor_events_per_second: f64,
    /// The view's rate as a share of the floor's.
    pub share_of_floor: f64,
}

/// What the view and its floor have taken so far.
#[derive(Default)]
pub(super) struct Sums {
    pub(super) view: Duration,
    pub(super) floor: Duration,
    pub(super) events: u64,
    pub(super) commits: u64,
    pub(super) documents: u64,
}

impl Sums {
    /// The report of a run with these options.
    pub(super) fn report(&self, asked: &Throughput) -> Report {
        let (view, floor) = (
            per_second(self.events, self.view),
            per_second(self.events, self.floor),
        );
        Report {
            backend: asked
                .backend
                .to_possible_value()
                .map(|name| name.get_name().to_owned())
                .unwrap_or_default(),
            orders: asked.orders,
            customers: asked.customers,
            events: self.events,
            events_per_commit: asked.batch,
            commits: self.commits,
            documents: self.documents,
            view_seconds: rounded(self.view.as_secs_f64(), 3),
            view_events_per_second: rounded(view, 0),
            floor_seconds: rounded(self.floor.as_secs_f64(), 3),
            floor_events_per_second: rounded(floor, 0),
            share_of_floor: if floor > 0.0 {
                rounded(view / floor, 3)
            } else {
                0.0
            },
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} events of {} orders in {} commits, {:.2} documents written per event",
            self.backend,
            self.events,
            self.orders,
            self.commits,
            number(self.documents) / number(self.events.max(1))
        )?;

        writeln!(
            f,
            "view   {:>9.0} events/s  ({:.3} s)",
            self.view_events_per_second, self.view_seconds
        )?;

        writeln!(
            f,
            "floor  {:>9.0} events/s  ({:.3} s)",
            self.floor_events_per_second, self.floor_seconds
        )?;

        writeln!(
            f,
            "share of the floor: {:.1} %",
            self.share_of_floor * 100.0
        )
    }
}
