//! Orders: their events folded against row and document, the saga that their state asks for, and
//! their reservations.

use std::collections::{HashMap, HashSet};

use domain::saga::{CANCEL_ORDER, CREATE_ORDER, id_of};
use domain::{OrderId, OrderState, SagaId, Timestamp};
use projections::OrderDocument;
use store::services::orders::snapshot::OrderHead;
use store::services::orders::tables::order;
use store::services::orders::{self, choreography_from_column};
use store::snapshot::{IdRange, Snapshot, entities};
use uuid::Uuid;

use super::AuditError;
use super::entities::{AuditedOrder, order_row};
use super::overdue::{Overdue, is_overdue};
use super::problem::{Mismatch, Problem, row_of};
use super::ranges::{ENTITIES, Range, Row, Rows, subject};
use super::report::{Invariant, Report};
use super::stores::Stores;
use super::{releases, reservations};

pub(super) async fn audit(stores: &Stores) -> Result<Report, AuditError> {
    let mut report = Report::default();
    let mut parts = stores.parts_of(domain::ORDERS).await?;
    let mut overdue = Overdue::default();
    let mut after = None;
    loop {
        let range = entities::next_range(&stores.orders, after, ENTITIES).await?;
        if parts.takes().await {
            let heads = compare(stores, range, &mut overdue, &mut report).await?;
            // After the orders: an order approved meanwhile has its reservation already.
            reservations::compare(stores, range, heads, &mut report).await?;
        }
        match range.up_to {
            Some(last) => after = Some(last),
            None => break,
        }
    }

    let timers = async |snapshot: &Snapshot, ids: &[Uuid]| snapshot.timers(ids).await;
    let late = overdue.that_stand_still(&stores.orders, stores.patience, timers);
    for problem in late.await? {
        report.violated_by(Invariant::Sagas, problem);
    }
    Ok(report)
}

async fn compare(
    stores: &Stores,
    range: IdRange,
    overdue: &mut Overdue,
    report: &mut Report,
) -> Result<Heads, AuditError> {
    let views = stores.order_views(range, report).await?;
    let snapshot = Snapshot::begin(&stores.orders).await?;
    let (rows, heads) = rows_and_heads(&snapshot, range, report).await?;
    check_sagas(&snapshot, &heads.known, report).await?;
    let deadlines = check_deadlines(&snapshot, &heads.known, report).await?;
    if stores.nodes.on_orders {
        for (id, at) in deadlines {
            if is_overdue(at, stores.now) {
                let expected = "one that is not overdue";
                let problem = Problem::new(subject(domain::ORDERS, id), "timer", expected, at);
                overdue.add(id, at.micros(), problem);
            }
        }
    }

    let entities = Range::<AuditedOrder> {
        service: domain::ORDERS,
        shards: stores.shards,
        rows,
        views,
        report,
    };
    entities.compare(&snapshot, range).await?;
    snapshot.end().await?;

    Ok(heads)
}

/// The heads of the orders of a range.
#[derive(Default)]
pub(super) struct Heads {
    pub known: HashMap<Uuid, OrderHead>,
    /// Orders whose rows do not tell what they wait for and what they hold.
    pub strange: HashSet<Uuid>,
}

/// Reads the orders of a range as a node would, and tells of those that it could not read.
async fn rows_and_heads(
    snapshot: &Snapshot,
    range: IdRange,
    report: &mut Report,
) -> Result<(Rows<OrderDocument>, Heads), AuditError> {
    let (mut rows, mut heads) = (Rows::default(), Heads::default());
    let stored = snapshot.rows_as_read::<order::Entity>(order::Column::OrderId, range);

    for row in stored.await? {
        let row = match row {
            Ok(row) => row,
            Err(unreadable) => {
                heads.strange.extend(unreadable.id);
                rows.unreadable(&unreadable, report);
                continue;
            }
        };

        let id = row.order_id;
        match choreography_from_column(row.choreography.as_deref(), String::new) {
            Ok(_) => drop(heads.known.insert(id, OrderHead::of(&row))),
            Err(_) => drop(heads.strange.insert(id)),
        }

        let (version, updated_at) = (row.version, Timestamp::from_micros(row.updated_at));
        let read = orders::from_row(row.clone());
        let mismatch = match order_row(row) {
            Ok(document) => {
                let row = Row {
                    document,
                    version,
                    updated_at,
                };
                rows.insert(id, row);
                read.err().map(|error| Mismatch::of_row(&error))
            }
            Err(mismatch) => {
                rows.insert_unreadable(id);
                Some(mismatch)
            }
        };
        if let Some(mismatch) = mismatch {
            let problem = Problem::of(row_of("orders", id), mismatch);
            report.violated_by(Invariant::History, problem);
        }
    }

    Ok((rows, heads))
}

