//! The fence: the epochs of a batch's shards, which are compared before anything is written.

use std::collections::{BTreeSet, HashMap};

use sagas::Service;
use sagas::mistakes::{Mistake, makes};
use sea_orm::sqlx::postgres::PgRow;
use sea_orm::sqlx::{self, Row};

use super::Trouble;
use super::batch::Refusal;
use super::lane::Lane;
use crate::StoreError;
use crate::journal::commit_store::Batch;
use crate::unit::Unit;

/// Begins a transaction and locks the epoch rows of the batch, in one message to the server. Gives
/// the number of the transaction; or the first unit whose shard another owner has taken over, and
/// then the transaction is at its end.
pub(super) async fn begin(
    lane: &mut Lane,
    service: Service,
    batch: &Batch<'_>,
) -> Result<Result<String, Refusal>, Trouble> {
    let (numbers, lock) = (shards(batch), "FOR NO KEY UPDATE");
    let rows = lane
        .fetch_raw(format!(
            "BEGIN; SELECT pg_current_xact_id()::text AS number; {} {lock}",
            epochs(&numbers)
        ))
        .await?;

    let (first, rest) = rows.split_first().ok_or(sqlx::Error::RowNotFound)?;
    let transaction: String = first.try_get("number")?;

    let compared = compare(service, batch.units, rest)?;
    if compared.is_err() {
        lane.execute("ROLLBACK").await?;
    }
    Ok(compared.map(|()| transaction))
}

/// Compares the epochs of units that write nothing: at this moment nobody else has taken their
/// shards over, so that what they rest on may be told.
pub(super) async fn look(
    lane: &mut Lane,
    service: Service,
    batch: &Batch<'_>,
) -> Result<Result<(), Refusal>, Trouble> {
    let rows = lane.fetch_raw(epochs(&shards(batch))).await?;
    compare(service, batch.units, &rows)
}

fn shards(batch: &Batch<'_>) -> BTreeSet<u16> {
    let of_units = batch.units.iter().map(|unit| unit.shard.number);
    let of_notes = batch.published.iter().map(|note| note.shard.number);
    of_units.chain(of_notes).collect()
}

fn epochs(shards: &BTreeSet<u16>) -> String {
    let numbers: Vec<_> = shards.iter().map(u16::to_string).collect();
    format!(
        "SELECT shard, epoch FROM shards WHERE shard IN ({}) ORDER BY shard",
        if numbers.is_empty() {
            "NULL".to_owned()
        } else {
            numbers.join(", ")
        }
    )
}

fn compare(
    service: Service,
    units: &[Unit],
    rows: &[PgRow],
) -> Result<Result<(), Refusal>, Trouble> {
    let mut current: HashMap<u16, u64> = HashMap::with_capacity(rows.len());
    for row in rows {
        let (shard, epoch): (i32, i64) = (row.try_get("shard")?, row.try_get("epoch")?);
        if let (Ok(shard), Ok(epoch)) = (u16::try_from(shard), u64::try_from(epoch)) {
            current.insert(shard, epoch);
        }
    }

    for (index, unit) in units.iter().enumerate() {
        debug_assert_eq!(unit.shard.service, service);
        let epoch = current.get(&unit.shard.number).copied().unwrap_or(0);
        if epoch != unit.epoch && !makes(Mistake::EpochNotCompared) {
            let error = StoreError::StaleEpoch {
                shard: unit.shard,
                held: unit.epoch,
                current: epoch,
            };
            return Ok(Err(Refusal { index, error }));
        }
    }
    Ok(Ok(()))
}
