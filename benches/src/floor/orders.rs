//! The units of the orders service: a new order with its saga (unit 1), and the end of both (unit
//! 3).

use std::sync::mpsc::Sender;

use rusqlite::{Connection, Statement, params};
use tokio::sync::oneshot;

use super::committer::Service;
use super::customers;
use super::messages::{
    Order, OrderOutcome, Reply, ReserveCredit, STEPS_BEGUN, STEPS_DONE, STEPS_REFUSED, Sequences,
    now, stored,
};

/// Microseconds a saga has until its deadline.
const DEADLINE: i64 = 600_000_000;

/// What the orders service receives.
#[derive(Debug)]
pub enum Message {
    /// A new order.
    Create(Box<Order>),
    /// The customer's reply.
    Reply(Reply),
}

/// The prepared statements, and what waits for the commit.
pub struct Units<'c> {
    insert_order: Statement<'c>,
    insert_saga: Statement<'c>,
    update_order: Statement<'c>,
    update_saga: Statement<'c>,
    insert_outbox: Statement<'c>,
    upsert_inbox: Statement<'c>,
    sequences: Sequences,
    commands: Vec<ReserveCredit>,
    answers: Vec<(oneshot::Sender<OrderOutcome>, OrderOutcome)>,
    customers: Sender<customers::Message>,
}

impl<'c> Units<'c> {
    /// Prepares the statements on this database. `customers` takes the commands to the other
    /// service.
    pub fn new(
        database: &'c Connection,
        customers: Sender<customers::Message>,
    ) -> anyhow::Result<Units<'c>> {
        Ok(Units {
            insert_order: database.prepare(
                "INSERT INTO orders (order_id, customer_id, total_cents, state, lines, note,
                 version, created_at, updated_at)
                 VALUES (?1, ?2, ?3, 'PENDING', ?4, ?5, 1, ?6, ?6)",
            )?,
            insert_saga: database.prepare(
                "INSERT INTO sagas (saga_id, kind, state, order_id, customer_id, steps, attempts,
                 started_at, updated_at, deadline, version)
                 VALUES (?1, 'create-order', 'RUNNING', ?2, ?3, ?4, 1, ?5, ?5, ?6, 1)",
            )?,
            update_order: database.prepare(
                "UPDATE orders SET state = ?2, rejection_reason = ?3, customer_name = ?4,
                 version = 2, updated_at = ?5
                 WHERE order_id = ?1 AND version = 1",
            )?,
            update_saga: database.prepare(
                "UPDATE sagas SET state = ?2, steps = ?3, updated_at = ?4, ended_at = ?4,
                 version = 2
                 WHERE saga_id = ?1 AND version = 1",
            )?,
            insert_outbox: database.prepare(INSERT_OUTBOX)?,
            upsert_inbox: database.prepare(UPSERT_INBOX)?,
            sequences: Sequences::default(),
            commands: Vec::new(),
            answers: Vec::new(),
            customers,
        })
    }

    /// Unit 1: order row, saga row, outbox row.
    fn create(&mut self, mut order: Box<Order>) -> rusqlite::Result<()> {
        let now = now();

        let Order {
            id,
            saga,
            customer,
            total,
            lines,
            note,
            ..
        } = &*order;

        self.insert_order
            .execute(params![id, customer, total.cents(), lines, note, now])?;

        self.insert_saga.execute(params![
            saga,
            id,
            customer,
            STEPS_BEGUN,
            now,
            now + DEADLINE
        ])?;

        let event = stored("order.created", "events", &order, None)?;
        let command = stored("credit.reserve", "customers", &order, None)?;
        let shard = order.id.shard();
        let sequence = self.sequences.next(shard);
        self.insert_outbox
            .execute(params![shard, sequence, order.id, 1, event, command, now])?;

        if !order.wait {
            let pending = OrderOutcome {
                order_id: order.id.0,
                state: "PENDING",
                rejection_reason: None,
                version: 1,
                saga_id: order.saga.0,
            };
            self.answers
                .extend(order.answer.take().map(|answer| (answer, pending)));
        }

        self.commands.push(ReserveCredit { order, sequence });

        Ok(())
    }

    /// Unit 3: saga row, order row, outbox row, inbox position.
    fn end(&mut self, reply: Reply) -> rusqlite::Result<()> {
        let now = now();

        let Reply {
            mut order,
            customer_name,
            refusal,
            sequence: position,
        } = reply;

        let (state, event, saga_state, steps) = match refusal {
            None => ("APPROVED", "order.approved", "COMPLETED", STEPS_DONE),
            Some(_) => ("REJECTED", "order.rejected", "COMPENSATED", STEPS_REFUSED),
        };
        self.update_saga
            .execute(params![order.saga, saga_state, steps, now])?;

        self.update_order.execute(params![
            order.id,
            state,
            refusal,
            customer_name.as_deref(),
            now
        ])?;

        let event = stored(event, "events", &order, refusal)?;
        let shard = order.id.shard();
        let sequence = self.sequences.next(shard);
        self.insert_outbox
            .execute(params![shard, sequence, order.id, 2, event, "[]", now])?;
        self.upsert_inbox
            .execute(params![shard, order.customer.shard(), position])?;

        let outcome = OrderOutcome {
            order_id: order.id.0,
            state,
            rejection_reason: refusal,
            version: 2,
            saga_id: order.saga.0,
        };
        self.answers
            .extend(order.answer.take().map(|answer| (answer, outcome)));

        Ok(())
    }
}

impl Service for Units<'_> {
    type Message = Message;

    fn write(&mut self, message: Message) -> rusqlite::Result<()> {
        match message {
            Message::Create(order) => self.create(order),
            Message::Reply(reply) => self.end(reply),
        }
    }

    fn committed(&mut self) {
        for command in self.commands.drain(..) {
            // Fails only when the other committer is gone, and then the process is ending.
            self.customers
                .send(customers::Message::Reserve(command))
                .ok();
        }
        for (answer, outcome) in self.answers.drain(..) {
            // Fails when the caller has gone away.
            answer.send(outcome).ok();
        }
    }
}

pub(super) const INSERT_OUTBOX: &str =
    "INSERT INTO outbox (shard, sequence, entity_id, version, events, messages, time)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

pub(super) const UPSERT_INBOX: &str =
    "INSERT INTO inbox (shard, source, position) VALUES (?1, ?2, ?3)
     ON CONFLICT (shard, source) DO UPDATE SET position = excluded.position";
