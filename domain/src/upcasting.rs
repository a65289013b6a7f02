//! Events as older versions had them, and what they mean today: the one place for all of them.
//!
//! A type here is what lies in histories. It never changes again, and neither does what it means;
//! stored events (`upcasting/stored/`) hold both fast. One that is two versions old says what it
//! means in the version after it, and that one goes on from there:
//!
//! ```text
//! V1 ── From ──► V2 ── From ──► today's
//! ```

use serde::Deserialize;

use crate::customer::CreditChanged;
use crate::ids::OrderId;
use crate::messages::CustomerAnswer;
use crate::money::Money;

/// Version 1 of `customer.credit-reserved` and `customer.credit-released`. It was written while a
/// credit limit was the one of the customer's creation for ever, so it does not say which it is.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreditChangedV1 {
    order_id: OrderId,
    amount: Money,
    available_credit: Money,
    #[serde(default)]
    customer: Option<CustomerAnswer>,
}

impl From<CreditChangedV1> for CreditChanged {
    fn from(old: CreditChangedV1) -> Self {
        CreditChanged {
            order_id: old.order_id,
            amount: old.amount,
            credit_limit: None,
            available_credit: old.available_credit,
            customer: old.customer,
        }
    }
}

#[cfg(test)]
mod tests;
