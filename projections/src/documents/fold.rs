//! The entities of a batch, folded in memory, whatever stores them.
//!
//! What a batch leaves behind stays as a cache, so that the events that follow soon find their
//! order or customer without a read: the customers that are active, and the orders that a saga is
//! at work on.

use std::collections::HashMap;

use uuid::Uuid;

use super::refused;
use crate::ViewError;
use crate::port::Applied;
use crate::shop::Event;
use crate::shop::folded::Folded;

pub(super) use crate::shop::folded::{CustomerState, OrderDetails, OrderState};

/// How many entities of each kind stay in memory after a commit: some 5 MiB.
const MAX_CACHED: usize = 16_384;

/// The state of an entity that is stored.
pub(super) trait State: Folded {
    /// It is stored: lets go of what is needed for that alone. False when the state is not worth
    /// keeping.
    fn settle(&mut self) -> bool;
}

struct Entry<S> {
    state: S,
    changed: bool,
    replaces: bool,
}

/// What is to be stored of an entity.
pub(super) struct Change<'a, S> {
    /// The state after the newest event of the batch.
    pub state: &'a S,
    /// It takes the place of whatever is stored, newer or not; else of an older version alone.
    pub replaces: bool,
}

/// The folded entities of one kind.
pub(super) struct Fold<S> {
    entries: HashMap<Uuid, Entry<S>>,
    changed: Vec<Uuid>,
}

impl<S> Default for Fold<S> {
    fn default() -> Self {
        Fold {
            entries: HashMap::new(),
            changed: Vec::new(),
        }
    }
}

impl<S: State> Fold<S> {
    /// Takes an event in; `load` reads the row of an entity that is not in memory.
    pub(super) fn apply(
        &mut self,
        event: &Event,
        load: impl FnOnce(Uuid) -> Result<Option<S>, ViewError>,
    ) -> Result<Applied, ViewError> {
        let id = event.entity;
        if let Some(entry) = self.entries.get_mut(&id) {
            return advance(entry, event, &mut self.changed);
        }
        // A first event needs no look at the table: should the row be there, the write finds it
        // newer.
        if event.version == 1 {
            self.entries.insert(
                id,
                Entry {
                    state: S::create(event).map_err(refused)?,
                    changed: true,
                    replaces: false,
                },
            );
            self.changed.push(id);
            return Ok(event.applied());
        }

        let Some(state) = load(id)? else {
            return Ok(Applied::Missing { from_version: 1 });
        };

        let entry = self.entries.entry(id).or_insert(Entry {
            state,
            changed: false,
            replaces: false,
        });
        advance(entry, event, &mut self.changed)
    }

    /// Whether an entity is in memory.
    pub(super) fn holds(&self, id: Uuid) -> bool {
        self.entries.contains_key(&id)
    }

    /// Takes over what is stored of an entity that is not in memory.
    pub(super) fn loaded(&mut self, id: Uuid, state: S) {
        self.entries.entry(id).or_insert(Entry {
            state,
            changed: false,
            replaces: false,
        });
    }

    /// Puts an entity in the place of whatever is in memory and whatever is stored.
    pub(super) fn put(&mut self, id: Uuid, state: S) {
        let before = self.entries.insert(
            id,
            Entry {
                state,
                changed: true,
                replaces: true,
            },
        );
        if !before.is_some_and(|entry| entry.changed) {
            self.changed.push(id);
        }
    }

    /// The entities that have changed since they were saved.
    pub(super) fn changed(&self) -> impl Iterator<Item = Change<'_, S>> {
        let entries = self.changed.iter().filter_map(|id| self.entries.get(id));
        entries.map(|entry| Change {
            state: &entry.state,
            replaces: entry.replaces,
        })
    }

    /// All changes are saved.
    pub(super) fn saved(&mut self) {
        for id in self.changed.drain(..) {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.changed = false;
                entry.replaces = false;
                if !entry.state.settle() {
                    self.entries.remove(&id);
                }
            }
        }
        if self.entries.len() > MAX_CACHED {
            self.entries.clear();
        }
    }

    /// Drops everything, changes included.
    pub(super) fn forget(&mut self) {
        self.entries.clear();
        self.changed.clear();
    }
}

fn advance<S: State>(
    entry: &mut Entry<S>,
    event: &Event,
    changed: &mut Vec<Uuid>,
) -> Result<Applied, ViewError> {
    let version = entry.state.version();
    if event.version <= version {
        return Ok(Applied::Duplicate);
    }

    if event.version > version + 1 {
        return Ok(Applied::Missing {
            from_version: version + 1,
        });
    }

    entry.state.advance(event).map_err(refused)?;

    if !entry.changed {
        entry.changed = true;
        changed.push(event.entity);
    }

    Ok(event.applied())
}

impl State for OrderState {
    fn settle(&mut self) -> bool {
        self.details = None;
        self.order.state.lock().is_some()
    }
}

impl State for CustomerState {
    fn settle(&mut self) -> bool {
        self.is_new = false;
        true
    }
}
