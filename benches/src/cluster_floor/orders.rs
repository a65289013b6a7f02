//! The units of the orders service: a new order with its saga (unit 1), and the end of both (unit
//! 3).

use std::collections::HashMap;

use sea_orm::sqlx::PgConnection;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::customers;
use super::lane::Service;
use super::messages::{About, Delivery, Reply, ReserveCredit, stored};
use super::options::Form;
use super::outbox::{INSERT_OUTBOX, Outbox, Row};
use super::ownership::{id_in, shard_of};
use super::positions::{self, Inbox};
use super::schema::{self, FENCE};
use super::statements::{Batch, Kind, Statement};
use crate::floor::messages::{OrderOutcome, STEPS_BEGUN, STEPS_DONE, STEPS_REFUSED, now};
use crate::floor::routes::NewOrder;

/// Microseconds a saga has until its deadline.
const DEADLINE: i64 = 600_000_000;

static INSERT_ORDERS: Statement = Statement {
    sql: "INSERT INTO orders (order_id, customer_id, total_cents, state, lines, note, version, \
          created_at, updated_at) \
          SELECT unnest($1), unnest($2), unnest($3), 'PENDING', unnest($4), unnest($5), 1, \
          unnest($6), unnest($6)",
    columns: &[
        Kind::Uuid,
        Kind::Uuid,
        Kind::BigInt,
        Kind::Text,
        Kind::Text,
        Kind::BigInt,
    ],
};
static INSERT_SAGAS: Statement = Statement {
    sql: "INSERT INTO sagas (saga_id, kind, state, shard, order_id, customer_id, amount_cents, \
          steps, attempts, started_at, updated_at, deadline, wake_at, version) \
          SELECT unnest($1), 'create-order', 'RUNNING', unnest($2), unnest($3), unnest($4), \
          unnest($5), unnest($6), 1, unnest($7), unnest($7), unnest($8), unnest($8), 1",
    columns: &[
        Kind::Uuid,
        Kind::Int,
        Kind::Uuid,
        Kind::Uuid,
        Kind::BigInt,
        Kind::Text,
        Kind::BigInt,
        Kind::BigInt,
    ],
};
static UPDATE_ORDERS: Statement = Statement {
    sql: "UPDATE orders SET state = new.state, rejection_reason = new.reason, \
          customer_name = new.name, version = 2, updated_at = new.time \
          FROM (SELECT unnest($1) AS id, unnest($2) AS state, unnest($3) AS reason, \
          unnest($4) AS name, unnest($5) AS time) AS new \
          WHERE orders.order_id = new.id AND orders.version = 1",
    columns: &[Kind::Uuid, Kind::Text, Kind::Text, Kind::Text, Kind::BigInt],
};
static UPDATE_SAGAS: Statement = Statement {
    sql: "UPDATE sagas SET state = new.state, reason = new.reason, steps = new.steps, \
          updated_at = new.time, ended_at = new.time, wake_at = NULL, version = 2 \
          FROM (SELECT unnest($1) AS id, unnest($2) AS state, unnest($3) AS reason, \
          unnest($4) AS steps, unnest($5) AS time) AS new \
          WHERE sagas.saga_id = new.id AND sagas.version = 1",
    columns: &[Kind::Uuid, Kind::Text, Kind::Text, Kind::Text, Kind::BigInt],
};

/// What the orders service receives.
#[derive(Debug)]
pub enum Message {
    /// A new order, and who is told of its end.
    Create(NewOrder, oneshot::Sender<OrderOutcome>),
    /// The customer's reply.
    Reply(Delivery<Reply>),
}

impl From<Delivery<Reply>> for Message {
    fn from(reply: Delivery<Reply>) -> Self {
        Message::Reply(reply)
    }
}

/// The shards of this node, and what waits for the commit or for replies.
pub struct Orders {
    form: Form,
    inbox: Inbox,
    outbox: Outbox<ReserveCredit, customers::Message>,
    /// The shards of this node, which take turns.
    shards: std::iter::Cycle<std::vec::IntoIter<u8>>,
    /// The shard of the new orders in this batch.
    shard: Option<u8>,
    /// Callers that wait for the ends of sagas, by order.
    waiting: HashMap<Uuid, oneshot::Sender<OrderOutcome>>,
    answers: Vec<(oneshot::Sender<OrderOutcome>, OrderOutcome)>,
}

impl Orders {
    /// Nothing is written yet, and nobody waits.
    #[must_use]
    pub fn new(outbox: Outbox<ReserveCredit, customers::Message>) -> Orders {
        let form = outbox.way.form;
        let shards: Vec<u8> = outbox.way.ownership.shards().collect();
        Orders {
            form,
            inbox: Inbox::new(form, "customers"),
            outbox,
            shards: shards.into_iter().cycle(),
            shard: None,
            waiting: HashMap::new(),
            answers: Vec::new(),
        }
    }

