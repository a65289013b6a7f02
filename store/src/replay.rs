//! Loading entities by replay: the state is the fold of the events in the history, from the first
//! one on or from a snapshot.
//!
//! The row stays what the commit compares versions with, and it says what no event says: which keys
//! the entity remembers ([`Memory`]). Where row and history do not come to the same version,
//! something is wrong with one of them, and nobody is given a state: neither a shorter one, nor one
//! that could not be saved. That stops this entity alone.
//!
//! A snapshot spares reading what is before it. It is disposable: one that cannot be read, that is
//! of another form, or that is newer than the history is told of, and the history is folded from
//! its beginning.

mod choice;
mod pages;
mod snapshots;

use std::collections::HashMap;

use sagas::ShardId;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::loading::Found;
use crate::mapping::{Memory, Stored};
use crate::{Message, ServiceDatabase, StoreError, history};

use pages::Wanted;

pub use choice::{Loading, UnknownLoading};
pub use snapshots::snapshot_row;

/// The state of an entity after one more event.
pub type NextState<T> = dyn Fn(Option<T>, Uuid, &Message) -> Result<T, StoreError> + Sync;

/// How the events of one kind of entity become its state.
pub struct Fold<'a, T> {
    /// The state after one more event.
    pub next: &'a NextState<T>,
    /// The form of snapshots to begin with; `None` to fold everything.
    pub form: Option<u16>,
}

/// The state after all events of an entity.
#[derive(Debug)]
pub struct Replayed<T> {
    /// The fold of its events.
    pub state: T,
    /// Of the newest event.
    pub version: u64,
    /// The version of the snapshot that was begun with; 0 without one.
    pub snapshot: u64,
}

/// What the replay of the entities among `ids`, which lie in `shard`, comes to. One whose history
/// has a hole, or an event that cannot be read, is there as an error; one without events is not in
/// it.
///
/// # Errors
/// When the database does not answer.
pub async fn states<T: DeserializeOwned>(
    database: &ServiceDatabase,
    shard: ShardId,
    ids: &[Uuid],
    fold: Fold<'_, T>,
) -> Result<Found<Uuid, Replayed<T>>, StoreError> {
    let mut snapshots = match fold.form {
        None => HashMap::new(),
        Some(form) => snapshots::load(database, form, ids).await?,
    };
    let begun: Vec<_> = ids
        .iter()
        .map(|id| Folding::begin(*id, snapshots.remove(id)))
        .collect();

    let mut found = HashMap::with_capacity(ids.len());
    let mut anew = Vec::new();
    for folding in folded(database, shard, begun, fold.next).await? {
        if folding.is_unconfirmed() {
            let version = folding.snapshot;
            snapshots::tell_unusable(
                database,
                folding.id,
                &StoreError::Corrupt {
                    what: format!("snapshot of entity {}", folding.id),
                    source: format!("the history does not have its version {version}").into(),
                },
            );
            anew.push(Folding::begin(folding.id, None));
        } else {
            found.extend(folding.end());
        }
    }

    let rest = folded(database, shard, anew, fold.next).await?;
    found.extend(rest.into_iter().filter_map(Folding::end));
    Ok(found)
}

type Next<'a, T> = &'a (dyn Fn(Option<T>, Uuid, &Message) -> Result<T, StoreError> + Sync);

/// Folds what the history has of each.
async fn folded<T>(
    database: &ServiceDatabase,
    shard: ShardId,
    begun: Vec<Folding<T>>,
    next: Next<'_, T>,
) -> Result<Vec<Folding<T>>, StoreError> {
    let wanted = begun.iter().map(Folding::wanted).collect();
    let mut by_id: HashMap<Uuid, Folding<T>> = begun
        .into_iter()
        .map(|folding| (folding.id, folding))
        .collect();

    let mut reader = pages::Reader::new(database, shard, wanted);
    while let Some(page) = reader.next().await? {
        for message in &page.messages {
            if let Some(folding) = by_id.get_mut(&message.entity) {
                folding.take(message, next);
            }
        }
        for (id, error) in page.failed {
            if let Some(folding) = by_id.get_mut(&id) {
                folding.broken = Some(error);
            }
        }
    }

    Ok(by_id.into_values().collect())
}

