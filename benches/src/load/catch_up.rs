//! How soon after a load the views show its end: asked without a consistency token, again and
//! again, since a token would make the node wait and so hide the lag.
//!
//! The last acknowledged orders stand for all: they lie in many shards, and a view that shows each
//! of them in its final state has taken in what came before them in their shards.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::connection::Connection;
use super::customers::CustomerId;
use super::ledger::{Acknowledged, Ledger, Tally};
use super::options::Options;

const TIMEOUT: Duration = Duration::from_secs(30);
const DOCUMENTS_EVERY: Duration = Duration::from_millis(5);
const SEARCH_EVERY: Duration = Duration::from_millis(20);

/// When a view showed the end of the load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CatchUp {
    /// This long after the load had ended.
    After(Duration),
    /// Not within the time allowed: this many probes were not shown as they should be.
    Behind(usize),
    /// The server has no such query.
    Unsupported,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderDocument<'a> {
    /// As the contract names it.
    pub state: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CustomerDocument {
    /// The limit less what is reserved.
    pub available_credit: domain::Money,
}

#[derive(Deserialize)]
struct SearchResult {
    total: u64,
}

/// What one look at a probe has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Yes,
    NotYet,
    Unsupported,
}

/// Waits for the document views and for search at the same time, both counted from `ended`.
pub async fn measure(
    options: &Options,
    customers: &[CustomerId],
    ledger: &Ledger,
    ended: Instant,
) -> (CatchUp, CatchUp) {
    let deadline = ended + Duration::from_secs(options.catch_up_timeout);
    let orders: Vec<&Acknowledged> = ledger.latest.iter().collect();
    let mut owners: Vec<usize> = orders.iter().map(|order| order.customer).collect();
    owners.sort_unstable();
    owners.dedup();
    let mut documents = Connection::new(options.url.of(0), TIMEOUT);
    let mut search = Connection::new(options.url.of(0), TIMEOUT);

    tokio::join!(
        until_all_shown(
            orders,
            DOCUMENTS_EVERY,
            ended,
            deadline,
            async |order: &&Acknowledged| {
                document_shows(&mut documents, customers, ledger, order).await
            }
        ),
        until_all_shown(
            owners,
            SEARCH_EVERY,
            ended,
            deadline,
            async |customer: &usize| {
                search_shows(&mut search, customers, ledger, *customer).await
            }
        ),
    )
}

/// Looks at the probes not shown yet, again and again, until there are none.
async fn until_all_shown<P>(
    mut probes: Vec<P>,
    every: Duration,
    ended: Instant,
    deadline: Instant,
    mut look: impl AsyncFnMut(&P) -> Shown,
) -> CatchUp {
    loop {
        let mut behind = Vec::new();

        for probe in probes {
            match look(&probe).await {
                Shown::Yes => {}
                Shown::NotYet => behind.push(probe),
                Shown::Unsupported => return CatchUp::Unsupported,
            }
        }

        if behind.is_empty() {
            return CatchUp::After(ended.elapsed());
        }

        if Instant::now() > deadline {
            return CatchUp::Behind(behind.len());
        }

        probes = behind;
        tokio::time::sleep(every).await;
    }
}

/// Whether the order is shown in its final state, and its customer with the credit left at the end.
async fn document_shows(
    connection: &mut Connection,
    customers: &[CustomerId],
    ledger: &Ledger,
    probe: &Acknowledged,
) -> Shown {
    let Some((customer, tally)) = customers
        .get(probe.customer)
        .zip(ledger.tallies.get(probe.customer))
    else {
        return Shown::NotYet;
    };

    let order_shown = match connection
        .get(&format!("/orders/{}", probe.order_id), "")
        .await
    {
        Ok(answer) if answer.status() == 200 => {
            serde_json::from_slice::<OrderDocument<'_>>(answer.body())
                .is_ok_and(|order| follows(&probe.state, order.state) && order.state != "PENDING")
        }
        _ => false,
    };

    if !order_shown {
        return Shown::NotYet;
    }

    match connection
        .get(&format!("/customers/{}", customer.as_str()), "")
        .await
    {
        Ok(answer) if answer.status() == 200 => {
            match serde_json::from_slice::<CustomerDocument>(answer.body()) {
                Ok(document) if agrees(tally, ledger, &document) => Shown::Yes,
                _ => Shown::NotYet,
            }
        }
        _ => Shown::NotYet,
    }
}

/// Whether search finds all of the customer's orders. Its customers are this run's own, so that
/// their number is known.
async fn search_shows(
    connection: &mut Connection,
    customers: &[CustomerId],
    ledger: &Ledger,
    customer: usize,
) -> Shown {
    let Some((id, tally)) = customers.get(customer).zip(ledger.tallies.get(customer)) else {
        return Shown::NotYet;
    };
    let path = format!("/orders?customerId={}&sort=newest&limit=1", id.as_str());

    match connection.get(&path, "").await {
        Ok(answer) if answer.status() == 200 => {
            match serde_json::from_slice::<SearchResult>(answer.body()) {
                Ok(result) if result.total >= tally.orders => Shown::Yes,
                _ => Shown::NotYet,
            }
        }
        Ok(answer) if matches!(answer.status(), 404 | 405 | 501) => Shown::Unsupported,
        _ => Shown::NotYet,
    }
}

/// Whether a customer's available credit agrees with what was acknowledged, as far as that is
/// certain.
pub(super) fn agrees(tally: &Tally, ledger: &Ledger, document: &CustomerDocument) -> bool {
    let reserved = ledger.limit().cents() - document.available_credit.cents();
    (tally.approved..=tally.approved + tally.uncertain).contains(&reserved)
}

/// Whether an order acknowledged in one state may be shown in another: only what was open may have
/// gone on.
pub(super) fn follows(acknowledged: &str, shown: &str) -> bool {
    acknowledged == shown || (acknowledged == "PENDING" && matches!(shown, "APPROVED" | "REJECTED"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Money;

    #[test]
    fn an_acknowledged_end_is_not_taken_back() {
        assert!(follows("APPROVED", "APPROVED"));
        assert!(follows("PENDING", "REJECTED"));
        assert!(!follows("APPROVED", "PENDING"));
        assert!(!follows("APPROVED", "REJECTED"));
    }

    #[test]
    fn credit_agrees_within_what_is_uncertain() {
        let ledger = Ledger::new(1, Money::from_cents(1_000), 1);

        let tally = Tally {
            approved: 300,
            uncertain: 100,
            ..Tally::default()
        };

        let shows = |cents| {
            agrees(
                &tally,
                &ledger,
                &CustomerDocument {
                    available_credit: Money::from_cents(cents),
                },
            )
        };
        assert!(shows(700));
        assert!(shows(600));
        assert!(!shows(701));
        assert!(!shows(599));
    }
}
