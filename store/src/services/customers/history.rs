//! A customer as it was.

use domain::{Customer, CustomerEvent, CustomerId};
use sagas::ShardId;

use crate::history::{self, AsOf};
use crate::{ServiceDatabase, StoreError};

/// A customer as it was; `None` before it existed, and for a version that it has not reached.
///
/// # Errors
/// When the database does not answer, or an event cannot be read.
pub async fn as_of(
    database: &ServiceDatabase,
    shard: ShardId,
    id: CustomerId,
    as_of: AsOf,
) -> Result<Option<Customer>, StoreError> {
    let version = match as_of {
        AsOf::Version(version) => version,
        AsOf::Time(time) => history::version_at(database, shard, id.0, time).await?,
    };

    let Some(first) = history::events(database, shard, id.0, 1, 1)
        .await?
        .pop()
        .filter(|_| version > 0)
    else {
        return Ok(None);
    };

    let newest = history::events(database, shard, id.0, version, 1).await?;
    let [newest] = newest.as_slice() else {
        return Ok(None);
    };

    let CustomerEvent::Created(created) = history::decode(&first)? else {
        return Err(history::without_beginning(&first));
    };

    let mut customer = Customer::created(id, &created, first.time);

    if newest.version > 1 {
        // Each event carries the balance after it, and the limit once that has been corrected, so
        // the ones between need not be read.
        customer.apply(&history::decode(newest)?, newest.time);
        customer.version = newest.version;
    }

    Ok(Some(customer))
}