    /// A shard of this node: in the best form the same for all new orders of a batch, so that their
    /// replies come as few requests.
    fn shard(&mut self) -> u8 {
        let shard = match (self.form, self.shard) {
            (Form::Best, Some(shard)) => shard,
            _ => self.shards.next().unwrap_or_default(),
        };
        self.shard = Some(shard);
        shard
    }

    /// Unit 1: order row, saga row, outbox row.
    fn create(
        &mut self,
        wanted: NewOrder,
        answer: oneshot::Sender<OrderOutcome>,
        batch: &mut Batch,
    ) -> anyhow::Result<()> {
        let (now, shard) = (now(), self.shard());
        let about = About {
            order: id_in(shard),
            saga: Uuid::now_v7(),
            customer: wanted.customer,
            total: wanted.total,
        };
        let (id, saga, customer, total) =
            (about.order, about.saga, about.customer, about.total.cents());

        batch.push(
            &INSERT_ORDERS,
            [
                id.into(),
                customer.into(),
                total.into(),
                wanted.lines.into(),
                wanted.note.into(),
                now.into(),
            ],
        )?;
        batch.push(
            &INSERT_SAGAS,
            [
                saga.into(),
                i32::from(shard).into(),
                id.into(),
                customer.into(),
                total.into(),
                STEPS_BEGUN.into(),
                now.into(),
                (now + DEADLINE).into(),
            ],
        )?;

        let row = Row {
            shard,
            entity: id,
            version: Some(1),
            saga,
            time: now,
            event: Some(stored("order.created", "events", &about, None)?),
            message: Some(stored("credit.reserve", "customers", &about, None)?),
        };
        let sequence = self.outbox.write(row, batch)?;
        let destination = shard_of(customer);
        self.outbox
            .send(shard, destination, sequence, ReserveCredit(about));

        if wanted.wait {
            self.waiting.insert(id, answer);
        } else {
            self.answers
                .push((answer, outcome(&about, "PENDING", None, 1)));
        }
        Ok(())
    }

    /// Unit 3: saga row, order row, outbox row, inbox position.
    fn end(&mut self, reply: Delivery<Reply>, batch: &mut Batch) -> anyhow::Result<()> {
        if !self.inbox.take(&reply)? {
            return Ok(());
        }

        let now = now();
        let Reply {
            about,
            customer_name,
            refusal,
        } = reply.body;
        let (state, event, saga_state, steps) = match refusal {
            None => ("APPROVED", "order.approved", "COMPLETED", STEPS_DONE),
            Some(_) => ("REJECTED", "order.rejected", "COMPENSATED", STEPS_REFUSED),
        };

        batch.push(
            &UPDATE_ORDERS,
            [
                about.order.into(),
                state.into(),
                refusal.into(),
                customer_name.as_deref().map(str::to_owned).into(),
                now.into(),
            ],
        )?;
        batch.push(
            &UPDATE_SAGAS,
            [
                about.saga.into(),
                saga_state.into(),
                refusal.into(),
                steps.into(),
                now.into(),
            ],
        )?;

        let row = Row {
            shard: reply.destination,
            entity: about.order,
            version: Some(2),
            saga: about.saga,
            time: now,
            event: Some(stored(event, "events", &about, refusal)?),
            message: None,
        };
        self.outbox.write(row, batch)?;

        let answer = self.waiting.remove(&about.order);
        let outcome = outcome(&about, state, refusal, 2);
        self.answers.extend(answer.map(|answer| (answer, outcome)));
        Ok(())
    }
}

fn outcome(
    about: &About,
    state: &'static str,
    rejection_reason: Option<&'static str>,
    version: u8,
) -> OrderOutcome {
    OrderOutcome {
        order_id: about.order,
        state,
        rejection_reason,
        version,
        saga_id: about.saga,
    }
}

impl Service for Orders {
    type Message = Message;

    const FUNCTION: &'static str = "commit_orders";

    const TABLES: &'static str = schema::ORDERS;

    fn statements(form: Form) -> Vec<&'static Statement> {
        vec![
            &FENCE,
            &INSERT_ORDERS,
            &INSERT_SAGAS,
            &UPDATE_ORDERS,
            &UPDATE_SAGAS,
            &INSERT_OUTBOX,
            positions::statement(form),
        ]
    }

    /// Everything known of an order comes with the reply.
    async fn load(&mut self, _: &mut PgConnection, _: &[Message]) -> anyhow::Result<()> {
        Ok(())
    }

    fn write(&mut self, message: Message, batch: &mut Batch) -> anyhow::Result<()> {
        match message {
            Message::Create(wanted, answer) => self.create(wanted, answer, batch),
            Message::Reply(reply) => self.end(reply, batch),
        }
    }

    fn complete(&mut self, batch: &mut Batch) -> anyhow::Result<()> {
        self.shard = None;
        self.outbox.complete(batch)?;
        self.inbox.complete(batch)
    }

    fn committed(&mut self) -> anyhow::Result<()> {
        for (answer, outcome) in self.answers.drain(..) {
            // Fails when the caller has gone away.
            answer.send(outcome).ok();
        }
        self.outbox.committed()
    }
}
