//! What operators have done: who, why, and what it was before. What is done to a saga or a parked
//! message shares the unit that has the effect, so that there is none without the other.
//!
//! What is done to something that no unit changes, a view for example, is noted before it is done,
//! under a name that says no more than that it was asked for, and again when it is. A row that
//! still has the first name says that nobody knows whether it has happened.

use ::sagas::{Fingerprint, RequestKey, ShardId, Timestamp};
use sea_orm::sea_query::Condition;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::row_changes::{Journaled, RowChange};
use crate::tables::action;
use crate::{ServiceDatabase, StoreError};

/// How the name of an action ends of which no more is known than that it was asked for.
pub const ASKED: &str = "-asked";

/// An operator has given a saga up.
pub const SAGA_ABANDONED: &str = "saga.abandoned";

/// Something that an operator has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorAction {
    /// What, by its name, for example `saga.retried`.
    pub action: String,
    /// The saga or the parked message it was done to; of what has a name and no id, [`named`].
    pub subject: Uuid,
    /// What the saga works on, or what the message addresses; the subject when it is about no
    /// entity.
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
    /// Whether no more is known than that it was asked for.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.action.ends_with(ASKED)
    }

    /// Its row. `number` is another one for each action on a subject.
    #[must_use]
    pub fn insert(self, number: u64, shard: ShardId) -> RowChange {
        let id = id_of(self.subject, number, self.request.unzip().0);
        self.row(id, shard).insert()
    }

    /// Its row under an id of its own, in the place of what was noted there before.
    #[must_use]
    pub fn note(self, id: Uuid, shard: ShardId) -> RowChange {
        self.row(id, shard).replace()
    }

    fn row(self, id: Uuid, shard: ShardId) -> action::Model {
        let (request_key, fingerprint) = self.request.unzip();
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
    }
}

/// Takes back what was noted under this id: it is known not to have happened.
#[must_use]
pub fn withdraw(id: Uuid) -> RowChange {
    action::Model::delete(id)
}

/// The subject of what is done to something that has a name and no id: another one for each name of
/// a kind of things.
#[must_use]
pub fn named(kind: &str, name: &str) -> Uuid {
    let mut digest = Sha256::new();
    digest.update(kind.as_bytes());
    digest.update([0]);
    digest.update(name.as_bytes());
    uuid_of(digest)
}

/// One that changes nothing, and only binds its key, has the number of the one before it.
fn id_of(subject: Uuid, number: u64, request_key: Option<Uuid>) -> Uuid {
    let mut digest = Sha256::new();
    digest.update(b"operator action");
    digest.update(subject.as_bytes());
    digest.update(number.to_be_bytes());
    digest.update(request_key.unwrap_or_default().as_bytes());
    uuid_of(digest)
}

fn uuid_of(digest: Sha256) -> Uuid {
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
    /// Only those done to this subject.
    pub subject: Option<Uuid>,
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
    if let Some(subject) = filter.subject {
        query = query.filter(Column::SubjectId.eq(subject));
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

/// All that was noted of the request with this key, in any order: each time it was asked has a row
/// of its own until it is known what has become of it.
///
/// # Errors
/// When the database does not answer.
pub async fn noted_of_request(
    database: &ServiceDatabase,
    key: RequestKey,
) -> Result<Vec<StoredAction>, StoreError> {
    let rows = action::Entity::find()
        .filter(action::Column::RequestKey.eq(key.as_uuid()))
        .all(&database.read)
        .await
        .map_err(|e| database.failed(e))?;
    Ok(rows.into_iter().map(from_row).collect())
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
