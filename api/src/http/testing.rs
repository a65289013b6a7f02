//! A double of the rest of the node for route tests: it answers what a test has put in, and keeps
//! the requests it got.

mod commands;
mod node;
mod reads;
mod samples;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actors::{
    Answered, CommandError, CustomerAnswer, Follow, NewCustomer, NewOrder, Operator, OrderAccepted,
    OrderAnswer, ParkedAction, RequestBinding, SagaAction, SagaAnswer, Seen,
};
use domain::customer::CustomerCreated;
use domain::order::OrderCreated;
use domain::saga::SagaState;
use domain::{
    Customer, CustomerId, MessageId, Money, Order, OrderId, OrderState, SagaId, Service, Timestamp,
};
use projections::{CustomerDocument, CustomerOrder, OrderDocument};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use node::{Node, Response, config};
pub use samples::{customer, order};

use crate::ports::*;
use samples::{action, customer_order, parked_in_view, saga};

pub const ID: &str = "0190a5c8-7e2b-7c3d-8f4e-123456789abc";

pub fn id() -> Uuid {
    ID.parse().unwrap()
}

/// The double's last requests, and its answers.
#[derive(Default)]
pub struct Double {
    pub customer: Mutex<Option<NewCustomer>>,
    pub order: Mutex<Option<NewOrder>>,
    pub binding: Mutex<Option<RequestBinding>>,
    /// How often something was to be changed.
    asked: AtomicUsize,
    pub follows: Mutex<Option<bool>>,
    pub parked_query: Mutex<Option<ParkedQuery>>,
    pub bulk: Mutex<Option<SagaBulk>>,
    pub parked_bulk: Mutex<Option<ParkedBulk>>,
    pub in_views_query: Mutex<Option<InViewsQuery>>,
    pub in_views_bulk: Mutex<Option<InViewsBulk>>,
    /// What was to be done to a saga or a parked message, and by whom.
    pub operated: Mutex<Option<(&'static str, Operator)>>,
    pub freshness: Mutex<Option<Freshness>>,
    pub order_query: Mutex<Option<OrderQuery>>,
    pub customer_query: Mutex<Option<CustomerQuery>>,
    pub saga_query: Mutex<Option<SagaQuery>>,
    /// The answer to commands on orders: state and whether the saga has ended.
    pub outcome: Mutex<Option<(OrderState, bool)>>,
    /// Whether the answers to commands on orders are those of repeats.
    pub repeated: Mutex<bool>,
    /// Whether the first answers told of the end.
    pub end_told: Mutex<bool>,
    pub refusal: Mutex<Option<CommandError>>,
    pub read_error: Mutex<Option<ReadError>>,
    /// Commands and reads never end. Queries with a token end when their wait is over, because the
    /// view never gets there.
    pub hangs: Mutex<bool>,
    /// Counts, by its clones, the reads that hang.
    pub reads_under_way: Arc<()>,
    /// The followers of sagas that still go on.
    pub goes_on: Mutex<bool>,
    pub followed: Mutex<Vec<oneshot::Sender<OrderAnswer>>>,
    pub release: CancellationToken,
    pub missing: Mutex<Vec<String>>,
}

fn put<T>(slot: &Mutex<Option<T>>, value: T) {
    *slot.lock().unwrap() = Some(value);
}

pub fn taken<T>(slot: &Mutex<Option<T>>) -> T {
    slot.lock().unwrap().take().unwrap()
}

impl Double {
    /// How often something was to be changed.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// An operation on a view, which works like a read.
    fn operation<'a, T: 'a>(
        &'a self,
        binding: Option<RequestBinding>,
        answer: T,
    ) -> ReadFuture<'a, T> {
        *self.binding.lock().unwrap() = binding;
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.read(answer)
    }

