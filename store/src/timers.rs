//! Timers: who is to be woken in a shard, and when. They commit with the unit that sets them.

use std::time::Duration;

use sagas::{ShardId, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::tables::timer;
use crate::{ServiceDatabase, StoreError, loading};

/// A timer is set, moved or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerChange {
    /// The saga that it wakes.
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
    /// The saga that it wakes.
    pub id: Uuid,
    /// When, and how long at most from when it is read.
    pub set: TimerSet,
}

/// The timers of a shard. One that cannot be read is due at once, and the log says so: its saga
/// says when it wants to be woken, and sets it anew.
///
/// # Errors
/// When the database does not answer.
pub async fn of_shard(
    database: &ServiceDatabase,
    shard: ShardId,
) -> Result<Vec<StoredTimer>, StoreError> {
    let of_shard =
        || timer::Entity::find().filter(timer::Column::Shard.eq(i32::from(shard.number)));

    match of_shard().all(&database.read).await {
        Ok(rows) => Ok(rows.into_iter().map(stored).collect()),
        Err(error) if !loading::is_of_a_row(&error) => Err(database.failed(error)),
        Err(_) => {
            let ids: Vec<Uuid> = of_shard()
                .select_only()
                .column(timer::Column::TimerId)
                .into_tuple()
                .all(&database.read)
                .await
                .map_err(|e| database.failed(e))?;
            readable(database, &ids).await
        }
    }
}

async fn readable(
    database: &ServiceDatabase,
    ids: &[Uuid],
) -> Result<Vec<StoredTimer>, StoreError> {
    let query = async |ids: Vec<Uuid>| {
        timer::Entity::find()
            .filter(timer::Column::TimerId.is_in(ids))
            .all(&database.read)
            .await
    };

    let read = |row: timer::Model| (row.timer_id, Ok(stored(row)));
    let found = loading::by_ids(database, ids, "timer", query, read).await?;

    let or_at_once = |(id, timer): (Uuid, Result<StoredTimer, StoreError>)| {
        timer.unwrap_or_else(|error| {
            tracing::error!(error = %error.chain(), "a saga is woken to set its timer anew");
            at_once(id)
        })
    };
    Ok(found.into_iter().map(or_at_once).collect())
}

fn at_once(id: Uuid) -> StoredTimer {
    StoredTimer {
        id,
        set: TimerSet {
            wake_at: Timestamp::default(),
            patience: Duration::ZERO,
            waits_for: Uuid::nil(),
        },
    }
}

fn stored(row: timer::Model) -> StoredTimer {
    StoredTimer {
        id: row.timer_id,
        set: TimerSet {
            wake_at: Timestamp::from_micros(row.wake_at),
            patience: Duration::from_micros(u64::try_from(row.patience).unwrap_or(0)),
            waits_for: row.waits_for.unwrap_or_default(),
        },
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait;

    use super::*;
    use crate::database::{Use, connect};
    use crate::journal::testing::{Store, shard, told};
    use crate::unit::Unit;

    #[tokio::test]
    async fn a_timer_that_cannot_be_read_keeps_no_other_from_being_set_off() {
        let mut store = Store::open("").await;
        for number in 1..=3 {
            let timer = TimerChange {
                id: Uuid::from_u128(number),
                set: Some(TimerSet {
                    wake_at: Timestamp::from_micros(5),
                    patience: Duration::from_secs(1),
                    waits_for: Uuid::from_u128(9),
                }),
            };
            let unit = Unit {
                timer: Some(timer),
                ..store.unit(shard(1), Vec::new())
            };
            assert_eq!(told(&[store.fate(unit).await]), "+");
        }

        let damaging = connect(store.database.file(), Use::Write).await.unwrap();
        let damage = "UPDATE timers SET wake_at = 'soon' WHERE hex(timer_id) LIKE '%2'";
        damaging.execute_unprepared(damage).await.unwrap();

        let mut timers = of_shard(&store.database, shard(1)).await.unwrap();
        timers.sort_unstable_by_key(|timer| timer.id);
        let set = |timer: &StoredTimer| (timer.id.as_u128(), timer.set.wake_at.micros());
        let set: Vec<_> = timers.iter().map(set).collect();
        assert_eq!(set, [(1, 5), (2, 0), (3, 5)], "the second is due at once");
    }
}
