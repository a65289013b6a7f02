//! What operators have done and asked for: it can be read, and lies where it belongs.

use domain::{Service, ShardId, Timestamp};
use serde_json::Value;
use store::StoreError;
use store::actions::SAGA_ABANDONED;
use store::snapshot::{AsRead, Snapshot};
use store::tables::{action, bulk};
use uuid::Uuid;

use super::AuditError;
use super::problem::Mismatch;
use super::queues::{ROWS, Row, walk};
use super::report::{Invariant, Report};
use super::stores::Stores;

/// What this release knows that operators do: to sagas, parked messages, customers and views.
const ACTIONS: [&str; 14] = [
    "saga.retried",
    "saga.cancelled",
    SAGA_ABANDONED,
    "message.replayed",
    "message.discarded",
    "message.edited",
    "customer.credit-limit-corrected",
    "view.rebuild-asked",
    "view.rebuild-begun",
    "view.revert-asked",
    "view.revert-begun",
    "view.reverted",
    "view.heal-asked",
    "view.healed",
];

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
    let judge =
        |row: &action::Model, (): &()| judge_action(service, row, stores.shards, stores.now);
    walk(stores, service, report, judge).await?;

    let judge = |row: &bulk::Model, (): &()| judge_bulk(service, row, stores.shards);
    walk(stores, service, report, judge).await
}

/// A clock may have stepped back since by so much, in microseconds.
const CLOCKS_DIFFER: i64 = 86_400_000_000;

fn judge_action(
    service: Service,
    row: &action::Model,
    shards: u16,
    now: Timestamp,
) -> Result<(), Mismatch> {
    if !ACTIONS.contains(&row.action.as_str()) {
        return Err(Mismatch::new("action", "a known one", &row.action));
    }
    if !(0..i32::from(shards)).contains(&row.shard) {
        return Err(Mismatch::new(
            "shard",
            format_args!("one of {shards}"),
            row.shard,
        ));
    }
    if let Some(at_home) = at_home(row) {
        let shard = ShardId::of(service, at_home, shards).number;
        if row.shard != i32::from(shard) {
            return Err(Mismatch::new("shard", shard, row.shard));
        }
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

/// Whose shard has done it: that of the entity, or of the request's key when no shard owns what it
/// was done to. What was done to a parked message tells nobody where that was parked.
fn at_home(row: &action::Model) -> Option<Uuid> {
    match row.action.split_once('.')? {
        ("saga" | "customer", _) => Some(row.entity_id),
        ("view", _) => row.request_key,
        _ => None,
    }
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

#[cfg(test)]
mod tests {
    use actors::{ParkedAction, SagaAction};

    use super::*;

    #[test]
    fn what_is_done_to_sagas_and_parked_messages_is_known() {
        let edit = serde_json::value::RawValue::NULL.to_owned();
        let parked = [
            ParkedAction::Replay,
            ParkedAction::Discard,
            ParkedAction::Edit(edit),
        ];
        let done = SagaAction::ALL.map(SagaAction::done);
        for name in done
            .into_iter()
            .chain(parked.iter().map(ParkedAction::done))
        {
            assert!(ACTIONS.contains(&name), "{name}");
        }
    }
}
