//! Parked messages that should have been tried again by now, and were not. A node tries each when
//! it is due; as long as one runs, what stands still is forgotten.

use domain::{Service, Timestamp};
use store::parking::ParkedState;
use store::snapshot::{Snapshot, last_id};
use store::tables::parked;
use uuid::Uuid;

use super::AuditError;
use super::overdue::{Overdue, is_overdue};
use super::problem::Problem;
use super::queues::ROWS;
use super::report::{Invariant, Report};
use super::stores::Stores;

/// Looks for them, where a node is at work on the service's database.
pub(super) async fn audit(
    stores: &Stores,
    service: Service,
    report: &mut Report,
) -> Result<(), AuditError> {
    if !stores.nodes.on(service) {
        return Ok(());
    }

    let (mut overdue, mut after) = (Overdue::default(), None);
    loop {
        let snapshot = Snapshot::begin(stores.database(service)).await?;
        let rows = snapshot.page::<parked::Entity>(parked::Column::MessageId, after, ROWS);
        let rows = rows.await?;
        snapshot.end().await?;
        let Some(last) = last_id(&rows, |row| row.message_id, after) else {
            break;
        };
        after = Some(last);

        // Those that cannot be read are told of where all are looked at.
        for row in rows.iter().flatten() {
            if let Some(at) = due_at(row).filter(|at| is_overdue(*at, stores.now)) {
                let subject = format_args!("parked message {}", row.message_id);
                let expected = "one that is not overdue";
                let problem = Problem::new(subject, "next attempt", expected, at);
                overdue.add(row.message_id, row.version, problem);
            }
        }
    }

    let versions = async |snapshot: &Snapshot, ids: &[Uuid]| snapshot.parked_versions(ids).await;
    let late = overdue.that_stand_still(stores.database(service), stores.patience, versions);
    for problem in late.await? {
        report.violated_by(Invariant::Quarantine, problem);
    }
    Ok(())
}

/// When it is tried next. What waits behind another message has no time of its own.
fn due_at(row: &parked::Model) -> Option<Timestamp> {
    let waits = ParkedState::from_name(&row.state) == Some(ParkedState::Waiting);
    row.next_attempt_at
        .filter(|_| waits)
        .map(Timestamp::from_micros)
}
