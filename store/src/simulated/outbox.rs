//! An outbox, for whoever looks at it from outside: read without SeaORM, for that is done often.

use rusqlite::{Connection, Row};
use sagas::ShardId;
use uuid::Uuid;

use crate::history::salvage::Stored;
use crate::log::Message;
use crate::mapping::signed;
use crate::tables::outbox::Model;

const ROWS: &str = "SELECT sequence, count, entity_id, version, correlation_id, time, events, \
                    messages FROM outbox WHERE shard = ?1 AND sequence >= coalesce( \
                    (SELECT max(sequence) FROM outbox WHERE shard = ?1 AND sequence <= ?2), 0) \
                    ORDER BY sequence";

/// All messages of a shard after a sequence, wherever they go; of a row that is damaged, what is
/// left.
pub(super) fn read(
    connection: &Connection,
    source: ShardId,
    after: u64,
) -> rusqlite::Result<Vec<Message>> {
    let mut rows = connection.prepare_cached(ROWS)?;
    let mut rows = rows.query((source.number, signed(after)))?;

    let mut messages = Vec::new();
    while let Some(row) = rows.next()? {
        let salvaged = stored(source, row)?.salvage(source);
        let later = |message: &Message| message.sequence > after;
        messages.extend(salvaged.messages.into_iter().filter(later));
    }
    Ok(messages)
}

fn stored(source: ShardId, row: &Row<'_>) -> rusqlite::Result<Stored> {
    let model = Model {
        shard: i32::from(source.number),
        sequence: row.get(0)?,
        count: row.get(1)?,
        entity_id: Uuid::from_bytes(row.get(2)?),
        version: row.get(3)?,
        correlation_id: Uuid::from_bytes(row.get(4)?),
        time: row.get(5)?,
        events: row.get(6)?,
        messages: row.get(7)?,
    };
    Ok(Stored {
        sequence: Some(model.sequence),
        entity: Some(model.entity_id),
        version: model.version,
        time: Some(model.time),
        row: Ok(model),
    })
}
