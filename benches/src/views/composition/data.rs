//! The customers and orders of the comparison, and the right answer, found by looking at all of
//! them.

use std::collections::HashSet;

use anyhow::Context;
use domain::order::{OrderCreated, total_of};
use domain::{Customer, CustomerId, Money, Order, OrderId, OrderLine, OrderState, Timestamp};
use projections::CustomerDocument;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use super::{Question, VALUABLE};
use crate::load::template::GOODS;

const CREDIT_LIMIT: Money = Money::from_cents(1_000_000_000);
const BEGIN: i64 = 1_790_000_000_000_000;
/// Time between two new customers.
const PACE: i64 = 1_000_000;

/// All there is, as the services have it at the end.
pub struct Data {
    /// Oldest first.
    pub customers: Vec<Customer>,
    /// Each with its first event.
    pub orders: Vec<(Order, OrderCreated)>,
}

impl Data {
    /// Orders fall on customers at random; 85 of 100 are approved, and one in a hundred is
    /// valuable.
    #[must_use]
    pub fn new(seed: u64, customers: u32, orders: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut all: Vec<Customer> = (0..customers).map(customer).collect();
        let begin = BEGIN + PACE * i64::from(customers);
        let orders = (1..).zip(0..orders).map(|(place, _)| {
            let at = Timestamp::from_micros(begin + place);
            order(&mut random, &mut all, at)
        });
        let orders = orders.collect();
        Data {
            customers: all,
            orders,
        }
    }

    /// The time since which this many customers were created.
    pub fn since(&self, recent: u32) -> anyhow::Result<Timestamp> {
        let last = self.customers.iter().rev().nth(usize::try_from(recent)?);
        Ok(last
            .with_context(|| format!("recent: {recent} is not below the number of customers"))?
            .created_at)
    }

    /// What every way must answer.
    #[must_use]
    pub fn answer(&self, question: Question) -> Vec<CustomerDocument> {
        let valuable = self.orders.iter().map(|(order, _)| order);
        let valuable = valuable.filter(|order| {
            order.state == OrderState::Approved && order.total >= question.min_total
        });
        let valuable: HashSet<CustomerId> = valuable.map(|order| order.customer_id).collect();

        let recent = self
            .customers
            .iter()
            .rev()
            .take_while(|customer| customer.created_at > question.since);

        let found = recent.filter(|customer| valuable.contains(&customer.id));
        found
            .take(usize::from(question.limit))
            .map(|customer| customer.clone().into())
            .collect()
    }
}

fn customer(number: u32) -> Customer {
    let created_at = Timestamp::from_micros(BEGIN + PACE * i64::from(number));
    Customer {
        id: CustomerId(Uuid::now_v7()),
        name: format!("Ada Park {number}"),
        credit_limit: CREDIT_LIMIT,
        reserved: Money::ZERO,
        version: 1,
        created_at,
        updated_at: created_at,
        limit_corrected_at: None,
    }
}

fn order(
    random: &mut SmallRng,
    customers: &mut [Customer],
    at: Timestamp,
) -> (Order, OrderCreated) {
    let state = match random.random_range(0..100) {
        0..85 => OrderState::Approved,
        85..93 => OrderState::Rejected,
        _ => OrderState::Cancelled,
    };

    let cents = if random.random_ratio(1, 100) {
        VALUABLE.cents()
    } else {
        random.random_range(100..20_000)
    };

    let good = random.random_range(0..GOODS.len());
    let line = OrderLine {
        sku: format!("{}", 100_000 + good),
        name: GOODS.get(good).copied().unwrap_or_default().to_owned(),
        quantity: 1,
        unit_price: Money::from_cents(cents),
    };
    let lines = vec![line];
    let total = total_of(&lines).unwrap_or(Money::ZERO);
    let place = random.random_range(0..customers.len().max(1));

    let customer = customers.get_mut(place);
    let (customer_id, customer_name) = match customer {
        Some(customer) => {
            customer.version += 1;
            if state == OrderState::Approved {
                customer.reserved = customer
                    .reserved
                    .checked_add(total)
                    .unwrap_or(customer.reserved);
            }
            (customer.id, Some(customer.name.clone()))
        }
        None => (CustomerId(Uuid::nil()), None),
    };

    let created = OrderCreated {
        customer_id,
        order_total: total,
        lines,
        note: None,
        coordination: domain::Coordination::default(),
    };
    let mut order = Order::created(OrderId(Uuid::now_v7()), &created, at);
    order.state = state;
    order.version = if state == OrderState::Cancelled { 4 } else { 2 };
    order.customer_name = customer_name;

    (order, created)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_recent_valuable_and_newest_first() {
        let data = Data::new(1, 200, 4_000);
        let question = Question {
            since: data.since(100).unwrap(),
            min_total: VALUABLE,
            limit: 20,
        };
        let answer = data.answer(question);
        assert!(!answer.is_empty() && answer.len() <= 20);
        assert!(answer.is_sorted_by(|a, b| a.creation_time > b.creation_time));

        for customer in &answer {
            assert!(customer.creation_time > question.since);
            let of_customer = data
                .orders
                .iter()
                .filter(|(order, _)| order.customer_id == customer.customer_id);
            assert!(
                of_customer
                    .into_iter()
                    .any(|(order, _)| order.total >= VALUABLE)
            );
        }

        assert!(data.since(200).is_err());
    }
}
