//! What operators see: the messages that wait for them, those that cannot be read included.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use sagas::{MessageId, ShardId, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, Order, QueryFilter, QueryOrder, QuerySelect, Select,
};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Parked, ParkedState, load};
use crate::inspection::{Cause, without_ids};
use crate::log::{Destination, Message};
use crate::tables::parked;
use crate::{ServiceDatabase, StoreError, loading, mapping};

/// Which quarantined messages to list.
#[derive(Clone, Debug, Default)]
pub struct QuarantineFilter {
    /// Only those that address this entity.
    pub entity: Option<Uuid>,
    /// Only those of this wire name.
    pub name: Option<String>,
    /// Only those with this cause.
    pub cause: Option<Cause>,
    /// Only those that were parked before this time.
    pub parked_before: Option<Timestamp>,
    /// Only those after this one, in the order of the list: its time and its id.
    pub after: Option<(Timestamp, Uuid)>,
}

impl QuarantineFilter {
    fn fits(&self, parked: &Parked) -> bool {
        let cause = parked.cause.as_deref().unwrap_or_default();
        self.entity
            .is_none_or(|entity| entity == parked.message.entity)
            && self
                .name
                .as_ref()
                .is_none_or(|name| *name == parked.message.name)
            && self.cause.as_ref().is_none_or(|meant| meant.is_in(cause))
            && self
                .parked_before
                .is_none_or(|time| parked.parked_at < time)
            && self
                .after
                .is_none_or(|after| after < (parked.parked_at, parked.id.0))
    }

    fn query(&self) -> Select<parked::Entity> {
        use parked::Column;
        // What this release cannot read waits for an operator, too.
        let mut query =
            parked::Entity::find().filter(Column::State.ne(ParkedState::Waiting.name()));

        if let Some(entity) = self.entity {
            query = query.filter(Column::EntityId.eq(entity));
        }
        if let Some(name) = &self.name {
            query = query.filter(Column::Name.eq(name.as_str()));
        }
        if let Some(cause) = &self.cause {
            query = query.filter(cause.is_like(Column::Cause));
        }
        if let Some(time) = self.parked_before {
            query = query.filter(Column::ParkedAt.lt(time.micros()));
        }
        if let Some((time, id)) = self.after {
            let later = Column::ParkedAt
                .eq(time.micros())
                .and(Column::MessageId.gt(id));
            query = query.filter(Column::ParkedAt.gt(time.micros()).or(later));
        }
        query
            .order_by_asc(Column::ParkedAt)
            .order_by_asc(Column::MessageId)
    }
}

/// The quarantined messages of a service, oldest first, at most `limit`.
///
/// # Errors
/// When the database does not answer, or a row cannot be read.
pub async fn list_quarantined(
    database: &ServiceDatabase,
    filter: &QuarantineFilter,
    limit: usize,
) -> Result<Vec<Parked>, StoreError> {
    let ids: Vec<Uuid> = filter
        .query()
        .select_only()
        .column(parked::Column::MessageId)
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

    let unreadable = unreadable_while_waiting(database).await?;
    listed.extend(unreadable.into_iter().filter(|parked| filter.fits(parked)));
    listed.sort_by_key(|parked| (parked.parked_at, parked.id));
    listed.truncate(limit);
    Ok(listed)
}

/// The messages that are in quarantine for one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CauseCount {
    /// Without the ids in it.
    pub cause: String,
    /// How many messages, without those that wait behind them.
    pub messages: u64,
    /// When the first and the last of them was parked.
    pub since: Timestamp,
    /// The last one.
    pub newest: Timestamp,
}

/// Looks at this many texts of causes, those of most messages first.
const CAUSES: u64 = 10_000;

/// What is in quarantine, by its cause, the most frequent one first.
///
/// # Errors
/// When the database does not answer.
pub async fn causes(database: &ServiceDatabase) -> Result<Vec<CauseCount>, StoreError> {
    use parked::Column;
    let counted = Expr::col(Column::MessageId).count();
    let rows: Vec<(Option<String>, i64, i64, i64)> = parked::Entity::find()
        .select_only()
        .column(Column::Cause)
        .column_as(Column::MessageId.count(), "messages")
        .column_as(Column::ParkedAt.min(), "since")
        .column_as(Column::ParkedAt.max(), "newest")
        .filter(Column::State.ne(ParkedState::Waiting.name()))
        .group_by(Column::Cause)
        .order_by(counted, Order::Desc)
        .limit(CAUSES)
        .into_tuple()
        .all(&database.read)
        .await
        .map_err(|e| database.failed(e))?;

    let mut by_cause: BTreeMap<String, CauseCount> = BTreeMap::new();
    for (cause, messages, since, newest) in rows {
        let cause = without_ids(&cause.unwrap_or_default());
        let (since, newest) = (
            Timestamp::from_micros(since),
            Timestamp::from_micros(newest),
        );
        let messages = mapping::unsigned(messages);

        by_cause
            .entry(cause.clone())
            .and_modify(|count| {
                count.messages += messages;
                count.since = count.since.min(since);
                count.newest = count.newest.max(newest);
            })
            .or_insert(CauseCount {
                cause,
                messages,
                since,
                newest,
            });
    }

    let mut causes: Vec<_> = by_cause.into_values().collect();
    causes.sort_by_key(|count| std::cmp::Reverse(count.messages));
    Ok(causes)
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
///
/// # Errors
/// When the database does not answer.
pub async fn outline(
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
