//! Callers of a cluster who go on whatever becomes of its nodes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tests::{Api, Call, Cluster, Response, eventually_within};
use tokio::task::JoinHandle;

use crate::books;

const CALLERS: usize = 4;
/// This many more orders show that commands go on.
const PROGRESS: usize = 20;
/// A caller without an answer asks again after this time.
const CALLERS_REST: Duration = Duration::from_millis(50);
/// Beyond what a node may take, a caller does not wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Beyond the session of a node, and what is lost to a busy machine.
pub const GOES_ON_WITHIN: Duration = Duration::from_secs(60);

/// Callers who order at one node after the other, and repeat with their key until they are
/// answered.
pub struct Callers {
    apis: Arc<Mutex<Vec<Api>>>,
    customers: Vec<String>,
    ending: Arc<AtomicBool>,
    placed: Arc<AtomicUsize>,
    troubled: Arc<Mutex<Vec<Vec<String>>>>,
    callers: Vec<JoinHandle<Vec<Response>>>,
}

/// One of the callers.
struct Caller {
    apis: Arc<Mutex<Vec<Api>>>,
    customer: String,
    ending: Arc<AtomicBool>,
    placed: Arc<AtomicUsize>,
    /// What each order met that was not answered at once.
    troubled: Arc<Mutex<Vec<Vec<String>>>>,
    reads: bool,
    began: Instant,
}

impl Callers {
    pub async fn begin(cluster: &Cluster) -> Self {
        Self::who(cluster, false).await
    }

    /// Callers who also read each order at the next node, and see no less than they were told.
    pub async fn who_read(cluster: &Cluster) -> Self {
        Self::who(cluster, true).await
    }

    async fn who(cluster: &Cluster, read: bool) -> Self {
        let mut all = Self {
            apis: Arc::new(Mutex::new(cluster.apis())),
            customers: Vec::new(),
            ending: Arc::default(),
            placed: Arc::default(),
            troubled: Arc::default(),
            callers: Vec::new(),
        };

        for number in 0..CALLERS {
            let name = format!("Customer {number}");
            let customer = cluster.any().create_customer(&name, "1000000.00").await.id;
            let caller = Caller {
                apis: Arc::clone(&all.apis),
                customer: customer.clone(),
                ending: Arc::clone(&all.ending),
                placed: Arc::clone(&all.placed),
                troubled: Arc::clone(&all.troubled),
                reads: read,
                began: Instant::now(),
            };
            all.callers.push(tokio::spawn(caller.orders()));
            all.customers.push(customer);
        }
        all
    }

    /// Whom they order for.
    pub fn customers(&self) -> &[String] {
        &self.customers
    }

    /// Asserts that every call so far was answered at once, or after one repeat at the next node.
    pub fn have_repeated_once_at_most(&self) {
        let troubled = self.troubled.lock().unwrap_or_else(PoisonError::into_inner);
        let worse: Vec<_> = troubled.iter().filter(|met| met.len() > 1).collect();
        let (once, all) = (troubled.len(), self.placed.load(Ordering::Relaxed));
        println!("{all} orders, {once} calls were repeated: {troubled:#?}");
        assert!(
            worse.is_empty(),
            "{all} orders, {once} calls were repeated, and these more than once: {worse:#?}"
        );
    }

    /// A node has started again, at another port.
    pub fn ask_at(&self, cluster: &Cluster) {
        *self.apis.lock().expect("nobody panics with it") = cluster.apis();
    }

    /// This node is asked no more.
    pub fn avoid(&self, node: usize) {
        self.apis
            .lock()
            .expect("nobody panics with it")
            .remove(node);
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
            // A node that owns no shards hears a moment late what there is for views to take in.
            eventually_within(
                GOES_ON_WITHIN,
                "each order is in the books once",
                async || {
                    let books = books::balance(&api, &self.customers).await;
                    (books.values().flatten().count() == placed).then_some(())
                },
            )
            .await;
        }
        cluster[0].cli().run(&["verify"]).await.succeeded();
    }
}

impl Caller {
    async fn orders(self) -> Vec<Response> {
        let mut orders = Vec::new();

        while !self.ending.load(Ordering::Relaxed) {
            let (turn, key) = (orders.len(), uuid::Uuid::new_v4().to_string());
            let order = self.answered(turn, |api| {
                api.new_order(&self.customer, "1.00").key(&key).wait(10)
            });
            let order = order.await.is(201);

            if self.reads {
                self.read(&order, turn + 1).await;
            }
            orders.push(order);
            self.placed.fetch_add(1, Ordering::Relaxed);
        }
        orders
    }

    async fn read(&self, order: &Response, turn: usize) {
        let (id, token) = (order.str("orderId"), order.token());
        let shown = self.answered(turn, |api| api.order(id).token(&token).wait(10));
        let version = order.json["version"].as_u64();
        assert!(shown.await.is(200).json["version"].as_u64() >= version);
    }

    /// The answer to a call, which has to come in time.
    async fn answered(&self, first: usize, call: impl Fn(&Api) -> Call) -> Response {
        let answer = tokio::time::timeout(GOES_ON_WITHIN, self.asked(first, call)).await;
        answer.expect("the call is answered in time")
    }

    /// Asks one node after the other, until one has an answer.
    async fn asked(&self, first: usize, call: impl Fn(&Api) -> Call) -> Response {
        let mut met = Vec::new();

        for turn in first.. {
            let (node, api) = {
                let apis = self.apis.lock().expect("nobody panics with it");
                let node = turn % apis.len();
                (node + 1, apis[node].clone())
            };
            let asked = self.began.elapsed();
            let answer = tokio::time::timeout(PATIENCE, call(&api).answer()).await;
            let answer = answer.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer comes")));
            let trouble = match answer {
                Ok(answer) if answer.status < 500 => {
                    self.note(met);
                    return answer;
                }
                Ok(answer) => format!("{} {}", answer.status, answer.text),
                Err(error) => format!("{error:#}"),
            };

            let answered = self.began.elapsed();
            met.push(format!(
                "node-{node}, {asked:.1?} to {answered:.1?}: {trouble}"
            ));
            tokio::time::sleep(CALLERS_REST).await;
        }
        unreachable!("there is always another turn")
    }

    fn note(&self, met: Vec<String>) {
        if !met.is_empty() {
            let troubled = self.troubled.lock();
            troubled.unwrap_or_else(PoisonError::into_inner).push(met);
        }
    }
}
