//! What operators have done and asked for: it can be read, and lies where it belongs.

use domain::{Service, ShardId, Timestamp};
use serde_json::Value;
use store::StoreError;
use store::snapshot::{AsRead, Snapshot};
use store::tables::{action, bulk};
use uuid::Uuid;

use super::AuditError;
use super::problem::Mismatch;
use super::queues::{ROWS, Row, walk};
use super::report::{Invariant, Report};
use super::stores::Stores;

impl Row for action::Model {
    const NAME: &'static str = "operator action";
    const INVARIANT: Invariant = Invariant::Operators;
    type Beside = ();

    fn key(&self) -> Uuid {
        self.action_id
    }

    async fn some(
        snapshot: &Snapshot,
        after: Option<Uuid>,
    ) -> Result<Vec<AsRead<Self>>, StoreError> {
        let key = action::Column::ActionId;
        snapshot.page::<action::Entity>(key, after, ROWS).await
    }

    async fn beside(_: &Snapshot, _: Service, _: u16) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Row for bulk::Model {
    const NAME: &'static str = "bulk request";
    const INVARIANT: Invariant = Invariant::Operators;
    type Beside = ();

    fn key(&self) -> Uuid {
        self.request_key
    }

    async fn some(
        snapshot: &Snapshot,
        after: Option<Uuid>,
    ) -> Result<Vec<AsRead<Self>>, StoreError> {
        let key = bulk::Column::RequestKey;
        snapshot.page::<bulk::Entity>(key, after, ROWS).await
    }

    async fn beside(_: &Snapshot, _: Service, _: u16) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Looks at both.
pub(super) async fn audit(
    stores: &Stores,
    service: Service,
    report: &mut Report,
) -> Result<(), AuditError> {
    let judge = |row: &action::Model, (): &()| judge_action(row, stores.shards, stores.now);
    walk(stores, service, report, judge).await?;

    let judge = |row: &bulk::Model, (): &()| judge_bulk(service, row, stores.shards);
    walk(stores, service, report, judge).await
}

/// A clock may have stepped back since by so much, in microseconds.
const CLOCKS_DIFFER: i64 = 86_400_000_000;

fn judge_action(row: &action::Model, shards: u16, now: Timestamp) -> Result<(), Mismatch> {
    if !(0..i32::from(shards)).contains(&row.shard) {
        return Err(Mismatch::new(
            "shard",
            format_args!("one of {shards}"),
            row.shard,
        ));
    }
    if row.done_by.is_empty() {
        return Err(Mismatch::new("by", "somebody", "nobody"));
    }
    let latest = now.micros().saturating_add(CLOCKS_DIFFER);
    if row.time > latest {
        let latest = Timestamp::from_micros(latest);
        let found = Timestamp::from_micros(row.time);
        return Err(Mismatch::new(
            "time",
            format_args!("at most {latest}"),
            found,
        ));
    }
    serde_json::from_str::<Value>(&row.detail)
        .map(drop)
        .map_err(|error| Mismatch::unreadable("detail", &error))
}

fn judge_bulk(service: Service, row: &bulk::Model, shards: u16) -> Result<(), Mismatch> {
    let shard = ShardId::of(service, row.request_key, shards).number;
    if row.shard != i32::from(shard) {
        return Err(Mismatch::new("shard", shard, row.shard));
    }
    let version = if row.outcome.is_some() { 2 } else { 1 };
    if row.version != version {
        return Err(Mismatch::new("version", version, row.version));
    }
    for text in [Some(&row.found), row.outcome.as_ref()]
        .into_iter()
        .flatten()
    {
        serde_json::from_str::<Value>(text)
            .map_err(|error| Mismatch::unreadable("what is kept", &error))?;
    }
    Ok(())
}
