//! One range of customers or orders: each entity's events are folded and compared with its row and
//! with what views show of it.
//!
//! Rows and events are of one snapshot. It reads what views show before that, so a view looks newer
//! than the entity only if it is wrong.

use std::collections::HashMap;

use domain::{Service, ShardId, Timestamp};
use store::StoreError;
use store::snapshot::events::UnitEvents;
use store::snapshot::{IdRange, Snapshot, UnreadableRow};
use uuid::Uuid;

use super::history::{Entity, History};
use super::problem::{Mismatch, Problem, difference};
use super::report::{Invariant, Report};
use super::snapshots::Snapshots;
use super::view_slices::{Verdict, ViewSlice};

/// Customers or orders compared at a time: what bounds the memory of an audit.
pub(super) const ENTITIES: u64 = 500;
/// Rows of events read at a time; a single customer may have a million.
const UNITS: u64 = 2_000;

/// The row of an entity as a document, and when it says it changed last.
pub(super) struct Row<D> {
    pub document: D,
    pub version: i64,
    pub updated_at: Timestamp,
}

/// The rows of a range by id; of those that cannot be read, which is told, no more than that they
/// are there.
pub(super) struct Rows<D>(HashMap<Uuid, Option<Row<D>>>);

impl<D> Default for Rows<D> {
    fn default() -> Self {
        Rows(HashMap::new())
    }
}

impl<D> Rows<D> {
    pub(super) fn insert(&mut self, id: Uuid, row: Row<D>) {
        self.0.insert(id, Some(row));
    }

    pub(super) fn insert_unreadable(&mut self, id: Uuid) {
        self.0.insert(id, None);
    }

    /// Tells of a row that cannot be read.
    pub(super) fn unreadable(&mut self, row: &UnreadableRow, report: &mut Report) {
        report.violated_by(Invariant::History, Problem::unreadable(row));
        if let Some(id) = row.id {
            self.insert_unreadable(id);
        }
    }
}

/// The entities of one range.
pub(super) struct Range<'a, E: Entity> {
    pub service: Service,
    pub shards: u16,
    pub rows: Rows<E::Document>,
    pub views: Vec<ViewSlice<E::Document>>,
    pub report: &'a mut Report,
}

