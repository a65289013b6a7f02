//! Callers who place orders for as long as a test lasts; every order must be placed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::join_all;
use tests::{Api, eventually};
use tokio::task::JoinHandle;

const CALLERS: usize = 3;
/// This many more orders show that commands go on.
const PROGRESS: usize = 30;

/// Orders under way.
pub struct Load {
    customers: Vec<String>,
    callers: Vec<JoinHandle<String>>,
    placed: Arc<AtomicUsize>,
    ending: Arc<AtomicBool>,
}

impl Load {
    /// One customer, and one caller, who orders and waits for the saga, each.
    pub async fn begin(api: &Api) -> Self {
        let (placed, ending) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );

        let (mut customers, mut callers) = (Vec::new(), Vec::new());

        for number in 0..CALLERS {
            let customer = api
                .create_customer(&format!("Customer {number}"), "1000000.00")
                .await
                .id;
            let (api, placed, ending) = (api.clone(), placed.clone(), ending.clone());
            customers.push(customer.clone());
            callers.push(tokio::spawn(async move {
                loop {
                    let order = api.place(&customer, "1.00", "APPROVED").await;
                    placed.fetch_add(1, Ordering::Relaxed);
                    if ending.load(Ordering::Relaxed) {
                        return order.token;
                    }
                }
            }));
        }

        Self {
            customers,
            callers,
            placed,
            ending,
        }
    }

    /// Waits until the callers have placed a good number of orders more.
    pub async fn goes_on(&self) {
        let enough = self.placed.load(Ordering::Relaxed) + PROGRESS;
        eventually("commands go on", async || {
            (self.placed.load(Ordering::Relaxed) >= enough).then_some(())
        })
        .await;
    }

    /// Ends the callers; gives their customers, and the tokens of the last orders.
    pub async fn end(self) -> (Vec<String>, Vec<String>) {
        self.ending.store(true, Ordering::Relaxed);
        let tokens = join_all(self.callers).await;
        (
            self.customers,
            tokens
                .into_iter()
                .map(|token| token.expect("every order was placed"))
                .collect(),
        )
    }
}
