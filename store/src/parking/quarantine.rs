//! What operators see: the messages that wait for them, those that cannot be read included.

use std::borrow::Cow;
use std::sync::Arc;

use sagas::{MessageId, ShardId, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Parked, ParkedState, load};
use crate::log::{Destination, Message};
use crate::tables::parked;
use crate::{ServiceDatabase, StoreError, loading};

/// The quarantined messages of a service, oldest first, at most `limit`, after the message `after`
/// (time parked and id).
///
/// # Errors
/// When the database does not answer, or a row cannot be read.
pub async fn list_quarantined(
    database: &ServiceDatabase,
    after: Option<(Timestamp, Uuid)>,
    limit: usize,
) -> Result<Vec<Parked>, StoreError> {
    let mut query = parked::Entity::find()
        .select_only()
        .column(parked::Column::MessageId)
        // What this release cannot read waits for an operator, too.
        .filter(parked::Column::State.ne(ParkedState::Waiting.name()));

    if let Some((time, id)) = after {
        let later = parked::Column::ParkedAt
            .gt(time.micros())
            .or(parked::Column::ParkedAt
                .eq(time.micros())
                .and(parked::Column::MessageId.gt(id)));
        query = query.filter(later);
    }

    let ids: Vec<Uuid> = query
        .order_by_asc(parked::Column::ParkedAt)
        .order_by_asc(parked::Column::MessageId)
        .limit(u64::try_from(limit).unwrap_or(u64::MAX))
        .into_tuple()
        .all(&database.read)
        .await
        .map_err(|e| database.failed(e))?;

    let ids: Vec<_> = ids.into_iter().map(MessageId).collect();
    let mut found = load(database, &ids).await?;
    let mut listed = Vec::with_capacity(ids.len());
    for id in ids {
        match found.remove(&id) {
            Some(Ok(parked)) => listed.push(parked),
            Some(Err(error)) => listed.extend(outline(database, id, &error).await?),
            None => {}
        }
    }

    let beyond =
        |parked: &Parked| after.is_none_or(|after| after < (parked.parked_at, parked.id.0));
    let unreadable = unreadable_while_waiting(database).await?;
    listed.extend(unreadable.into_iter().filter(beyond));
    listed.sort_by_key(|parked| (parked.parked_at, parked.id));
    listed.truncate(limit);
    Ok(listed)
}

/// Looks through the messages of at most this many waiting entities for one that cannot be read.
const LOOKED_THROUGH: u64 = 500;

/// The first messages of entities that should be tried again and cannot be read.
async fn unreadable_while_waiting(database: &ServiceDatabase) -> Result<Vec<Parked>, StoreError> {
    let is_first = "NOT EXISTS (SELECT 1 FROM parked_messages before \
        WHERE before.shard = parked_messages.shard \
        AND before.entity_id = parked_messages.entity_id \
        AND before.place < parked_messages.place)";
    let ids: Vec<Uuid> = parked::Entity::find()
        .select_only()
        .column(parked::Column::MessageId)
        .filter(parked::Column::State.eq(ParkedState::Waiting.name()))
        .filter(Expr::cust(is_first))
        .order_by_asc(parked::Column::ParkedAt)
        .limit(LOOKED_THROUGH)
        .into_tuple()
        .all(&database.read)
        .await
        .map_err(|e| database.failed(e))?;

    let ids: Vec<_> = ids.into_iter().map(MessageId).collect();
    let mut unreadable = Vec::new();
    for (id, loaded) in load(database, &ids).await? {
        if let Err(error) = loaded {
            unreadable.extend(outline(database, id, &error).await?);
        }
    }
    Ok(unreadable)
}

/// What can be told of a parked message that cannot be read.
async fn outline(
    database: &ServiceDatabase,
    id: MessageId,
    error: &StoreError,
) -> Result<Option<Parked>, StoreError> {
    let row: Result<Option<(i32, Uuid, i64)>, _> = parked::Entity::find_by_id(id.0)
        .select_only()
        .column(parked::Column::Shard)
        .column(parked::Column::EntityId)
        .column(parked::Column::ParkedAt)
        .into_tuple()
        .one(&database.read)
        .await;

    let (shard, entity, parked_at) = match row {
        Ok(Some(row)) => row,
        Ok(None) => return Ok(None),
        Err(error) if loading::is_of_a_row(&error) => (0, Uuid::nil(), 0),
        Err(error) => return Err(database.failed(error)),
    };

    let shard = ShardId::new(database.service, u16::try_from(shard).unwrap_or(0));
    let parked_at = Timestamp::from_micros(parked_at);
    Ok(Some(Parked {
        id,
        message: Message {
            source: shard,
            sequence: 0,
            previous: 0,
            destination: Destination::Shard(shard),
            entity,
            version: 0,
            name: Cow::Borrowed("unreadable"),
            type_version: 0,
            correlation_id: Uuid::nil(),
            attempt: None,
            time: parked_at,
            body: Arc::from(RawValue::NULL.to_owned()),
        },
        place: 0,
        state: ParkedState::Quarantined,
        attempts: 0,
        cause: Some(error.chain()),
        next_attempt_at: None,
        parked_at,
        version: 0,
    }))
}
