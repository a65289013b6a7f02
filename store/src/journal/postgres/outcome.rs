//! What became of a commit that was not answered.

use std::time::Duration;

use sagas::Service;
use sea_orm::sqlx::{Arguments, Row};

use super::Trouble;
use super::lane::{Bound, Lane};
use crate::StoreError;

/// A transaction that goes on is asked after again after this long.
const PAUSE: Duration = Duration::from_millis(10);

const STATUS: &str = "SELECT pg_xact_status($1::xid8)";
/// Its session, when that has not heard our commit: nobody speaks to it any more. One that is
/// committing, and waits for a standby, is left alone.
const END: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
    WHERE backend_xid = $1::xid8::xid AND state = 'idle in transaction'";

/// Of the batch that was begun last.
#[derive(Clone, Debug)]
pub(super) enum BatchOutcome {
    /// It has not been committed, and will not be.
    NotWritten,
    Written,
    /// Its commit was sent.
    InDoubt(InDoubt),
}

#[derive(Clone, Debug)]
pub(super) struct InDoubt {
    /// Its full number.
    pub transaction: String,
    /// The history that it is a part of. In another one the same number is another transaction.
    pub timeline: String,
}

/// Whether the transaction was committed. One that waits for a commit
/// which never comes is ended.
pub(super) async fn ask(
    lane: &mut Lane,
    service: Service,
    in_doubt: &InDoubt,
) -> Result<bool, Trouble> {
    if lane.timeline != in_doubt.timeline {
        return Err(unknown(service).into());
    }

    loop {
        let row = lane.row(STATUS, number(in_doubt)?).await?;
        let status = row
            .map(|row| row.try_get::<Option<String>, _>(0))
            .transpose()?;

        match status.flatten().as_deref() {
            Some("committed") => return Ok(true),
            Some("aborted") => return Ok(false),
            Some(_) => {
                lane.row(END, number(in_doubt)?).await?;
                tokio::time::sleep(PAUSE).await;
            }
            // The server has forgotten it.
            None => return Err(unknown(service).into()),
        }
    }
}

fn number(in_doubt: &InDoubt) -> Result<Bound, Trouble> {
    let mut bound = Bound::default();
    let added = bound.add(&in_doubt.transaction);
    added.map_err(|error| Trouble::Sql(sea_orm::sqlx::Error::Encode(error)))?;
    Ok(bound)
}

fn unknown(service: Service) -> StoreError {
    StoreError::OutcomeUnknown {
        what: service.to_string(),
    }
}