/// Every order has the saga that created it, unless its customer reacts to it by itself; and one
/// that a saga is at work on has that saga, open.
async fn check_sagas(
    snapshot: &Snapshot,
    heads: &HashMap<Uuid, OrderHead>,
    report: &mut Report,
) -> Result<(), AuditError> {
    let wanted: Vec<_> = heads
        .iter()
        .flat_map(|(id, head)| sagas_of(OrderId(*id), head))
        .collect();
    let ids: Vec<SagaId> = wanted.iter().map(|(_, saga, _)| *saga).collect();

    let found = snapshot.open_sagas(&ids).await?;
    for (order, saga, must_be_open) in wanted {
        let state = match found.get(&saga) {
            None => "none",
            Some(false) if must_be_open => "one that has ended",
            Some(_) => continue,
        };
        let expected = if must_be_open {
            format!("an open saga {saga}")
        } else {
            format!("saga {saga}")
        };
        let problem = Problem::new(subject(domain::ORDERS, order.0), "saga", expected, state);
        report.violated_by(Invariant::Sagas, problem);
    }

    Ok(())
}

/// The sagas that an order must have, and whether they must be open. Their ids follow from the
/// order.
fn sagas_of(id: OrderId, head: &OrderHead) -> Vec<(OrderId, SagaId, bool)> {
    let lock = OrderState::from_name(&head.state)
        .and_then(OrderState::lock)
        .map(|lock| lock.held_by);

    let saga = |kind, version| id_of(kind, id, version);
    let without = head.choreography;

    let create = || (id, saga(&CREATE_ORDER, 1), lock == Some(CREATE_ORDER.name));
    let created = (!without.created).then(create);

    let version = u64::try_from(head.version).unwrap_or(0);
    let is_cancelled_by_saga = lock == Some(CANCEL_ORDER.name) && !without.cancel;
    let cancel = is_cancelled_by_saga.then(|| (id, saga(&CANCEL_ORDER, version), true));
    [created, cancel].into_iter().flatten().collect()
}

/// An order that waits for its customer by itself is woken at its deadline, and no other is. Gives
/// those deadlines.
async fn check_deadlines(
    snapshot: &Snapshot,
    heads: &HashMap<Uuid, OrderHead>,
    report: &mut Report,
) -> Result<Vec<(Uuid, Timestamp)>, AuditError> {
    let wanted = releases::with_deadlines(heads);
    let ids: Vec<Uuid> = wanted.iter().map(|(id, _)| *id).collect();
    let timers = snapshot.timers(&ids).await?;
    let mut deadlines = Vec::new();

    for (id, must_have_one) in wanted {
        let timer = match timers.get(&id) {
            None => None,
            Some(Some(at)) => Some(Timestamp::from_micros(*at)),
            // What cannot be read is told where timers are looked at.
            Some(None) => continue,
        };
        let wrong = match timer {
            None if must_have_one => Some(("one", "none".to_owned())),
            Some(at) if !must_have_one => Some(("none", at.to_string())),
            Some(at) => {
                deadlines.push((id, at));
                None
            }
            None => None,
        };
        if let Some((expected, found)) = wrong {
            let subject = subject(domain::ORDERS, id);
            let problem = Problem::new(subject, "timer", expected, found);
            report.violated_by(Invariant::Sagas, problem);
        }
    }

    Ok(deadlines)
}
