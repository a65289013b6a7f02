//! Writes a batch of units in one SQLite transaction, by prepared statements row by row.

use std::collections::HashMap;

use domain::{Service, ShardId, Timestamp};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ToSql, params};
use sea_orm::Value;

use super::indexing::Piece;
use super::superseding::{self, Place, Written};
use crate::StoreError;
use crate::log::embedded::Heads;
use crate::outbox;
use crate::rows::{Operation, RowChange};
use crate::unit::{Outgoing, Unit};

const EPOCHS: &str = "SELECT shard, epoch FROM shards";
const OUTBOX: &str = "INSERT INTO outbox \
    (shard, sequence, count, entity_id, version, correlation_id, time, events, messages) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
const INBOX: &str = "INSERT INTO inbox (shard, source_service, source_shard, position) VALUES (?, ?, ?, ?) \
    ON CONFLICT (shard, source_service, source_shard) DO UPDATE SET position = excluded.position";
const PUBLISHED: &str = "UPDATE shards SET published = ?, heads = ? WHERE shard = ? AND epoch = ?";
const PRUNE_FROM: &str = "SELECT pruned FROM shards WHERE shard = ?";
// The newest row stays: the next owner of the shard goes on from its sequence.
// Times never go back within a shard, so a bounded look at its oldest rows is enough.
const PRUNE_TO: &str = "SELECT max(sequence) FROM (SELECT sequence, time FROM outbox \
    WHERE shard = ?1 AND sequence > ?2 AND sequence <= ?3 \
    AND sequence < (SELECT max(sequence) FROM outbox WHERE shard = ?1) ORDER BY sequence LIMIT 2000) WHERE time < ?4";
const PRUNE_MIXED: &str = "UPDATE outbox SET messages = NULL \
    WHERE shard = ? AND sequence > ? AND sequence <= ? AND events IS NOT NULL AND messages IS NOT NULL";
const PRUNE_PURE: &str =
    "DELETE FROM outbox WHERE shard = ? AND sequence > ? AND sequence <= ? AND events IS NULL";
const PRUNED: &str = "UPDATE shards SET pruned = ? WHERE shard = ?";

/// Why a batch was not written; nothing of it was.
#[derive(Debug)]
pub(super) enum Failure {
    /// This unit's data are the reason.
    Unit { index: usize, error: StoreError },
    /// The database is.
    Batch(StoreError),
}

/// The published positions to note: of each shard, with the epoch it is held at.
pub(super) type Note = [(ShardId, u64, Heads)];

pub(super) struct Writer<'c> {
    connection: &'c Connection,
    service: Service,
}

impl<'c> Writer<'c> {
    pub(super) fn new(connection: &'c Connection, service: Service) -> Self {
        connection.set_prepared_statement_cache_capacity(64);
        Writer {
            connection,
            service,
        }
    }

