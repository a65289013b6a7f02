//! Orders against the reservations of the other service.
//!
//! The two databases cannot be read at one moment. So it reads again what seems wrong: the order,
//! its reservation, the order once more. It is wrong only if the order stood still meanwhile.

use domain::{Money, OrderId, OrderState};
use store::services::customers::snapshot as stored;
use store::services::customers::tables::reservation;
use store::services::orders::snapshot::{OrderHead, order_head};
use store::snapshot::IdRange;

use super::AuditError;
use super::given_up;
use super::orders::Heads;
use super::problem::{Mismatch, Problem};
use super::ranges::subject;
use super::releases::is_on_its_way;
use super::report::{Invariant, Report};
use super::stores::Stores;

/// Compares the orders of a range with the reservations of that range.
pub(super) async fn compare(
    stores: &Stores,
    range: IdRange,
    heads: Heads,
    report: &mut Report,
) -> Result<(), AuditError> {
    let Heads {
        known: mut orders,
        strange,
    } = heads;
    report.checked(Invariant::Reservations, orders.len());
    let mut suspects = Vec::new();

    for reservation in stored::reservations(&stores.customers, range).await? {
        let reservation = match reservation {
            Ok(reservation) => reservation,
            Err(unreadable) => {
                let problem = Problem::unreadable(&unreadable);
                report.violated_by(Invariant::Reservations, problem);
                unreadable.id.and_then(|order| orders.remove(&order));
                continue;
            }
        };
        if strange.contains(&reservation.order_id) {
            continue;
        }
        let order = orders.remove(&reservation.order_id);
        if judge(order.as_ref(), Some(&reservation)).is_some() {
            suspects.push(reservation.order_id);
        }
    }

    let lacking = orders
        .iter()
        .filter(|(_, order)| judge(Some(order), None).is_some());
    suspects.extend(lacking.map(|(id, _)| *id));

    for order in suspects {
        let mismatch = match look_again(stores, OrderId(order), report).await {
            Ok(mismatch) => mismatch,
            // What cannot be read is told where the rest of its table is looked at.
            Err(AuditError::Store(error)) if error.is_of_a_row() => continue,
            Err(error) => return Err(error),
        };
        if let Some(mismatch) = mismatch {
            report.violated_by(
                Invariant::Reservations,
                Problem::of(subject(domain::ORDERS, order), mismatch),
            );
        }
    }

    Ok(())
}

async fn look_again(
    stores: &Stores,
    id: OrderId,
    report: &mut Report,
) -> Result<Option<Mismatch>, AuditError> {
    let before = order_head(&stores.orders, id).await?;
    let reservation = stored::reservation(&stores.customers, id).await?;
    let after = order_head(&stores.orders, id).await?;
    let stood_still =
        before.map(|order| order.version) == after.as_ref().map(|order| order.version);
    let wrong = judge(after.as_ref(), reservation.as_ref()).filter(|_| stood_still);

    let (Some(mismatch), Some(order), Some(held)) = (&wrong, &after, &reservation) else {
        return Ok(wrong);
    };
    if order.state == OrderState::Rejected.name() && order.choreography.created {
        // What is no longer on its way has arrived, perhaps only since the reservation was read.
        let comes = is_on_its_way(stores, id, order, held).await?;
        let is_there = stored::reservation(&stores.customers, id).await?.is_some();
        return Ok(wrong.filter(|_| !comes && is_there));
    }

    let Some(saga) = given_up::saga(stores, id, order).await? else {
        return Ok(wrong);
    };
    if given_up::is_on_its_way(stores, saga, id, held.customer_id).await? {
        report.work_in_flight.unsettled_sagas += 1;
        return Ok(None);
    }

    // It may have arrived meanwhile.
    let held = stored::reservation(&stores.customers, id).await?;
    Ok(held.map(|_| Mismatch {
        found: format!(
            "{}, left by saga {saga}, which was given up",
            mismatch.found
        ),
        ..mismatch.clone()
    }))
}

/// What would be wrong with an order and its reservation if they were of one moment.
fn judge(order: Option<&OrderHead>, reservation: Option<&reservation::Model>) -> Option<Mismatch> {
    let what = "reservation";

    let shown = |reservation: &reservation::Model| {
        format!(
            "{} of customer {}",
            Money::from_cents(reservation.amount_cents),
            reservation.customer_id
        )
    };

    let Some(order) = order else {
        return reservation.map(|found| Mismatch::new(what, "none without an order", shown(found)));
    };

    let asked = format!(
        "{} of customer {}",
        Money::from_cents(order.total_cents),
        order.customer_id
    );
    // The comparison of rows and events tells of an unknown state.
    let state = OrderState::from_name(&order.state)?;

    match (state, reservation) {
        (OrderState::Approved | OrderState::Shipped, None) => Some(Mismatch::new(
            what,
            format_args!("{asked}, as it is {}", order.state),
            "none",
        )),
        (OrderState::Rejected | OrderState::Cancelled, Some(found)) => Some(Mismatch::new(
            what,
            format_args!("none, as it is {}", order.state),
            shown(found),
        )),
        (_, Some(found))
            if found.customer_id != order.customer_id
                || found.amount_cents != order.total_cents =>
        {
            Some(Mismatch::new(what, asked, shown(found)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::choreography::Choreography;
    use uuid::Uuid;

    fn order(state: &str) -> OrderHead {
        OrderHead {
            customer_id: Uuid::from_u128(1),
            total_cents: 500,
            state: state.into(),
            version: 2,
            choreography: Choreography::default(),
        }
    }

    fn reservation(customer: u128, amount_cents: i64) -> reservation::Model {
        reservation::Model {
            order_id: Uuid::from_u128(9),
            customer_id: Uuid::from_u128(customer),
            amount_cents,
        }
    }

    #[test]
    fn a_reservation_is_there_when_the_state_asks_for_it_and_fits_its_order() {
        let right = reservation(1, 500);

        for (state, with, without) in [
            ("PENDING", true, true),
            ("APPROVED", true, false),
            ("SHIPPED", true, false),
            ("CANCEL_PENDING", true, true),
            ("REJECTED", false, true),
            ("CANCELLED", false, true),
        ] {
            let order = order(state);
            assert_eq!(judge(Some(&order), Some(&right)).is_none(), with, "{state}");
            assert_eq!(judge(Some(&order), None).is_none(), without, "{state}");
            assert!(
                judge(Some(&order), Some(&reservation(2, 500))).is_some(),
                "{state}"
            );
            assert!(
                judge(Some(&order), Some(&reservation(1, 499))).is_some(),
                "{state}"
            );
        }

        assert!(judge(None, Some(&right)).is_some());
    }
}
