//! Turns a line into a command: the node's ids take the place of the references.

use super::{Book, CustomerIndex};
use crate::import::line::Entry;
use crate::import::player::Command;

impl Book {
    /// Puts the node's ids in the place of references. A reference has no id when the line that
    /// made it failed.
    pub fn resolve(&self, customer: CustomerIndex, entry: Entry) -> Result<Command, String> {
        let order = |reference: &str| {
            self.order(reference)
                .map(|placed| placed.id)
                .ok_or_else(|| format!("order {reference:?} was not made, its line failed"))
        };
        match entry {
            Entry::Customer {
                reference,
                name,
                credit_limit,
            } => Ok(Command::OpenCustomer {
                reference,
                name,
                credit_limit,
            }),
            Entry::Order {
                reference,
                customer: owner,
                lines,
                note,
            } => {
                let customer_id = self
                    .customer_id(customer)
                    .ok_or_else(|| format!("customer {owner:?} was not made, its line failed"))?;
                Ok(Command::PlaceOrder {
                    reference,
                    customer_id,
                    lines,
                    note,
                })
            }
            Entry::Cancel { order: reference } => {
                order(&reference).map(|order_id| Command::Cancel {
                    reference,
                    order_id,
                })
            }
            Entry::Ship { order: reference } => order(&reference).map(|order_id| Command::Ship {
                reference,
                order_id,
            }),
        }
    }
}
