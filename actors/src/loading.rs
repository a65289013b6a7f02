//! Brings entities from the store into memory: from their rows, or by replay of their events.

use std::collections::HashMap;
use std::num::NonZeroU64;

use sagas::{ShardId, Timestamp};
use store::loading::Found;
use store::mapping::Stored;
use store::replay::{self, Compared, Fold, Loading};
use store::row_changes::RowChange;
use store::{Message, ServiceDatabase, StoreError, history};
use uuid::Uuid;

use crate::entity::Entity;
use crate::supervision::caught;

/// Looks so often at an entity whose history is ahead of its row: who reads beside its shard may
/// come between two of its commits.
const LOOKS: usize = 3;

/// Where the entities of one shard come from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub database: &'a ServiceDatabase,
    pub shard: ShardId,
    pub loading: Loading,
}

/// An entity as it has been loaded.
#[derive(Clone, Debug)]
pub(crate) struct Loaded<E> {
    pub stored: Stored<E>,
    /// The version of the snapshot that was begun with; 0 without one.
    pub snapshot: u64,
}

impl Source<'_> {
    /// The entities among `ids` that exist.
    pub(crate) async fn load<E: Entity>(
        self,
        ids: &[Uuid],
    ) -> Result<Found<Uuid, Loaded<E>>, StoreError> {
        match self.loading {
            Loading::Row => {
                let from_row = |stored| Loaded {
                    stored,
                    snapshot: 0,
                };
                let found = E::load(self.database, ids).await?.into_iter();
                Ok(found
                    .map(|(id, stored)| (id, stored.map(from_row)))
                    .collect())
            }
            Loading::Replay { .. } => self.replay(ids).await,
        }
    }

    async fn replay<E: Entity>(self, ids: &[Uuid]) -> Result<Found<Uuid, Loaded<E>>, StoreError> {
        let mut found = HashMap::with_capacity(ids.len());
        let mut wanted = ids.to_vec();

        for _ in 0..LOOKS {
            wanted = self.look(&wanted, &mut found).await?;
            if wanted.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    /// Takes in those of `ids` that exist, and gives those whose histories are ahead of their rows.
    /// The rows are read first: what is written meanwhile makes a history longer, never shorter.
    async fn look<E: Entity>(
        self,
        ids: &[Uuid],
        found: &mut Found<Uuid, Loaded<E>>,
    ) -> Result<Vec<Uuid>, StoreError> {
        let mut rows = E::memories(self.database, ids).await?;
        let fold = Fold {
            next: &fold::<E>,
            form: self.loading.snapshot_every().map(|_| E::SNAPSHOT_FORM),
        };
        let mut replayed = replay::states(self.database, self.shard, ids, fold).await?;

        let mut ahead = Vec::new();
        for id in ids {
            match replay::compare(*id, rows.remove(id), replayed.remove(id)) {
                Compared::Absent => {}
                Compared::Same(stored, snapshot) => {
                    found.insert(*id, Ok(Loaded { stored, snapshot }));
                }
                Compared::Differ(error) => {
                    found.insert(*id, Err(error));
                }
                Compared::Ahead(error) => {
                    found.insert(*id, Err(error));
                    ahead.push(*id);
                }
            }
        }
        Ok(ahead)
    }
}

/// One more event of a history. A service that panics over it does so for this entity alone.
fn fold<E: Entity>(before: Option<E>, id: Uuid, message: &Message) -> Result<E, StoreError> {
    let event: E::Event = history::decode(message)?;
    let time: Timestamp = message.time;

    match caught(|| E::fold(before, id, &event, time)) {
        Ok(Some(state)) => Ok(state),
        Ok(None) => Err(history::out_of_place(message)),
        Err(panic) => Err(StoreError::Corrupt {
            what: format!("event {} of {id}", message.version),
            source: format!("its service panicked over it: {panic}").into(),
        }),
    }
}

/// When the snapshots of one entity are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshots {
    every: Option<NonZeroU64>,
    /// The version of the newest one; 0 before the first.
    newest: u64,
}

impl Snapshots {
    pub(crate) fn new(loading: Loading, newest: u64) -> Self {
        Snapshots {
            every: loading.snapshot_every(),
            newest,
        }
    }

    /// The row of a snapshot that is due with the event to which the entity owes its state.
    pub(crate) fn due<E: Entity>(&mut self, entity: &E) -> Option<RowChange> {
        let (every, head) = (self.every?, entity.head());
        if head.version.saturating_sub(self.newest) < every.get() {
            return None;
        }

        self.newest = head.version;
        replay::snapshot_row(head.id, head.version, E::SNAPSHOT_FORM, entity)
    }
}
