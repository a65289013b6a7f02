//! One customer's credit as a sequence of decisions, one after the other: what its history must be
//! like, and what may have been refused meanwhile.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::response::cents;

/// The credit of a customer, event after event.
#[derive(Clone, Debug, Default)]
pub struct CreditModel {
    /// In cents, by order.
    reserved: BTreeMap<String, i64>,
    /// In cents.
    left: i64,
    /// The least that was ever left.
    least: i64,
}

impl CreditModel {
    /// What a history leaves: the names of its events with their data, oldest first.
    ///
    /// # Errors
    /// What no sequence of decisions leads to.
    pub fn of<'a>(events: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Result<Self, String> {
        let mut model = CreditModel::default();
        for (name, data) in events {
            model.take(name, data)?;
        }
        Ok(model)
    }

    fn take(&mut self, name: &str, data: &Value) -> Result<(), String> {
        match name {
            "customer.created" => {
                self.left = cents(&data["creditLimit"]);
                self.least = self.left;
                return Ok(());
            }
            "customer.credit-reserved" => self.reserve(order_of(data), cents(&data["amount"]))?,
            "customer.credit-released" => self.release(order_of(data), cents(&data["amount"]))?,
            _ => return Err(format!("no customer has an event {name}")),
        }

        let (told, left) = (cents(&data["availableCredit"]), self.left);
        if told == left {
            Ok(())
        } else {
            Err(format!("{told} cents are told to be left, and {left} are"))
        }
    }

    fn reserve(&mut self, order: &str, cents: i64) -> Result<(), String> {
        if self.reserved.insert(order.to_owned(), cents).is_some() {
            return Err(format!("order {order} has reserved credit twice"));
        }

        self.left -= cents;
        if self.left < 0 {
            return Err(format!(
                "order {order} has left {} cents of credit",
                self.left
            ));
        }
        self.least = self.least.min(self.left);
        Ok(())
    }

    fn release(&mut self, order: &str, cents: i64) -> Result<(), String> {
        if self.reserved.remove(order) != Some(cents) {
            return Err(format!(
                "order {order} has released {cents} cents that it had not reserved"
            ));
        }

        self.left += cents;
        Ok(())
    }

    /// Whether there was ever a moment in which an order of so many cents had to be refused.
    #[must_use]
    pub fn may_have_refused(&self, cents: i64) -> bool {
        self.least < cents
    }
}

fn order_of(data: &Value) -> &str {
    data["orderId"].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn created(limit: &str) -> (&'static str, Value) {
        let data = json!({"name": "Ada", "creditLimit": {"amount": limit}});
        ("customer.created", data)
    }

    fn changed(name: &'static str, order: &str, amount: &str, left: &str) -> (&'static str, Value) {
        let data = json!({
            "orderId": order,
            "amount": {"amount": amount},
            "availableCredit": {"amount": left},
        });
        (name, data)
    }

    fn model(events: &[(&'static str, Value)]) -> Result<CreditModel, String> {
        CreditModel::of(events.iter().map(|(name, data)| (*name, data)))
    }

    const RESERVED: &str = "customer.credit-reserved";
    const RELEASED: &str = "customer.credit-released";

    #[test]
    fn what_was_refused_had_a_moment_in_which_too_little_was_left() {
        let history = [
            created("10.00"),
            changed(RESERVED, "1", "6.00", "4.00"),
            changed(RELEASED, "1", "6.00", "10.00"),
        ];
        let model = model(&history).unwrap();
        assert!(model.may_have_refused(401));
        assert!(!model.may_have_refused(400));
    }

    #[test]
    fn what_no_sequence_of_decisions_leads_to_is_named() {
        for wrong in [
            vec![changed(RESERVED, "1", "10.01", "-0.01")],
            vec![changed(RELEASED, "1", "1.00", "11.00")],
            vec![changed(RESERVED, "1", "1.00", "8.00")],
            vec![
                changed(RESERVED, "1", "1.00", "9.00"),
                changed(RESERVED, "1", "1.00", "8.00"),
            ],
        ] {
            let mut history = vec![created("10.00")];
            history.extend(wrong);
            assert!(model(&history).is_err(), "{history:?}");
        }
    }
}
