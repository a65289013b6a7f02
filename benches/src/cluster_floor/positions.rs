//! Places in outboxes: the next one to be written, and how far each has been read.

use std::collections::{BTreeSet, HashMap};

use anyhow::bail;

use super::SHARDS;
use super::messages::Delivery;
use super::options::Form;
use super::statements::{Batch, Kind, Statement};

static POSITIONS_OF_PAIRS: Statement = Statement {
    sql: "INSERT INTO inbox (shard, source_service, source_shard, position) \
          SELECT unnest($1), unnest($2), unnest($3), unnest($4) \
          ON CONFLICT (shard, source_service, source_shard) \
          DO UPDATE SET position = excluded.position",
    columns: &[Kind::Int, Kind::Text, Kind::Int, Kind::BigInt],
};
static POSITIONS_OF_SHARDS: Statement = Statement {
    sql: "UPDATE inbox_of_shard SET positions = new.positions \
          FROM (SELECT unnest($1) AS shard, unnest($2) AS positions) AS new \
          WHERE inbox_of_shard.shard = new.shard",
    columns: &[Kind::Int, Kind::Bytes],
};

/// The statement that writes positions.
#[must_use]
pub fn statement(form: Form) -> &'static Statement {
    match form {
        Form::Plain => &POSITIONS_OF_PAIRS,
        Form::Best => &POSITIONS_OF_SHARDS,
    }
}

/// The next sequence of each shard's outbox.
#[derive(Debug, Default)]
pub struct Sequences(HashMap<u8, i64>);

impl Sequences {
    /// The first of `count` sequences that this shard writes next.
    pub fn take(&mut self, shard: u8, count: i32) -> i64 {
        let last = self.0.entry(shard).or_default();
        let first = *last + 1;
        *last += i64::from(count);
        first
    }
}

/// One place for each pair of shards, the source's number first.
#[derive(Debug, Default)]
pub struct Pairs(HashMap<(u8, u8), i64>);

impl Pairs {
    /// Replaces the place of a pair; gives what it was.
    pub fn replace(&mut self, source: u8, destination: u8, place: i64) -> i64 {
        let last = self.0.insert((source, destination), place);
        last.unwrap_or_default()
    }

    /// The place of a pair; 0 before it has one.
    #[must_use]
    pub fn get(&self, source: u8, destination: u8) -> i64 {
        let place = self.0.get(&(source, destination)).copied();
        place.unwrap_or_default()
    }
}

/// How far the shards of a service on this node have read the outboxes of the other service.
pub struct Inbox {
    form: Form,
    /// The other service.
    source: &'static str,
    reached: Pairs,
    /// The pairs, destination first, whose position the batch under way moves.
    moved: BTreeSet<(u8, u8)>,
}

impl Inbox {
    /// Nothing has been read yet. `source` names the other service.
    #[must_use]
    pub fn new(form: Form, source: &'static str) -> Inbox {
        Inbox {
            form,
            source,
            reached: Pairs::default(),
            moved: BTreeSet::new(),
        }
    }

    /// Whether a message is new. Then its position is reached by the batch under way.
    ///
    /// # Errors
    /// When messages before it are missing.
    pub fn take<B>(&mut self, message: &Delivery<B>) -> anyhow::Result<bool> {
        let Delivery {
            source,
            destination,
            sequence,
            previous,
            ..
        } = *message;

        let reached = self.reached.get(source, destination);
        if sequence <= reached {
            return Ok(false);
        }
        if previous != reached {
            bail!(
                "a gap: shard {destination} has read {}/{source} to {reached}, \
                 and {sequence} comes after {previous}",
                self.source
            );
        }

        self.reached.replace(source, destination, sequence);
        self.moved.insert((destination, source));
        Ok(true)
    }

    /// Adds the positions that the units of a batch have reached.
    ///
    /// # Errors
    /// When the batch does not write positions.
    pub fn complete(&mut self, batch: &mut Batch) -> anyhow::Result<()> {
        let moved = std::mem::take(&mut self.moved);
        match self.form {
            Form::Plain => {
                for (shard, source) in moved {
                    let position = self.reached.get(source, shard);
                    let (shard, source) = (i32::from(shard), i32::from(source));
                    let row = [
                        shard.into(),
                        self.source.into(),
                        source.into(),
                        position.into(),
                    ];
                    batch.push(&POSITIONS_OF_PAIRS, row)?;
                }
            }
            Form::Best => {
                let shards: BTreeSet<u8> = moved.into_iter().map(|(shard, _)| shard).collect();
                for shard in shards {
                    let row = [i32::from(shard).into(), self.of_shard(shard).into()];
                    batch.push(&POSITIONS_OF_SHARDS, row)?;
                }
            }
        }
        Ok(())
    }

    /// The positions of a shard in all sources, one after the other.
    fn of_shard(&self, shard: u8) -> Vec<u8> {
        (0..SHARDS)
            .flat_map(|source| self.reached.get(source, shard).to_be_bytes())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(previous: i64, sequence: i64) -> Delivery<()> {
        Delivery {
            source: 3,
            destination: 5,
            sequence,
            previous,
            body: (),
        }
    }

    #[test]
    fn an_inbox_takes_each_message_once_and_leaves_none_out() {
        let mut inbox = Inbox::new(Form::Best, "orders");
        assert!(inbox.take(&message(0, 2)).unwrap());
        assert!(!inbox.take(&message(0, 2)).unwrap());
        assert!(inbox.take(&message(2, 7)).unwrap());
        assert!(inbox.take(&message(9, 12)).is_err());

        let positions = inbox.of_shard(5);
        assert_eq!(positions.len(), 128);
        assert_eq!(positions[24..32], 7_i64.to_be_bytes());
    }
}
