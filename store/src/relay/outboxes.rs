//! The outboxes of a service as a relay reads them, and how far it has come in each.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sagas::{Service, ShardId};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, Value};

use super::cursor::Cursor;
use super::positions::{self, Notes};
use super::{AcknowledgingCarrier, Undelivered, Waits};
use crate::history::salvage::{Salvaged, Stored};
use crate::log::Message;
use crate::mapping::{signed, unsigned};
use crate::unit::MAX_MESSAGES;
use crate::{ServiceDatabase, StoreError};

/// Takes at most this many rows of a shard at once.
const ROWS: i64 = 50;

/// What was taken is carried before it has grown beyond this many bytes.
const BYTES: usize = 8 << 20;

/// Positions are noted this often. What came after the last note is carried again by whoever goes
/// on from it.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// A shard whose events cannot be taken is tried again after this long.
const RESTS: Duration = Duration::from_secs(1);

/// Why a relay cannot go on now.
#[derive(Debug, thiserror::Error)]
pub(super) enum RelayError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Carrier(#[from] Undelivered),
}

/// The outboxes that a relay reads.
pub(super) struct Outboxes<'d> {
    database: &'d ServiceDatabase,
    carrier: &'d dyn AcknowledgingCarrier,
    /// Up to where everything is acknowledged.
    acknowledged: BTreeMap<ShardId, Cursor>,
    /// Up to where everything has been taken.
    taken: BTreeMap<ShardId, Cursor>,
    /// Of these nothing is taken for a while: since when.
    resting: BTreeMap<ShardId, Instant>,
    /// What was taken and is not acknowledged.
    messages: Vec<Message>,
    /// How large their bodies are.
    bytes: usize,
    notes: Notes,
    noted_at: Instant,
}

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It has been taken now, or was before, or is read from the table when its shard has rested.
    Taken,
    /// Others may lie before it that were not.
    Behind,
}

impl<'d> Outboxes<'d> {
    pub(super) fn of(database: &'d ServiceDatabase, carrier: &'d dyn AcknowledgingCarrier) -> Self {
        Outboxes {
            database,
            carrier,
            acknowledged: BTreeMap::new(),
            taken: BTreeMap::new(),
            resting: BTreeMap::new(),
            messages: Vec::new(),
            bytes: 0,
            notes: Notes::default(),
            noted_at: Instant::now(),
        }
    }

    pub(super) const fn service(&self) -> Service {
        self.database.service
    }

    /// Looks after these shards from now on, and after no others. In one that comes new it goes on
    /// where the last relay has noted that it was.
    pub(super) async fn keep(&mut self, shards: &[ShardId]) -> Result<(), StoreError> {
        self.acknowledged.retain(|shard, _| shards.contains(shard));
        self.resting.retain(|shard, _| shards.contains(shard));
        let is_new = |shard: &ShardId| !self.acknowledged.contains_key(shard);
        let new: Vec<_> = shards.iter().copied().filter(is_new).collect();
        if !new.is_empty() {
            let read = positions::read(self.database, &new).await?;
            self.acknowledged.extend(read);
        }
        self.forget_taken();
        Ok(())
    }

    /// Carries what is new in the tables. True when there may be more at once.
    pub(super) async fn relay(&mut self) -> Result<bool, RelayError> {
        self.resting.retain(|_, since| since.elapsed() < RESTS);
        let rows = self.rows().await?;
        let mut count: BTreeMap<ShardId, i64> = BTreeMap::new();
        for (shard, row) in rows {
            *count.entry(shard).or_default() += 1;
            self.take(shard, row);
        }
        self.deliver().await?;
        Ok(count.values().any(|count| *count >= ROWS))
    }

    /// Takes a row, if it follows on what has been taken of its shard.
    pub(super) fn take_next(&mut self, shard: ShardId, row: Stored) -> Place {
        if self.is_resting(shard) {
            return Place::Taken;
        }
        let reached = self.taken.get(&shard).map_or(u64::MAX, Cursor::reached);
        let sequence = row.sequence.map_or(0, unsigned);
        if sequence > reached.saturating_add(1) {
            return Place::Behind;
        }
        if sequence > reached {
            self.take(shard, row);
        }
        Place::Taken
    }

    /// Whether nothing of a shard is taken now.
    pub(super) fn is_resting(&self, shard: ShardId) -> bool {
        self.resting.contains_key(&shard)
    }

    /// Whether some shards rest, and what they have is to be read from the tables; `None` while
    /// none does, and otherwise for how long they rest still.
    pub(super) fn rest(&self) -> Option<Duration> {
        let rests = self.resting.values();
        rests
            .map(|since| RESTS.saturating_sub(since.elapsed()))
            .min()
    }

    /// Whether the row of this sequence has been taken.
    pub(super) fn has_reached(&self, shard: ShardId, sequence: i64) -> bool {
        let reached = self.taken.get(&shard).map_or(u64::MAX, Cursor::reached);
        reached >= unsigned(sequence)
    }

    /// Whether it is time to carry what was taken.
    pub(super) fn has_taken_enough(&self) -> bool {
        self.bytes > BYTES
    }

