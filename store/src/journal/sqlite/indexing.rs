//! The history index, written behind the commits: in pieces of one shard's newest events, sorted by
//! entity.
//!
//! An entity's events come one at a time, so each would touch a page of the index of its own, and
//! that page would be written with each commit. In a piece they come together. What is not indexed
//! yet is found in the outbox itself (`history`, the view over both), so nobody waits for a piece,
//! and a crash loses none.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use sagas::ShardId;

use super::SqliteStore;
use crate::StoreError;

/// The sequences of a shard that make a piece. A reader of its history looks through as many rows
/// of the outbox at most.
const PIECE: u64 = 2_048;

const NOTE: &str =
    "UPDATE shards SET indexed = ?3 WHERE shard = ?1 AND epoch = ?4 AND indexed = ?2";
// What is there already was put there by hand; it may not stop the commits.
const INDEX: &str = "INSERT OR IGNORE INTO history_index (entity_id, version, shard, sequence) \
    SELECT entity_id, version, shard, sequence FROM outbox \
    WHERE shard = ?1 AND sequence > ?2 AND sequence <= ?3 AND version IS NOT NULL \
    ORDER BY entity_id, version";

const STATES: &str = "SELECT shard, epoch, indexed, \
    COALESCE((SELECT max(sequence) FROM outbox WHERE outbox.shard = shards.shard), 0) FROM shards";

/// How far the index of each shard is behind its outbox.
#[derive(Default)]
pub(super) struct Tails(HashMap<ShardId, Tail>);

struct Tail {
    epoch: u64,
    indexed: u64,
    /// The newest sequence that is durable.
    newest: u64,
}

/// What is indexed at once: the events of a shard after one sequence and up to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    shard: ShardId,
    epoch: u64,
    after: u64,
    up_to: u64,
}

impl Tails {
    /// Reads how far the shards are that are still held at the same epochs.
    pub(super) fn read_again(&self, store: &SqliteStore) -> Result<Self, StoreError> {
        let read = || {
            let mut states = store.connection.prepare_cached(STATES)?;
            let tails = states.query_map([], |row| {
                let shard = ShardId::new(store.service, row.get(0)?);
                let tail = Tail {
                    epoch: row.get(1)?,
                    indexed: row.get(2)?,
                    newest: row.get(3)?,
                };
                Ok((shard, tail))
            })?;
            tails.collect::<rusqlite::Result<HashMap<_, _>>>()
        };

        let mut tails = read().map_err(|e| store.failed(e))?;
        tails.retain(|shard, tail| {
            let known = self.0.get(shard);
            known.is_some_and(|known| known.epoch == tail.epoch)
        });

        Ok(Tails(tails))
    }

    /// A shard was taken over.
    pub(super) fn restore(&mut self, shard: ShardId, epoch: u64, indexed: u64, newest: u64) {
        self.0.insert(
            shard,
            Tail {
                epoch,
                indexed,
                newest,
            },
        );
    }

    /// Messages of a shard have become durable.
    pub(super) fn grow(&mut self, shard: ShardId, newest: u64) {
        if let Some(tail) = self.0.get_mut(&shard) {
            tail.newest = newest;
        }
    }

    /// The piece to index next, if one is due. One at a time, so that no commit is
    /// held up by all shards.
    pub(super) fn due(&self) -> Option<Piece> {
        let length = |tail: &Tail| tail.newest.saturating_sub(tail.indexed);
        let (shard, tail) = self.0.iter().max_by_key(|(_, tail)| length(tail))?;
        let piece = Piece {
            shard: *shard,
            epoch: tail.epoch,
            after: tail.indexed,
            up_to: tail.newest,
        };
        (length(tail) >= PIECE).then_some(piece)
    }

    /// A piece has become durable, or was not written because its shard is held by another epoch:
    /// then it is that owner's to be indexed.
    pub(super) fn indexed(&mut self, piece: Piece, written: bool) {
        if !written {
            self.0.remove(&piece.shard);
        } else if let Some(tail) = self.0.get_mut(&piece.shard) {
            tail.indexed = piece.up_to;
        }
    }
}

impl Piece {
    /// Writes the piece within the transaction under way; nothing, and says so, when the shard is
    /// held by another epoch now.
    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let Piece {
            shard,
            epoch,
            after,
            up_to,
        } = *self;

        let noted =
            connection
                .prepare_cached(NOTE)?
                .execute(params![shard.number, after, up_to, epoch])?;

        if noted == 1 {
            connection
                .prepare_cached(INDEX)?
                .execute(params![shard.number, after, up_to])?;
        }

        Ok(noted == 1)
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::testing::BOOKINGS;

    #[test]
    fn the_longest_tail_is_indexed_first_and_one_at_a_time() {
        let shard = |number| ShardId::new(BOOKINGS, number);
        let mut tails = Tails::default();
        tails.restore(shard(1), 1, 0, PIECE);
        tails.restore(shard(2), 1, 10, PIECE + 11);
        tails.restore(shard(3), 1, 0, PIECE - 1);

        for expected in [shard(2), shard(1)] {
            let piece = tails.due().unwrap();
            assert_eq!(piece.shard, expected);
            tails.indexed(piece, true);
        }

        assert!(tails.due().is_none());
        tails.grow(shard(3), PIECE);
        assert_eq!(tails.due().unwrap().shard, shard(3));
    }
}
