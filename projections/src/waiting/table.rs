//! The table of a view's waiting readers: who waits for what, and what each commit leaves of it.

use std::collections::{BTreeMap, BTreeSet};

use sagas::Service;
use store::Positions;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{EntityVersions, reached};
use crate::positions;

/// At most this many readers wait for one view; one more hears at once that the view is behind. A
/// reader of a token of the longest kind takes some 50 KiB here, an ordinary one 200 bytes.
const MAX_WAITING: usize = 10_000;

/// Versions of entities that a reader waits for.
pub(super) type Wishes = BTreeMap<(Service, Uuid), u64>;

#[derive(Debug, Default)]
pub(super) struct Table {
    next: u64,
    /// Whose wishes are the next to be asked for, where not all are at once.
    asked: u64,
    /// In the order in which they have come: in that they are woken.
    readers: BTreeMap<u64, Reader>,
    /// The positions of the newest commit.
    pub committed: Positions,
    /// Up to where documents may show the sources at most: what was committed, what is on its way,
    /// and what has had no answer. It never goes back.
    pub may_show: Positions,
    /// Why the projector takes nothing in at present: nobody waits for it then.
    pub failing: Option<String>,
    /// Its projector has read what is committed.
    pub restored: bool,
    /// It has stopped for good.
    pub closed: bool,
}

/// One reader with what it still waits for.
#[derive(Debug)]
struct Reader {
    entities: Wishes,
    positions: Positions,
    done: Option<oneshot::Sender<End>>,
}

/// How the waiting of a reader ends; without a word when the projector has stopped for good.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It has all it waits for.
    Reached,
    /// The projector cannot go on for now, and this is why.
    Failing(String),
}

impl Reader {
    fn has_all(&self) -> bool {
        self.entities.is_empty() && self.positions.is_empty()
    }

    fn finish_if_reached(&mut self) {
        if self.has_all()
            && let Some(done) = self.done.take()
        {
            // A reader that is gone has given up waiting.
            let _ = done.send(End::Reached);
        }
    }
}

impl Table {
    /// A reader comes; gives its number, and what resolves when its waiting ends. `None` when the
    /// table is full.
    pub(super) fn enter(
        &mut self,
        entities: Wishes,
        mut positions: Positions,
    ) -> Option<(u64, oneshot::Receiver<End>)> {
        if self.readers.len() >= MAX_WAITING {
            return None;
        }

        let (sender, done) = oneshot::channel();
        positions.retain(|shard, sequence| reached(&self.committed, *shard) < *sequence);
        let reader = Reader {
            entities,
            positions,
            // Nobody would ever wake one that comes after the end.
            done: (!self.closed).then_some(sender),
        };

        let number = self.next;
        self.next += 1;
        self.readers.insert(number, reader);
        Some((number, done))
    }

    /// A reader goes.
    pub(super) fn leave(&mut self, number: u64) {
        self.readers.remove(&number);
    }

    pub(super) fn len(&self) -> usize {
        self.readers.len()
    }

    /// The entities that a reader waits for.
    pub(super) fn wishes_of(&self, number: u64) -> Vec<(Service, Uuid)> {
        let reader = self.readers.get(&number);
        reader.map_or_else(Vec::new, |reader| reader.entities.keys().copied().collect())
    }

    /// The entities that readers wait for, each once, at most so many and a reader's more: those of
    /// the readers behind the one that was the last at the time before.
    pub(super) fn wishes(&mut self, most: usize) -> Vec<(Service, Uuid)> {
        let mut wished = BTreeSet::new();
        let behind = self.readers.range(self.asked..);
        for (number, reader) in behind.chain(self.readers.range(..self.asked)) {
            if wished.len() >= most {
                self.asked = *number;
                break;
            }
            wished.extend(reader.entities.keys().copied());
        }
        wished.into_iter().collect()
    }

    /// A reader has looked at the versions of entities itself; true when it has all it waits for.
    pub(super) fn saw(
        &mut self,
        number: u64,
        seen: impl Iterator<Item = ((Service, Uuid), u64)>,
    ) -> bool {
        // Who is not in the table any more hears why from what it waits for.
        let Some(reader) = self.readers.get_mut(&number) else {
            return false;
        };

        for (entity, version) in seen {
            let wish = reader.entities.get(&entity);
            if wish.is_some_and(|required| *required <= version) {
                reader.entities.remove(&entity);
            }
        }

        reader.has_all()
    }

    /// A commit with these positions is begun, or has been found.
    pub(super) fn reaches(&mut self, positions: &Positions) {
        positions::raise(&mut self.may_show, positions);
    }

    /// Whether a commit of what was applied would bring some reader forward.
    pub(super) fn wants(&self, entities: &EntityVersions, positions: &Positions) -> bool {
        self.readers.values().any(|reader| {
            reader
                .entities
                .iter()
                .any(|(key, required)| entities.get(key).is_some_and(|version| version >= required))
                || reader
                    .positions
                    .iter()
                    .any(|(shard, required)| reached(positions, *shard) >= *required)
        })
    }

    /// A commit has happened, or what was committed has been read: wakes the readers whose last
    /// wish it has fulfilled.
    pub(super) fn advance(&mut self, entities: &EntityVersions, positions: &Positions) {
        self.failing = None;
        self.restored = true;
        self.committed.clone_from(positions);
        self.reaches(positions);

        for reader in self.readers.values_mut() {
            reader
                .entities
                .retain(|key, required| entities.get(key).is_none_or(|version| version < required));
            reader
                .positions
                .retain(|shard, required| reached(positions, *shard) < *required);
            reader.finish_if_reached();
        }
    }

    /// The projector cannot go on for now: lets all readers go.
    pub(super) fn fail(&mut self, cause: &str) {
        self.failing = Some(cause.to_owned());
        for reader in std::mem::take(&mut self.readers).into_values() {
            // The projector may have begun again before the reader hears of this.
            let told = |done: oneshot::Sender<End>| done.send(End::Failing(cause.to_owned()));
            drop(reader.done.map(told));
        }
    }

    /// The projector has stopped for good: lets all readers go.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.readers.clear();
    }
}