impl<E: Entity> Range<'_, E> {
    /// Folds all events of the range and compares.
    pub(super) async fn compare(
        mut self,
        snapshot: &Snapshot,
        range: IdRange,
    ) -> Result<(), StoreError> {
        self.report.checked(Invariant::History, self.rows.0.len());

        for view in &self.views {
            self.report.checked(view.invariant, view.len());
        }

        let snapshots = Snapshots::read::<E>(snapshot, range, self.report).await?;
        let mut current: Option<History<E>> = None;
        let mut after = None;

        let mut more = true;
        while more {
            let units = snapshot.events(range, after, UNITS).await?;
            // Looking for a missing id costs as much as reading a whole page.
            let is_whole = u64::try_from(units.len()).is_ok_and(|found| found == UNITS);
            let units = self.report.readable(Invariant::History, units);
            more = is_whole && !units.is_empty();
            after = units.last().map(UnitEvents::place);
            for unit in units {
                if current
                    .as_ref()
                    .is_none_or(|history| history.id != unit.entity)
                    && let Some(done) = current.replace(self.history_of(unit.entity, &snapshots))
                {
                    self.entity(done, &snapshots);
                }
                if let Some(history) = &mut current {
                    take(
                        history,
                        unit,
                        ShardId::of(self.service, history.id, self.shards),
                    );
                }
            }
        }

        if let Some(done) = current {
            self.entity(done, &snapshots);
        }

        self.entities_without_events();

        Ok(())
    }

    /// The marks are those of the views, and that of the snapshot behind them.
    fn history_of(&self, id: Uuid, snapshots: &Snapshots) -> History<E> {
        let shown = self.views.iter().map(|view| view.version_of(id));
        let shown: Vec<u64> = shown.chain([snapshots.version_of(id)]).collect();
        History::new(id, &shown)
    }

    /// Finishes an entity whose events are all folded.
    fn entity(&mut self, history: History<E>, snapshots: &Snapshots) {
        let row = self.rows.0.remove(&history.id);
        // A row that is ahead of the fold has lost its newest events.
        let is_behind_row = row
            .as_ref()
            .and_then(Option::as_ref)
            .is_some_and(|row| u64::try_from(row.version).is_ok_and(|v| v > history.version));

        let subject = subject(self.service, history.id);

        if let Some(mismatch) = compare_row(&history, row) {
            self.report
                .violated_by(Invariant::History, Problem::of(&subject, mismatch));
        }

        let is_whole = history.broken.is_none() && !is_behind_row;
        if let Some(mark) = history.marks.last().filter(|_| is_whole)
            && let Some(mismatch) = snapshots.judge(&history, mark)
        {
            self.report
                .violated_by(Invariant::History, Problem::of(&subject, mismatch));
        }

        let source = ShardId::of(self.service, history.id, self.shards);

        for (view, mark) in self.views.iter_mut().zip(&history.marks) {
            let found = view.take(history.id);
            if !is_whole {
                // Nobody knows what the view should show.
                continue;
            }
            match view.judge(&history, mark, found, source) {
                Verdict::Current => {}
                Verdict::Behind => self.report.view(view.name).behind += 1,
                Verdict::Wrong(mismatch) => {
                    self.report
                        .violated_by(view.invariant, Problem::of(&subject, mismatch));
                }
            }
        }
    }

    fn entities_without_events(&mut self) {
        let mut known = Vec::with_capacity(self.rows.0.len());

        for (id, _) in self.rows.0.drain() {
            let problem = Problem::new(
                subject(self.service, id),
                "events",
                "those of its versions",
                "none",
            );
            self.report.violated_by(Invariant::History, problem);
            known.push(id);
        }

        for view in &mut self.views {
            for id in view.rest() {
                if !known.contains(&id) {
                    let problem = Problem::new(
                        subject(self.service, id),
                        "document",
                        "none",
                        "one without an entity",
                    );
                    self.report.violated_by(view.invariant, problem);
                }
            }
        }
    }
}

fn take<E: Entity>(history: &mut History<E>, unit: UnitEvents, shard: ShardId) {
    let stored = match unit.stored {
        Ok(stored) => stored,
        Err(unreadable) => {
            let Problem {
                subject,
                what,
                expected,
                found,
            } = Problem::unreadable(&unreadable);
            let what = format_args!("events of version {}: {subject}: {what}", unit.version);
            return history.breaks(Mismatch::new(what, expected, found));
        }
    };

    if !stored.stands_in(shard) {
        history.breaks(Mismatch::new(
            "shard of its events",
            shard.number,
            stored.shard,
        ));
    }

    match stored.events {
        Ok(events) if events.is_empty() => {
            history.breaks(Mismatch::new(
                format_args!("events of version {}", unit.version),
                "at least one",
                "none",
            ));
        }
        Ok(events) => events.iter().for_each(|event| history.take(event)),
        Err(error) => {
            history.breaks(Mismatch::unreadable(
                format_args!("events of version {}", unit.version),
                &error,
            ));
        }
    }
}

fn compare_row<E: Entity>(
    history: &History<E>,
    row: Option<Option<Row<E::Document>>>,
) -> Option<Mismatch> {
    if let Some(broken) = &history.broken {
        return Some(broken.clone());
    }

    let folded = history.state.as_ref()?.document();

    let Some(row) = row else {
        return Some(Mismatch::new(
            "row",
            format_args!("one at version {}", history.version),
            "none",
        ));
    };

    // What cannot be read has been told.
    let row = row?;
    let changed = || Mismatch::new("row updatedAt", history.time, row.updated_at);
    difference("row", &folded, &row.document)
        .or_else(|| (row.updated_at != history.time).then(changed))
}

pub(super) fn subject(service: Service, id: Uuid) -> String {
    match service {
        domain::CUSTOMERS => format!("customer {id}"),
        _ => format!("order {id}"),
    }
}
