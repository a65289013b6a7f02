//! What a new order must look like.

use actors::NewOrder;
use domain::money::MAX_CENTS;
use domain::order::{MAX_LINES, MAX_NOTE_CHARS, quantity, total_of};
use domain::{CustomerId, Money, OrderLine};
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

use crate::http::Problem;
use crate::http::fields::{Errors, Fields};
use crate::http::params::uuid;

/// Skus and the names of lines have 1 to this many characters.
const MAX_LINE_TEXT_CHARS: usize = 200;

/// The value of a new order, to which an `Idempotency-Key` is bound.
#[derive(Serialize)]
pub struct Canonical<'a> {
    customer_id: CustomerId,
    total: Money,
    lines: &'a [OrderLine],
    note: Option<&'a str>,
}

impl<'a> Canonical<'a> {
    /// The same for two requests that ask for the same order, however they are written.
    pub fn of(order: &'a NewOrder) -> Self {
        let NewOrder {
            customer_id,
            total,
            lines,
            note,
        } = order;
        Canonical {
            customer_id: *customer_id,
            total: *total,
            lines,
            note: note.as_deref(),
        }
    }
}

/// Reads and checks a new order.
///
/// # Errors
/// All that is wrong with it.
pub fn new_order(mut fields: Fields<'_>) -> Result<NewOrder, Problem> {
    let mut errors = Errors::default();
    let customer_id = customer_id(&mut fields, &mut errors);
    let lines = lines(&mut fields, &mut errors);
    let total = total(&mut fields, &lines, &mut errors);
    let note = fields.optional_text("note", MAX_NOTE_CHARS, &mut errors);
    fields.finish(&["customerId", "orderTotal", "lines", "note"], &mut errors);

    let order = customer_id.zip(total).map(|(customer_id, total)| NewOrder {
        customer_id,
        total,
        lines: match lines {
            Lines::Valid(lines) => lines,
            Lines::Absent | Lines::Invalid => Vec::new(),
        },
        note,
    });
    errors.finish(order)
}

fn customer_id(fields: &mut Fields<'_>, errors: &mut Errors) -> Option<CustomerId> {
    let text: Cow<'_, str> = fields.required("customerId", errors)?;
    let id = uuid(&text);
    if id.is_none() {
        errors.add("customerId", "must be a UUID");
    }
    id.map(CustomerId)
}

enum Lines {
    Absent,
    /// Whatever is wrong has been reported.
    Invalid,
    Valid(Vec<OrderLine>),
}

/// The order's total: as given, or the sum of the lines; both must agree. `None` after an error.
fn total(fields: &mut Fields<'_>, lines: &Lines, errors: &mut Errors) -> Option<Money> {
    let is_given = fields.has("orderTotal");
    let given: Option<Money> = fields.optional("orderTotal", errors);

    let sum = match lines {
        Lines::Absent if !is_given => {
            errors.add("orderTotal", "is required, or lines are");
            return None;
        }
        Lines::Invalid => return None,
        Lines::Absent => None,
        Lines::Valid(lines) => Some(total_of(lines).filter(|sum| sum.cents() <= MAX_CENTS)),
    };

    let total = match sum {
        Some(None) => {
            errors.add(
                "lines",
                format!(
                    "must have a sum of at most {}",
                    Money::from_cents(MAX_CENTS)
                ),
            );
            return None;
        }
        Some(Some(sum)) => {
            if given.is_some_and(|given| given != sum) {
                errors.add("orderTotal", format!("must be the sum of the lines, {sum}"));
                return None;
            }
            sum
        }
        None => given?,
    };

    if total.is_positive() {
        return Some(total);
    }

    errors.add(
        if is_given { "orderTotal" } else { "lines" },
        "must have a total above 0",
    );

    None
}

fn lines(fields: &mut Fields<'_>, errors: &mut Errors) -> Lines {
    let is_given = fields.has("lines");
    let Some(raw) = fields.optional::<Vec<&RawValue>>("lines", errors) else {
        return if is_given {
            Lines::Invalid
        } else {
            Lines::Absent
        };
    };

    if raw.is_empty() || raw.len() > MAX_LINES {
        errors.add("lines", format!("must have 1 to {MAX_LINES} lines"));
        return Lines::Invalid;
    }

    let count = raw.len();

    let read = raw
        .into_iter()
        .enumerate()
        .filter_map(|(number, raw)| line(number, raw, errors));

    let lines: Vec<OrderLine> = read.collect();
    if lines.len() == count {
        Lines::Valid(lines)
    } else {
        Lines::Invalid
    }
}

fn line(number: usize, raw: &RawValue, errors: &mut Errors) -> Option<OrderLine> {
    let mut fields = Fields::of_line(number, raw, errors)?;
    let sku = fields.text("sku", MAX_LINE_TEXT_CHARS, errors);
    let name = fields.text("name", MAX_LINE_TEXT_CHARS, errors);
    let quantity = pieces(&mut fields, errors);
    let unit_price: Option<Money> = fields.required("unitPrice", errors);

    if unit_price.is_some_and(Money::is_negative) {
        errors.add(fields.path("unitPrice"), "must be 0 or more");
    }

    fields.finish(&["sku", "name", "quantity", "unitPrice"], errors);

    Some(OrderLine {
        sku: sku?,
        name: name?,
        quantity: quantity?,
        unit_price: unit_price?,
    })
}

/// How many pieces. `None` after an error.
fn pieces(fields: &mut Fields<'_>, errors: &mut Errors) -> Option<u32> {
    let raw: &RawValue = fields.required("quantity", errors)?;

    match quantity::from_number(raw.get()) {
        Ok(pieces) => Some(pieces),
        Err(error) => {
            errors.add(fields.path("quantity"), error.to_string());
            None
        }
    }
}
