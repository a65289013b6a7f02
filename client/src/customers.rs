//! `customers correct-limit`: puts right what is wrong about a customer.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::args::{CustomersAction, CustomersCommand};
use super::http::Node;
use super::{ClientError, output};

/// What a node tells of a customer whose limit was corrected.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Corrected {
    customer_id: String,
    credit_limit: Amount,
    available_credit: Amount,
    version: u64,
}

#[derive(Debug, Deserialize)]
struct Amount {
    amount: String,
}

/// Runs one of the commands about customers.
///
/// # Errors
/// When the node does not answer, or refuses.
pub async fn run(command: &CustomersCommand) -> Result<ExitCode, ClientError> {
    let node = Node::named(&command.node)?;
    let CustomersAction::CorrectLimit { id, limit, reason } = &command.action;

    // A key of its own per invocation makes the repeats of this call safe, and a second invocation
    // a new request.
    let key = Uuid::now_v7().to_string();
    let body = body(limit, reason.as_deref());
    let path = ["customers", id, "credit-limit"];
    let answer = node.post(&path, &body, &key, None).await?;

    if command.json {
        output::print_json(&answer.body)?;
    } else {
        output::print(&told(&answer.read()?))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn body(limit: &str, reason: Option<&str>) -> Value {
    let limit = json!({ "amount": limit });
    match reason {
        None => json!({ "creditLimit": limit }),
        Some(reason) => json!({ "creditLimit": limit, "reason": reason }),
    }
}

fn told(corrected: &Corrected) -> String {
    format!(
        "customer {} has a credit limit of {}, of which {} is available; version {}",
        corrected.customer_id,
        corrected.credit_limit.amount,
        corrected.available_credit.amount,
        corrected.version
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correction_says_what_is_right_and_why() {
        assert_eq!(
            body("500.00", Some("a zero too many")),
            json!({"creditLimit": {"amount": "500.00"}, "reason": "a zero too many"})
        );
        assert_eq!(body("5", None), json!({"creditLimit": {"amount": "5"}}));
    }

    #[test]
    fn the_outcome_is_told_in_one_line() {
        let corrected = json!({
            "customerId": "c1", "version": 3,
            "creditLimit": {"amount": "500.00"}, "availableCredit": {"amount": "470.00"}
        });
        assert_eq!(
            told(&serde_json::from_value(corrected).unwrap()),
            "customer c1 has a credit limit of 500.00, of which 470.00 is available; version 3"
        );
    }
}
