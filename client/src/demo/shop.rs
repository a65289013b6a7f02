//! Invents the shop: who buys there, what it sells, what happens. The same seed gives the same
//! shop.
//!
//! Limits are small against the orders, so that some orders are rejected; some of the others are
//! shipped, a few cancelled. Shipped orders hold their credit for good, so new customers keep
//! coming.

use std::collections::VecDeque;
use std::time::Duration;

use domain::Money;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::import::line::{Entry, OrderLine};

const FIRST_NAMES: [&str; 24] = [
    "Ada", "Amara", "Bilal", "Carmen", "Chidi", "Dora", "Elif", "Emil", "Farah", "Hana", "Ines",
    "Ivo", "Jonas", "Kofi", "Lena", "Mateo", "Mira", "Noor", "Oskar", "Priya", "Rosa", "Samir",
    "Tomas", "Yuki",
];
const LAST_NAMES: [&str; 24] = [
    "Adler", "Bauer", "Costa", "Demir", "Eriksen", "Fischer", "Garcia", "Haddad", "Ito", "Jansen",
    "Kowalski", "Lindgren", "Mensah", "Novak", "Okafor", "Park", "Quist", "Rossi", "Silva",
    "Tanaka", "Ueda", "Varga", "Weber", "Zeman",
];
/// Sku, name, cents.
const PRODUCTS: [(&str, &str, i64); 28] = [
    ("GR-1001", "Sourdough bread 750 g", 490),
    ("GR-1002", "Bagels, 4 pieces", 320),
    ("GR-1003", "Plain yogurt 500 g", 185),
    ("GR-1004", "Greek yogurt with honey", 240),
    ("GR-1005", "Oat milk 1 l", 229),
    ("GR-1006", "Free range eggs, 10 pieces", 415),
    ("GR-1007", "Mountain cheese 300 g", 699),
    ("GR-1008", "Salted butter 250 g", 289),
    ("GR-1009", "Olive oil 500 ml", 1190),
    ("GR-1010", "Tuna in olive oil 160 g", 345),
    ("GR-1011", "Spaghetti 500 g", 159),
    ("GR-1012", "Peeled tomatoes 400 g", 119),
    ("GR-1013", "Basmati rice 1 kg", 379),
    ("GR-1014", "Ground coffee 500 g", 899),
    ("GR-1015", "Earl Grey, 50 bags", 450),
    ("GR-1016", "Dark chocolate 85 %", 279),
    ("GR-1017", "Wildflower honey 500 g", 795),
    ("GR-1018", "Apples 1 kg", 299),
    ("GR-1019", "Bananas 1 kg", 219),
    ("GR-1020", "Baby spinach 200 g", 199),
    ("HH-2001", "Kitchen paper, 4 rolls", 359),
    ("HH-2002", "Dish soap 500 ml", 225),
    ("HH-2003", "Laundry liquid 1.5 l", 1099),
    ("HH-2004", "Beeswax candles, 6 pieces", 1450),
    ("KI-3001", "Cast iron pan 28 cm", 4990),
    ("KI-3002", "Chef's knife 20 cm", 6450),
    ("KI-3003", "Espresso maker, 6 cups", 3490),
    ("KI-3004", "Linen tea towels, 3 pieces", 1890),
];
const NOTES: [&str; 6] = [
    "please ring twice",
    "leave it with the neighbour",
    "no substitutes, please",
    "a gift: do not enclose the invoice",
    "deliver after 6 pm",
    "the gate code is on the door",
];
const CUSTOMERS: usize = 48;
const ORDERS: usize = 320;
/// Orders that may still be shipped or cancelled, and customers that may still order: the newest of
/// each.
const REMEMBERED: usize = CUSTOMERS;

/// Draws one thing after the other that happens in a shop.
pub struct Shop {
    rng: StdRng,
    prefix: String,
    number: u32,
    customers: VecDeque<String>,
    open_orders: VecDeque<String>,
}

