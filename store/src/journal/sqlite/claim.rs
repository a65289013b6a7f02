//! Taking a shard over: raise its epoch, then read how far its outbox has come.

use domain::ShardId;
use rusqlite::{OptionalExtension, params};

use super::SqliteStore;
use crate::StoreError;
use crate::journal::commit_store::Claim;
use crate::log::Heads;
use crate::outbox;
use crate::tables::outbox::Model as OutboxRow;

const RAISE: &str = "INSERT INTO shards (shard, epoch, owner, published, heads, pruned, indexed) VALUES (?, 1, ?, 0, '{}', 0, 0) \
    ON CONFLICT (shard) DO UPDATE SET epoch = epoch + 1, owner = excluded.owner";
const STATE: &str = "SELECT epoch, published, heads, indexed FROM shards WHERE shard = ?";
const LAST: &str =
    "SELECT sequence, count FROM outbox WHERE shard = ? ORDER BY sequence DESC LIMIT 1";
const UNPUBLISHED: &str = "SELECT shard, sequence, count, entity_id, version, correlation_id, time, events, messages \
    FROM outbox WHERE shard = ? AND sequence > ? ORDER BY sequence";

/// Takes a shard over within the transaction under way. Says too up to which sequence its events are
/// in the history index.
pub(super) fn take_over(
    store: &SqliteStore,
    shard: ShardId,
    owner: &str,
) -> Result<(Claim, u64), StoreError> {
    let connection = &store.connection;
    let failed = |source| store.failed(source);

    connection
        .execute(RAISE, params![shard.number, owner])
        .map_err(failed)?;

    let (epoch, published, heads, indexed): (u64, u64, String, u64) = connection
        .query_row(STATE, [shard.number], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .map_err(failed)?;

    let last: Option<(u64, u64)> = connection
        .query_row(LAST, [shard.number], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map_err(failed)?;

    let mut heads = Heads::from_json(shard, published, &heads)?;

    let mut statement = connection.prepare(UNPUBLISHED).map_err(failed)?;
    let rows = statement
        .query_map(params![shard.number, published], outbox_row)
        .map_err(failed)?;

    for row in rows {
        for message in outbox::from_row(shard.service, &row.map_err(failed)?)? {
            heads.advance(&message);
        }
    }

    let next_sequence = last.map_or(1, |(sequence, count)| sequence + count);

    let claim = Claim {
        shard,
        epoch,
        next_sequence,
        published,
        heads,
    };

    Ok((claim, indexed))
}

fn outbox_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<OutboxRow> {
    let uuid = |index| row.get::<_, [u8; 16]>(index).map(uuid::Uuid::from_bytes);
    Ok(OutboxRow {
        shard: row.get(0)?,
        sequence: row.get(1)?,
        count: row.get(2)?,
        entity_id: uuid(3)?,
        version: row.get(4)?,
        correlation_id: uuid(5)?,
        time: row.get(6)?,
        events: row.get(7)?,
        messages: row.get(8)?,
    })
}
