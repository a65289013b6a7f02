//! What the server has acknowledged: per customer the sums its end state must show, and samples of
//! single orders.
//!
//! It keeps apart what an answer leaves open (`PENDING`, or no answer at all): the end state may
//! contain it or not.

use domain::Money;
use rand::Rng;
use rand::rngs::SmallRng;

/// The check after a run looks at this many orders one by one.
pub const SAMPLE: usize = 2_000;
/// The last orders of a run, by which the views are seen to catch up.
pub const LATEST: usize = 64;

/// What one customer must show at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cents of its approved orders.
    pub approved: i64,
    /// Cents of orders that may have been approved.
    pub uncertain: i64,
    /// Orders that are there for certain, and those that may be.
    pub orders: u64,
    /// Orders whose fate is unknown.
    pub uncertain_orders: u64,
    /// The token of the answer received last.
    pub token: String,
}

/// One acknowledged order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// The order's id.
    pub order_id: String,
    /// The place of its customer in the list of all.
    pub customer: usize,
    /// The state that the answer named.
    pub state: String,
    /// The token of the answer.
    pub token: String,
}

/// An acknowledged order as it arrives, borrowed from the answer.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The order's id.
    pub order_id: &'a str,
    /// The place of its customer in the list of all.
    pub customer: usize,
    /// The state that the answer named.
    pub state: &'a str,
    /// What the order asked for.
    pub total: Money,
    /// The token of the answer.
    pub token: &'a str,
}

/// What the answers of a run oblige the server to show.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// One for each customer, in the order of the list.
    pub tallies: Vec<Tally>,
    /// A uniform sample of all acknowledged orders.
    pub sample: Vec<Acknowledged>,
    /// The last acknowledged orders, in no particular order.
    pub latest: Vec<Acknowledged>,
    limit: Money,
    sample_size: usize,
    latest_size: usize,
    seen: u64,
    next_latest: usize,
}

impl Ledger {
    /// The ledger of one of `threads` threads, for customers with this credit limit.
    #[must_use]
    pub fn new(customers: usize, limit: Money, threads: usize) -> Ledger {
        Ledger {
            tallies: vec![Tally::default(); customers],
            sample: Vec::new(),
            latest: Vec::new(),
            limit,
            sample_size: SAMPLE.div_ceil(threads.max(1)),
            latest_size: LATEST.div_ceil(threads.max(1)),
            seen: 0,
            next_latest: 0,
        }
    }

    /// Notes an acknowledged order.
    pub fn acknowledge(&mut self, order: &Arrival<'_>, random: &mut SmallRng) {
        let approvable = self.approvable(order.total);
        if let Some(tally) = self.tallies.get_mut(order.customer) {
            tally.orders += 1;
            match order.state {
                "APPROVED" => tally.approved += order.total.cents(),
                "REJECTED" => {}
                _ => tally.uncertain += approvable,
            }
            replace(&mut tally.token, order.token);
        }
        self.keep_latest(order);
        self.keep_sample(order, random);
    }

    /// An order was sent whose fate is unknown.
    pub fn lose_sight(&mut self, customer: usize, total: Money) {
        let approvable = self.approvable(total);
        if let Some(tally) = self.tallies.get_mut(customer) {
            tally.uncertain_orders += 1;
            tally.uncertain += approvable;
        }
    }

    /// Adds the ledger of another thread or of a later phase.
    pub fn add(&mut self, other: Ledger) {
        for (mine, theirs) in self.tallies.iter_mut().zip(other.tallies) {
            mine.approved += theirs.approved;
            mine.uncertain += theirs.uncertain;
            mine.orders += theirs.orders;
            mine.uncertain_orders += theirs.uncertain_orders;
            if !theirs.token.is_empty() {
                mine.token = theirs.token;
            }
        }
        self.sample.extend(other.sample);
        self.latest.extend(other.latest);
    }

    /// The credit limit of every customer of the run.
    #[must_use]
    pub fn limit(&self) -> Money {
        self.limit
    }

    /// What the order would reserve if it were approved: an order above the limit never is.
    fn approvable(&self, total: Money) -> i64 {
        if total > self.limit { 0 } else { total.cents() }
    }

    fn keep_latest(&mut self, order: &Arrival<'_>) {
        if self.latest.len() < self.latest_size {
            self.latest.push(order.kept());
            return;
        }
        if let Some(oldest) = self.latest.get_mut(self.next_latest) {
            order.write_to(oldest);
        }
        self.next_latest = (self.next_latest + 1) % self.latest_size.max(1);
    }

    /// Reservoir sampling (Vitter's algorithm R): each of the orders seen is in the sample with the
    /// same probability.
    fn keep_sample(&mut self, order: &Arrival<'_>, random: &mut SmallRng) {
        self.seen += 1;
        if self.sample.len() < self.sample_size {
            self.sample.push(order.kept());
            return;
        }
        let place = usize::try_from(random.random_range(0..self.seen)).unwrap_or(usize::MAX);
        if let Some(kept) = self.sample.get_mut(place) {
            order.write_to(kept);
        }
    }
}

impl Arrival<'_> {
    fn kept(self) -> Acknowledged {
        let mut kept = Acknowledged::default();
        self.write_to(&mut kept);
        kept
    }

    /// Into memory that is already there: this runs once per order.
    fn write_to(self, kept: &mut Acknowledged) {
        replace(&mut kept.order_id, self.order_id);
        kept.customer = self.customer;
        replace(&mut kept.state, self.state);
        replace(&mut kept.token, self.token);
    }
}

fn replace(text: &mut String, with: &str) {
    text.clear();
    text.push_str(with);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn arrival<'a>(order_id: &'a str, state: &'a str, cents: i64) -> Arrival<'a> {
        Arrival {
            order_id,
            customer: 0,
            state,
            total: Money::from_cents(cents),
            token: "t",
        }
    }

    #[test]
    fn a_customer_owes_what_was_approved_and_perhaps_what_was_left_open() {
        let mut random = SmallRng::seed_from_u64(1);
        let mut ledger = Ledger::new(1, Money::from_cents(1_000), 1);
        ledger.acknowledge(&arrival("a", "APPROVED", 100), &mut random);
        ledger.acknowledge(&arrival("b", "REJECTED", 5_000), &mut random);
        ledger.acknowledge(&arrival("c", "PENDING", 30), &mut random);
        ledger.acknowledge(&arrival("d", "PENDING", 5_000), &mut random);
        ledger.lose_sight(0, Money::from_cents(7));
        let tally = &ledger.tallies[0];
        assert_eq!((tally.approved, tally.uncertain), (100, 37));
        assert_eq!((tally.orders, tally.uncertain_orders), (4, 1));
    }

    #[test]
    fn the_sample_and_the_latest_stay_bounded() {
        let mut random = SmallRng::seed_from_u64(1);

        let mut ledger = Ledger::new(1, Money::from_cents(1_000), 1);
        for number in 0..10_000 {
            ledger.acknowledge(&arrival(&number.to_string(), "APPROVED", 1), &mut random);
        }

        assert_eq!((ledger.sample.len(), ledger.latest.len()), (SAMPLE, LATEST));

        assert!(
            ledger
                .latest
                .iter()
                .all(|order| order.order_id.parse::<usize>().unwrap() >= 10_000 - LATEST)
        );

        let late = ledger
            .sample
            .iter()
            .filter(|order| order.order_id.parse::<usize>().unwrap() >= 5_000)
            .count();

        assert!(
            (900..1_100).contains(&late),
            "{late} of {SAMPLE} from the second half"
        );
    }
}
