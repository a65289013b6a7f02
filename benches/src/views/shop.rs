//! The events of a shop, in the order in which they arrive: orders are under way at the same time,
//! so that an order's approval comes long after its creation, with the events of others in between.

use std::collections::{HashMap, VecDeque};

use domain::customer::{CreditChanged, CustomerCreated};
use domain::order::{OrderApproved, OrderCreated, total_of};
use domain::{
    CustomerEvent, CustomerId, Money, OrderEvent, OrderId, OrderLine, Service, ShardId, Timestamp,
};
use projections::shop::{Event, Payload};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use crate::load::template::GOODS;

/// Shards of a service, as by default.
const SHARDS: u16 = 16;
const FIRST_NAMES: [&str; 10] = [
    "Ada", "Grace", "Alan", "Edsger", "Barbara", "Tony", "Leslie", "Hector", "Ken", "Frances",
];
/// It does not run out.
const CREDIT_LIMIT: Money = Money::from_cents(1_000_000_000_000);
/// Time between two orders, in microseconds.
const PACE: i64 = 100;

/// A customer as its events have it.
struct Customer {
    id: CustomerId,
    name: String,
    available: Money,
    version: u64,
}

/// An order that is not approved yet.
struct UnderWay {
    id: OrderId,
    /// The customer's place.
    customer: usize,
    total: Money,
}

/// Makes events one after the other.
pub struct Shop {
    random: SmallRng,
    customers: Vec<Customer>,
    /// The orders by number, from the oldest that is not approved.
    orders: VecDeque<UnderWay>,
    wanted: u64,
    behind: u64,
    step: u64,
    sequences: HashMap<ShardId, u64>,
    now: i64,
    ready: VecDeque<Event>,
}

impl Shop {
    /// A shop of this many customers and orders. An order's credit is reserved `under_way / 2`
    /// orders after its creation, and the order is approved `under_way` orders after it.
    #[must_use]
    pub fn new(seed: u64, customers: u32, orders: u64, under_way: u32) -> Self {
        let mut shop = Shop {
            random: SmallRng::seed_from_u64(seed),
            customers: Vec::new(),
            orders: VecDeque::new(),
            wanted: orders,
            behind: u64::from(under_way).max(2),
            step: 0,
            sequences: HashMap::new(),
            now: 1_790_000_000_000_000,
            ready: VecDeque::new(),
        };

        for number in 0..customers {
            shop.create_customer(number);
        }

        shop
    }

    fn event(&mut self, service: Service, entity: Uuid, version: u64, payload: Payload) {
        let source = ShardId::of(service, entity, SHARDS);
        let sequence = self.sequences.entry(source).or_default();
        *sequence += 1;
        let time = Timestamp::from_micros(self.now);
        self.ready.push_back(Event {
            source,
            sequence: *sequence,
            entity,
            version,
            time,
            payload,
        });
    }

    fn create_customer(&mut self, number: u32) {
        let given = FIRST_NAMES
            .iter()
            .cycle()
            .nth(usize::try_from(number % 10).unwrap_or_default());
        let name = format!("{} Park {number}", given.copied().unwrap_or_default());
        let id = CustomerId(Uuid::now_v7());

        let created = CustomerCreated {
            name: name.clone(),
            credit_limit: CREDIT_LIMIT,
        };

        self.now += PACE;

        self.event(
            domain::CUSTOMERS,
            id.0,
            1,
            Payload::Customer(CustomerEvent::Created(created)),
        );

        self.customers.push(Customer {
            id,
            name,
            available: CREDIT_LIMIT,
            version: 1,
        });
    }

    fn create_order(&mut self) {
        let place = self.random.random_range(0..self.customers.len().max(1));
        let Some(customer) = self.customers.get(place).map(|customer| customer.id) else {
            return;
        };

        let lines: Vec<OrderLine> = (0..3).map(|_| line(&mut self.random)).collect();
        let total = total_of(&lines).unwrap_or(Money::ZERO);
        let id = OrderId(Uuid::now_v7());

        let note = self
            .random
            .random_ratio(1, 4)
            .then(|| "leave at the door".to_owned());

        let created = OrderCreated {
            customer_id: customer,
            order_total: total,
            lines,
            note,
            coordination: domain::Coordination::default(),
        };

        self.event(
            domain::ORDERS,
            id.0,
            1,
            Payload::Order(OrderEvent::Created(created)),
        );

        self.orders.push_back(UnderWay {
            id,
            customer: place,
            total,
        });
    }

    fn reserve(&mut self, place: usize) {
        let Some((order, total, customer)) = self
            .orders
            .get(place)
            .map(|order| (order.id, order.total, order.customer))
        else {
            return;
        };

        let Some(customer) = self.customers.get_mut(customer) else {
            return;
        };
        customer.available = customer.available.checked_sub(total).unwrap_or(Money::ZERO);
        customer.version += 1;

        let changed = CreditChanged {
            order_id: order,
            amount: total,
            credit_limit: None,
            available_credit: customer.available,
            customer: None,
        };

        let (id, version) = (customer.id.0, customer.version);

        self.event(
            domain::CUSTOMERS,
            id,
            version,
            Payload::Customer(CustomerEvent::CreditReserved(changed)),
        );
    }

    fn approve(&mut self) {
        let Some(order) = self.orders.pop_front() else {
            return;
        };
        let customer_name = self
            .customers
            .get(order.customer)
            .map(|customer| customer.name.clone());
        let approved = OrderEvent::Approved(OrderApproved {
            customer_name,
            customer_version: None,
        });
        self.event(domain::ORDERS, order.id.0, 2, Payload::Order(approved));
    }
}

fn line(random: &mut SmallRng) -> OrderLine {
    let good = random.random_range(0..GOODS.len());
    OrderLine {
        sku: format!("{}", 100_000 + good),
        name: GOODS.get(good).copied().unwrap_or_default().to_owned(),
        quantity: random.random_range(1..=6),
        unit_price: Money::from_cents(random.random_range(50..2_000)),
    }
}

impl Iterator for Shop {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        while self.ready.is_empty() {
            if self.step >= self.wanted + self.behind {
                return None;
            }

            self.now += PACE;
            let half = self.behind / 2;

            if self.step < self.wanted {
                self.create_order();
            }
            // The number of the oldest order not yet approved is the number of approved orders.
            let approved = self.step.saturating_sub(self.behind);

            if let Some(reserved) = self
                .step
                .checked_sub(half)
                .filter(|number| *number < self.wanted)
            {
                self.reserve(usize::try_from(reserved - approved).unwrap_or(usize::MAX));
            }

            if self.step >= self.behind {
                self.approve();
            }

            self.step += 1;
        }
        self.ready.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_is_created_then_reserved_then_approved_and_versions_have_no_gap() {
        let mut versions: HashMap<Uuid, u64> = HashMap::new();
        let mut reserved: Vec<OrderId> = Vec::new();

        let (mut count, mut approved) = (0, 0);
        for event in Shop::new(1, 7, 500, 20) {
            count += 1;
            let version = versions.entry(event.entity).or_default();
            *version += 1;
            assert_eq!(event.version, *version);
            match event.payload {
                Payload::Customer(CustomerEvent::CreditReserved(changed)) => {
                    assert_eq!(versions[&changed.order_id.0], 1);
                    reserved.push(changed.order_id);
                }
                Payload::Order(OrderEvent::Approved(_)) => {
                    assert!(reserved.contains(&OrderId(event.entity)));
                    approved += 1;
                }
                _ => {}
            }
        }

        assert_eq!((count, approved), (7 + 3 * 500, 500));
    }
}
