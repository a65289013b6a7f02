//! One line of an import file, checked strictly: an unknown type or field is a mistake of the
//! file's author, not something to skip.
//!
//! It leaves bounds that the node checks (lengths, counts, totals) to the node, whose `400` the
//! import reports with the line's number as well.

mod form;

use domain::Money;
use domain::order::quantity;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// What a line asks for.
#[derive(Debug, Clone, PartialEq, Hash)]
pub enum Entry {
    Customer {
        reference: String,
        name: String,
        credit_limit: Money,
    },
    Order {
        reference: String,
        customer: String,
        lines: Vec<OrderLine>,
        note: Option<String>,
    },
    Cancel {
        order: String,
    },
    Ship {
        order: String,
    },
}

/// A line of an order, as it stands in the file and in the request.
#[derive(Debug, Clone, PartialEq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderLine {
    /// What identifies the article (SKU): any text.
    pub sku: String,
    /// What the article is called.
    pub name: String,
    /// Pieces.
    #[serde(deserialize_with = "quantity")]
    pub quantity: u32,
    /// The price of one piece, 0 or more.
    #[serde(deserialize_with = "unit_price")]
    pub unit_price: Money,
}

fn quantity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = Box::<RawValue>::deserialize(deserializer)?;
    quantity::from_number(number.get())
        .map_err(|error| D::Error::custom(format_args!("quantity {error}, got {number}")))
}

fn unit_price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
    money("unitPrice", deserializer)
}

/// An amount of 0 or more; its error names the field.
fn money<'de, D: Deserializer<'de>>(field: &str, deserializer: D) -> Result<Money, D::Error> {
    let money = Money::deserialize(deserializer)
        .map_err(|error| D::Error::custom(format_args!("{field} {error}")))?;
    if money.is_negative() {
        return Err(D::Error::custom(format_args!(
            "{field} must be 0 or more, got {money}"
        )));
    }
    Ok(money)
}

/// Reads one line. The error is a text for the person who wrote the file.
pub fn parse(line: &[u8]) -> Result<Entry, String> {
    let entry = form::entry(line).map_err(|error| not_an_entry(&error))?;

    match &entry {
        Entry::Customer { reference, .. } => check_reference("ref", reference)?,
        Entry::Order {
            reference,
            customer,
            ..
        } => {
            check_reference("ref", reference)?;
            check_reference("customer", customer)?;
        }
        Entry::Cancel { order } | Entry::Ship { order } => check_reference("order", order)?,
    }

    Ok(entry)
}

/// A reference is sent as an `Idempotency-Key`, whose alphabet it must keep to.
fn check_reference(field: &str, reference: &str) -> Result<(), String> {
    if (1..=255).contains(&reference.len()) && reference.bytes().all(|byte| byte.is_ascii_graphic())
    {
        Ok(())
    } else {
        Err(format!(
            "{field} must be 1 to 255 visible ASCII characters, got {reference:?}"
        ))
    }
}

/// The parser counts lines within this one, which is the first for it, whatever it is in the file.
fn not_an_entry(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(words) => format!("{words} (column {})", error.column()),
        None => text,
    }
}

#[cfg(test)]
mod tests;
