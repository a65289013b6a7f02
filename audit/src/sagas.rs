//! Sagas against the orders they work on.

use domain::saga::{CANCEL_ORDER, CREATE_ORDER, DEFINITIONS, OrderSaga, Saga, SagaState, TYPES};
use domain::{Money, OrderState, ShardId, Timestamp};
use store::sagas;
use store::services::orders::snapshot::SagaOrder;
use store::snapshot::{Snapshot, last_id};
use store::tables::saga;
use uuid::Uuid;

use super::AuditError;
use super::extent::Parts;
use super::overdue::{Overdue, is_overdue};
use super::problem::{Mismatch, Problem, row_of};
use super::report::{EXAMPLES, Invariant, Report};
use super::stores::Stores;

/// Sagas read at a time, with their orders, in a snapshot of their own.
const SAGAS: u64 = 1_000;

pub(super) async fn audit(stores: &Stores) -> Result<Report, AuditError> {
    let mut report = Report::default();
    report.checked(Invariant::Sagas, 0);
    let all = store::census::sagas(&stores.orders).await?;
    let mut parts = Parts::of(stores.extent, stores.pace, all, SAGAS);
    let mut overdue = Overdue::default();
    let mut after = None;

    loop {
        if !parts.takes().await {
            match store::census::saga_at(&stores.orders, after, SAGAS).await? {
                Some(last) => after = Some(last),
                None => break,
            }
            continue;
        }

        let snapshot = Snapshot::begin(&stores.orders).await?;
        let sagas = snapshot.page::<saga::Entity>(saga::Column::SagaId, after, SAGAS);
        let sagas = sagas.await?;
        let last = last_id(&sagas, |saga| saga.saga_id, after);
        report.checked(Invariant::Sagas, sagas.len());
        let sagas = report.readable(Invariant::Sagas, sagas);
        let orders = snapshot.orders_of(&sagas).await?;
        let ids: Vec<_> = sagas.iter().map(|saga| saga.saga_id).collect();
        let timers = snapshot.timers(&ids).await?;
        let abandoned = sagas.iter().filter(|saga| is_abandoned(saga));
        let abandoned: Vec<_> = abandoned.map(|saga| saga.saga_id).collect();
        let given_up = snapshot.given_up(&abandoned).await?;
        snapshot.end().await?;
        let Some(last) = last else {
            break;
        };
        after = Some(last);
        for saga in &sagas {
            check(
                stores,
                saga,
                orders.get(&saga.entity_id),
                &mut overdue,
                &mut report,
            );

            // The unit that gives a saga up keeps who has done it.
            if is_abandoned(saga) && !given_up.contains(&saga.saga_id) {
                let subject = format!("saga {} of order {}", saga.saga_id, saga.entity_id);
                let expected = "that of whoever has given it up";
                let problem = Problem::new(subject, "operator action", expected, "none");
                report.violated_by(Invariant::Operators, problem);
            }

            let timer = match timers.get(&saga.saga_id) {
                None => None,
                Some(Some(at)) => Some(*at),
                // What cannot be read is told where timers are looked at.
                Some(None) => continue,
            };
            if timer != saga.wake_at {
                let subject = format!("saga {} of order {}", saga.saga_id, saga.entity_id);
                let shown = |at: Option<i64>| {
                    at.map_or_else(
                        || "none".to_owned(),
                        |at| Timestamp::from_micros(at).to_string(),
                    )
                };
                let problem = Problem::new(subject, "timer", shown(saga.wake_at), shown(timer));
                report.violated_by(Invariant::Sagas, problem);
            }
        }
    }

    let versions = async |snapshot: &Snapshot, ids: &[Uuid]| snapshot.saga_versions(ids).await;
    let late = overdue.that_stand_still(&stores.orders, stores.patience, versions);
    for problem in late.await? {
        report.violated_by(Invariant::Sagas, problem);
    }
    Ok(report)
}