    /// Whether all that was taken is to be seen by others.
    pub(super) async fn is_seen(&self) -> Result<bool, StoreError> {
        let taken = self.taken.iter().filter(|(shard, cursor)| {
            let acknowledged = self.acknowledged.get(shard);
            acknowledged.is_none_or(|acknowledged| acknowledged.reached() < cursor.reached())
        });
        let taken: BTreeMap<ShardId, u64> = taken
            .map(|(shard, cursor)| (*shard, cursor.reached()))
            .collect();
        if taken.is_empty() {
            return Ok(true);
        }

        let backend = self.database.read.backend();
        let newest = newest_rows(taken.keys());
        let failed = |error| self.database.failed(error);
        let rows = self
            .database
            .read
            .query_all_raw(Statement::from_string(backend, newest));
        let mut seen: BTreeMap<i32, u64> = BTreeMap::new();
        for row in rows.await.map_err(failed)? {
            let shard = row.try_get_by_index(0).map_err(failed)?;
            let last: i64 = row.try_get_by_index(1).map_err(failed)?;
            seen.insert(shard, unsigned(last));
        }
        Ok(taken.iter().all(|(shard, reached)| {
            let seen = seen.get(&i32::from(shard.number)).copied();
            seen.unwrap_or(0) >= *reached
        }))
    }

    /// Has carried what was taken. What fails is as if it had never been taken, and so is what a
    /// shard has that must wait; that one rests.
    pub(super) async fn deliver(&mut self) -> Result<(), RelayError> {
        if !self.messages.is_empty() {
            let messages = std::mem::take(&mut self.messages);
            self.bytes = 0;
            match self.carrier.deliver(messages).await {
                Ok(waits) => self.set_back(waits),
                Err(error) => {
                    self.forget_taken();
                    return Err(error.into());
                }
            }
        }
        for (shard, cursor) in &mut self.acknowledged {
            if let Some(taken) = self.taken.get(shard).filter(|taken| *taken != cursor) {
                cursor.clone_from(taken);
            }
        }
        if self.noted_at.elapsed() >= NOTE_EVERY {
            self.note().await?;
        }
        Ok(())
    }

    /// Notes how far it has come.
    pub(super) async fn note(&mut self) -> Result<(), RelayError> {
        self.notes.note(self.database, &self.acknowledged).await?;
        self.noted_at = Instant::now();
        Ok(())
    }

    fn set_back(&mut self, waits: Waits) {
        for shard in waits {
            if let Some(acknowledged) = self.acknowledged.get(&shard) {
                self.taken.insert(shard, acknowledged.clone());
                self.resting.insert(shard, Instant::now());
            }
        }
    }

    fn forget_taken(&mut self) {
        self.messages.clear();
        self.bytes = 0;
        self.taken.clone_from(&self.acknowledged);
    }

    /// Takes what can be had of a row. What cannot be read is left out, and its receivers see the
    /// gap.
    fn take(&mut self, shard: ShardId, row: Stored) {
        let Some(cursor) = self.taken.get_mut(&shard) else {
            return;
        };
        let end = end_of(&row, cursor.reached());
        let Salvaged { messages, damaged } = row.salvage(shard);
        for mut message in messages {
            cursor.advance(&mut message);
            if message.unreadable().is_none() {
                self.bytes += message.body.get().len();
                self.messages.push(message);
            }
        }
        match damaged {
            true => cursor.pass(end),
            false => cursor.reach(end),
        }
    }

    /// The next rows of all shards, those of each in their order.
    async fn rows(&self) -> Result<Vec<(ShardId, Stored)>, StoreError> {
        let awake = || {
            let all = self.taken.iter();
            all.filter(|(shard, _)| !self.is_resting(**shard))
        };
        if awake().next().is_none() {
            return Ok(Vec::new());
        }
        let backend = self.database.read.backend();
        let (statement, values) = next_rows(backend, awake());
        let statement = Statement::from_sql_and_values(backend, statement, values);
        let failed = |error| self.database.failed(error);
        let rows = self.database.read.query_all_raw(statement).await;

        let mut read = Vec::new();
        for row in rows.map_err(failed)? {
            let number: i32 = row.try_get("", "shard").map_err(failed)?;
            let number = u16::try_from(number).unwrap_or(u16::MAX);
            let stored = Stored::from_query_result(&row, "").map_err(failed)?;
            read.push((ShardId::new(self.database.service, number), stored));
        }
        Ok(read)
    }
}

/// One statement for all shards, each of which is read by its place in the primary key.
fn next_rows<'c>(
    backend: DbBackend,
    cursors: impl Iterator<Item = (&'c ShardId, &'c Cursor)>,
) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = Vec::new();
    let mut value = |value: i64| {
        values.push(value.into());
        match backend {
            DbBackend::Postgres => format!("${}", values.len()),
            _ => "?".to_owned(),
        }
    };
    let parts: Vec<_> = cursors
        .map(|(shard, cursor)| {
            let shard = value(i64::from(shard.number));
            let reached = value(signed(cursor.reached()));
            let limit = value(ROWS);
            format!(
                "SELECT * FROM (SELECT shard, sequence, count, entity_id, version, correlation_id, \
                time, events, messages FROM outbox WHERE shard = {shard} AND sequence > {reached} \
                ORDER BY sequence LIMIT {limit}) AS next"
            )
        })
        .collect();
    (parts.join(" UNION ALL "), values)
}

/// The last message of each of these shards that is to be seen.
fn newest_rows<'s>(shards: impl Iterator<Item = &'s ShardId>) -> String {
    let of = |shard: &ShardId| {
        format!(
            "SELECT * FROM (SELECT shard, sequence + count - 1 FROM outbox WHERE shard = {} \
            ORDER BY sequence DESC LIMIT 1) AS newest",
            shard.number
        )
    };
    shards.map(of).collect::<Vec<_>>().join(" UNION ALL ")
}

/// The sequence of a row's last message, as far as that can be read.
fn end_of(row: &Stored, reached: u64) -> u64 {
    let first = row.sequence.map_or(reached, unsigned);
    let count = row.row.as_ref().map_or(1, |row| i64::from(row.count));
    let most = u64::try_from(MAX_MESSAGES).unwrap_or(1);
    first + unsigned(count).clamp(1, most) - 1
}
