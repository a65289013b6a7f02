//! Writes a batch of units, many rows at once.

use sagas::Service;
use sea_orm::sqlx;

use super::lane::Lane;
use super::parts::{self, Part, Values};
use super::routine::{self, Call};
use super::row_statements::Statements;
use super::{Trouble, culprit, failure, fence};
use crate::StoreError;
use crate::database::postgres::errors::{self, Kind};
use crate::journal::commit_store::Batch;
use crate::unit::Unit;

/// A unit that is wrong.
#[derive(Debug)]
pub(super) struct Refusal {
    pub index: usize,
    pub error: StoreError,
}

/// Why units have not been written.
#[derive(Debug)]
pub(super) enum Wrong {
    /// The data of one of them.
    Data(StoreError),
    Other(Trouble),
}

impl From<Trouble> for Wrong {
    fn from(trouble: Trouble) -> Self {
        Wrong::Other(trouble)
    }
}

/// Writes all units, and what is noted beside them, in a transaction that waits for its commit;
/// gives its number. When a unit is wrong, names it instead, and there is no transaction.
pub(super) async fn write(
    lane: &mut Lane,
    statements: &mut Statements,
    service: Service,
    batch: &Batch<'_>,
) -> Result<Result<String, Refusal>, Trouble> {
    let prepared = prepare(lane, statements, service, batch).await;
    if let Err(Wrong::Other(trouble)) = prepared {
        return Err(trouble);
    }

    let transaction = match fence::begin(lane, service, batch).await? {
        Ok(transaction) => transaction,
        Err(refusal) => return Ok(Err(refusal)),
    };

    let written = match prepared {
        Ok(Prepared::Call(call)) => {
            let done = call.carry_out(lane).await;
            done.map_err(|error| data_or_other(service, error))
        }
        Ok(Prepared::Parts(parts)) => one_by_one(lane, statements, service, &parts).await,
        Err(wrong) => Err(wrong),
    };

    match written {
        Ok(()) => Ok(Ok(transaction)),
        Err(Wrong::Other(trouble)) => Err(trouble),
        Err(Wrong::Data(_)) => {
            lane.execute("ROLLBACK").await?;
            let found = culprit::find(lane, statements, service, batch).await?;
            Ok(Err(found))
        }
    }
}

/// How a batch is sent.
enum Prepared<'b> {
    Call(Call),
    Parts(Vec<Part<'b>>),
}

async fn prepare<'b>(
    lane: &mut Lane,
    statements: &mut Statements,
    service: Service,
    batch: &Batch<'b>,
) -> Result<Prepared<'b>, Wrong> {
    let parts = parts::of_batch(batch).map_err(Wrong::Data)?;
    let call = routine::prepare(lane, statements, &parts).await;
    match call.map_err(|error| data_or_other(service, error))? {
        Some(call) => Ok(Prepared::Call(call)),
        None => Ok(Prepared::Parts(parts)),
    }
}

/// Writes units within the transaction under way, each kind of row in a statement of its own.
pub(super) async fn write_units(
    lane: &mut Lane,
    statements: &mut Statements,
    service: Service,
    units: &[Unit],
) -> Result<(), Wrong> {
    let parts = parts::of_units(units).map_err(Wrong::Data)?;
    one_by_one(lane, statements, service, &parts).await
}

async fn one_by_one(
    lane: &mut Lane,
    statements: &mut Statements,
    service: Service,
    parts: &[Part<'_>],
) -> Result<(), Wrong> {
    for part in parts {
        let data_or_other = |error| data_or_other(service, error);
        let mut values = Values::default();
        part.bind(&mut values).map_err(data_or_other)?;
        let written = lane.run(part.sql(statements), values.bound).await;
        let written = written.map_err(data_or_other)?;
        if part.must_change().is_some_and(|rows| rows != written) {
            return Err(Wrong::Data(part.conflict()));
        }
    }
    Ok(())
}

fn data_or_other(service: Service, error: sqlx::Error) -> Wrong {
    match errors::kind(&error) {
        Kind::Data => Wrong::Data(failure(service, &error)),
        _ => Wrong::Other(Trouble::Sql(error)),
    }
}
