//! The document view: customers with their newest orders, and orders, as queries show them.
//!
//! The port is [`DocumentReader`]; [`sqlite`] is the embedded implementation, with its writer for
//! the projector. An answer comes with the positions the view had in the same snapshot, so that it
//! can be made into a token.

use std::fmt;
use std::time::Duration;

use domain::{CustomerId, Money, OrderId, OrderState, Timestamp};
use futures_util::future::BoxFuture;
use store::Positions;

use crate::ViewError;
use crate::port::VersionReader;
use crate::projection::Projection;
use crate::projector::{CommitPolicy, Rush, ViewDefinition};
use crate::shop::history_fold::DocumentFold;
use crate::shop::{CustomerDocument, CustomerOrder, Document, OrderDocument};

#[cfg(test)]
mod contract;
pub mod cursor;
mod fold;
pub mod mongodb;
pub mod sqlite;

/// The view's name, in errors, metrics and `GET /views`.
pub const VIEW: &str = "documents";

/// What is registered of the view. Documents are cheap to commit: what gathers is there so that
/// `PENDING` and `APPROVED` of one order become one write.
pub const DEFINITION: ViewDefinition = ViewDefinition {
    name: VIEW,
    // Whoever changes what a document is made of raises it, and every node builds the view anew
    // while the old one answers.
    number: 2,
    uses: &domain::SERVICES,
    commit: CommitPolicy {
        linger: Duration::from_millis(50),
        rush: Some(Rush {
            events: 1_200,
            linger: Duration::from_millis(250),
        }),
        max_events: 10_000,
    },
};

/// The document view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Documents {}

impl Projection for Documents {
    type Reader = dyn DocumentReader;
    type Entity = Document;
    type Fold = DocumentFold;
}

/// An answer, and the positions of the view in the snapshot it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen<T> {
    /// What was asked for.
    pub value: T,
    /// Up to where the view had taken events in.
    pub positions: Positions,
}

/// One page of a list, and the cursor of the next when there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// In the order of the list.
    pub items: Vec<T>,
    /// The cursor of the page after this one; `None` on the last.
    pub next: Option<String>,
}

/// A customer with its newest orders, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerWithOrders {
    /// The customer.
    pub customer: CustomerDocument,
    /// Its newest orders, newest first.
    pub orders: Vec<CustomerOrder>,
}

/// Which customers a query wants; all conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomersQuery {
    /// Created after this time.
    pub since: Option<Timestamp>,
    /// Each of these words, parted by white space, occurs in the name, in any case.
    pub name: Option<String>,
    /// Has an order of at least this total; with `order_state`, one that is both.
    pub min_order_total: Option<Money>,
    /// Has an order in this state.
    pub order_state: Option<OrderState>,
    /// How many customers a page has at most.
    pub limit: u16,
    /// Of an earlier page: goes on after it.
    pub cursor: Option<String>,
}

/// Which of a customer's orders a query wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerOrdersQuery {
    /// Only orders in this state.
    pub state: Option<OrderState>,
    /// How many orders a page has at most.
    pub limit: u16,
    /// Of an earlier page: goes on after it.
    pub cursor: Option<String>,
}

/// The read side of the document view. Lists are newest first, by creation time, then id, and their
/// cursors stay valid whatever is added or changed meanwhile.
///
/// Each method fails with [`ViewError::Unavailable`] when the view store does not answer, and those
/// with a cursor with [`ViewError::InvalidQuery`] when it is none of theirs.
pub trait DocumentReader: VersionReader {
    /// A customer with its newest orders, at most `orders`; `None` when there is no such customer.
    fn customer(
        &self,
        id: CustomerId,
        orders: u16,
    ) -> BoxFuture<'_, Result<Seen<Option<CustomerWithOrders>>, ViewError>>;

    /// A page of the customers for which all conditions hold.
    fn customers(
        &self,
        query: CustomersQuery,
    ) -> BoxFuture<'_, Result<Seen<Page<CustomerDocument>>, ViewError>>;

    /// How many customers the view shows.
    fn count_customers(&self) -> BoxFuture<'_, Result<Seen<u64>, ViewError>>;

    /// A page of a customer's orders; `None` when there is no such customer.
    fn customer_orders(
        &self,
        id: CustomerId,
        query: CustomerOrdersQuery,
    ) -> BoxFuture<'_, Result<Seen<Option<Page<CustomerOrder>>>, ViewError>>;

    /// An order; `None` when there is no such order.
    fn order(&self, id: OrderId) -> BoxFuture<'_, Result<Seen<Option<OrderDocument>>, ViewError>>;
}

/// What went wrong in the store of this view.
fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ViewError {
    ViewError::Unavailable {
        view: VIEW,
        source: source.into(),
    }
}

/// This data cannot be taken in.
fn refused(what: impl fmt::Display) -> ViewError {
    ViewError::Refused {
        view: VIEW,
        what: what.to_string(),
    }
}

/// What is stored cannot be read.
fn damaged(what: impl fmt::Display) -> ViewError {
    ViewError::Damaged {
        view: VIEW,
        what: what.to_string(),
    }
}