    pub(super) fn connection(&self) -> &'c Connection {
        self.connection
    }

    /// Writes all units, with what is noted and indexed beside them, or nothing. `fails` is a
    /// test's wish that it fails at the end.
    pub(super) fn write(
        &mut self,
        units: &[Unit],
        note: &Note,
        piece: Option<Piece>,
        fails: bool,
    ) -> Result<(), Failure> {
        self.execute("BEGIN IMMEDIATE").map_err(Failure::Batch)?;

        let written = self.write_all(units, note, piece).and_then(|()| {
            if fails {
                return Err(Failure::Batch(StoreError::Injected("the commit fails")));
            }
            self.execute("COMMIT").map_err(Failure::Batch)
        });

        if written.is_err() {
            // SQLite may have rolled back by itself; then this has nothing to do and says so.
            let _ = self.execute("ROLLBACK");
        }

        written
    }

    fn write_all(&self, units: &[Unit], note: &Note, piece: Option<Piece>) -> Result<(), Failure> {
        self.compare_epochs(units)?;

        let mut plan = superseding::plan(units).into_iter();
        for (index, unit) in units.iter().enumerate() {
            for row in &unit.rows {
                let written = plan.next().unwrap_or(Written::AsItIs);
                self.write_row(units, (index, row), written)?;
            }

            if let Some(outgoing) = &unit.outgoing {
                self.write_outgoing(unit.shard, outgoing)
                    .map_err(|error| culprit_or_batch(index, error))?;
            }
        }

        for ((shard, source), position) in last_positions(units) {
            self.write_position(shard, source, position)
                .map_err(Failure::Batch)?;
        }

        for (shard, epoch, heads) in note {
            self.write_published(*shard, *epoch, heads)
                .map_err(Failure::Batch)?;
        }

        let indexed = piece.map_or(Ok(()), |piece| piece.write(self.connection));
        indexed.map_err(|e| Failure::Batch(self.failed(e)))
    }

    /// Nobody else may own the shards: the transaction holds SQLite's write lock, so what is read
    /// here stays true.
    fn compare_epochs(&self, units: &[Unit]) -> Result<(), Failure> {
        let current = self.epochs().map_err(|e| Failure::Batch(self.failed(e)))?;

        for (index, unit) in units.iter().enumerate() {
            let epoch = current.get(&unit.shard.number).copied().unwrap_or(0);
            if epoch != unit.epoch {
                let error = StoreError::StaleEpoch {
                    shard: unit.shard,
                    held: unit.epoch,
                    current: epoch,
                };
                return Err(Failure::Unit { index, error });
            }
        }

        Ok(())
    }

    fn epochs(&self) -> rusqlite::Result<HashMap<u16, u64>> {
        self.connection
            .prepare_cached(EPOCHS)?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    }

    /// Writes a row of the unit at `index`, if no other one does. When the version is not what it
    /// expects, it is that unit's fault; when the values cannot be written, it is the fault of the
    /// unit they come from.
    fn write_row(
        &self,
        units: &[Unit],
        (index, row): (usize, &RowChange),
        written: Written,
    ) -> Result<(), Failure> {
        let (from, values) = match written {
            Written::ByAnother => return Ok(()),
            Written::AsItIs => (index, row),
            Written::InTheStateOf(Place { unit, row: place }) => {
                let later = units.get(unit).and_then(|unit| unit.rows.get(place));
                (unit, later.unwrap_or(row))
            }
        };

        self.change(row, values).map_err(|error| match error {
            StoreError::VersionConflict { .. } => Failure::Unit { index, error },
            error => culprit_or_batch(from, error),
        })
    }

    /// Does to `row` what is to be done, with the values of `state`.
    fn change(&self, row: &RowChange, state: &RowChange) -> Result<(), StoreError> {
        let changed = self.bind_and_run(row, state).map_err(|e| self.failed(e))?;

        if changed == 1 {
            return Ok(());
        }

        Err(StoreError::VersionConflict {
            table: row.table.name,
            key: row.key.to_string(),
            expected: match row.operation {
                Operation::Update { expected_version } => expected_version,
                Operation::Insert | Operation::Delete => 0,
            },
        })
    }

    fn bind_and_run(&self, row: &RowChange, state: &RowChange) -> rusqlite::Result<usize> {
        let sql = match row.operation {
            Operation::Insert => &row.table.insert,
            Operation::Update { .. } => &row.table.update,
            Operation::Delete => &row.table.delete,
        };

        let mut statement = self.connection.prepare_cached(sql)?;
        for (value, place) in state.values.iter().zip(1..) {
            statement.raw_bind_parameter(place, Bound(value))?;
        }

        let bound = state.values.len();

        if row.operation != Operation::Insert {
            statement.raw_bind_parameter(bound + 1, row.key.as_bytes().as_slice())?;
        }

        if let Operation::Update { expected_version } = row.operation {
            statement.raw_bind_parameter(bound + 2, expected_version)?;
        }

        statement.raw_execute()
    }

    fn write_outgoing(&self, shard: ShardId, outgoing: &Outgoing) -> Result<(), StoreError> {
        let (events, messages) = outbox::to_columns(outgoing).map_err(|e| StoreError::Corrupt {
            what: "a message to be written".to_owned(),
            source: Box::new(e),
        })?;
        let version = events.is_some().then_some(outgoing.first_version);

        let insert = |mut statement: CachedStatement<'_>| {
            statement.execute(params![
                shard.number,
                outgoing.first_sequence,
                outgoing.count(),
                outgoing.entity.as_bytes().as_slice(),
                version,
                outgoing.correlation_id.as_bytes().as_slice(),
                outgoing.time.micros(),
                events,
                messages,
            ])
        };

        self.connection
            .prepare_cached(OUTBOX)
            .and_then(insert)
            .map(drop)
            .map_err(|e| self.failed(e))
    }

    fn write_position(
        &self,
        shard: ShardId,
        source: ShardId,
        position: u64,
    ) -> Result<(), StoreError> {
        let row = params![shard.number, source.service.name(), source.number, position];
        self.run(INBOX, row).map(drop)
    }

    fn write_published(&self, shard: ShardId, epoch: u64, heads: &Heads) -> Result<(), StoreError> {
        let row = params![heads.published(), heads.to_json(), shard.number, epoch];
        self.run(PUBLISHED, row).map(drop)
    }

    /// Removes commands and replies up to `sequence` that are older than `before`, a bounded number
    /// at once.
    pub(super) fn prune(
        &self,
        shard: ShardId,
        sequence: u64,
        before: Timestamp,
    ) -> Result<usize, StoreError> {
        let number = shard.number;

        let query = |sql, row: &[&dyn ToSql]| -> rusqlite::Result<Option<u64>> {
            self.connection
                .prepare_cached(sql)?
                .query_row(row, |row| row.get(0))
        };

        let from = query(PRUNE_FROM, &[&number])
            .map_err(|e| self.failed(e))?
            .unwrap_or(0);
        let to = query(PRUNE_TO, &[&number, &from, &sequence, &before.micros()])
            .map_err(|e| self.failed(e))?;
        let Some(to) = to else { return Ok(0) };
        self.execute("BEGIN IMMEDIATE")?;

        let pruned = self
            .run(PRUNE_MIXED, params![number, from, to])
            .and_then(|emptied| {
                let removed = self.run(PRUNE_PURE, params![number, from, to])?;
                self.run(PRUNED, params![to, number])?;
                self.execute("COMMIT")?;
                Ok(emptied + removed)
            });

        if pruned.is_err() {
            let _ = self.execute("ROLLBACK");
        }

        pruned
    }

    fn run(&self, sql: &str, row: impl rusqlite::Params) -> Result<usize, StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut s| s.execute(row))
            .map_err(|e| self.failed(e))
    }

    fn execute(&self, sql: &str) -> Result<(), StoreError> {
        self.run(sql, []).map(drop)
    }

    fn failed(&self, source: rusqlite::Error) -> StoreError {
        failure(self.service, source)
    }
}

