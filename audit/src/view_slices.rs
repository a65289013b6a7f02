//! What a view shows of a range of entities, and whether it may.
//!
//! A view may show an older version of an entity as long as it has not gone past the event that
//! follows: its position in the entity's shard, read in the same snapshot, is below that event's
//! sequence. It never shows a newer one.

use std::collections::{HashMap, HashSet};

use domain::ShardId;
use projections::ViewError;
use projections::slices::{Slice, Stored};
use serde::Serialize;
use store::Positions;
use uuid::Uuid;

use super::history::{Entity, History, Mark};
use super::problem::{Mismatch, difference};
use super::report::Invariant;

/// What a view shows of an entity.
pub(super) struct Shown<D> {
    pub version: u64,
    pub document: Result<D, ViewError>,
}

/// What a view shows of a range.
pub(super) struct ViewSlice<D> {
    pub name: &'static str,
    pub invariant: Invariant,
    documents: HashMap<Uuid, Shown<D>>,
    positions: Positions,
    quarantined: HashSet<Uuid>,
}

/// Whether what a view shows of an entity is right.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Current,
    /// It shows an older version, and has not come to the next one.
    Behind,
    Wrong(Mismatch),
}

impl<D: PartialEq + Serialize> ViewSlice<D> {
    pub(super) fn new(
        name: &'static str,
        invariant: Invariant,
        slice: Slice<D>,
        version_of: impl Fn(&D) -> u64,
    ) -> Self {
        let shown = |stored: Stored<D>| {
            let version = stored.entity.as_ref().map_or(0, &version_of);
            (
                stored.id,
                Shown {
                    version,
                    document: stored.entity,
                },
            )
        };

        ViewSlice {
            name,
            invariant,
            documents: slice.entities.into_iter().map(shown).collect(),
            positions: slice.positions,
            quarantined: slice
                .quarantined
                .into_iter()
                .map(|entity| entity.entity)
                .collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.documents.len()
    }

    pub(super) fn version_of(&self, id: Uuid) -> u64 {
        self.documents.get(&id).map_or(0, |shown| shown.version)
    }

    pub(super) fn take(&mut self, id: Uuid) -> Option<Shown<D>> {
        self.documents.remove(&id)
    }

    /// The shown entities that nobody has asked for.
    pub(super) fn rest(&mut self) -> Vec<Uuid> {
        self.documents.drain().map(|(id, _)| id).collect()
    }

    pub(super) fn judge<E: Entity<Document = D>>(
        &self,
        history: &History<E>,
        mark: &Mark<E>,
        found: Option<Shown<D>>,
        source: ShardId,
    ) -> Verdict {
        let document = match found.map(|shown| shown.document).transpose() {
            Ok(document) => document,
            Err(error) => return Verdict::Wrong(Mismatch::unreadable("document", &error)),
        };

        if mark.version > history.version {
            return Verdict::Wrong(Mismatch::new(
                "document version",
                history.version,
                mark.version,
            ));
        }

        if let (Some(state), Some(document)) = (&mark.state, &document)
            && let Some(mismatch) = difference("document", &state.document(), document)
        {
            return Verdict::Wrong(mismatch);
        }

        if mark.version == history.version {
            return Verdict::Current;
        }

        let position = self.positions.get(&source).copied().unwrap_or(0);

        let passed = mark
            .next_sequence
            .is_some_and(|sequence| sequence <= position);

        if !passed || self.quarantined.contains(&history.id) {
            return Verdict::Behind;
        }

        let next = mark.version + 1;

        let found = match mark.version {
            0 => "nothing".to_owned(),
            version => format!("version {version}"),
        };

        let expected = format!("version {next} or later, as the view has gone past it");
        Verdict::Wrong(Mismatch::new("document", expected, found))
    }
}