fn check(
    stores: &Stores,
    saga: &saga::Model,
    order: Option<&Option<SagaOrder>>,
    overdue: &mut Overdue,
    report: &mut Report,
) {
    let subject = format!("saga {} of order {}", saga.saga_id, saga.entity_id);
    // As the node reads it. What is known to be wrong with it says more than that it cannot be
    // read.
    let read = sagas::from_row(saga.clone(), &DEFINITIONS);
    let read = read.map_err(|error| Mismatch::of_row(&error));
    let state = judge(saga, order, stores.shards);
    if let (Err(mismatch), Ok(_)) = (read.and_then(|read| counted(&read.saga)), &state) {
        let problem = Problem::of(row_of("sagas", saga.saga_id), mismatch);
        report.violated_by(Invariant::Sagas, problem);
    }

    match state {
        Err(mismatch) => report.violated_by(Invariant::Sagas, Problem::of(&subject, mismatch)),
        Ok(state) if state.has_ended() => {}
        Ok(state) => {
            let work = &mut report.work_in_flight;
            work.open_sagas += 1;

            if state == SagaState::Stuck {
                work.stuck_sagas += 1;
                if work.stuck.len() < EXAMPLES {
                    work.stuck.push(saga.saga_id.to_string());
                }
            }

            let deadline = Timestamp::from_micros(saga.deadline);
            if state == SagaState::Running && is_overdue(deadline, stores.now) {
                work.overdue_sagas += 1;
                if stores.nodes.on_orders {
                    let expected = format!("an end by its deadline {deadline}");
                    let problem = Problem::new(subject, "state", expected, state.name());
                    overdue.add(saga.saga_id, saga.version, problem);
                }
            }
        }
    }
}

/// A saga's counters are what its timeline says, as far as that goes. It has the newest attempts of
/// each step, and those of before timelines were kept are not in it.
fn counted(saga: &Saga) -> Result<(), Mismatch> {
    let attempts = saga.steps.iter().flat_map(|step| &step.attempts);
    let Some(newest) = attempts.map(|attempt| attempt.number).max() else {
        return Ok(());
    };

    let (sent, attempts) = (saga.commands_sent, saga.attempts);
    // The last word of one that was given up belongs to no step.
    let has_last_word = saga.state == SagaState::Abandoned;
    if sent < newest || (sent > newest && !has_last_word) {
        return Err(Mismatch::new("column commands_sent", newest, sent));
    }
    // It counts anew for each step, and its last step waits for nobody.
    let has_ended = matches!(saga.state, SagaState::Completed | SagaState::Compensated);
    if has_ended && attempts != 1 {
        return Err(Mismatch::new("column attempts", 1, attempts));
    }
    Ok(())
}

fn is_abandoned(saga: &saga::Model) -> bool {
    saga.state == SagaState::Abandoned.name()
}

/// The saga's state, or what is wrong with it and its order.
fn judge(
    saga: &saga::Model,
    order: Option<&Option<SagaOrder>>,
    shards: u16,
) -> Result<SagaState, Mismatch> {
    let unknown = |what, name: &str| Mismatch::new(what, "a known one", name);
    if !TYPES.contains(&saga.kind.as_str()) {
        return Err(unknown("type", &saga.kind));
    }
    let state = SagaState::from_name(&saga.state).ok_or_else(|| unknown("state", &saga.state))?;
    let order = order.ok_or_else(|| Mismatch::new("order", "one", "none"))?;

    let shard = ShardId::of(domain::ORDERS, saga.entity_id, shards).number;
    if saga.shard != i32::from(shard) {
        return Err(Mismatch::new("shard", shard, saga.shard));
    }

    if saga.ended_at.is_some() != state.has_ended() {
        return Err(Mismatch::new(
            "endedAt",
            format_args!("what fits {}", state.name()),
            format!("{:?}", saga.ended_at),
        ));
    }

    // What cannot be read is told where orders are looked at.
    if let Some(order) = order {
        agree(saga, state, order)?;
    }
    Ok(state)
}

