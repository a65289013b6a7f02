//! Removing commands and replies that everybody has received.

use sea_orm::sqlx::{Error, Row};

use super::Trouble;
use super::lane::{Bound, Lane};
use super::row_statements::add;
use crate::StoreError;
use crate::journal::commit_store::{Prune, Pruned};
use crate::mapping::{signed, unsigned};

const HELD: &str = "SELECT epoch, pruned FROM shards WHERE shard = $1 FOR NO KEY UPDATE";
// The newest row stays: the next owner of the shard goes on from its sequence.
// Times never go back within a shard, so a bounded look at its oldest rows is enough.
// A row is beyond the bound when its last message is: a receiver may have come to its middle.
const OLDEST: &str = "SELECT max(sequence) FILTER (WHERE time < $4), max(sequence), count(*) FROM \
    (SELECT sequence, time FROM outbox WHERE shard = $1 AND sequence > $2 AND sequence <= $3 \
    AND sequence + count - 1 <= $3 \
    AND sequence < (SELECT max(sequence) FROM outbox WHERE shard = $1) \
    ORDER BY sequence LIMIT $5) AS oldest";
const NOTE: &str = "UPDATE shards SET pruned = $2 WHERE shard = $1";
const EMPTY: &str = "UPDATE outbox SET messages = NULL \
    WHERE shard = $1 AND sequence > $2 AND sequence <= $3 \
    AND events IS NOT NULL AND messages IS NOT NULL";
const REMOVE: &str =
    "DELETE FROM outbox WHERE shard = $1 AND sequence > $2 AND sequence <= $3 AND events IS NULL";

pub(super) async fn remove(lane: &mut Lane, prune: &Prune) -> Result<Pruned, Trouble> {
    lane.execute("BEGIN").await?;
    let held = lane.row(HELD, bound(prune, [])?).await?;
    let (current, after) = match held {
        Some(row) => (unsigned(row.try_get("epoch")?), row.try_get("pruned")?),
        None => (0, 0),
    };
    if current != prune.epoch {
        lane.execute("ROLLBACK").await?;
        return Err(Trouble::Store(StoreError::StaleEpoch {
            shard: prune.shard,
            held: prune.epoch,
            current,
        }));
    }

    let pruned = match range(lane, prune, after).await? {
        Some((up_to, more)) => {
            lane.run(NOTE, bound(prune, [up_to])?).await?;
            let emptied = lane.run(EMPTY, bound(prune, [after, up_to])?).await?;
            let removed = lane.run(REMOVE, bound(prune, [after, up_to])?).await?;
            Pruned {
                rows: usize::try_from(emptied + removed).unwrap_or(usize::MAX),
                more,
            }
        }
        None => Pruned::default(),
    };

    lane.execute("COMMIT").await?;
    Ok(pruned)
}

/// Up to where the oldest rows may be pruned, and whether there is more than could be looked at.
async fn range(lane: &mut Lane, prune: &Prune, after: i64) -> Result<Option<(i64, bool)>, Trouble> {
    let limits = [
        after,
        signed(prune.up_to),
        prune.before.micros(),
        i64::from(prune.rows),
    ];
    let row = lane.row(OLDEST, bound(prune, limits)?).await?;
    let row = row.ok_or(Error::RowNotFound)?;
    let (old, newest): (Option<i64>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    let looked_at: i64 = row.try_get(2)?;

    let more = looked_at == i64::from(prune.rows) && old == newest;
    Ok(old.map(|up_to| (up_to, more)))
}

/// The shard, and numbers.
fn bound<const N: usize>(prune: &Prune, numbers: [i64; N]) -> Result<Bound, Trouble> {
    let mut bound = Bound::default();
    add(&mut bound, i32::from(prune.shard.number))?;
    for number in numbers {
        add(&mut bound, number)?;
    }
    Ok(bound)
}
