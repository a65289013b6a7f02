//! Snapshots of entities: each is the fold of the events up to its version. One of another form is
//! of no use to anybody, and is left alone.

use std::collections::HashMap;

use store::StoreError;
use store::snapshot::{IdRange, Snapshot};
use store::tables::entity_snapshot::{self, Model};
use uuid::Uuid;

use super::history::{Entity, History, Mark};
use super::problem::{Mismatch, difference};
use super::report::{Invariant, Report};

/// The snapshots of the entities of a range.
pub(super) struct Snapshots(HashMap<Uuid, Model>);

impl Snapshots {
    pub(super) async fn read<E: Entity>(
        snapshot: &Snapshot,
        range: IdRange,
        report: &mut Report,
    ) -> Result<Self, StoreError> {
        let key = entity_snapshot::Column::EntityId;
        let rows = snapshot.rows_as_read::<entity_snapshot::Entity>(key, range);
        let rows = report.readable(Invariant::History, rows.await?);
        let of_form = |row: &Model| row.form == i64::from(E::SNAPSHOT_FORM);
        let rows = rows.into_iter().filter(of_form);
        Ok(Snapshots(rows.map(|row| (row.entity_id, row)).collect()))
    }

    /// The version of an entity's snapshot; 0 without one.
    pub(super) fn version_of(&self, id: Uuid) -> u64 {
        let row = self.0.get(&id);
        row.map_or(0, |row| u64::try_from(row.version).unwrap_or(0))
    }

    /// What is wrong with the snapshot of an entity whose events are all folded; `mark` is its
    /// state at the snapshot's version.
    pub(super) fn judge<E: Entity>(
        &self,
        history: &History<E>,
        mark: &Mark<E>,
    ) -> Option<Mismatch> {
        let row = self.0.get(&history.id)?;
        let Some(folded) = &mark.state else {
            let newest = format_args!("1 to {}", history.version);
            return Some(Mismatch::new(
                "version of its snapshot",
                newest,
                row.version,
            ));
        };

        match serde_json::from_str::<E::State>(&row.state) {
            Ok(found) => difference("snapshot", folded.state(), &found),
            Err(error) => Some(Mismatch::unreadable("snapshot", &error)),
        }
    }
}