impl Shop {
    /// The same seed draws the same things.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            prefix: "demo".to_owned(),
            number: 0,
            customers: VecDeque::new(),
            open_orders: VecDeque::new(),
        }
    }

    /// The shop at the opening: its customers, and what they have done so far.
    pub fn opening(&mut self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = (0..CUSTOMERS).map(|_| self.customer()).collect();
        for _ in 0..ORDERS {
            entries.push(self.order());
            entries.extend(self.follow_up());
        }
        entries
    }

    /// References from now on begin with `run`, so that each run of the trickle makes new orders.
    pub fn trickle_as(&mut self, run: &str) {
        self.prefix = format!("demo-{run}");
    }

    /// What happens next in the open shop.
    pub fn next_entries(&mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        if self.rng.random_ratio(1, 8) {
            entries.push(self.customer());
        }
        entries.push(self.order());
        entries.extend(self.follow_up());
        entries
    }

    /// How long nothing happens.
    pub fn pause(&mut self) -> Duration {
        Duration::from_millis(self.rng.random_range(400..1_600))
    }

    fn reference(&mut self, kind: &str) -> String {
        self.number += 1;
        format!("{}-{kind}-{}", self.prefix, self.number)
    }

    fn customer(&mut self) -> Entry {
        let reference = self.reference("customer");
        let first = pick(&mut self.rng, &FIRST_NAMES).unwrap_or_default();
        let last = pick(&mut self.rng, &LAST_NAMES).unwrap_or_default();
        let limit = self.rng.random_range(1..=10) * 5_000;
        remember(&mut self.customers, reference.clone());
        Entry::Customer {
            reference,
            name: format!("{first} {last}"),
            credit_limit: Money::from_cents(limit),
        }
    }

    fn order(&mut self) -> Entry {
        let reference = self.reference("order");
        let chosen = self.rng.random_range(0..self.customers.len().max(1));
        let customer = self.customers.get(chosen).cloned().unwrap_or_default();

        let count = self.rng.random_range(1..=5);
        let products: Vec<_> = PRODUCTS
            .choose_multiple(&mut self.rng, count)
            .copied()
            .collect();

        let lines = products
            .into_iter()
            .map(|(sku, name, cents)| OrderLine {
                sku: sku.to_owned(),
                name: name.to_owned(),
                quantity: self.rng.random_range(1..=3),
                unit_price: Money::from_cents(cents),
            })
            .collect();

        let note = if self.rng.random_ratio(1, 5) {
            pick(&mut self.rng, &NOTES).map(str::to_owned)
        } else {
            None
        };

        remember(&mut self.open_orders, reference.clone());

        Entry::Order {
            reference,
            customer,
            lines,
            note,
        }
    }

    /// Now and then an earlier order is shipped or, more rarely, cancelled.
    fn follow_up(&mut self) -> Option<Entry> {
        if self.open_orders.len() < 5 || !self.rng.random_ratio(2, 3) {
            return None;
        }
        let chosen = self.rng.random_range(0..self.open_orders.len());
        let order = self.open_orders.remove(chosen)?;
        Some(if self.rng.random_ratio(1, 6) {
            Entry::Cancel { order }
        } else {
            Entry::Ship { order }
        })
    }
}

fn remember(list: &mut VecDeque<String>, reference: String) {
    list.push_back(reference);
    if list.len() > REMEMBERED {
        list.pop_front();
    }
}

fn pick<'a>(rng: &mut StdRng, choices: &[&'a str]) -> Option<&'a str> {
    choices.choose(rng).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_shop() {
        assert_eq!(Shop::new(7).opening(), Shop::new(7).opening());
        assert_ne!(Shop::new(7).opening(), Shop::new(8).opening());
    }

    #[test]
    fn the_opening_refers_only_to_what_came_before_it() {
        let mut known = std::collections::HashSet::new();
        let (mut cancels, mut ships) = (0, 0);

        for entry in Shop::new(7).opening() {
            match entry {
                Entry::Customer { reference, .. } => assert!(known.insert(reference)),
                Entry::Order {
                    reference,
                    customer,
                    lines,
                    ..
                } => {
                    assert!(
                        known.contains(&customer) && known.insert(reference) && !lines.is_empty()
                    );
                }
                Entry::Cancel { order } => {
                    assert!(known.remove(&order));
                    cancels += 1;
                }
                Entry::Ship { order } => {
                    assert!(known.remove(&order));
                    ships += 1;
                }
            }
        }

        assert!(
            cancels > 10 && ships > 100,
            "{cancels} cancels, {ships} ships"
        );
    }
}
