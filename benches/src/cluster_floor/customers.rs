//! The unit of the customers service: the reservation of credit (unit 2). It decides from a map,
//! against the state as if everything written will commit. A customer may have been created at any
//! node: whoever is not in the map is looked for in the database.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::Context;
use domain::Money;
use sea_orm::sqlx::{self, PgConnection, Row as _};
use uuid::Uuid;

use super::lane::Service;
use super::messages::{
    Delivery, INSUFFICIENT_CREDIT, Reply, ReserveCredit, UNKNOWN_CUSTOMER, stored,
};
use super::options::Form;
use super::orders;
use super::outbox::{INSERT_OUTBOX, Outbox, Row};
use super::ownership::shard_of;
use super::positions::{self, Inbox};
use super::schema::{self, FENCE};
use super::statements::{Batch, Kind, Statement};
use crate::floor::messages::now;

static UPDATE_CUSTOMERS: Statement = Statement {
    sql: "UPDATE customers SET reserved_cents = new.reserved, version = new.version, \
          updated_at = new.time \
          FROM (SELECT unnest($1) AS id, unnest($2) AS before, unnest($3) AS version, \
          unnest($4) AS reserved, unnest($5) AS time) AS new \
          WHERE customers.customer_id = new.id AND customers.version = new.before",
    columns: &[
        Kind::Uuid,
        Kind::BigInt,
        Kind::BigInt,
        Kind::BigInt,
        Kind::BigInt,
    ],
};
static INSERT_RESERVATIONS: Statement = Statement {
    sql: "INSERT INTO reservations (order_id, customer_id, amount_cents) \
          SELECT unnest($1), unnest($2), unnest($3)",
    columns: &[Kind::Uuid, Kind::Uuid, Kind::BigInt],
};

const LOAD: &str = "SELECT customer_id, name, credit_limit_cents, reserved_cents, version \
    FROM customers WHERE customer_id = ANY($1)";

/// What the customers service receives.
pub type Message = Delivery<ReserveCredit>;

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
        let reserved = self.reserved.checked_add(amount);
        match reserved.filter(|reserved| *reserved <= self.limit) {
            Some(reserved) => {
                self.reserved = reserved;
                self.version += 1;
                true
            }
            None => false,
        }
    }
}

/// The customers of this node, and what waits for the commit.
pub struct Customers {
    inbox: Inbox,
    outbox: Outbox<Reply, orders::Message>,
    customers: HashMap<Uuid, Customer>,
    /// The customers that the batch under way changes, with the versions that it finds.
    changed: BTreeMap<Uuid, i64>,
}

impl Customers {
    /// Nobody is in memory yet, and nothing is written.
    #[must_use]
    pub fn new(outbox: Outbox<Reply, orders::Message>) -> Customers {
        Customers {
            inbox: Inbox::new(outbox.way.form, "orders"),
            outbox,
            customers: HashMap::new(),
            changed: BTreeMap::new(),
        }
    }
}

impl Service for Customers {
    type Message = Message;

    const FUNCTION: &'static str = "commit_customers";

    const TABLES: &'static str = schema::CUSTOMERS;

    fn statements(form: Form) -> Vec<&'static Statement> {
        vec![
            &FENCE,
            &UPDATE_CUSTOMERS,
            &INSERT_RESERVATIONS,
            &INSERT_OUTBOX,
            positions::statement(form),
        ]
    }

    async fn load(
        &mut self,
        connection: &mut PgConnection,
        messages: &[Message],
    ) -> anyhow::Result<()> {
        let asked = messages.iter().map(|message| message.body.0.customer);
        let missing: Vec<Uuid> = asked
            .filter(|customer| !self.customers.contains_key(customer))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }

        let rows = sqlx::query(LOAD).bind(missing).fetch_all(connection);
        for row in rows.await.context("cannot load customers")? {
            let customer = Customer {
                name: row.try_get::<String, _>(1)?.into(),
                limit: Money::from_cents(row.try_get(2)?),
                reserved: Money::from_cents(row.try_get(3)?),
                version: row.try_get(4)?,
            };
            self.customers.insert(row.try_get(0)?, customer);
        }
        Ok(())
    }

    /// Customer row, reservation row, outbox row, inbox position. A refusal writes the last two
    /// only.
    fn write(&mut self, command: Message, batch: &mut Batch) -> anyhow::Result<()> {
        if !self.inbox.take(&command)? {
            return Ok(());
        }

        let ReserveCredit(about) = command.body;
        let customer = self.customers.get_mut(&about.customer);
        let customer_name = customer.as_ref().map(|customer| Arc::clone(&customer.name));

        let mut version = None;
        let refusal = match customer {
            None => Some(UNKNOWN_CUSTOMER),
            Some(customer) => {
                let before = customer.version;
                if customer.reserve(about.total) {
                    version = Some(customer.version);
                    self.changed.entry(about.customer).or_insert(before);
                    None
                } else {
                    Some(INSUFFICIENT_CREDIT)
                }
            }
        };

        let (event, message) = match refusal {
            None => {
                let row = [
                    about.order.into(),
                    about.customer.into(),
                    about.total.cents().into(),
                ];
                batch.push(&INSERT_RESERVATIONS, row)?;
                let event = stored("credit.reserved", "events", &about, None)?;
                (Some(event), "credit.reserved")
            }
            Some(_) => (None, "credit.refused"),
        };

        let shard = command.destination;
        let row = Row {
            shard,
            entity: about.customer,
            version,
            saga: about.saga,
            time: now(),
            event,
            message: Some(stored(message, "orders", &about, refusal)?),
        };
        let sequence = self.outbox.write(row, batch)?;

        let reply = Reply {
            about,
            customer_name,
            refusal,
        };
        let destination = shard_of(about.order);
        self.outbox.send(shard, destination, sequence, reply);
        Ok(())
    }

    /// A customer that several units have changed is one row: the version that was first, the state
    /// that is last.
    fn complete(&mut self, batch: &mut Batch) -> anyhow::Result<()> {
        let now = now();
        for (id, before) in std::mem::take(&mut self.changed) {
            let customer = self.customers.get(&id).context("no such customer")?;
            let row = [
                id.into(),
                before.into(),
                customer.version.into(),
                customer.reserved.cents().into(),
                now.into(),
            ];
            batch.push(&UPDATE_CUSTOMERS, row)?;
        }
        self.outbox.complete(batch)?;
        self.inbox.complete(batch)
    }

    fn committed(&mut self) -> anyhow::Result<()> {
        self.outbox.committed()
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
