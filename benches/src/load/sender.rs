//! One connection at work: takes the next request, sends it until it has an answer, and records
//! what came of it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::Money;
use rand::rngs::SmallRng;
use serde::Deserialize;

use super::connection::{Connection, ExchangeError, HttpAnswer};
use super::gate::Gate;
use super::ledger::{Arrival, Ledger};
use super::phase::Plan;
use super::recorder::Recorder;

/// Longest pause after a 503, whatever `Retry-After` says: a benchmark has to go on.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Pause after a broken connection, and after a 503 that names no time.
const PAUSE: Duration = Duration::from_millis(100);
/// How often one order is sent.
const ATTEMPTS: u32 = 20;
/// A run without any answer for this long is over.
const SILENCE: Duration = Duration::from_secs(30);

/// What the connections of one thread share. Borrowed only between two awaits.
#[derive(Debug)]
pub struct Lane {
    /// What all threads of the run share.
    pub plan: Arc<Plan>,
    /// Says what may be sent, and when.
    pub gate: Gate,
    /// Counts and latencies.
    pub recorder: RefCell<Recorder>,
    /// What the answers oblige the server to show.
    pub ledger: RefCell<Ledger>,
    /// Chooses customers.
    pub random: RefCell<SmallRng>,
    /// The next `Idempotency-Key`.
    pub next_key: Cell<u128>,
    /// When the newest answer came.
    pub last_answer: Cell<Instant>,
    /// Completed requests that the progress has been told of.
    pub published: Cell<u64>,
}

/// The answer to a new order; other fields do not matter here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderAnswer<'a> {
    order_id: &'a str,
    state: &'a str,
    #[serde(default)]
    rejection_reason: Option<&'a str>,
}

/// One order to be sent.
struct Order {
    customer: usize,
    template: usize,
    total: Money,
    key: u128,
    /// Latency counts from here.
    since: Instant,
}

/// What to do after one exchange.
enum Next {
    Done,
    Again(Duration),
}

/// Sends orders over one connection, whose number among those of the run says to which node, until
/// the gate is closed.
pub async fn send_orders(lane: Rc<Lane>, number: u32) {
    let options = &lane.plan.options;
    let mut connection = Connection::new(options.url.of(number), options.exchange_timeout());
    let mut templates = lane.plan.templates.clone();

    while let Some(since) = lane.gate.next().await {
        let Some(order) = lane.choose(since) else {
            return;
        };
        let (Some(template), Some(customer)) = (
            templates.get_mut(order.template),
            lane.plan.customers.get(order.customer),
        ) else {
            return;
        };
        lane.place(&mut connection, template.fill(customer, order.key), &order)
            .await;
    }
}

impl Lane {
    /// A customer by the distribution, the templates in turn.
    fn choose(&self, since: Instant) -> Option<Order> {
        let customer = self.plan.picker.pick(&mut self.random.borrow_mut());
        let key = self.next_key.replace(self.next_key.get() + 1);
        let turn = usize::try_from(key & 0xffff_ffff).unwrap_or_default();
        let template = turn % self.plan.templates.len().max(1);
        let total = self.plan.templates.get(template)?.total();
        Some(Order {
            customer,
            template,
            total,
            key,
            since,
        })
    }

    async fn place(&self, connection: &mut Connection, request: &[u8], order: &Order) {
        for _ in 0..ATTEMPTS {
            self.recorder.borrow_mut().sent += 1;
            let next = match connection.exchange(request).await {
                Ok(answer) => self.take(&answer, order),
                Err(error) => self.broken(&error, order),
            };
            match next {
                Next::Done => return,
                Next::Again(_) if self.gate.is_overdue() => break,
                Next::Again(pause) => tokio::time::sleep(pause).await,
            }
        }

        self.recorder
            .borrow_mut()
            .fail(|| "an order had no answer in time or too often".to_owned());

        if self.has_key() {
            self.ledger
                .borrow_mut()
                .lose_sight(order.customer, order.total);
        }
    }

    fn take(&self, answer: &HttpAnswer<'_>, order: &Order) -> Next {
        let now = Instant::now();
        let status = answer.status();
        let recorder = &mut *self.recorder.borrow_mut();
        *recorder.statuses.entry(status).or_default() += 1;

        if status == 503 {
            recorder.busy += 1;
            self.unknown(order);
            return Next::Again(answer.retry_after().unwrap_or(PAUSE).min(LONGEST_PAUSE));
        }

        self.last_answer.set(now);

        let parsed = serde_json::from_slice::<OrderAnswer<'_>>(answer.body());
        match parsed {
            Ok(OrderAnswer {
                order_id,
                state,
                rejection_reason,
            }) if matches!(status, 200 | 201) => {
                recorder.state(state, rejection_reason);
                if self.plan.options.wait == 0 || state != "PENDING" {
                    recorder.complete(
                        now - self.gate.start(),
                        now.saturating_duration_since(order.since),
                    );
                }
                let (customer, total, token) = (order.customer, order.total, answer.token());
                let arrival = Arrival {
                    order_id,
                    customer,
                    state,
                    total,
                    token,
                };
                self.ledger
                    .borrow_mut()
                    .acknowledge(&arrival, &mut self.random.borrow_mut());
            }
            _ => {
                recorder.fail(|| format!("{status} {}", String::from_utf8_lossy(answer.body())));
                if !(400..500).contains(&status) {
                    self.ledger
                        .borrow_mut()
                        .lose_sight(order.customer, order.total);
                }
            }
        }

        Next::Done
    }

    fn broken(&self, error: &ExchangeError, order: &Order) -> Next {
        let recorder = &mut *self.recorder.borrow_mut();
        recorder.broken += 1;

        recorder
            .first_failure
            .get_or_insert_with(|| error.to_string());

        if self.last_answer.get().elapsed() > SILENCE {
            self.gate.abort();
        }

        if self.has_key() || matches!(error, ExchangeError::Connect(_)) {
            return Next::Again(PAUSE);
        }

        recorder.failed += 1;
        self.unknown(order);

        Next::Done
    }

    /// An attempt without a key may have had an effect that its repeat has again. With a key it has
    /// not.
    fn unknown(&self, order: &Order) {
        if !self.has_key() {
            self.ledger
                .borrow_mut()
                .lose_sight(order.customer, order.total);
        }
    }

    fn has_key(&self) -> bool {
        self.plan.options.idempotency_key
    }
}
