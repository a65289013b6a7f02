//! Finds the unit that is why a batch cannot be written: by halving what is left, in a transaction
//! that is rolled back in the end.

use sagas::Service;

use super::batch::{Refusal, Wrong, write_units};
use super::lane::Lane;
use super::row_statements::Statements;
use super::{Trouble, fence};
use crate::StoreError;
use crate::journal::commit_store::Batch;

/// The first unit of a batch that cannot be written.
pub(super) async fn find(
    lane: &mut Lane,
    statements: &mut Statements,
    service: Service,
    batch: &Batch<'_>,
) -> Result<Refusal, Trouble> {
    // Another owner may have come in between.
    if let Err(refusal) = fence::begin(lane, service, batch).await? {
        return Ok(refusal);
    }

    // Units before `sound` are written; one between it and `end` is wrong.
    let (mut sound, mut end) = (0, batch.units.len());
    let mut found = None;
    while sound < end && found.is_none() {
        let middle = sound + (end - sound).div_ceil(2);
        let half = batch.units.get(sound..middle).unwrap_or_default();

        lane.execute("SAVEPOINT half").await?;
        match write_units(lane, statements, service, half).await {
            Ok(()) => {
                lane.execute("RELEASE half").await?;
                sound = middle;
            }
            Err(Wrong::Data(error)) => {
                lane.execute("ROLLBACK TO half").await?;
                end = middle;
                found = (half.len() == 1).then_some(Refusal {
                    index: sound,
                    error,
                });
            }
            Err(Wrong::Other(trouble)) => return Err(trouble),
        }
    }

    lane.execute("ROLLBACK").await?;
    found.ok_or_else(|| {
        Trouble::Store(StoreError::Write {
            what: service.to_string(),
            transient: true,
            source: "a batch cannot be written, and each of its units can".into(),
        })
    })
}
