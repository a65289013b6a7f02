//! What the HTTP threads of the floor on SQLite hand to its committers, and read beside them.

use std::sync::mpsc::Sender;

use anyhow::Context;
use domain::Money;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::messages::{Id, NewCustomer, Order, OrderOutcome};
use super::reader::{CustomerDocument, OrderDocument, Reader};
use super::routes::{Backend, NewOrder};
use super::{customers, orders};

/// What the handlers of one HTTP thread use.
pub struct State {
    orders: Sender<orders::Message>,
    customers: Sender<customers::Message>,
    /// Absent when the databases could not be opened to read.
    reader: Option<Reader>,
}

impl State {
    /// Without a `reader` every query fails.
    #[must_use]
    pub fn new(
        orders: Sender<orders::Message>,
        customers: Sender<customers::Message>,
        reader: Option<Reader>,
    ) -> State {
        State {
            orders,
            customers,
            reader,
        }
    }

    fn reader(&self) -> anyhow::Result<&Reader> {
        self.reader.as_ref().context("the databases are not open")
    }
}

impl Backend for State {
    async fn create_customer(&self, name: String, limit: Money) -> Option<Uuid> {
        let (answer, created) = oneshot::channel();

        let id = Id::new();
        let new = NewCustomer {
            id,
            name,
            limit,
            answer,
        };

        self.customers.send(customers::Message::Create(new)).ok()?;
        created.await.ok()?;
        Some(id.0)
    }

    async fn create_order(&self, wanted: NewOrder) -> Option<OrderOutcome> {
        let (answer, ended) = oneshot::channel();

        let order = Order {
            id: Id::new(),
            saga: Id::new(),
            customer: Id(wanted.customer),
            total: wanted.total,
            lines: wanted.lines,
            note: wanted.note,
            wait: wanted.wait,
            answer: Some(answer),
        };

        self.orders
            .send(orders::Message::Create(Box::new(order)))
            .ok()?;
        ended.await.ok()
    }

    async fn customer(&self, id: Uuid) -> anyhow::Result<Option<CustomerDocument>> {
        Ok(self.reader()?.customer(id)?)
    }

    async fn order(&self, id: Uuid) -> anyhow::Result<Option<OrderDocument>> {
        Ok(self.reader()?.order(id)?)
    }
}
