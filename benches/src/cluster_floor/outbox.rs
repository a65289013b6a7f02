//! What the units of one service leave behind for others: the rows of its outbox, and the messages
//! that go out once they are durable.

use std::collections::BTreeSet;

use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

use super::kafka::Producer;
use super::messages::{Body, Delivery};
use super::options::Form;
use super::ownership::Ownership;
use super::positions::{Pairs, Sequences};
use super::schema::{EPOCH, FENCE};
use super::statements::{Batch, Kind, Statement};
use super::tally::Tally;

/// Inserts the outbox rows of a batch, one for each unit.
pub static INSERT_OUTBOX: Statement = Statement {
    sql: "INSERT INTO outbox \
          (shard, sequence, count, entity_id, version, correlation_id, time, events, messages) \
          SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), \
          unnest($7), unnest($8), unnest($9)",
    columns: &[
        Kind::Int,
        Kind::BigInt,
        Kind::Int,
        Kind::Uuid,
        Kind::BigInt,
        Kind::Uuid,
        Kind::BigInt,
        Kind::Text,
        Kind::Text,
    ],
};

/// The row of one unit.
#[derive(Debug)]
pub struct Row {
    /// The shard that writes.
    pub shard: u8,
    /// The entity whose unit it is.
    pub entity: Uuid,
    /// The entity's version after the unit, if it has changed.
    pub version: Option<i64>,
    /// The saga that the unit is part of.
    pub saga: Uuid,
    /// In microseconds since 1970.
    pub time: i64,
    /// What has happened to the entity, as JSON.
    pub event: Option<String>,
    /// What the other service is asked or answered, as JSON.
    pub message: Option<String>,
}

/// The ways that messages go.
pub struct Way<M> {
    /// In the best form, messages between shards of this node stay in memory.
    pub form: Form,
    /// Which shards this node has, and where messages to the others go.
    pub ownership: Ownership,
    /// The other service on this node.
    pub receiver: UnboundedSender<M>,
    /// Where everything goes that does not stay in memory.
    pub producer: Producer,
    /// Counts what goes which way.
    pub tally: Tally,
}

/// The outbox of a service that sends bodies `B`, which the other takes in as `M`.
pub struct Outbox<B, M> {
    /// How its messages leave.
    pub way: Way<M>,
    sequences: Sequences,
    /// The last message of each pair of shards.
    last: Pairs,
    /// The shards to which the batch under way writes.
    touched: BTreeSet<u8>,
    /// What goes out after the commit.
    ready: Vec<Delivery<B>>,
}

impl<B: Body, M: From<Delivery<B>>> Outbox<B, M> {
    /// No shard has written anything yet.
    #[must_use]
    pub fn new(way: Way<M>) -> Outbox<B, M> {
        Outbox {
            way,
            sequences: Sequences::default(),
            last: Pairs::default(),
            touched: BTreeSet::new(),
            ready: Vec::new(),
        }
    }

    /// Adds the row of a unit; gives the sequence of what is last in it.
    ///
    /// # Errors
    /// When the batch does not write to the outbox.
    pub fn write(&mut self, row: Row, batch: &mut Batch) -> anyhow::Result<i64> {
        let count = i32::from(row.event.is_some()) + i32::from(row.message.is_some());
        let first = self.sequences.take(row.shard, count);
        self.touched.insert(row.shard);

        batch.push(
            &INSERT_OUTBOX,
            [
                i32::from(row.shard).into(),
                first.into(),
                count.into(),
                row.entity.into(),
                row.version.into(),
                row.saga.into(),
                row.time.into(),
                row.event.into(),
                row.message.into(),
            ],
        )?;
        Ok(first + i64::from(count) - 1)
    }

    /// The message in a row goes out after the commit.
    pub fn send(&mut self, source: u8, destination: u8, sequence: i64, body: B) {
        let previous = self.last.replace(source, destination, sequence);
        self.ready.push(Delivery {
            source,
            destination,
            sequence,
            previous,
            body,
        });
    }

    /// Adds the epochs that the batch rests on.
    ///
    /// # Errors
    /// When the batch does not compare epochs.
    pub fn complete(&mut self, batch: &mut Batch) -> anyhow::Result<()> {
        let touched = std::mem::take(&mut self.touched);
        touched
            .into_iter()
            .try_for_each(|shard| batch.push(&FENCE, [i32::from(shard).into(), EPOCH.into()]))
    }

    /// Everything is durable: sends what is ready, in the order of the commit.
    ///
    /// # Errors
    /// When Kafka's client does not take it.
    pub fn committed(&mut self) -> anyhow::Result<()> {
        let Way {
            form,
            ownership,
            receiver,
            producer,
            tally,
        } = &self.way;

        for message in self.ready.drain(..) {
            let is_in_memory = *form == Form::Best && ownership.has(message.destination);
            tally.sent(is_in_memory);
            if is_in_memory {
                // Fails only when the other lane is gone, and then the process is ending.
                receiver.send(message.into()).ok();
            } else {
                producer.send(ownership.partition(message.destination), &message)?;
            }
        }
        Ok(())
    }
}
