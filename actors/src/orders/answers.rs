//! What callers are told of an order.

use domain::Order;
use domain::saga::Saga;

use crate::gateway::{OrderAnswer, Seen};

fn seen_order(order: &Order) -> Seen {
    Seen {
        service: domain::ORDERS,
        entity: order.id.0,
        version: order.version,
    }
}

/// The order alone.
pub(super) fn without_saga(order: &Order) -> OrderAnswer {
    OrderAnswer {
        order_id: order.id,
        state: order.state,
        rejection_reason: order.rejection_reason,
        version: order.version,
        saga_id: None,
        saga_ended: false,
        repeated: false,
        seen: vec![seen_order(order)],
    }
}

/// The order while its saga is at work.
pub(super) fn of_begun_saga(order: &Order, saga: &Saga) -> OrderAnswer {
    OrderAnswer {
        saga_id: Some(saga.id),
        ..without_saga(order)
    }
}

/// The order after its saga, with every entity that the saga has changed.
pub(super) fn of_ended_saga(order: &Order, saga: &Saga) -> OrderAnswer {
    let mut seen = vec![seen_order(order)];

    if let Some(version) = saga.customer_version {
        seen.push(Seen {
            service: domain::CUSTOMERS,
            entity: saga.customer_id.0,
            version,
        });
    }

    OrderAnswer {
        saga_id: Some(saga.id),
        saga_ended: true,
        seen,
        ..without_saga(order)
    }
}
