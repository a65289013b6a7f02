//! What operators have done to sagas and parked messages: who, why, and what it was before. A row
//! belongs to the unit that has the effect, so that there is none without the other.

use ::sagas::{Fingerprint, RequestKey, ShardId, Timestamp};
use sea_orm::sea_query::Condition;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::row_changes::{Journaled, RowChange};
use crate::tables::action;
use crate::{ServiceDatabase, StoreError};

/// Something that an operator has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorAction {
    /// What, by its name, for example `saga.retried`.
    pub action: String,
    /// The saga or the parked message it was done to.
    pub subject: Uuid,
    /// What the saga works on, or what the message addresses.
    pub entity: Uuid,
    /// Who has done it.
    pub done_by: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub time: Timestamp,
    /// JSON: what is to be known of how it was before and after.
    pub detail: String,
    /// The key of the request, and what it asked for.
    pub request: Option<(Uuid, Fingerprint)>,
}

impl OperatorAction {
    /// Its row. `number` is another one for each action on a subject.
    #[must_use]
    pub fn insert(self, number: u64, shard: ShardId) -> RowChange {
        let (request_key, fingerprint) = self.request.unzip();
        let id = id_of(self.subject, number, request_key);

        action::Model {
            action_id: id,
            shard: i32::from(shard.number),
            action: self.action,
            subject_id: self.subject,
            entity_id: self.entity,
            done_by: self.done_by,
            reason: self.reason,
            time: self.time.micros(),
            detail: self.detail,
            request_key,
            request_fingerprint: fingerprint.map(|fingerprint| fingerprint.0),
        }
        .insert()
    }
}

/// One that changes nothing, and only binds its key, has the number of the one before it.
fn id_of(subject: Uuid, number: u64, request_key: Option<Uuid>) -> Uuid {
    let mut digest = Sha256::new();
    digest.update(b"operator action");
    digest.update(subject.as_bytes());
    digest.update(number.to_be_bytes());
    digest.update(request_key.unwrap_or_default().as_bytes());

    let mut bytes = [0; 16];
    for (target, source) in bytes.iter_mut().zip(digest.finalize()) {
        *target = source;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// An action that was stored, by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAction {
    /// Its id.
    pub id: Uuid,
    /// What was done.
    pub action: OperatorAction,
}

/// Which actions to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct ActionFilter {
    /// Of this saga or parked message, or concerning this entity.
    pub about: Option<Uuid>,
    /// Only those before this one, in the order of the list.
    pub before: Option<(Timestamp, Uuid)>,
}

/// What operators have done, newest first, at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    database: &ServiceDatabase,
    filter: ActionFilter,
    limit: usize,
) -> Result<Vec<StoredAction>, StoreError> {
    use action::Column;
    let mut query = action::Entity::find();

    if let Some(about) = filter.about {
        query = query.filter(
            Condition::any()
                .add(Column::SubjectId.eq(about))
                .add(Column::EntityId.eq(about)),
        );
    }
    if let Some((time, id)) = filter.before {
        let earlier = Column::Time.eq(time.micros()).and(Column::ActionId.lt(id));
        query = query.filter(Column::Time.lt(time.micros()).or(earlier));
    }

    let rows = query
        .order_by_desc(Column::Time)
        .order_by_desc(Column::ActionId)
        .limit(u64::try_from(limit).unwrap_or(u64::MAX))
        .all(&database.read)
        .await
        .map_err(|e| database.failed(e))?;
    Ok(rows.into_iter().map(from_row).collect())
}

/// What the request with this key has done.
///
/// # Errors
/// When the database does not answer.
pub async fn of_request(
    database: &ServiceDatabase,
    key: RequestKey,
) -> Result<Option<StoredAction>, StoreError> {
    let row = action::Entity::find()
        .filter(action::Column::RequestKey.eq(key.as_uuid()))
        .one(&database.read)
        .await
        .map_err(|e| database.failed(e))?;
    Ok(row.map(from_row))
}

fn from_row(row: action::Model) -> StoredAction {
    let fingerprint = row.request_fingerprint.map(Fingerprint);
    StoredAction {
        id: row.action_id,
        action: OperatorAction {
            action: row.action,
            subject: row.subject_id,
            entity: row.entity_id,
            done_by: row.done_by,
            reason: row.reason,
            time: Timestamp::from_micros(row.time),
            detail: row.detail,
            request: row.request_key.zip(fingerprint),
        },
    }
}
