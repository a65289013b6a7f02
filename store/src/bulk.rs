//! Requests about many things at once, kept by their keys: first what they are about, then what has
//! become of it. Whoever asks again goes on where the one before was interrupted.

use ::sagas::{Fingerprint, RequestKey, ShardId, Timestamp};
use sea_orm::EntityTrait;

use crate::row_changes::{Journaled, RowChange};
use crate::tables::bulk;
use crate::{ServiceDatabase, StoreError};

const UNDER_WAY: i64 = 1;
const ENDED: i64 = 2;

/// A request about many things, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkRequest {
    /// Its key.
    pub key: RequestKey,
    /// Of what it asks for.
    pub fingerprint: Fingerprint,
    /// When it was asked first.
    pub time: Timestamp,
    /// JSON: what it is about, as found then.
    pub found: String,
    /// JSON: what has become of it; absent while it is under way.
    pub outcome: Option<String>,
}

impl BulkRequest {
    /// The row of one that begins.
    #[must_use]
    pub fn begins(self, shard: ShardId) -> RowChange {
        self.row(shard, UNDER_WAY).insert()
    }

    /// The row of one that has ended.
    #[must_use]
    pub fn ends(self, shard: ShardId) -> RowChange {
        self.row(shard, ENDED).update(UNDER_WAY.unsigned_abs())
    }

    fn row(self, shard: ShardId, version: i64) -> bulk::Model {
        bulk::Model {
            request_key: self.key.as_uuid(),
            request_fingerprint: self.fingerprint.0,
            shard: i32::from(shard.number),
            time: self.time.micros(),
            found: self.found,
            outcome: self.outcome,
            version,
        }
    }
}

/// The request with this key.
///
/// # Errors
/// When the database does not answer.
pub async fn find(
    database: &ServiceDatabase,
    key: RequestKey,
) -> Result<Option<BulkRequest>, StoreError> {
    let row = bulk::Entity::find_by_id(key.as_uuid())
        .one(&database.read)
        .await
        .map_err(|e| database.failed(e))?;

    Ok(row.map(|row| BulkRequest {
        key,
        fingerprint: Fingerprint(row.request_fingerprint),
        time: Timestamp::from_micros(row.time),
        found: row.found,
        outcome: row.outcome,
    }))
}