/// What a saga knows of its order, and how far both have come, fits.
fn agree(saga: &saga::Model, state: SagaState, order: &SagaOrder) -> Result<(), Mismatch> {
    let order_state = OrderState::from_name(&order.state)
        .ok_or_else(|| Mismatch::new("order state", "a known one", &order.state))?;
    same_data(saga, order)?;

    if !fits(&saga.kind, state, order_state) {
        let what = format!("order of a {} saga that is {}", saga.kind, state.name());
        return Err(Mismatch::new(what, "a state that fits", order_state.name()));
    }

    let is_rejected = state == SagaState::Compensated
        || (state == SagaState::Abandoned && order_state == OrderState::Rejected);
    if saga.kind == CREATE_ORDER.name && is_rejected {
        same_reason(saga, order)?;
    }

    Ok(())
}

/// A saga knows its order's customer and total.
fn same_data(saga: &saga::Model, order: &SagaOrder) -> Result<(), Mismatch> {
    let data: OrderSaga = serde_json::from_str(&saga.data)
        .map_err(|error| Mismatch::new("data", "what this release can read", error))?;

    if data.order_id.0 != saga.entity_id {
        return Err(Mismatch::new("order", saga.entity_id, data.order_id));
    }

    if data.customer_id.0 != order.customer_id {
        let customer = data.customer_id;
        return Err(Mismatch::new("customer", order.customer_id, customer));
    }

    let total = Money::from_cents(order.total_cents);
    if data.amount != total {
        return Err(Mismatch::new("amount", total, data.amount));
    }
    Ok(())
}

/// An order is rejected for the reason of its saga.
fn same_reason(saga: &saga::Model, order: &SagaOrder) -> Result<(), Mismatch> {
    if saga.reason == order.rejection_reason {
        return Ok(());
    }
    let shown = |reason: &Option<String>| reason.clone().unwrap_or_else(|| "none".to_owned());
    let (reason, found) = (shown(&saga.reason), shown(&order.rejection_reason));
    let what = "reason of the order's rejection";
    Err(Mismatch::new(what, reason, found))
}

/// Whether an order may be in this state while a saga of this kind is in that.
fn fits(kind: &str, saga: SagaState, order: OrderState) -> bool {
    use OrderState::{Approved, CancelPending, Cancelled, Pending, Rejected, Shipped};
    let creates = kind == CREATE_ORDER.name;
    debug_assert!(creates || kind == CANCEL_ORDER.name, "{kind}");

    match saga {
        // An operator has to look at it, whatever the order is.
        SagaState::Stuck => true,
        SagaState::Running | SagaState::Compensating if creates => order == Pending,
        SagaState::Running | SagaState::Compensating => order == CancelPending,
        SagaState::Completed if !creates => order == Cancelled,
        SagaState::Compensated if creates => order == Rejected,
        // What was given up has let go of its lock. When its order refused its last word, that had
        // changed before.
        SagaState::Abandoned if creates => order != Pending,
        SagaState::Abandoned => true,
        // A cancel that fell back to approved may have gone on from there.
        SagaState::Completed | SagaState::Compensated => {
            matches!(order, Approved | Shipped | CancelPending | Cancelled)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_sagas_hold_the_lock_of_their_order_and_ended_ones_have_let_go_of_it() {
        for kind in TYPES {
            for state in SagaState::ALL
                .into_iter()
                .filter(|state| *state != SagaState::Stuck)
            {
                for order in OrderState::ALL {
                    let locked = order.lock().is_some_and(|lock| lock.held_by == kind);
                    let fits = fits(kind, state, order);
                    if !state.has_ended() {
                        assert_eq!(fits, locked, "{kind:?} {state:?} {order:?}");
                    } else if kind == CREATE_ORDER.name {
                        assert!(!(fits && locked), "{kind:?} {state:?} {order:?}");
                    }
                }
            }
        }

        assert!(!fits(
            CREATE_ORDER.name,
            SagaState::Completed,
            OrderState::Rejected
        ));

        assert!(!fits(
            CANCEL_ORDER.name,
            SagaState::Completed,
            OrderState::Approved
        ));
    }
}
