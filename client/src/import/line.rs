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
mod tests {
    use super::*;

    fn error(line: &str) -> String {
        parse(line.as_bytes()).unwrap_err()
    }

    #[test]
    fn the_four_types_are_read() {
        let customer = concat!(
            r#"{"type":"customer","ref":"c1","name":"Ada Park","#,
            r#""creditLimit":{"amount":"500.00"}}"#
        );
        let customer = parse(customer.as_bytes()).unwrap();
        assert_eq!(
            customer,
            Entry::Customer {
                reference: "c1".into(),
                name: "Ada Park".into(),
                credit_limit: Money::from_cents(50_000)
            }
        );

        let order = concat!(
            r#"{"type":"order","ref":"o1","customer":"c1","lines":[{"sku":"9","#,
            r#""name":"YOGURT","quantity":2,"unitPrice":{"amount":"1.25"}}]}"#
        );
        let Entry::Order { lines, note, .. } = parse(order.as_bytes()).unwrap() else {
            panic!("not an order")
        };

        assert_eq!(
            (lines[0].quantity, lines[0].unit_price, note),
            (2, Money::from_cents(125), None)
        );

        assert_eq!(
            parse(br#"{"type":"cancel","order":"o1"}"#).unwrap(),
            Entry::Cancel { order: "o1".into() }
        );

        assert_eq!(
            parse(br#"{"type":"ship","order":"o1"}"#).unwrap(),
            Entry::Ship { order: "o1".into() }
        );
    }

    #[test]
    fn numbers_are_read_as_the_node_reads_them() {
        for (amount, cents) in [
            (r#""4.35""#, 435),
            ("4.35", 435),
            ("4.35e0", 435),
            ("1e2", 10_000),
            ("9999999999999.99", 999_999_999_999_999),
        ] {
            let line = format!(
                "{{\"type\":\"order\",\"ref\":\"o1\",\"customer\":\"c1\",\"lines\":[{{\"sku\":\"9\",\
                 \"name\":\"Y\",\"quantity\":2.0,\"unitPrice\":{{\"amount\":{amount}}}}}]}}"
            );
            let Ok(Entry::Order { lines, .. }) = parse(line.as_bytes()) else {
                panic!("no order: {line}")
            };
            assert_eq!(lines[0].unit_price, Money::from_cents(cents), "{amount}");
            assert_eq!(lines[0].quantity, 2);
        }
    }

    #[test]
    fn an_unknown_type_or_field_is_named() {
        assert!(error(r#"{"type":"refund","order":"o1"}"#).contains("unknown variant `refund`"));
        assert!(
            error(r#"{"type":"ship","order":"o1","when":"now"}"#).contains("unknown field `when`")
        );
        let order = concat!(
            r#"{"type":"order","ref":"o1","customer":"c1","lines":[{"sku":"9","#,
            r#""name":"Y","quantity":2,"unitPrice":{"amount":"1"},"colour":1}]}"#
        );
        assert!(error(order).contains("unknown field `colour`"));
        assert!(error(r#"{"order":"o1"}"#).contains("missing field `type`"));
        assert!(
            error(r#"{"type":"ship","order":"o1","type":"ship"}"#)
                .contains("duplicate field `type`")
        );
    }

    #[test]
    fn bad_money_numbers_and_references_are_refused() {
        let customer = |reference: &str, amount: &str| {
            error(&format!(
                "{{\"type\":\"customer\",\"ref\":\"{reference}\",\"name\":\"A\",\
                 \"creditLimit\":{{\"amount\":{amount}}}}}"
            ))
        };

        assert!(
            customer("c1", r#""5.001""#).contains("creditLimit must have at most two decimals")
        );

        for amount in ["4.350000000000000000001", "9999999999999.9999", "435.01e-2"] {
            assert!(
                customer("c1", amount).contains("creditLimit must have at most two decimals"),
                "{amount}"
            );
        }

        assert!(customer("c1", r#""-5""#).contains("creditLimit must be 0 or more, got -5.00"));

        assert!(
            customer("c 1", r#""5""#).contains("ref must be 1 to 255 visible ASCII characters")
        );

        assert!(customer("", r#""5""#).contains("ref must be"));
        let order = concat!(
            r#"{"type":"order","ref":"o1","customer":"c1","lines":[{"sku":"9","#,
            r#""name":"Y","quantity":-2,"unitPrice":{"amount":"1"}}]}"#
        );
        assert!(error(order).contains("quantity must be a whole number from 1 to"));
        assert!(error(order).contains("got -2"));
        assert!(!error("not json").is_empty());
    }
}
