//! What is noted of shards beside their outboxes.

use domain::Service;
use store::snapshot::outboxes::ShardNotes;
use store::snapshot::{AsRead, Snapshot};

use super::AuditError;
use super::problem::{Problem, row_of};
use super::report::{Invariant, Report};
use super::stores::Stores;

/// Tells of this many rows at most that are in no shard.
const STRANGE: u64 = 1_000;

/// What is noted of the shards of a service can be read, and no message was sent by any other.
pub(super) async fn audit(
    stores: &Stores,
    service: Service,
    report: &mut Report,
) -> Result<(), AuditError> {
    let snapshot = Snapshot::begin(stores.database(service)).await?;
    let rows = snapshot.shard_notes().await?;
    let nowhere = snapshot.outbox_of_no_shard(stores.shards, STRANGE).await?;
    snapshot.end().await?;

    for row in report.readable(Invariant::Outbox, nowhere) {
        let subject = row_of("outbox", format_args!("{}/{}", row.shard, row.sequence));
        let expected = format_args!("one of {} shards", stores.shards);
        let problem = Problem::new(subject, "column shard", expected, row.shard);
        report.violated_by(Invariant::Outbox, problem);
    }

    for (number, notes) in report.readable(Invariant::Outbox, rows) {
        if let Some(error) = notes.unreadable_heads {
            let problem = Problem::new(
                row_of("shards", number),
                "column heads",
                "what can be read",
                error,
            );
            report.violated_by(Invariant::Outbox, problem);
        }
    }
    Ok(())
}

/// What is known of a shard. One that was never owned has no notes, and has sent nothing; of one
/// whose notes cannot be read, which is told, anything may have been removed.
pub(super) fn of(notes: Option<AsRead<ShardNotes>>) -> ShardNotes {
    let pruned = match notes {
        Some(Ok(notes)) => return notes,
        Some(Err(_)) => u64::MAX,
        None => 0,
    };
    ShardNotes {
        published: 0,
        pruned,
        unreadable_heads: None,
    }
}