/// The database fails, unless it says that it cannot take these data.
pub(super) fn failure(service: Service, source: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{ConstraintViolation, TooBig, TypeMismatch, Unknown};

    let transient = match source.sqlite_error_code() {
        Some(code) => !matches!(code, ConstraintViolation | TypeMismatch | TooBig | Unknown),
        // It has not come to SQLite: a value could not be bound.
        None => false,
    };

    StoreError::Write {
        what: service.to_string(),
        transient,
        source: source.into(),
    }
}

fn culprit_or_batch(index: usize, error: StoreError) -> Failure {
    if error.is_transient() {
        Failure::Batch(error)
    } else {
        Failure::Unit { index, error }
    }
}

fn last_positions(units: &[Unit]) -> HashMap<(ShardId, ShardId), u64> {
    let reached = |unit: &Unit| {
        unit.position
            .map(|(source, position)| ((unit.shard, source), position))
    };
    units.iter().filter_map(reached).collect()
}

/// A SeaORM value as SQLite stores it, as SQLx would.
struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self.0 {
            Value::Uuid(Some(uuid)) => ValueRef::Blob(uuid.as_bytes()),
            Value::String(Some(text)) => ValueRef::Text(text.as_bytes()),
            Value::BigInt(Some(number)) => ValueRef::Integer(*number),
            Value::Int(Some(number)) => ValueRef::Integer(i64::from(*number)),
            Value::Uuid(None) | Value::String(None) | Value::BigInt(None) | Value::Int(None) => {
                ValueRef::Null
            }
            other => {
                let error = format!("no column of the journal holds {other:?}");
                return Err(rusqlite::Error::ToSqlConversionFailure(error.into()));
            }
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}
