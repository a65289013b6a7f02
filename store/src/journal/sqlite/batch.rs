//! Writes a batch of units, by prepared statements row by row. Each statement is looked up once for
//! the batch: to find it costs as much as to bind its values.

use foldhash::HashMap;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Params, ToSql, params};
use sagas::ShardId;
use sagas::mistakes::{Mistake, makes};
use sea_orm::Value;

use super::SqliteStore;
use crate::StoreError;
use crate::journal::commit_store::{Batch, Failure, Published};
use crate::journal::superseding::{self, Place, Written};
use crate::log::SourceStream;
use crate::outbox;
use crate::row_changes::{Operation, RowChange};
use crate::timers::TimerChange;
use crate::unit::{Outgoing, Unit};

const EPOCHS: &str = "SELECT shard, epoch FROM shards";
const OUTBOX: &str = "INSERT INTO outbox \
    (shard, sequence, count, entity_id, version, correlation_id, time, events, messages) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
const INBOX: &str = "INSERT INTO inbox (shard, source_service, source_shard, stream, position) \
    VALUES (?, ?, ?, ?, ?) ON CONFLICT (shard, source_service, source_shard, stream) \
    DO UPDATE SET position = excluded.position";
const TIMER: &str = "INSERT OR REPLACE INTO timers (timer_id, shard, wake_at, patience, waits_for) \
    VALUES (?, ?, ?, ?, ?)";
const NO_TIMER: &str = "DELETE FROM timers WHERE timer_id = ?";
const PUBLISHED: &str = "UPDATE shards SET published = ?, heads = ? WHERE shard = ? AND epoch = ?";
/// What a batch without units writes besides: SQLite writes no page whose bytes stay the same, and
/// notes often are what was noted before.
const WRITTEN: &str = "INSERT INTO settings (name, value) VALUES ('written', 1) \
    ON CONFLICT (name) DO UPDATE SET value = value + 1";

/// Writes all units, and what is noted beside them, within the transaction under way.
pub(super) fn write(store: &SqliteStore, batch: &Batch<'_>) -> Result<(), Failure> {
    let units = batch.units;
    compare_epochs(store, units)?;

    let mut prepared = Prepared::on(store);
    let mut plan = superseding::plan(units).into_iter();
    for (index, unit) in units.iter().enumerate() {
        for row in &unit.rows {
            let written = plan.next().unwrap_or(Written::AsItIs);
            write_row(&mut prepared, units, (index, row), written)?;
        }

        if let Some(outgoing) = &unit.outgoing {
            write_outgoing(&mut prepared, unit.shard, outgoing)
                .map_err(|error| unit_or_store(index, error))?;
        }

        if let Some(timer) = &unit.timer {
            write_timer(&mut prepared, unit.shard, timer)
                .map_err(|error| unit_or_store(index, error))?;
        }
    }

    for ((shard, reached), position) in last_positions(units) {
        let SourceStream { source, stream } = reached;
        let (service, stream) = (source.service.name(), stream.name());
        let row = params![shard.number, service, source.number, stream, position];
        prepared.run(INBOX, row)?;
    }

    for Published {
        shard,
        epoch,
        heads,
    } in batch.published
    {
        let row = params![heads.published(), heads.to_json(), shard.number, epoch];
        prepared.run(PUBLISHED, row)?;
    }

    if units.is_empty() {
        prepared.run(WRITTEN, [])?;
    }

    Ok(())
}

/// The statements that a batch has used so far.
struct Prepared<'s> {
    store: &'s SqliteStore,
    /// A dozen at most, by their texts.
    statements: Vec<(&'static str, CachedStatement<'s>)>,
}

impl<'s> Prepared<'s> {
    fn on(store: &'s SqliteStore) -> Self {
        Prepared {
            store,
            statements: Vec::with_capacity(16),
        }
    }

