//! Checks the end state through the public API: does each customer's credit agree with the answers
//! its orders got, and is each acknowledged order there as it was acknowledged?
//!
//! Reads carry the token of an answer of the run, so that they may not show less than it. A
//! customer's token is that of the answer received last, which need not be its newest version: so a
//! customer that does not agree yet is asked again until the time allowed to the views is over. An
//! order's token is its own: it must be right at the first look.

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::index;

use super::catch_up::{CustomerDocument, OrderDocument, agrees, follows};
use super::connection::{Connection, ExchangeError};
use super::customers::CustomerId;
use super::ledger::{Acknowledged, Ledger};
use super::options::Options;

/// Looks at this many customers.
const CUSTOMERS: usize = 1_000;
/// Reports this many violations in words.
const SHOWN: usize = 10;
const TIMEOUT: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(50);

/// What the end state looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Customers checked.
    pub customers: usize,
    /// Orders checked.
    pub orders: usize,
    /// What is not as the answers said.
    pub violations: usize,
    /// The first violations in words.
    pub examples: Vec<String>,
}

impl Verdict {
    fn violation(&mut self, what: String) {
        self.violations += 1;
        if self.examples.len() < SHOWN {
            self.examples.push(what);
        }
    }
}

/// Checks a sample of the run's customers and of its acknowledged orders.
pub async fn verify(options: &Options, customers: &[CustomerId], ledger: &Ledger) -> Verdict {
    let mut connection = Connection::new(options.url.of(0), TIMEOUT);
    let mut verdict = Verdict::default();
    let deadline = Instant::now() + Duration::from_secs(options.catch_up_timeout);

    let mut random = SmallRng::seed_from_u64(options.seed);
    // The first customer is the hot one, where there is one: always looked at.
    let sample = index::sample(&mut random, customers.len(), CUSTOMERS.min(customers.len()));

    let others = sample.into_iter().filter(|place| *place != 0);
    for place in std::iter::once(0).chain(others) {
        verdict.customers += 1;
        if let Err(what) = check_customer(&mut connection, customers, ledger, place, deadline).await
        {
            verdict.violation(what);
        }
    }

    for order in &ledger.sample {
        verdict.orders += 1;
        if let Err(what) = check_order(&mut connection, order).await {
            verdict.violation(what);
        }
    }

    verdict
}

async fn check_customer(
    connection: &mut Connection,
    customers: &[CustomerId],
    ledger: &Ledger,
    place: usize,
    deadline: Instant,
) -> Result<(), String> {
    let (Some(id), Some(tally)) = (customers.get(place), ledger.tallies.get(place)) else {
        return Ok(());
    };
    let (path, id) = (format!("/customers/{}", id.as_str()), id.as_str());

    loop {
        let what = match get(connection, &path, &tally.token).await? {
            Ok(body) => match serde_json::from_slice::<CustomerDocument>(body) {
                Ok(document) if agrees(tally, ledger, &document) => return Ok(()),
                Ok(document) => format!(
                    "customer {id}: {} of {} available, \
                     but orders of {} were approved and of {} may be",
                    document.available_credit,
                    ledger.limit(),
                    domain::Money::from_cents(tally.approved),
                    domain::Money::from_cents(tally.uncertain),
                ),
                Err(error) => format!("customer {id}: unreadable: {error}"),
            },
            Err(status) => format!("customer {id}: answered {status}"),
        };
        if Instant::now() > deadline {
            return Err(what);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn check_order(connection: &mut Connection, order: &Acknowledged) -> Result<(), String> {
    let path = format!("/orders/{}", order.order_id);

    let what = match get(connection, &path, &order.token).await? {
        Ok(body) => match serde_json::from_slice::<OrderDocument<'_>>(body) {
            Ok(document) if follows(&order.state, document.state) => return Ok(()),
            Ok(document) => format!("shown as {}", document.state),
            Err(error) => format!("unreadable: {error}"),
        },
        Err(status) => format!("answered {status}"),
    };

    Err(format!(
        "order {} acknowledged as {}: {what}",
        order.order_id, order.state
    ))
}

/// The body of a query that names what it must show; the status when it is not 200.
async fn get<'a>(
    connection: &'a mut Connection,
    path: &str,
    token: &str,
) -> Result<Result<&'a [u8], u16>, String> {
    let headers = match token {
        "" => String::new(),
        token => format!("Consistency-Token: {token}\r\nPrefer: wait=30\r\n"),
    };

    let answer = connection
        .get(path, &headers)
        .await
        .map_err(|error: ExchangeError| format!("{path}: {error}"))?;

    let status = answer.status();
    Ok(if status == 200 {
        Ok(answer.body())
    } else {
        Err(status)
    })
}
