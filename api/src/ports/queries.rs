//! The read side: queries, which views answer and which may have to wait for what the caller has
//! seen, and the history, which comes from the service's own database and never waits.

use std::collections::BTreeMap;
use std::time::Duration;

use actors::Seen;
use domain::{CustomerId, Money, OrderId, OrderState, Service, Timestamp};
use projections::{CustomerDocument, CustomerOrder, OrderDocument};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{QueryFuture, ReadFuture};

/// How new an answer must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// Consistency tokens as the caller sent them, already split at commas.
    pub tokens: Vec<String>,
    /// How long to wait for the view at most.
    pub wait: Duration,
    /// Answer with what there is when the wait is over, and say that it is stale.
    pub lenient: bool,
}

/// What a view answers.
#[derive(Clone, Debug)]
pub struct ViewAnswer<T> {
    /// What the view shows.
    pub data: T,
    /// What the caller has seen by it.
    pub token: String,
    /// The view had not reached what the caller's tokens require; only when the caller was lenient.
    pub stale: bool,
}

/// Which part of a list to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// At least 1.
    pub limit: usize,
    /// The `next` of an earlier answer to the same query.
    pub cursor: Option<String>,
}

/// One part of a list.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// The entries, in the order of the list.
    pub items: Vec<T>,
    /// The cursor of the next part, when there is more.
    pub next: Option<String>,
}

/// A customer with some of its orders.
#[derive(Clone, Debug)]
pub struct CustomerWithOrders {
    /// The customer as the view shows it.
    pub customer: CustomerDocument,
    /// The newest orders, newest first.
    pub orders: Vec<CustomerOrder>,
}

/// Which customers to list.
#[derive(Clone, Debug)]
pub struct CustomerQuery {
    /// Created after this time.
    pub since: Option<Timestamp>,
    /// All its words occur in the customer's name, whatever their case and accents.
    pub name: Option<String>,
    /// Has an order of at least this total; in `order_state`, when that is given too.
    pub min_order_total: Option<Money>,
    /// Has an order in this state.
    pub order_state: Option<OrderState>,
    /// Which part of the list.
    pub page: Page,
}

/// In which order found orders are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderSort {
    /// The best match first; only with a text.
    Relevance,
    /// The newest first.
    Newest,
    /// The largest total first.
    Total,
}

impl OrderSort {
    /// All orders of a list.
    pub const ALL: [OrderSort; 3] = [OrderSort::Relevance, OrderSort::Newest, OrderSort::Total];

    /// As a parameter names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            OrderSort::Relevance => "relevance",
            OrderSort::Newest => "newest",
            OrderSort::Total => "total",
        }
    }
}

/// Which orders to find; bounds are inclusive.
#[derive(Clone, Debug)]
pub struct OrderQuery {
    /// The search text, in the syntax of the contract.
    pub text: Option<String>,
    /// Only orders in this state.
    pub state: Option<OrderState>,
    /// Only orders of this customer.
    pub customer_id: Option<CustomerId>,
    /// The lowest total.
    pub min_total: Option<Money>,
    /// The highest total.
    pub max_total: Option<Money>,
    /// Created at this time or later.
    pub since: Option<Timestamp>,
    /// Created at this time or earlier.
    pub until: Option<Timestamp>,
    /// The order of the list.
    pub sort: OrderSort,
    /// Which part of the list.
    pub page: Page,
}

/// One order found; score and highlights only with a text.
#[derive(Clone, Debug)]
pub struct OrderHit {
    /// The order as the view shows it.
    pub order: OrderDocument,
    /// How well it matches; comparable within one answer only.
    pub score: Option<f32>,
    /// Fragments with the matches marked, by field.
    pub highlights: Option<BTreeMap<String, Vec<String>>>,
}

/// One page of the orders found.
#[derive(Clone, Debug)]
pub struct OrdersFound {
    /// The orders of the page.
    pub listed: Listed<OrderHit>,
    /// How many there are on all pages.
    pub total: u64,
}

/// Answers queries from the views.
pub trait Queries: Send + Sync {
    /// The consistency token that names these versions.
    fn token_of(&self, seen: &[Seen]) -> String;

    /// A customer with its newest orders; not found when the view shows none.
    fn customer(&self, id: CustomerId, freshness: Freshness)
    -> QueryFuture<'_, CustomerWithOrders>;

    /// The customers that a query asks for, newest first.
    fn customers(
        &self,
        query: CustomerQuery,
        freshness: Freshness,
    ) -> QueryFuture<'_, Listed<CustomerDocument>>;

    /// How many customers there are.
    fn customer_count(&self, freshness: Freshness) -> QueryFuture<'_, u64>;

    /// A customer's orders, newest first; not found when there is no such customer.
    fn customer_orders(
        &self,
        id: CustomerId,
        state: Option<OrderState>,
        page: Page,
        freshness: Freshness,
    ) -> QueryFuture<'_, Listed<CustomerOrder>>;

    /// An order; not found when the view shows none.
    fn order(&self, id: OrderId, freshness: Freshness) -> QueryFuture<'_, OrderDocument>;

    /// The orders that a query asks for.
    fn orders(&self, query: OrderQuery, freshness: Freshness) -> QueryFuture<'_, OrdersFound>;
}

/// A point in an entity's past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// After this many events.
    Version(u64),
    /// At this time.
    Time(Timestamp),
}

/// One event of an entity.
#[derive(Clone, Debug)]
pub struct HistoryEvent {
    /// The entity's version after the event.
    pub version: u64,
    /// The event's wire name.
    pub kind: String,
    /// When it happened.
    pub time: Timestamp,
    /// The event's body, as it is stored.
    pub data: Box<RawValue>,
    /// Identifies the message that carried it.
    pub message_id: Uuid,
    /// The saga or request that it belongs to.
    pub correlation_id: Uuid,
}

/// Reads an entity's past from the service's own database.
pub trait History: Send + Sync {
    /// Events from `from_version` on, oldest first, at most `limit`. Not found when the entity has
    /// no event at all; an empty list when it has none from that version on.
    fn events(
        &self,
        service: Service,
        entity: Uuid,
        from_version: u64,
        limit: usize,
    ) -> ReadFuture<'_, Vec<HistoryEvent>>;

    /// Not found before it existed, and for a version it has not reached.
    fn customer_as_of(&self, id: CustomerId, point: AsOf) -> ReadFuture<'_, CustomerDocument>;

    /// As above.
    fn order_as_of(&self, id: OrderId, point: AsOf) -> ReadFuture<'_, OrderDocument>;
}
