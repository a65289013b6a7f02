//! Counting what waits for the receivers of a source, without taking the messages out of the
//! database.

use std::collections::BTreeMap;

use sagas::{Service, ShardId};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use crate::log::Positions;
use crate::unit::MAX_MESSAGES;
use crate::{ServiceDatabase, StoreError, mapping};

/// Looks at most at this many rows of a source.
const LOOKED_AT: i64 = 10_000;

// The commands and replies of a row are its last messages.
const SENT_IN_A_FILE: &str = "SELECT sent.value ->> '$.to' AS service, sent.value ->> '$.shard' AS shard, \
    oldest.sequence + oldest.count - json_array_length(oldest.messages) + sent.key AS sequence \
    FROM (SELECT sequence, count, messages FROM outbox \
        WHERE shard = ? AND sequence > ? AND messages IS NOT NULL AND json_valid(messages) \
        ORDER BY sequence LIMIT ?) AS oldest, \
    json_each(oldest.messages) AS sent";
const SENT_ON_A_SERVER: &str = "SELECT sent.value ->> 'to' AS service, \
    (sent.value ->> 'shard')::bigint AS shard, \
    oldest.sequence + oldest.count - json_array_length(oldest.messages) + sent.place - 1 \
    AS sequence \
    FROM (SELECT sequence, count, valid_json(messages) AS messages FROM outbox \
        WHERE shard = $1 AND sequence > $2 AND messages IS NOT NULL \
        ORDER BY sequence LIMIT $3) AS oldest, \
    json_array_elements(oldest.messages) WITH ORDINALITY AS sent(value, place)";

/// How many messages of `source` lie beyond the position of each receiver.
pub(super) async fn backlog(
    database: &ServiceDatabase,
    source: ShardId,
    positions: &Positions,
) -> Result<BTreeMap<ShardId, u64>, StoreError> {
    let Some(oldest) = positions.values().min() else {
        return Ok(BTreeMap::new());
    };

    // The row that holds the message at a position may hold later ones too.
    let unit = i64::try_from(MAX_MESSAGES).unwrap_or(0);
    let beyond = mapping::signed(*oldest).saturating_sub(unit);
    let values = [
        i64::from(source.number).into(),
        beyond.into(),
        LOOKED_AT.into(),
    ];
    let connection = &database.read;
    let backend = connection.get_database_backend();
    let sent_by = match backend {
        DbBackend::Postgres => SENT_ON_A_SERVER,
        _ => SENT_IN_A_FILE,
    };
    let statement = Statement::from_sql_and_values(backend, sent_by, values);
    let rows = connection
        .query_all_raw(statement)
        .await
        .map_err(|e| database.failed(e))?;

    let mut backlog = BTreeMap::new();

    for row in rows {
        // What cannot be read is not waited for.
        let Ok(Some((receiver, sequence))) = sent(&row) else {
            continue;
        };
        if positions
            .get(&receiver)
            .is_some_and(|position| sequence > *position)
        {
            *backlog.entry(receiver).or_insert(0) += 1;
        }
    }

    Ok(backlog)
}

fn sent(row: &QueryResult) -> Result<Option<(ShardId, u64)>, DbErr> {
    let service: String = row.try_get("", "service")?;
    let number: i64 = row.try_get("", "shard")?;
    let sequence: i64 = row.try_get("", "sequence")?;

    let receiver = || {
        let service = Service::from_name(&service)?;
        Some(ShardId::new(service, u16::try_from(number).ok()?))
    };

    Ok(receiver().map(|receiver| (receiver, mapping::unsigned(sequence))))
}
