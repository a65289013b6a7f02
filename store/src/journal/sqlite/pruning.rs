//! Removing commands and replies that everybody has received.

use rusqlite::{OptionalExtension, params};

use super::SqliteStore;
use crate::StoreError;
use crate::journal::commit_store::Prune;

const PRUNED_TO: &str = "SELECT pruned FROM shards WHERE shard = ?";
// The newest row stays: the next owner of the shard goes on from its sequence.
// Times never go back within a shard, so a bounded look at its oldest rows is enough.
// A row is beyond the bound when its last message is: a receiver may have come to its middle.
const OLDEST: &str = "SELECT max(sequence) FILTER (WHERE time < ?4), max(sequence), count(*) FROM \
    (SELECT sequence, time FROM outbox WHERE shard = ?1 AND sequence > ?2 AND sequence <= ?3 \
    AND sequence + count - 1 <= ?3 \
    AND sequence < (SELECT max(sequence) FROM outbox WHERE shard = ?1) ORDER BY sequence LIMIT ?5)";
const NOTE: &str = "UPDATE shards SET pruned = ? WHERE shard = ? AND epoch = ?";
const EPOCH: &str = "SELECT epoch FROM shards WHERE shard = ?";
const EMPTY: &str = "UPDATE outbox SET messages = NULL \
    WHERE shard = ? AND sequence > ? AND sequence <= ? \
    AND events IS NOT NULL AND messages IS NOT NULL";
const REMOVE: &str =
    "DELETE FROM outbox WHERE shard = ? AND sequence > ? AND sequence <= ? AND events IS NULL";

/// The rows to be pruned at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    after: u64,
    up_to: u64,
    /// Whether there is more than could be looked at.
    pub more: bool,
}

/// Looks for the oldest rows that may be pruned. Nobody else prunes them meanwhile: whoever takes
/// the shard over raises its epoch, which is compared when they are removed.
pub(super) fn range(store: &SqliteStore, prune: &Prune) -> Result<Option<Range>, StoreError> {
    let look = || {
        let shard = prune.shard.number;
        let after: Option<u64> = store
            .connection
            .prepare_cached(PRUNED_TO)?
            .query_row([shard], |row| row.get(0))
            .optional()?;
        let after = after.unwrap_or(0);

        // Databases count with signs.
        let up_to = i64::try_from(prune.up_to).unwrap_or(i64::MAX);
        let row = params![shard, after, up_to, prune.before.micros(), prune.rows];
        store
            .connection
            .prepare_cached(OLDEST)?
            .query_row(row, |row| {
                let (old, newest): (Option<u64>, Option<u64>) = (row.get(0)?, row.get(1)?);
                let looked_at: u32 = row.get(2)?;
                Ok(old.map(|up_to| Range {
                    after,
                    up_to,
                    more: looked_at == prune.rows && old == newest,
                }))
            })
    };

    look().map_err(|e| store.failed(e))
}

/// Removes them within the transaction under way.
pub(super) fn remove(
    store: &SqliteStore,
    prune: &Prune,
    range: Range,
) -> Result<usize, StoreError> {
    let shard = prune.shard.number;

    if store.run(NOTE, params![range.up_to, shard, prune.epoch])? == 0 {
        let epoch = store.connection.query_row(EPOCH, [shard], |row| row.get(0));
        let current = epoch.optional().map_err(|e| store.failed(e))?;
        return Err(StoreError::StaleEpoch {
            shard: prune.shard,
            held: prune.epoch,
            current: current.unwrap_or(0),
        });
    }

    let rows = params![shard, range.after, range.up_to];
    Ok(store.run(EMPTY, rows)? + store.run(REMOVE, rows)?)
}
