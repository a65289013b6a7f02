//! The statements of a batch as values: each with its SQL, and with what it binds. They are sent
//! one by one (`batch`), or all at once (`routine`).

use std::collections::BTreeMap;
use std::time::Duration;

use sea_orm::sqlx::{self, Postgres, SqlSafeStr, SqlStr, Type, TypeInfo};
use uuid::Uuid;

use super::lane::Bound;
use super::row_statements::{self, Change, Group, Statements};
use crate::StoreError;
use crate::journal::commit_store::{Batch, Published};
use crate::mapping::signed;
use crate::outbox;
use crate::row_changes::Operation;
use crate::timers::TimerSet;
use crate::unit::{Outgoing, Unit};

const OUTBOX: &str = "INSERT INTO outbox \
    (shard, sequence, count, entity_id, version, correlation_id, time, events, messages) \
    SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), \
    unnest($8), unnest($9)";
const INBOX: &str = "INSERT INTO inbox (shard, source_service, source_shard, stream, position) \
    SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5) \
    ON CONFLICT (shard, source_service, source_shard, stream) \
    DO UPDATE SET position = excluded.position";
const TIMERS: &str = "INSERT INTO timers (timer_id, shard, wake_at, patience, waits_for) \
    SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5) \
    ON CONFLICT (timer_id) DO UPDATE SET shard = excluded.shard, wake_at = excluded.wake_at, \
    patience = excluded.patience, waits_for = excluded.waits_for";
const NO_TIMERS: &str = "DELETE FROM timers WHERE timer_id = ANY($1)";
const PUBLISHED: &str = "UPDATE shards SET published = new.published, heads = new.heads \
    FROM (SELECT unnest($1) AS shard, unnest($2) AS epoch, unnest($3) AS published, \
    unnest($4) AS heads) AS new WHERE shards.shard = new.shard AND shards.epoch = new.epoch";
/// What a batch without units writes besides: without a note that is new, nothing would reach the
/// disk.
const WRITTEN: &str = "INSERT INTO settings (name, value) VALUES ('written', '1') \
    ON CONFLICT (name) DO UPDATE SET value = (settings.value::bigint + 1)::text";

/// One statement of a batch.
pub(super) enum Part<'b> {
    /// Rows of one table, all changed in one way.
    Rows(Group<'b>),
    Sent(Vec<Sent<'b>>),
    TimersRemoved(Vec<Uuid>),
    TimersSet(Vec<(Uuid, i32, TimerSet)>),
    Positions(Vec<(Receiver, i64)>),
    Published(Vec<&'b Published>),
    /// The store is only tried.
    Tried,
}

/// Which statement a part is. Batches of the same kinds of parts are sent by the same routine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Rows(&'static str, Change),
    Sent,
    TimersRemoved,
    TimersSet,
    Positions,
    Published,
    Tried,
}

/// What a unit sends, as its row has it.
pub(super) struct Sent<'b> {
    shard: i32,
    outgoing: &'b Outgoing,
    /// JSON, where there are any.
    events: Option<String>,
    messages: Option<String>,
}

/// A shard, and the service, number and stream that it receives from.
type Receiver = (i32, &'static str, i32, &'static str);

/// The parts of units, in the order in which they are written.
///
/// # Errors
/// When a message is none.
pub(super) fn of_units(units: &[Unit]) -> Result<Vec<Part<'_>>, StoreError> {
    let rows = row_statements::groups(units).into_iter().map(Part::Rows);
    let (removed, set) = timers(units);

    let others = [
        Part::Sent(sent(units)?),
        Part::TimersRemoved(removed),
        Part::TimersSet(set),
        Part::Positions(positions(units)),
    ];
    Ok(rows.chain(others).filter(|part| !part.is_empty()).collect())
}

/// The parts of a batch, in the order in which they are written.
///
/// # Errors
/// When a message is none.
pub(super) fn of_batch<'b>(batch: &Batch<'b>) -> Result<Vec<Part<'b>>, StoreError> {
    let mut parts = of_units(batch.units)?;
    if !batch.published.is_empty() {
        let mut notes: Vec<_> = batch.published.iter().collect();
        notes.sort_by_key(|note| note.shard.number);
        parts.push(Part::Published(notes));
    }
    if batch.units.is_empty() {
        parts.push(Part::Tried);
    }
    Ok(parts)
}

