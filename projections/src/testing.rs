//! For tests: a log in memory that can repeat, lose and hold back what it delivers, and a small
//! shop that fills it. What the log has committed is always there to be read, as it is in the real
//! one.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::customer::{CreditChanged, CustomerCreated};
use domain::order::{NoDetails, OrderApproved, OrderCreated, OrderRejected};
use domain::{
    Customer, CustomerEvent, CustomerId, Money, Order, OrderEvent, OrderId, OrderLine,
    RejectionReason, Service, ShardId, Timestamp,
};
use futures_util::future::BoxFuture;
use store::log::Heads;
use store::{Delivery, Destination, Log, Message, Positions, StoreError, Subscription};
use tokio::sync::mpsc;
use uuid::Uuid;

mod faulty;
pub mod lab;

pub use faulty::{Fault, FaultyWriter};

pub const SHARDS: u16 = 4;

/// Whose views the tests make.
pub const DEPLOYMENT: Uuid = Uuid::from_u128(0xd0);

#[derive(Debug, Default)]
pub struct TestLog {
    outboxes: Mutex<BTreeMap<ShardId, Vec<Message>>>,
    subscribers: Mutex<Vec<mpsc::Sender<Delivery>>>,
    pub reads: AtomicUsize,
    pub failing: AtomicBool,
    /// With each read something is committed that it does not see.
    pub busy: AtomicBool,
}

impl TestLog {
    /// Commits an event without delivering it.
    pub fn commit(
        &self,
        service: Service,
        entity: Uuid,
        version: u64,
        name: &str,
        body: &str,
    ) -> Arc<Message> {
        let source = ShardId::of(service, entity, SHARDS);
        let mut outboxes = self.outboxes.lock().unwrap();

        let outbox = outboxes.entry(source).or_default();
        let previous = outbox.last().map_or(0, |message| message.sequence);
        // Other messages of the outbox stand between the events.
        let sequence = previous + 1 + (previous % 3);

        let message = Message {
            source,
            sequence,
            previous,
            destination: Destination::Events,
            entity,
            version,
            name: name.to_owned().into(),
            type_version: 1,
            correlation_id: Uuid::nil(),
            attempt: None,
            time: Timestamp::from_micros(i64::try_from(sequence).unwrap() * 1_000_000),
            body: Arc::from(serde_json::value::RawValue::from_string(body.to_owned()).unwrap()),
        };
        outbox.push(message.clone());

        Arc::new(message)
    }

    pub fn deliver(&self, messages: impl IntoIterator<Item = Arc<Message>>) {
        let messages: Vec<_> = messages.into_iter().collect();
        self.subscribers.lock().unwrap().retain(|subscriber| {
            // A full queue loses the delivery, a closed one ends the subscription.
            !matches!(
                subscriber.try_send(messages.iter().cloned().collect()),
                Err(mpsc::error::TrySendError::Closed(_))
            )
        });
    }

    /// Commits once more what was committed last: it changes nothing.
    fn repeat_last(&self, source: ShardId) {
        if let Some(outbox) = self.outboxes.lock().unwrap().get_mut(&source)
            && let Some(last) = outbox.last().cloned()
        {
            outbox.push(Message {
                sequence: last.sequence + 1,
                previous: last.sequence,
                ..last
            });
        }
    }

    /// Loses the newer half of what each source has committed.
    pub fn forget_half(&self) {
        for outbox in self.outboxes.lock().unwrap().values_mut() {
            outbox.truncate(outbox.len().div_ceil(2));
        }
    }

    /// The newest version of each entity of a service.
    pub fn versions(&self, service: Service) -> BTreeMap<Uuid, u64> {
        let outboxes = self.outboxes.lock().unwrap();
        let messages = outboxes.values().flatten();
        let of_service = messages.filter(|message| message.source.service == service);
        of_service
            .map(|message| (message.entity, message.version))
            .collect()
    }

    fn events(
        &self,
        source: ShardId,
        wanted: impl Fn(&Message) -> bool,
        limit: usize,
    ) -> Vec<Message> {
        let outboxes = self.outboxes.lock().unwrap();
        outboxes
            .get(&source)
            .into_iter()
            .flatten()
            .filter(|message| wanted(message))
            .take(limit)
            .cloned()
            .collect()
    }

    fn answer(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<Vec<Message>, StoreError>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let failing = self.failing.load(Ordering::Relaxed);
        Box::pin(async move {
            if failing {
                Err(StoreError::Injected("log"))
            } else {
                Ok(messages)
            }
        })
    }
}

impl Log for TestLog {
    fn subscribe(&self, _destination: Destination) -> Subscription {
        let (sender, deliveries) = mpsc::channel(8);
        self.subscribers.lock().unwrap().push(sender);
        Subscription { deliveries }
    }

