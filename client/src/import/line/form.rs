//! The JSON forms of a line. Its `type` says which one it has, so that is read first, and the line
//! as that form then.
//!
//! An enum that serde finds by its tag would do in one pass, but it holds the fields as values
//! meanwhile, in which money as a number has lost its digits.

use domain::Money;
use serde::{Deserialize, Deserializer};

use super::{Entry, OrderLine};

#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    form: Form,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    Customer,
    Order,
    Cancel,
    Ship,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Customer {
    #[serde(rename = "type")]
    _form: Form,
    #[serde(rename = "ref")]
    reference: String,
    name: String,
    #[serde(deserialize_with = "credit_limit")]
    credit_limit: Money,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    #[serde(rename = "type")]
    _form: Form,
    #[serde(rename = "ref")]
    reference: String,
    customer: String,
    lines: Vec<OrderLine>,
    note: Option<String>,
}

/// What happens to an order that stands above.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(rename = "type")]
    _form: Form,
    order: String,
}

/// Reads a line; an unknown type or field is an error.
pub fn entry(line: &[u8]) -> serde_json::Result<Entry> {
    let Typed { form } = serde_json::from_slice(line)?;

    Ok(match form {
        Form::Customer => customer(serde_json::from_slice(line)?),
        Form::Order => order(serde_json::from_slice(line)?),
        Form::Cancel => {
            let Step { order, .. } = serde_json::from_slice(line)?;
            Entry::Cancel { order }
        }
        Form::Ship => {
            let Step { order, .. } = serde_json::from_slice(line)?;
            Entry::Ship { order }
        }
    })
}

fn customer(form: Customer) -> Entry {
    Entry::Customer {
        reference: form.reference,
        name: form.name,
        credit_limit: form.credit_limit,
    }
}

fn order(form: Order) -> Entry {
    Entry::Order {
        reference: form.reference,
        customer: form.customer,
        lines: form.lines,
        note: form.note,
    }
}

fn credit_limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
    super::money("creditLimit", deserializer)
}