fn sent(units: &[Unit]) -> Result<Vec<Sent<'_>>, StoreError> {
    let of_unit = |unit| sent_by(unit).transpose();
    let mut sent: Vec<_> = units.iter().filter_map(of_unit).collect::<Result<_, _>>()?;
    sent.sort_by_key(|sent| (sent.shard, sent.outgoing.first_sequence));
    Ok(sent)
}

fn sent_by(unit: &Unit) -> Result<Option<Sent<'_>>, StoreError> {
    let Some(outgoing) = &unit.outgoing else {
        return Ok(None);
    };
    let (events, messages) = outbox::to_columns(outgoing).map_err(|error| StoreError::Corrupt {
        what: "a message to be written".to_owned(),
        source: Box::new(error),
    })?;
    Ok(Some(Sent {
        shard: i32::from(unit.shard.number),
        outgoing,
        events,
        messages,
    }))
}

/// The last change of each timer counts: which are removed, and which are set.
fn timers(units: &[Unit]) -> (Vec<Uuid>, Vec<(Uuid, i32, TimerSet)>) {
    let changed = |unit: &Unit| {
        let timer = unit.timer?;
        Some((timer.id, (i32::from(unit.shard.number), timer.set)))
    };
    let last: BTreeMap<_, _> = units.iter().filter_map(changed).collect();

    let (mut removed, mut set) = (Vec::new(), Vec::new());
    for (id, (shard, change)) in last {
        match change {
            None => removed.push(id),
            Some(change) => set.push((id, shard, change)),
        }
    }
    (removed, set)
}

/// The last position in each source counts.
fn positions(units: &[Unit]) -> Vec<(Receiver, i64)> {
    let reached = |unit: &Unit| {
        let (reached, position) = unit.position?;
        let source = reached.source;
        let receiver = (
            i32::from(unit.shard.number),
            source.service.name(),
            i32::from(source.number),
            reached.stream.name(),
        );
        Some((receiver, signed(position)))
    };
    let last: BTreeMap<_, _> = units.iter().filter_map(reached).collect();
    last.into_iter().collect()
}

impl Part<'_> {
    fn is_empty(&self) -> bool {
        match self {
            Part::Rows(group) => group.rows.is_empty(),
            Part::Sent(sent) => sent.is_empty(),
            Part::TimersRemoved(timers) => timers.is_empty(),
            Part::TimersSet(timers) => timers.is_empty(),
            Part::Positions(positions) => positions.is_empty(),
            Part::Published(notes) => notes.is_empty(),
            Part::Tried => false,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Part::Rows(group) => Kind::Rows(group.table.name, group.change),
            Part::Sent(_) => Kind::Sent,
            Part::TimersRemoved(_) => Kind::TimersRemoved,
            Part::TimersSet(_) => Kind::TimersSet,
            Part::Positions(_) => Kind::Positions,
            Part::Published(_) => Kind::Published,
            Part::Tried => Kind::Tried,
        }
    }

    pub(super) fn sql(&self, statements: &mut Statements) -> SqlStr {
        let fixed = match self {
            Part::Rows(group) => return statements.of(group.table, group.change),
            Part::Sent(_) => OUTBOX,
            Part::TimersRemoved(_) => NO_TIMERS,
            Part::TimersSet(_) => TIMERS,
            Part::Positions(_) => INBOX,
            Part::Published(_) => PUBLISHED,
            Part::Tried => WRITTEN,
        };
        fixed.into_sql_str()
    }

    /// How many rows its statement must change, where that is certain.
    pub(super) fn must_change(&self) -> Option<u64> {
        match self {
            Part::Rows(group) => Some(group.len()),
            _ => None,
        }
    }

    /// A row that is not there at its version. Which of several it is, is known when they are
    /// written one by one.
    pub(super) fn conflict(&self) -> StoreError {
        let (table, row) = match self {
            Part::Rows(group) => (group.table.name, group.rows.first().map(|row| row.change)),
            _ => ("", None),
        };
        StoreError::VersionConflict {
            table,
            key: row.map(|row| row.key.to_string()).unwrap_or_default(),
            expected: match row.map(|row| row.operation) {
                Some(Operation::Update { expected_version }) => expected_version,
                _ => 0,
            },
        }
    }

    pub(super) fn bind(&self, values: &mut Values) -> Result<(), sqlx::Error> {
        match self {
            Part::Rows(group) => group.bind(values),
            Part::Sent(sent) => bind_sent(sent, values),
            Part::TimersRemoved(timers) => values.add(timers.clone()),
            Part::TimersSet(timers) => bind_timers(timers, values),
            Part::Positions(positions) => bind_positions(positions, values),
            Part::Published(notes) => {
                values.array(notes, |note| i32::from(note.shard.number))?;
                values.array(notes, |note| signed(note.epoch))?;
                values.array(notes, |note| signed(note.heads.published()))?;
                values.array(notes, |note| note.heads.to_json())
            }
            Part::Tried => Ok(()),
        }
    }
}

