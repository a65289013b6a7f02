//! The inboxes: positions of known sources, none beyond what its source has sent; and the same for views.

use std::collections::BTreeMap;

use domain::{Service, ShardId};
use projections::documents;
use store::Positions;
use store::audit::inboxes::InboxRow;
use store::audit::{IdRange, Snapshot};
use uuid::Uuid;

use super::AuditError;
use super::outboxes::{self, Reach};
use super::problem::{Mismatch, Problem};
use super::report::{EXAMPLES, Invariant, Report};
use super::stores::Stores;

/// Checks outboxes and inboxes. Positions are read before the outboxes they are compared with, so that a node may run.
pub(super) async fn audit(stores: &Stores) -> Result<Report, AuditError> {
    let mut report = Report::default();
    let received = received(stores, &mut report).await?;
    let views = view_positions(stores).await?;
    let reaches = outboxes::audit(stores, &received, &mut report).await?;
    for (shard, positions) in &received {
        for (source, position) in positions {
            if let Some(mismatch) = beyond(*source, *position, &reaches) {
                report.violated_by(Invariant::Inbox, Problem::of(format_args!("inbox of {shard}"), mismatch));
            }
        }
    }
    for (name, invariant, positions) in &views {
        for (source, position) in positions {
            if let Some(mismatch) = beyond(*source, *position, &reaches) {
                report.violated_by(*invariant, Problem::of(format_args!("view {name}"), mismatch));
            }
        }
        let behind =
            |(shard, reach): &(&ShardId, &Reach)| positions.get(shard).copied().unwrap_or(0) < reach.last_event;
        let shards_behind = reaches.iter().filter(behind).count();
        report.view(name).shards_behind = u64::try_from(shards_behind).unwrap_or(0);
    }
    Ok(report)
}

/// The positions of all shards, and what they have parked.
async fn received(stores: &Stores, report: &mut Report) -> Result<BTreeMap<ShardId, Positions>, AuditError> {
    let mut received: BTreeMap<ShardId, Positions> = BTreeMap::new();
    for service in Service::ALL {
        let snapshot = Snapshot::begin(stores.database(service)).await?;
        let rows = snapshot.inboxes().await?;
        let parked = snapshot.parked(u64::try_from(EXAMPLES).unwrap_or(0)).await?;
        snapshot.end().await?;
        report.checked(Invariant::Inbox, rows.len());
        for row in rows {
            match place(service, &row, stores.shards) {
                Ok((shard, source, position)) => {
                    received.entry(shard).or_default().insert(source, position);
                }
                Err(problem) => report.violated_by(Invariant::Inbox, problem),
            }
        }
        let work = &mut report.work_in_flight;
        work.waiting_for_retry += parked.waiting;
        work.quarantined += parked.quarantined;
        work.quarantined_entities.extend(parked.examples.iter().map(Uuid::to_string));
    }
    Ok(received)
}

fn place(service: Service, row: &InboxRow, shards: u16) -> Result<(ShardId, ShardId, u64), Problem> {
    let subject = format!("inbox of {service}/{}", row.shard);
    let shard = u16::try_from(row.shard).ok().filter(|number| *number < shards);
    let Some(number) = shard else {
        return Err(Problem::new(subject, "shard", format_args!("one of {shards}"), row.shard));
    };
    let Some(source) = row.source(shards) else {
        let found = format!("{}/{}", row.source_service, row.source_shard);
        return Err(Problem::new(subject, "source", "a shard that exists", found));
    };
    let Ok(position) = u64::try_from(row.position) else {
        return Err(Problem::new(subject, format_args!("position in {source}"), "0 or more", row.position));
    };
    Ok((ShardId::new(service, number), source, position))
}

fn beyond(source: ShardId, position: u64, reaches: &BTreeMap<ShardId, Reach>) -> Option<Mismatch> {
    let last = reaches.get(&source).map_or(0, |reach| reach.last);
    (position > last)
        .then(|| Mismatch::new(format_args!("position in {source}"), format_args!("at most {last}"), position))
}

async fn view_positions(stores: &Stores) -> Result<Vec<(&'static str, Invariant, Positions)>, AuditError> {
    let Some(reader) = &stores.documents else { return Ok(Vec::new()) };
    // No id lies in this range: the positions alone are wanted.
    let nobody = IdRange { after: Some(Uuid::max()), up_to: None };
    let slice = reader.audit_customers(nobody).await?;
    Ok(vec![(documents::VIEW, Invariant::Documents, slice.positions)])
}
