//! The inboxes: positions of known sources, none beyond what its source has sent; and the same for
//! views.

use std::collections::BTreeMap;

use domain::{Service, ShardId};
use projections::QuarantinedEntity;
use store::snapshot::Snapshot;
use store::snapshot::inboxes::InboxRow;
use store::{InboxPositions, SourceStream, Stream};
use uuid::Uuid;

use super::AuditError;
use super::outboxes::{self, Reach};
use super::problem::{Mismatch, Problem};
use super::report::{EXAMPLES, Invariant, Report};
use super::stores::{Stores, ViewState};

/// Checks outboxes and inboxes. Positions are read before the outboxes they are compared with, so
/// that a node may run.
pub(super) async fn audit(stores: &Stores) -> Result<Report, AuditError> {
    let mut report = Report::default();
    let received = received(stores, &mut report).await?;
    let views = stores.view_states().await?;
    let reaches = outboxes::audit(stores, &received, &mut report).await?;

    for (shard, positions) in &received {
        for (source, position) in positions {
            if let Some(mismatch) = beyond(source.source, *position, &reaches) {
                report.violated_by(
                    Invariant::Inbox,
                    Problem::of(format_args!("inbox of {shard}"), mismatch),
                );
            }
        }
    }

    for view in &views {
        compare_view(view, &reaches, &mut report);
    }

    Ok(report)
}

fn compare_view(view: &ViewState, reaches: &BTreeMap<ShardId, Reach>, report: &mut Report) {
    for (source, position) in &view.positions {
        if let Some(mismatch) = beyond(*source, *position, reaches) {
            report.violated_by(
                view.invariant,
                Problem::of(format_args!("view {}", view.name), mismatch),
            );
        }
    }

    let reached = |shard: &ShardId| view.positions.get(shard).copied().unwrap_or(0);

    let shards_behind = reaches
        .iter()
        .filter(|(shard, reach)| reached(shard) < reach.last_event)
        .count();

    let lag = report.view(view.name);
    lag.shards_behind = u64::try_from(shards_behind).unwrap_or(0);
    let told =
        |entity: &QuarantinedEntity| format!("{} at version {}", entity.entity, entity.version);
    lag.quarantined = view.quarantined.iter().map(told).collect();
}

/// The positions of all shards, and what they have parked.
async fn received(
    stores: &Stores,
    report: &mut Report,
) -> Result<BTreeMap<ShardId, InboxPositions>, AuditError> {
    let mut received: BTreeMap<ShardId, InboxPositions> = BTreeMap::new();

    for service in domain::SERVICES {
        let snapshot = Snapshot::begin(stores.database(service)).await?;
        let rows = snapshot.inboxes().await?;
        let parked = snapshot
            .parked(u64::try_from(EXAMPLES).unwrap_or(0))
            .await?;
        snapshot.end().await?;
        report.checked(Invariant::Inbox, rows.len());
        for row in report.readable(Invariant::Inbox, rows) {
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
        work.quarantined_entities
            .extend(parked.examples.iter().map(Uuid::to_string));
    }

    Ok(received)
}

/// Whose position in which source a row is, or what is wrong with it.
pub(super) fn place(
    service: Service,
    row: &InboxRow,
    shards: u16,
) -> Result<(ShardId, SourceStream, u64), Problem> {
    let subject = format!("inbox of {service}/{}", row.shard);
    let number = u16::try_from(row.shard)
        .ok()
        .filter(|number| *number < shards);

    let Some(number) = number else {
        let expected = format_args!("one of {shards}");
        return Err(Problem::new(subject, "shard", expected, row.shard));
    };
    let Some(source) = row.source(shards) else {
        let found = format!("{}/{}", row.source_service, row.source_shard);
        return Err(Problem::new(
            subject,
            "source",
            "a shard that exists",
            found,
        ));
    };
    let Some(stream) = Stream::from_name(&row.stream) else {
        let what = format_args!("stream of {source}");
        return Err(Problem::new(
            subject,
            what,
            "messages or events",
            &row.stream,
        ));
    };
    let Ok(position) = u64::try_from(row.position) else {
        let what = format_args!("position in {source}");
        return Err(Problem::new(subject, what, "0 or more", row.position));
    };

    let source = SourceStream { source, stream };
    Ok((ShardId::new(service, number), source, position))
}

fn beyond(source: ShardId, position: u64, reaches: &BTreeMap<ShardId, Reach>) -> Option<Mismatch> {
    let last = reaches.get(&source).map_or(0, |reach| reach.last);
    (position > last).then(|| {
        Mismatch::new(
            format_args!("position in {source}"),
            format_args!("at most {last}"),
            position,
        )
    })
}