fn bind_sent(sent: &[Sent<'_>], values: &mut Values) -> Result<(), sqlx::Error> {
    let count = |sent: &Outgoing| i32::try_from(sent.count()).unwrap_or(i32::MAX);
    values.array(sent, |sent| sent.shard)?;
    values.array(sent, |sent| signed(sent.outgoing.first_sequence))?;
    values.array(sent, |sent| count(sent.outgoing))?;
    values.array(sent, |sent| sent.outgoing.entity)?;
    values.array(sent, |sent| sent.outgoing.version_in_history().map(signed))?;
    values.array(sent, |sent| sent.outgoing.correlation_id)?;
    values.array(sent, |sent| sent.outgoing.time.micros())?;
    values.array(sent, |sent| sent.events.as_deref())?;
    values.array(sent, |sent| sent.messages.as_deref())
}

fn bind_timers(timers: &[(Uuid, i32, TimerSet)], values: &mut Values) -> Result<(), sqlx::Error> {
    let micros = |patience: Duration| i64::try_from(patience.as_micros()).unwrap_or(i64::MAX);
    values.array(timers, |(id, ..)| *id)?;
    values.array(timers, |(_, shard, _)| *shard)?;
    values.array(timers, |(.., set)| set.wake_at.micros())?;
    values.array(timers, |(.., set)| micros(set.patience))?;
    values.array(timers, |(.., set)| set.waits_for)
}

fn bind_positions(positions: &[(Receiver, i64)], values: &mut Values) -> Result<(), sqlx::Error> {
    values.array(positions, |((shard, ..), _)| *shard)?;
    values.array(positions, |((_, service, ..), _)| *service)?;
    values.array(positions, |((_, _, number, _), _)| *number)?;
    values.array(positions, |((.., stream), _)| *stream)?;
    values.array(positions, |(_, position)| *position)
}

/// What one or several statements bind, with the types that the server is told.
#[derive(Default)]
pub(super) struct Values {
    pub bound: Bound,
    types: Vec<sqlx::postgres::PgTypeInfo>,
}

impl Values {
    pub(super) fn add<'t, T>(&mut self, value: T) -> Result<(), sqlx::Error>
    where
        T: sqlx::Encode<'t, Postgres> + Type<Postgres>,
    {
        self.types.push(T::type_info());
        super::row_statements::add(&mut self.bound, value)
    }

    fn array<'a, S, T>(&mut self, all: &'a [S], of: impl Fn(&'a S) -> T) -> Result<(), sqlx::Error>
    where
        Vec<T>: sqlx::Encode<'a, Postgres> + Type<Postgres>,
    {
        self.add(all.iter().map(of).collect::<Vec<T>>())
    }

    pub(super) fn len(&self) -> usize {
        self.types.len()
    }

    /// The names of the types.
    pub(super) fn types(&self) -> impl Iterator<Item = &str> {
        self.types.iter().map(TypeInfo::name)
    }
}