/// One entity's events, as far as they are folded.
struct Folding<T> {
    id: Uuid,
    /// The version of the snapshot that it began with; 0 without one.
    snapshot: u64,
    /// Whether the history has the event of that version.
    confirmed: bool,
    state: Option<T>,
    version: u64,
    broken: Option<StoreError>,
}

impl<T> Folding<T> {
    fn begin(id: Uuid, snapshot: Option<(u64, T)>) -> Self {
        let (version, state) = snapshot.unzip();
        Folding {
            id,
            snapshot: version.unwrap_or(0),
            confirmed: version.is_none(),
            state,
            version: version.unwrap_or(0),
            broken: None,
        }
    }

    /// From the event of the snapshot on, which must be there.
    fn wanted(&self) -> Wanted {
        Wanted {
            entity: self.id,
            from: self.snapshot.max(1),
        }
    }

    fn take(&mut self, message: &Message, next: Next<'_, T>) {
        if self.broken.is_some() {
            return;
        }
        if !self.confirmed && message.version == self.snapshot {
            self.confirmed = true;
            return;
        }
        // Without its own event a snapshot proves nothing: all is folded anew.
        if !self.confirmed {
            return;
        }

        match self.after(message, next) {
            Ok(state) => {
                self.state = Some(state);
                self.version = message.version;
            }
            Err(error) => self.broken = Some(error),
        }
    }

    fn after(&mut self, message: &Message, next: Next<'_, T>) -> Result<T, StoreError> {
        let due = self.version + 1;
        if message.version != due {
            return Err(history::with_a_hole(message, due));
        }
        next(self.state.take(), self.id, message)
    }

    fn is_unconfirmed(&self) -> bool {
        self.broken.is_none() && !self.confirmed
    }

    fn end(self) -> Option<(Uuid, Result<Replayed<T>, StoreError>)> {
        if let Some(error) = self.broken {
            return Some((self.id, Err(error)));
        }
        let replayed = Replayed {
            state: self.state?,
            version: self.version,
            snapshot: self.snapshot,
        };
        Some((self.id, Ok(replayed)))
    }
}

/// What a row says of an entity, beside what the replay of its history has come to.
#[derive(Debug)]
pub enum Compared<T> {
    /// There is no such entity.
    Absent,
    /// Both come to the same version.
    Same(Stored<T>, u64),
    /// It cannot be loaded: this is why.
    Differ(StoreError),
    /// The history goes on behind the row. Where the row was read first and somebody may have
    /// written in between, it is worth another look.
    Ahead(StoreError),
}

/// Holds what a row remembers against the replay of its entity's history. The second part of what
/// is the same is the version of the snapshot that was begun with.
pub fn compare<T>(
    id: Uuid,
    row: Option<Result<Memory, StoreError>>,
    replayed: Option<Result<Replayed<T>, StoreError>>,
) -> Compared<T> {
    let (row, replayed) = match (row.transpose(), replayed.transpose()) {
        (Ok(row), Ok(replayed)) => (row, replayed),
        (_, Err(error)) | (Err(error), _) => return Compared::Differ(error),
    };

    let at = |version: Option<u64>| match version {
        None => "is not there".to_owned(),
        Some(version) => format!("is at version {version}"),
    };
    match (row, replayed) {
        (None, None) => Compared::Absent,
        (Some(row), Some(replayed)) if row.version == replayed.version => {
            let stored = Stored {
                entity: replayed.state,
                created_by: row.created_by,
                remembered: row.remembered,
            };
            Compared::Same(stored, replayed.snapshot)
        }
        (row, replayed) => {
            let row = row.map(|row| row.version);
            let history = replayed.map(|replayed| replayed.version);
            let error = StoreError::Corrupt {
                what: format!("entity {id}"),
                source: format!("its history {}, its row {}", at(history), at(row)).into(),
            };
            match history > row {
                true => Compared::Ahead(error),
                false => Compared::Differ(error),
            }
        }
    }
}

#[cfg(test)]
mod tests;