    fn command<'a, T: 'a>(
        &'a self,
        binding: Option<RequestBinding>,
        answer: T,
    ) -> CommandFuture<'a, T> {
        *self.binding.lock().unwrap() = binding;
        self.asked.fetch_add(1, Ordering::Relaxed);
        let refusal = self.refusal.lock().unwrap().clone();
        let hangs = *self.hangs.lock().unwrap();

        Box::pin(async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            refusal.map_or(Ok(answer), Err)
        })
    }

    fn order_command(
        &self,
        order: OrderId,
        binding: Option<RequestBinding>,
        follow: Follow,
    ) -> CommandFuture<'_, OrderAccepted> {
        let follows = matches!(follow, Follow::Saga(_));
        put(&self.follows, follows);
        let (state, saga_ended) = self
            .outcome
            .lock()
            .unwrap()
            .unwrap_or((OrderState::Pending, false));

        let answer = OrderAnswer {
            entity: Order {
                state,
                version: 7,
                ..an_order(order)
            },
            saga_id: Some(SagaId(id())),
            saga_ended,
            repeated: *self.repeated.lock().unwrap(),
            end_told: *self.end_told.lock().unwrap(),
            seen: vec![
                Seen {
                    service: domain::ORDERS,
                    entity: order.0,
                    version: 7,
                },
                Seen {
                    service: domain::CUSTOMERS,
                    entity: id(),
                    version: 3,
                },
            ],
        };

        let goes_on = *self.goes_on.lock().unwrap() && follows;
        let accepted = if goes_on {
            let (end, ended) = oneshot::channel();
            self.followed.lock().unwrap().push(end);
            OrderAccepted::followed(answer, ended, self.release.clone())
        } else {
            answer.into()
        };
        self.command(binding, accepted)
    }

    /// When reads hang, a query with a token waits for ever, and one without reads for ever.
    fn answer<'a, T: 'a>(&'a self, freshness: Freshness, data: T) -> QueryFuture<'a, T> {
        let hangs = *self.hangs.lock().unwrap();
        let Freshness {
            ref tokens,
            wait,
            lenient,
        } = freshness;
        let (in_vain, never) = (
            hangs && !tokens.is_empty() && wait.is_zero(),
            hangs && !tokens.is_empty() && !wait.is_zero(),
        );
        let stale = lenient && !tokens.is_empty();
        put(&self.freshness, freshness);

        let answer = ViewAnswer {
            data,
            token: "seen".to_owned(),
            stale,
        };
        let behind = ReadError::ViewBehind {
            view: "orders".to_owned(),
            behind: Vec::new(),
        };

        let under_way = Arc::clone(&self.reads_under_way);
        Box::pin(async move {
            let _under_way = under_way;
            if never {
                std::future::pending::<()>().await;
            }
            match (in_vain, stale) {
                (true, false) => Err(behind),
                (true, true) => Ok(Box::pin(async { Ok(answer) }) as ReadFuture<'_, ViewAnswer<T>>),
                (false, _) => Ok(self.read(answer)),
            }
        })
    }

    fn read<'a, T: 'a>(&'a self, data: T) -> ReadFuture<'a, T> {
        let error = self.read_error.lock().unwrap().clone();
        let hangs = *self.hangs.lock().unwrap();
        let under_way = Arc::clone(&self.reads_under_way);
        Box::pin(async move {
            let _under_way = under_way;
            if hangs {
                std::future::pending::<()>().await;
            }
            error.map_or(Ok(data), Err)
        })
    }
}

fn a_customer() -> Customer {
    let created = CustomerCreated {
        name: "Ada Park".to_owned(),
        credit_limit: Money::from_cents(1_000),
    };
    Customer::created(CustomerId(id()), &created, Timestamp::from_micros(0))
}

fn an_order(id: OrderId) -> Order {
    let created = OrderCreated {
        customer_id: CustomerId(self::id()),
        order_total: Money::from_cents(100),
        lines: Vec::new(),
        note: None,
        coordination: domain::Coordination::default(),
    };
    Order::created(id, &created, Timestamp::from_micros(0))
}
