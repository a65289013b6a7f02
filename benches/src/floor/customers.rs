//! The unit of the customers service: the reservation of credit (unit 2). It also decides, from a
//! hash map, against the state as if everything written will commit.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use domain::Money;
use rusqlite::{Connection, Statement, params};
use tokio::sync::oneshot;

use super::committer::Service;
use super::messages::{Id, NewCustomer, Reply, ReserveCredit, Sequences, now, stored};
use super::orders::{self, INSERT_OUTBOX, UPSERT_INBOX};

/// What the customers service receives.
#[derive(Debug)]
pub enum Message {
    /// A new customer.
    Create(NewCustomer),
    /// A reservation for an order.
    Reserve(ReserveCredit),
}

/// What a decision needs to know.
struct Customer {
    name: Arc<str>,
    limit: Money,
    reserved: Money,
    version: i64,
}

impl Customer {
    /// Reserves `amount` if the limit allows it.
    fn reserve(&mut self, amount: Money) -> bool {
        match self
            .reserved
            .checked_add(amount)
            .filter(|reserved| *reserved <= self.limit)
        {
            Some(reserved) => {
                self.reserved = reserved;
                self.version += 1;
                true
            }
            None => false,
        }
    }
}

/// The prepared statements, the customers, and what waits for the commit.
pub struct Units<'c> {
    insert_customer: Statement<'c>,
    update_customer: Statement<'c>,
    insert_reservation: Statement<'c>,
    insert_outbox: Statement<'c>,
    upsert_inbox: Statement<'c>,
    customers: HashMap<Id, Customer>,
    sequences: Sequences,
    replies: Vec<Reply>,
    created: Vec<oneshot::Sender<()>>,
    orders: Sender<orders::Message>,
}

impl<'c> Units<'c> {
    /// Prepares the statements on its database.
    pub fn new(
        database: &'c Connection,
        orders: Sender<orders::Message>,
    ) -> anyhow::Result<Units<'c>> {
        Ok(Units {
            insert_customer: database.prepare(
                "INSERT INTO customers (customer_id, name, limit_cents, reserved_cents, version,
                 created_at, updated_at) VALUES (?1, ?2, ?3, 0, 1, ?4, ?4)",
            )?,
            update_customer: database.prepare(
                "UPDATE customers SET reserved_cents = ?2, version = ?3, updated_at = ?4
                 WHERE customer_id = ?1 AND version = ?3 - 1",
            )?,
            insert_reservation: database.prepare(
                "INSERT INTO reservations (order_id, customer_id, amount_cents)
                 VALUES (?1, ?2, ?3)",
            )?,
            insert_outbox: database.prepare(INSERT_OUTBOX)?,
            upsert_inbox: database.prepare(UPSERT_INBOX)?,
            customers: HashMap::new(),
            sequences: Sequences::default(),
            replies: Vec::new(),
            created: Vec::new(),
            orders,
        })
    }

    fn create(&mut self, new: NewCustomer) -> rusqlite::Result<()> {
        let NewCustomer {
            id,
            name,
            limit,
            answer,
        } = new;

        self.insert_customer
            .execute(params![id, name, limit.cents(), now()])?;

        let customer = Customer {
            name: name.into(),
            limit,
            reserved: Money::ZERO,
            version: 1,
        };
        self.customers.insert(id, customer);
        self.created.push(answer);

        Ok(())
    }

    /// Unit 2: customer row, reservation row, outbox row, inbox position. A refusal writes the last
    /// two only.
    fn reserve(&mut self, command: ReserveCredit) -> rusqlite::Result<()> {
        let now = now();

        let ReserveCredit {
            order,
            sequence: position,
        } = command;

        let customer = self.customers.get_mut(&order.customer);
        let customer_name = customer.as_ref().map(|customer| Arc::clone(&customer.name));

        let (refusal, version) = match customer {
            None => (Some("UNKNOWN_CUSTOMER"), 0),
            Some(customer) => {
                let refusal = (!customer.reserve(order.total)).then_some("INSUFFICIENT_CREDIT");
                if refusal.is_none() {
                    let reserved = customer.reserved.cents();
                    self.update_customer.execute(params![
                        order.customer,
                        reserved,
                        customer.version,
                        now
                    ])?;
                    self.insert_reservation.execute(params![
                        order.id,
                        order.customer,
                        order.total.cents()
                    ])?;
                }
                (refusal, customer.version)
            }
        };

        let (event, message) = match refusal {
            None => (
                stored("credit.reserved", "events", &order, None)?,
                "credit.reserved",
            ),
            Some(_) => ("[]".to_owned(), "credit.refused"),
        };
        let message = stored(message, "orders", &order, refusal)?;
        let shard = order.customer.shard();
        let sequence = self.sequences.next(shard);

        self.insert_outbox.execute(params![
            shard,
            sequence,
            order.customer,
            version,
            event,
            message,
            now
        ])?;

        self.upsert_inbox
            .execute(params![shard, order.id.shard(), position])?;

        self.replies.push(Reply {
            order,
            customer_name,
            refusal,
            sequence,
        });

        Ok(())
    }
}

impl Service for Units<'_> {
    type Message = Message;

    fn write(&mut self, message: Message) -> rusqlite::Result<()> {
        match message {
            Message::Create(new) => self.create(new),
            Message::Reserve(command) => self.reserve(command),
        }
    }

    fn committed(&mut self) {
        for reply in self.replies.drain(..) {
            // Fails only when the other committer is gone, and then the process is ending.
            self.orders.send(orders::Message::Reply(reply)).ok();
        }
        for answer in self.created.drain(..) {
            // Fails when the caller has gone away.
            answer.send(()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_never_reserves_more_than_the_limit() {
        let limit = Money::from_cents(1_500);
        let mut customer = Customer {
            name: "Ada".into(),
            limit,
            reserved: Money::ZERO,
            version: 1,
        };
        assert!(customer.reserve(Money::from_cents(1_234)));
        assert!(!customer.reserve(Money::from_cents(267)));
        assert!(customer.reserve(Money::from_cents(266)));
        assert_eq!((customer.reserved, customer.version), (limit, 3));
    }
}
