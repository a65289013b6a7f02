//! Timers: who is to be woken in a shard, and when. They commit with the unit that sets them.

use std::time::Duration;

use sagas::{ShardId, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use crate::tables::timer;
use crate::{ServiceDatabase, StoreError};

/// A timer is set, moved or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerChange {
    /// Of whoever is woken: a saga.
    pub id: Uuid,
    /// When it wants to be woken from now on; `None` when nothing is to be woken any more.
    pub set: Option<TimerSet>,
}

/// When a timer is due, and what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerSet {
    /// When it wants to be woken.
    pub wake_at: Timestamp,
    /// The longest that it waits from now on, whatever the clock says.
    pub patience: Duration,
    /// The entity that it waits for: the bound on open sagas falls on it.
    pub waits_for: Uuid,
}

/// A timer as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredTimer {
    /// Of whoever is woken: a saga.
    pub id: Uuid,
    /// When, and how long at most from when it is read.
    pub set: TimerSet,
}

/// The timers of a shard.
///
/// # Errors
/// When the database does not answer.
pub async fn of_shard(
    database: &ServiceDatabase,
    shard: ShardId,
) -> Result<Vec<StoredTimer>, StoreError> {
    let rows = timer::Entity::find()
        .filter(timer::Column::Shard.eq(i32::from(shard.number)))
        .all(&database.read)
        .await
        .map_err(|e| database.failed(e))?;

    let stored = |row: timer::Model| StoredTimer {
        id: row.timer_id,
        set: TimerSet {
            wake_at: Timestamp::from_micros(row.wake_at),
            patience: Duration::from_micros(u64::try_from(row.patience).unwrap_or(0)),
            waits_for: row.waits_for.unwrap_or_default(),
        },
    };
    Ok(rows.into_iter().map(stored).collect())
}