    fn read(
        &self,
        source: ShardId,
        _destination: Destination,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Message>, StoreError>> {
        let read = self.events(source, |message| message.sequence > after, limit);
        if self.busy.load(Ordering::Relaxed) {
            self.repeat_last(source);
        }
        self.answer(read)
    }

    fn heads(&self, _source: ShardId) -> Option<Heads> {
        None
    }

    fn head(&self, source: ShardId, _destination: Destination) -> u64 {
        self.outboxes
            .lock()
            .unwrap()
            .get(&source)
            .and_then(|outbox| outbox.last())
            .map_or(0, |last| last.sequence)
    }

    fn head_time(&self, _: ShardId) -> Option<Timestamp> {
        None
    }

    fn published(&self, source: ShardId) -> u64 {
        self.head(source, Destination::Events)
    }

    fn history(
        &self,
        source: ShardId,
        entity: Uuid,
        from_version: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Message>, StoreError>> {
        let wanted =
            |message: &Message| message.entity == entity && message.version >= from_version;
        self.answer(self.events(source, wanted, limit))
    }

    fn backlog<'a>(
        &'a self,
        _source: ShardId,
        _positions: &'a Positions,
    ) -> BoxFuture<'a, Result<BTreeMap<ShardId, u64>, StoreError>> {
        Box::pin(async { Ok(BTreeMap::new()) })
    }

    fn sources(&self) -> Vec<ShardId> {
        let shards = |service| (0..SHARDS).map(move |number| ShardId::new(service, number));
        domain::SERVICES.into_iter().flat_map(shards).collect()
    }
}

/// Customers and orders as the command side has them: what the views must show.
#[derive(Debug, Default)]
pub struct Shop {
    pub log: Arc<TestLog>,
    pub customers: HashMap<Uuid, Customer>,
    pub orders: HashMap<Uuid, (Order, OrderCreated)>,
}

impl Shop {
    pub fn new() -> Self {
        Shop::default()
    }

    pub fn customer_event(&mut self, id: Uuid, event: &CustomerEvent) -> Arc<Message> {
        let version = self
            .customers
            .get(&id)
            .map_or(1, |customer| customer.version + 1);

        let (name, _) = event.wire_name();

        let message = self.log.commit(
            domain::CUSTOMERS,
            id,
            version,
            name,
            event.encode().unwrap().get(),
        );

        match event {
            CustomerEvent::Created(created) => {
                self.customers
                    .insert(id, Customer::created(CustomerId(id), created, message.time));
            }
            change => self
                .customers
                .get_mut(&id)
                .unwrap()
                .apply(change, message.time),
        }

        message
    }

    pub fn order_event(&mut self, id: Uuid, event: &OrderEvent) -> Arc<Message> {
        let version = self
            .orders
            .get(&id)
            .map_or(1, |(order, _)| order.version + 1);

        let (name, _) = event.wire_name();

        let message = self.log.commit(
            domain::ORDERS,
            id,
            version,
            name,
            event.encode().unwrap().get(),
        );

        match event {
            OrderEvent::Created(created) => {
                let order = Order::created(OrderId(id), created, message.time);
                self.orders.insert(id, (order, created.clone()));
            }
            change => self
                .orders
                .get_mut(&id)
                .unwrap()
                .0
                .apply(change, message.time),
        }

        message
    }

    pub fn create_customer(&mut self, number: u128, name: &str) -> Arc<Message> {
        let created = CustomerCreated {
            name: name.into(),
            credit_limit: Money::from_cents(1_000_000),
        };
        self.customer_event(Uuid::from_u128(number), &CustomerEvent::Created(created))
    }

    pub fn create_order(&mut self, number: u128, customer: u128, cents: i64) -> Arc<Message> {
        let line = OrderLine {
            sku: "1".into(),
            name: "Milk".into(),
            quantity: 1,
            unit_price: Money::from_cents(cents),
        };

        let created = OrderCreated {
            customer_id: CustomerId(Uuid::from_u128(customer)),
            order_total: Money::from_cents(cents),
            lines: vec![line],
            note: number.is_multiple_of(2).then(|| format!("note {number}")),
        };
        self.order_event(Uuid::from_u128(number), &OrderEvent::Created(created))
    }

    /// The order's next event, if it is not at an end: approved or rejected, then on its way by
    /// `choice`.
    pub fn advance(&mut self, number: u128, choice: u8) -> Option<Arc<Message>> {
        use domain::OrderState as State;
        let id = Uuid::from_u128(number);
        let customer_name = Some("Ada Park".to_owned());

        let event = match (self.orders.get(&id)?.0.state, choice % 3) {
            (State::Pending, 0) => OrderEvent::Rejected(OrderRejected {
                reason: RejectionReason::InsufficientCredit,
                customer_name,
            }),
            (State::Pending, _) => OrderEvent::Approved(OrderApproved { customer_name }),
            (State::Approved, 0) => OrderEvent::Shipped(NoDetails {}),
            (State::Approved, _) => OrderEvent::CancelRequested(NoDetails {}),
            (State::CancelPending, 0) => OrderEvent::Cancelled(NoDetails {}),
            (State::CancelPending, _) => OrderEvent::CancelUndone(NoDetails {}),
            _ => return None,
        };

        Some(self.order_event(id, &event))
    }

    /// Reserves some cents of a customer's credit.
    pub fn reserve(&mut self, number: u128, order: u128, cents: i64) -> Option<Arc<Message>> {
        let id = Uuid::from_u128(number);

        let available_credit = self
            .customers
            .get(&id)?
            .available_credit()
            .checked_sub(Money::from_cents(cents))?;

        let order_id = OrderId(Uuid::from_u128(order));
        let change = CreditChanged {
            order_id,
            amount: Money::from_cents(cents),
            available_credit,
        };

        Some(self.customer_event(id, &CustomerEvent::CreditReserved(change)))
    }
}

/// Asks again until it is true, and fails after ten seconds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..2_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came true that {what}");
}
