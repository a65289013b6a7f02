//! A customer as it was.

use domain::{Customer, CustomerEvent, CustomerId};
use sagas::ShardId;

use crate::history::{self, AsOf};
use crate::{Message, ServiceDatabase, StoreError};

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

    let mut customer = fold(None, id, &first)?;

    if newest.version > 1 {
        // Each event carries the balance after it, and the limit once that has been corrected, so
        // the ones between need not be read.
        customer = fold(Some(customer), id, newest)?;
        customer.version = newest.version;
    }

    Ok(Some(customer))
}

fn fold(
    before: Option<Customer>,
    id: CustomerId,
    message: &Message,
) -> Result<Customer, StoreError> {
    let event: CustomerEvent = history::decode(message)?;
    let after = Customer::folded(before, id, &event, message.time);
    after.ok_or_else(|| history::out_of_place(message))
}
