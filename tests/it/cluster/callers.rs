//! Callers of a cluster who go on whatever becomes of its nodes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tests::{Api, Cluster, Response, eventually_within};
use tokio::task::JoinHandle;

use crate::books;

const CALLERS: usize = 4;
/// This many more orders show that commands go on.
const PROGRESS: usize = 20;
/// A caller without an answer asks again after this time.
const CALLERS_REST: Duration = Duration::from_millis(50);
/// Beyond the session of a node, and what is lost to a busy machine.
pub const GOES_ON_WITHIN: Duration = Duration::from_secs(60);

/// Callers who order at one node after the other, and repeat with their key until they are answered.
pub struct Callers {
    apis: Arc<Mutex<Vec<Api>>>,
    customers: Vec<String>,
    ending: Arc<AtomicBool>,
    placed: Arc<AtomicUsize>,
    callers: Vec<JoinHandle<Vec<Response>>>,
}

impl Callers {
    pub async fn begin(cluster: &Cluster) -> Self {
        let apis = Arc::new(Mutex::new(cluster.apis()));
        let (ending, placed) = (Arc::default(), Arc::default());
        let (mut customers, mut callers) = (Vec::new(), Vec::new());

        for number in 0..CALLERS {
            let name = format!("Customer {number}");
            let customer = cluster.any().create_customer(&name, "1000000.00").await.id;
            callers.push(tokio::spawn(order_on(
                Arc::clone(&apis),
                customer.clone(),
                Arc::clone(&ending),
                Arc::clone(&placed),
            )));
            customers.push(customer);
        }
        Callers {
            apis,
            customers,
            ending,
            placed,
            callers,
        }
    }

    /// A node has started again, at another port.
    pub fn ask_at(&self, cluster: &Cluster) {
        *self.apis.lock().expect("nobody panics with it") = cluster.apis();
    }

    pub async fn go_on(&self) {
        let enough = self.placed.load(Ordering::Relaxed) + PROGRESS;
        eventually_within(GOES_ON_WITHIN, "commands go on", async || {
            (self.placed.load(Ordering::Relaxed) >= enough).then_some(())
        })
        .await;
    }

    /// Everybody has the answer to the last order; then the books balance at every node, and the
    /// auditor finds nothing.
    pub async fn end(self, cluster: &Cluster) {
        self.ending.store(true, Ordering::Relaxed);
        let mut placed = 0;
        for caller in self.callers {
            placed += caller.await.expect("every order was placed").len();
        }

        for api in cluster.apis() {
            let books = books::balance(&api, &self.customers).await;
            assert_eq!(books.values().flatten().count(), placed, "orders");
        }
        cluster[0].cli().run(&["verify"]).await.succeeded();
    }
}

async fn order_on(
    apis: Arc<Mutex<Vec<Api>>>,
    customer: String,
    ending: Arc<AtomicBool>,
    placed: Arc<AtomicUsize>,
) -> Vec<Response> {
    let mut orders = Vec::new();

    while !ending.load(Ordering::Relaxed) {
        let key = uuid::Uuid::new_v4().to_string();
        let order = taken(&apis, &customer, &key, orders.len());
        let order = tokio::time::timeout(GOES_ON_WITHIN, order).await;
        orders.push(order.expect("the order is taken in time").is(201));
        placed.fetch_add(1, Ordering::Relaxed);
    }
    orders
}

/// Asks one node after the other, until one has an answer.
async fn taken(apis: &Mutex<Vec<Api>>, customer: &str, key: &str, first: usize) -> Response {
    for turn in first.. {
        let api = {
            let apis = apis.lock().expect("nobody panics with it");
            apis[turn % apis.len()].clone()
        };
        let call = api.new_order(customer, "1.00").key(key).wait(10);
        match call.answer().await {
            Ok(answer) if answer.status < 500 => return answer,
            _ => tokio::time::sleep(CALLERS_REST).await,
        }
    }
    unreachable!("there is always another turn")
}
