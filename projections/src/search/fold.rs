//! How an order's events become its search document.
//!
//! The document is fed by its order's events alone: the customer's name is part of the events that
//! end the order's creation. The transitions themselves are the domain's.

use domain::choreography::Choreography;
use domain::order::OrderCreated;
use domain::{Order, OrderEvent, OrderId, OrderState};

use crate::ViewError;
use crate::search::refused;
use crate::shop::{Event, OrderDocument};

/// The document after the order's first event.
pub(crate) fn first(event: &Event, created: &OrderCreated) -> OrderDocument {
    OrderDocument {
        order_id: OrderId(event.entity),
        customer_id: created.customer_id,
        customer_name: None,
        order_total: created.order_total,
        state: OrderState::Pending,
        rejection_reason: None,
        lines: created.lines.clone(),
        note: created.note.clone(),
        creation_time: event.time,
        version: event.version,
    }
}

/// The document after one more event. Of one whose type is not known, only the version shows.
pub(crate) fn next(
    mut document: OrderDocument,
    event: &Event,
    change: Option<&OrderEvent>,
) -> OrderDocument {
    let Some(change) = change else {
        return OrderDocument {
            version: event.version,
            ..document
        };
    };

    let mut order = Order {
        id: document.order_id,
        customer_id: document.customer_id,
        customer_name: document.customer_name.take(),
        total: document.order_total,
        state: document.state,
        rejection_reason: document.rejection_reason,
        version: document.version,
        created_at: document.creation_time,
        updated_at: document.creation_time,
        choreography: Choreography::default(),
    };
    order.apply(change, event.time);
    document.customer_name = order.customer_name;
    document.state = order.state;
    document.rejection_reason = order.rejection_reason;
    document.version = event.version;

    document
}

/// A first event that creates nothing, or a creation of what is there.
pub(crate) fn out_of_place(event: &Event) -> ViewError {
    refused(format_args!(
        "version {} of order {} is not what its history allows",
        event.version, event.entity
    ))
}

/// About how much memory a document takes.
pub(crate) fn size_of(document: &OrderDocument) -> usize {
    const PER_LINE: usize = 96;
    let lines: usize = document
        .lines
        .iter()
        .map(|line| PER_LINE + line.name.len() + line.sku.len())
        .sum();
    let note = document.note.as_ref().map_or(0, String::len);
    let name = document.customer_name.as_ref().map_or(0, String::len);
    std::mem::size_of::<OrderDocument>() + lines + note + name
}
