//! Taking a shard over: raise its epoch, then read how far its outbox has come.

use sagas::ShardId;
use sea_orm::sqlx::Row;
use sea_orm::sqlx::postgres::PgRow;
use sea_orm::{FromQueryResult, QueryResult};

use super::Trouble;
use super::lane::{Bound, Lane, corrupt};
use super::row_statements::add;
use crate::StoreError;
use crate::history::salvage::Stored;
use crate::journal::commit_store::Claim;
use crate::log::Heads;
use crate::mapping::{signed, unsigned};

/// It waits for the batch that holds the row, if there is one. What is read after it is what that
/// has left: each statement of the transaction sees what is committed when it begins.
const RAISE: &str = "INSERT INTO shards \
    (shard, epoch, owner, published, heads, pruned, indexed) VALUES ($1, 1, $2, 0, '{}', 0, 0) \
    ON CONFLICT (shard) DO UPDATE SET epoch = shards.epoch + 1, owner = excluded.owner \
    RETURNING epoch, published, heads";
const RAISE_HELD: &str = "UPDATE shards SET epoch = epoch + 1, owner = $2 \
    WHERE shard = $1 AND epoch = $3 RETURNING epoch, published, heads";
const EPOCH: &str = "SELECT epoch FROM shards WHERE shard = $1";
const LAST: &str = "SELECT sequence, count FROM outbox WHERE shard = $1 \
    ORDER BY sequence DESC LIMIT 1";
const UNPUBLISHED: &str = "SELECT \
    shard, sequence, count, entity_id, version, correlation_id, time, events, messages \
    FROM outbox WHERE shard = $1 AND sequence > $2 ORDER BY sequence";

pub(super) async fn take_over(
    lane: &mut Lane,
    shard: ShardId,
    owner: &str,
    held: Option<u64>,
) -> Result<Claim, Trouble> {
    lane.execute("BEGIN").await?;

    let raised = raise(lane, shard, owner, held).await?;
    let epoch = unsigned(raised.try_get("epoch")?);
    let published = unsigned(raised.try_get("published")?);
    let heads: String = raised.try_get("heads")?;

    let last = match lane.row(LAST, of(shard)?).await? {
        Some(row) => {
            let read = |column| row.try_get::<i64, _>(column);
            let sequence =
                read("sequence").map_err(|e| corrupt(format!("outbox of {shard}"), e))?;
            Some((unsigned(sequence), row.try_get::<i32, _>("count")?))
        }
        None => None,
    };
    let next_sequence = last.map_or(1, |(sequence, count)| {
        sequence + u64::try_from(count).unwrap_or(1)
    });

    // What is noted can be found in the outbox as well, though it takes longer.
    let (published, mut heads) = match Heads::from_json(shard, published, &heads) {
        Ok(heads) => (published, heads),
        Err(error) => {
            tracing::error!(
                shard = %shard, error = %error.chain(),
                "the whole outbox is read instead"
            );
            (0, Heads::default())
        }
    };

    let mut bound = of(shard)?;
    add(&mut bound, signed(published))?;
    lane.each_row(UNPUBLISHED, bound, |row| {
        let row = QueryResult::from(row);
        // It reads what can be read, and fails at nothing.
        if let Ok(stored) = Stored::from_query_result(&row, "") {
            for message in stored.salvage(shard).messages {
                heads.advance(&message);
            }
        }
    })
    .await?;
    // Behind a damaged row there may be nothing that says so.
    heads.reach(next_sequence.saturating_sub(1));

    lane.execute("COMMIT").await?;
    Ok(Claim {
        shard,
        epoch,
        next_sequence,
        published,
        heads,
    })
}

async fn raise(
    lane: &mut Lane,
    shard: ShardId,
    owner: &str,
    held: Option<u64>,
) -> Result<PgRow, Trouble> {
    let mut bound = of(shard)?;
    add(&mut bound, owner.to_owned())?;
    let Some(held) = held else {
        let raised = lane.row(RAISE, bound).await?;
        return Ok(raised.ok_or(sea_orm::sqlx::Error::RowNotFound)?);
    };

    add(&mut bound, signed(held))?;
    if let Some(raised) = lane.row(RAISE_HELD, bound).await? {
        return Ok(raised);
    }

    let current = match lane.row(EPOCH, of(shard)?).await? {
        Some(row) => unsigned(row.try_get("epoch")?),
        None => 0,
    };
    lane.execute("ROLLBACK").await?;
    Err(Trouble::Store(StoreError::StaleEpoch {
        shard,
        held,
        current,
    }))
}

fn of(shard: ShardId) -> Result<Bound, Trouble> {
    let mut bound = Bound::default();
    add(&mut bound, i32::from(shard.number))?;
    Ok(bound)
}
