//! What one shard has sent another one, and is not read yet.

use domain::ShardId;
use store::snapshot::Snapshot;
use store::snapshot::outboxes::Sent;
use store::unit::MAX_MESSAGES;
use store::{Destination, Stream};

use super::AuditError;
use super::stores::Stores;

/// Rows of an outbox read at a time.
const ROWS: u64 = 2_000;

/// Whether there is anything that is meant. The receiver's position is read first: what has gone on
/// meanwhile is taken for something under way, never the other way round.
pub(super) async fn is_any(
    stores: &Stores,
    (from, to): (ShardId, ShardId),
    is_meant: impl Fn(&Sent) -> bool,
) -> Result<bool, AuditError> {
    let read = position(stores, from, to).await?;
    let is_unread = |sent: &Sent| {
        sent.destination == Destination::Shard(to)
            && i64::try_from(sent.sequence).is_ok_and(|sequence| sequence > read)
            && is_meant(sent)
    };
    // A row has the sequence of its first message, and may hold some that follow.
    let mut after = read.saturating_sub(i64::try_from(MAX_MESSAGES).unwrap_or(0));

    loop {
        let snapshot = Snapshot::begin(stores.database(from.service)).await?;
        let rows = snapshot.outbox(from, after, ROWS).await?;
        snapshot.end().await?;

        // What cannot be read is told of elsewhere.
        let rows: Vec<_> = rows.into_iter().flatten().collect();
        let Some(last) = rows.last() else {
            return Ok(false);
        };
        after = last.sequence;
        let messages = rows.iter().filter_map(|row| row.messages.as_ref().ok());
        if messages.flatten().any(is_unread) {
            return Ok(true);
        }
    }
}

/// How far the receiving shard has read the messages of the other.
async fn position(stores: &Stores, from: ShardId, to: ShardId) -> Result<i64, AuditError> {
    let snapshot = Snapshot::begin(stores.database(to.service)).await?;
    let rows = snapshot.inboxes().await?;
    snapshot.end().await?;

    let position = rows.iter().flatten().find(|row| {
        row.shard == i32::from(to.number)
            && row.source(stores.shards) == Some(from)
            && row.stream == Stream::Messages.name()
    });
    Ok(position.map_or(0, |row| row.position))
}
