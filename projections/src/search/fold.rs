//! How an order's events become its search document.
//!
//! The document is fed by its order's events alone: the customer's name is part of the events that
//! end the order's creation. The transitions themselves are the domain's.

use domain::choreography::Choreography;
use domain::{Order, OrderEvent, OrderId};

use crate::ViewError;
use crate::search::refused;
use crate::shop::{Event, OrderDocument};

/// The document after the order's first event. `change` is absent when this release does not know
/// the event's type.
///
/// # Errors
/// An event that is not the creation.
pub(crate) fn first(
    event: &Event,
    change: Option<&OrderEvent>,
) -> Result<OrderDocument, ViewError> {
    let Some(OrderEvent::Created(created)) = change else {
        return Err(out_of_place(event));
    };
    let order = Order::created(OrderId(event.entity), created, event.time);
    Ok(OrderDocument::of(order, created.clone()))
}

/// Refuses a creation of what is there.
///
/// # Errors
/// When it is one.
pub(crate) fn refuse_second_creation(
    event: &Event,
    change: Option<&OrderEvent>,
) -> Result<(), ViewError> {
    match change {
        Some(OrderEvent::Created(_)) => Err(out_of_place(event)),
        _ => Ok(()),
    }
}

/// Takes one more event into the document. Of one whose type is not known, only the version shows.
///
/// # Errors
/// A second creation; the document is as it was.
pub(crate) fn next(
    document: &mut OrderDocument,
    event: &Event,
    change: Option<&OrderEvent>,
) -> Result<(), ViewError> {
    let Some(change) = change else {
        document.version = event.version;
        return Ok(());
    };

    let mut order = Order {
        id: document.order_id,
        customer_id: document.customer_id,
        customer_name: document.customer_name.clone(),
        total: document.order_total,
        state: document.state,
        rejection_reason: document.rejection_reason,
        version: document.version,
        created_at: document.creation_time,
        updated_at: document.creation_time,
        choreography: Choreography::default(),
    };
    let applied = order.apply(change, event.time);
    applied.map_err(|_| out_of_place(event))?;
    document.customer_name = order.customer_name;
    document.state = order.state;
    document.rejection_reason = order.rejection_reason;
    document.version = event.version;

    Ok(())
}

/// A first event that creates nothing, or a creation of what is there.
fn out_of_place(event: &Event) -> ViewError {
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