    /// The statement with this text. Texts that are the same are in one place.
    fn statement(&mut self, sql: &'static str) -> rusqlite::Result<&mut CachedStatement<'s>> {
        let is_it = |(known, _): &(&str, _)| std::ptr::eq(*known, sql);
        let place = match self.statements.iter().position(is_it) {
            Some(place) => place,
            None => {
                let statement = self.store.connection.prepare_cached(sql)?;
                self.statements.push((sql, statement));
                self.statements.len() - 1
            }
        };
        let (_, statement) = self
            .statements
            .get_mut(place)
            .ok_or(rusqlite::Error::InvalidQuery)?;
        Ok(statement)
    }

    fn run(&mut self, sql: &'static str, row: impl Params) -> Result<usize, StoreError> {
        let done = self.statement(sql).and_then(|found| found.execute(row));
        done.map_err(|e| self.store.failed(e))
    }
}

/// Nobody else may own the shards: the transaction holds SQLite's write lock, so what is read here
/// stays true.
fn compare_epochs(store: &SqliteStore, units: &[Unit]) -> Result<(), Failure> {
    let current = epochs(&store.connection).map_err(|e| store.failed(e))?;

    for (index, unit) in units.iter().enumerate() {
        let epoch = current.get(&unit.shard.number).copied().unwrap_or(0);
        if epoch != unit.epoch && !makes(Mistake::EpochNotCompared) {
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

/// The epochs of all shards. One that cannot be read is nobody's, which stops its shard only.
fn epochs(connection: &Connection) -> rusqlite::Result<HashMap<u16, u64>> {
    let mut statement = connection.prepare_cached(EPOCHS)?;
    let mut rows = statement.query([])?;
    let mut epochs = HashMap::default();

    while let Some(row) = rows.next()? {
        if let (Ok(shard), Ok(epoch)) = (row.get(0), row.get(1)) {
            epochs.insert(shard, epoch);
        }
    }

    Ok(epochs)
}

/// Writes a row of the unit at `index`, if no other one does. When the version is not what it
/// expects, it is that unit's fault; when the values cannot be written, it is the fault of the unit
/// they come from.
fn write_row(
    prepared: &mut Prepared<'_>,
    units: &[Unit],
    (index, row): (usize, &RowChange),
    written: Written,
) -> Result<(), Failure> {
    let (from, state) = match written {
        Written::ByAnother => return Ok(()),
        Written::AsItIs => (index, row),
        Written::InTheStateOf(Place { unit, row: place }) => {
            let later = units.get(unit).and_then(|unit| unit.rows.get(place));
            (unit, later.unwrap_or(row))
        }
    };

    change(prepared, row, state).map_err(|error| match error {
        StoreError::VersionConflict { .. } => Failure::Unit { index, error },
        error => unit_or_store(from, error),
    })
}

/// Carries out the operation of `row`, with the values of `state`.
fn change(
    prepared: &mut Prepared<'_>,
    row: &RowChange,
    state: &RowChange,
) -> Result<(), StoreError> {
    let changed = bind_and_run(prepared, row, state).map_err(|e| prepared.store.failed(e))?;

    if changed == 1 {
        return Ok(());
    }

    Err(StoreError::VersionConflict {
        table: row.table.name,
        key: row.key.to_string(),
        expected: match row.operation {
            Operation::Update { expected_version } => expected_version,
            Operation::Insert | Operation::Replace | Operation::Delete => 0,
        },
    })
}

fn bind_and_run(
    prepared: &mut Prepared<'_>,
    row: &RowChange,
    state: &RowChange,
) -> rusqlite::Result<usize> {
    let sql: &'static str = match row.operation {
        Operation::Insert => &row.table.insert,
        Operation::Replace => &row.table.replace,
        Operation::Update { .. } => &row.table.update,
        Operation::Delete => &row.table.delete,
    };

    let statement = prepared.statement(sql)?;
    for (value, place) in state.values.iter().zip(1..) {
        statement.raw_bind_parameter(place, Bound(value))?;
    }

    let bound = state.values.len();

    // What is written whole has its key among its values.
    if !matches!(row.operation, Operation::Insert | Operation::Replace) {
        statement.raw_bind_parameter(bound + 1, row.key.as_bytes().as_slice())?;
    }

    if let Operation::Update { expected_version } = row.operation {
        statement.raw_bind_parameter(bound + 2, expected_version)?;
    }

    statement.raw_execute()
}

fn write_outgoing(
    prepared: &mut Prepared<'_>,
    shard: ShardId,
    outgoing: &Outgoing,
) -> Result<(), StoreError> {
    let (events, messages) = outbox::to_columns(outgoing).map_err(|e| StoreError::Corrupt {
        what: "a message to be written".to_owned(),
        source: Box::new(e),
    })?;
    let version = outgoing.version_in_history();

    let row = params![
        shard.number,
        outgoing.first_sequence,
        outgoing.count(),
        outgoing.entity.as_bytes().as_slice(),
        version,
        outgoing.correlation_id.as_bytes().as_slice(),
        outgoing.time.micros(),
        events,
        messages,
    ];

    prepared.run(OUTBOX, row).map(drop)
}

fn write_timer(
    prepared: &mut Prepared<'_>,
    shard: ShardId,
    timer: &TimerChange,
) -> Result<(), StoreError> {
    let id = timer.id.as_bytes().as_slice();
    let Some(set) = &timer.set else {
        return prepared.run(NO_TIMER, params![id]).map(drop);
    };

    let row = params![
        id,
        shard.number,
        set.wake_at.micros(),
        i64::try_from(set.patience.as_micros()).unwrap_or(i64::MAX),
        set.waits_for.as_bytes().as_slice(),
    ];
    prepared.run(TIMER, row).map(drop)
}

fn unit_or_store(index: usize, error: StoreError) -> Failure {
    if error.is_transient() {
        Failure::Store(error)
    } else {
        Failure::Unit { index, error }
    }
}

fn last_positions(units: &[Unit]) -> HashMap<(ShardId, SourceStream), u64> {
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
