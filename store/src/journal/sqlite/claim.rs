//! Taking a shard over: raise its epoch, then read how far its outbox has come.

use rusqlite::{OptionalExtension, params};
use sagas::ShardId;
use uuid::Uuid;

use super::SqliteStore;
use crate::StoreError;
use crate::history::salvage::Stored;
use crate::journal::commit_store::Claim;
use crate::log::Heads;
use crate::tables::outbox::Model as OutboxRow;
use crate::unit::MAX_MESSAGES;

const RAISE: &str = "INSERT INTO shards \
    (shard, epoch, owner, published, heads, pruned, indexed) VALUES (?, 1, ?, 0, '{}', 0, 0) \
    ON CONFLICT (shard) DO UPDATE SET epoch = epoch + 1, owner = excluded.owner";
const RAISE_HELD: &str =
    "UPDATE shards SET epoch = epoch + 1, owner = ? WHERE shard = ? AND epoch = ?";
const EPOCH: &str = "SELECT epoch FROM shards WHERE shard = ?";
const STATE: &str = "SELECT epoch, published, heads, indexed FROM shards WHERE shard = ?";
// A sequence that is no number would come last.
const LAST: &str = "SELECT sequence, count FROM outbox WHERE shard = ? \
    AND sequence <= 9223372036854775807 ORDER BY sequence DESC LIMIT 1";
const UNPUBLISHED: &str = "SELECT \
    shard, sequence, count, entity_id, version, correlation_id, time, events, messages \
    FROM outbox WHERE shard = ? AND sequence > ? ORDER BY sequence";

/// The messages of one row, at most.
#[expect(clippy::as_conversions, reason = "widening, in a constant")]
const MOST_MESSAGES: u64 = MAX_MESSAGES as u64;

/// Takes a shard over within the transaction under way. Also says up to which sequence its events
/// are in the history index.
pub(super) fn take_over(
    store: &SqliteStore,
    shard: ShardId,
    owner: &str,
    held: Option<u64>,
) -> Result<(Claim, u64), StoreError> {
    let connection = &store.connection;
    let failed = |source| store.failed(source);

    raise(store, shard, owner, held)?;

    let (epoch, published, heads, indexed): (u64, u64, String, u64) = connection
        .prepare_cached(STATE)
        .and_then(|mut state| {
            state.query_row([shard.number], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
        })
        .map_err(failed)?;

    let last: Option<(u64, u64)> = connection
        .prepare_cached(LAST)
        .and_then(|mut last| {
            let last = last.query_row([shard.number], |row| {
                // When it cannot be read how many messages the row has, it has no more than may be.
                Ok((row.get(0)?, row.get(1).unwrap_or(MOST_MESSAGES)))
            });
            last.optional()
        })
        .map_err(failed)?;
    let next_sequence = last.map_or(1, |(sequence, count)| sequence + count);

    // What is noted can be found in the outbox as well, though it takes longer.
    let (published, mut heads) = match Heads::from_json(shard, published, &heads) {
        Ok(heads) => (published, heads),
        Err(error) => {
            tracing::error!(
                shard = %shard, error = %error.chain(),
                "the whole outbox is read instead"
            );
            (0, Heads::default())
        }
    };

    let mut statement = connection.prepare_cached(UNPUBLISHED).map_err(failed)?;
    let rows = statement
        .query_map(params![shard.number, published], |row| Ok(stored(row)))
        .map_err(failed)?;

    for row in rows {
        for message in row.map_err(failed)?.salvage(shard).messages {
            heads.advance(&message);
        }
    }
    // Behind a damaged row there may be nothing that says so.
    heads.reach(next_sequence.saturating_sub(1));

    let claim = Claim {
        shard,
        epoch,
        next_sequence,
        published,
        heads,
    };

    Ok((claim, indexed))
}

fn raise(
    store: &SqliteStore,
    shard: ShardId,
    owner: &str,
    held: Option<u64>,
) -> Result<(), StoreError> {
    let Some(held) = held else {
        return store.run(RAISE, params![shard.number, owner]).map(drop);
    };
    if store.run(RAISE_HELD, params![owner, shard.number, held])? == 1 {
        return Ok(());
    }

    // One that is no number is nobody's.
    let read = |row: &rusqlite::Row<'_>| Ok(row.get(0).unwrap_or(0));
    let current = store
        .connection
        .prepare_cached(EPOCH)
        .and_then(|mut epoch| epoch.query_row([shard.number], read).optional())
        .map_err(|source| store.failed(source))?;
    Err(StoreError::StaleEpoch {
        shard,
        held,
        current: current.unwrap_or(0),
    })
}

fn stored(row: &rusqlite::Row<'_>) -> Stored {
    Stored {
        sequence: row.get(1).ok(),
        row: model(row).map_err(Into::into),
        entity: uuid(row, 3).ok(),
        version: row.get(4).ok().flatten(),
        time: row.get(6).ok(),
    }
}

fn model(row: &rusqlite::Row<'_>) -> rusqlite::Result<OutboxRow> {
    Ok(OutboxRow {
        shard: row.get(0)?,
        sequence: row.get(1)?,
        count: row.get(2)?,
        entity_id: uuid(row, 3)?,
        version: row.get(4)?,
        correlation_id: uuid(row, 5)?,
        time: row.get(6)?,
        events: row.get(7)?,
        messages: row.get(8)?,
    })
}

fn uuid(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}
