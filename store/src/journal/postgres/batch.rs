//! Writes a batch of units, many rows at once.

use std::collections::BTreeMap;

use sagas::Service;
use sea_orm::sqlx;

use super::lane::{Bound, Lane};
use super::rows::{self, Group, Statements, add};
use super::{Trouble, culprit, failure, fence};
use crate::StoreError;
use crate::database::postgres::errors::{self, Kind};
use crate::journal::commit_store::{Batch, Published};
use crate::mapping::signed;
use crate::outbox;
use crate::row_changes::Operation;
use crate::timers::TimerChange;
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

/// A unit that is wrong.
#[derive(Debug)]
pub(super) struct Refusal {
    pub index: usize,
    pub error: StoreError,
}

/// Why units have not been written.
#[derive(Debug)]
pub(super) enum Wrong {
    /// The data of one of them.
    Data(StoreError),
    Other(Trouble),
}

impl From<Trouble> for Wrong {
    fn from(trouble: Trouble) -> Self {
        Wrong::Other(trouble)
    }
}

/// Writes all units, and what is noted beside them, in a transaction that waits for its commit;
/// gives its number. When a unit is wrong, names it instead, and there is no transaction.
pub(super) async fn write(
    lane: &mut Lane,
    statements: &mut Statements,
    service: Service,
    batch: &Batch<'_>,
) -> Result<Result<String, Refusal>, Trouble> {
    let transaction = match fence::begin(lane, service, batch).await? {
        Ok(transaction) => transaction,
        Err(refusal) => return Ok(Err(refusal)),
    };

    match write_units(lane, statements, service, batch.units).await {
        Ok(()) => {}
        Err(Wrong::Other(trouble)) => return Err(trouble),
        Err(Wrong::Data(_)) => {
            lane.execute("ROLLBACK").await?;
            let found = culprit::find(lane, statements, service, batch).await?;
            return Ok(Err(found));
        }
    }

    write_published(lane, batch.published).await?;
    if batch.units.is_empty() {
        lane.run(WRITTEN, Bound::default()).await?;
    }
    Ok(Ok(transaction))
}

/// Writes units within the transaction under way.
pub(super) async fn write_units(
    lane: &mut Lane,
    statements: &mut Statements,
    service: Service,
    units: &[Unit],
) -> Result<(), Wrong> {
    let data_or_other = |error: sqlx::Error| match errors::kind(&error) {
        Kind::Data => Wrong::Data(failure(service, &error)),
        _ => Wrong::Other(Trouble::Sql(error)),
    };

    for group in rows::groups(units) {
        let bound = group.bound().map_err(data_or_other)?;
        let statement = statements.of(group.table, group.change);
        let written = lane.run(statement, bound).await.map_err(data_or_other)?;
        if written != group.len() {
            return Err(Wrong::Data(conflict(&group)));
        }
    }

    write_outgoing(lane, units)
        .await
        .map_err(|wrong| match wrong {
            Wrong::Other(Trouble::Sql(error)) => data_or_other(error),
            wrong => wrong,
        })?;
    write_timers(lane, units).await.map_err(data_or_other)?;
    write_positions(lane, units).await.map_err(data_or_other)
}

/// A row that is not there at its version. Which of several it is, is known when they are written
/// one by one.
fn conflict(group: &Group<'_>) -> StoreError {
    let row = group.rows.first().map(|row| row.change);
    StoreError::VersionConflict {
        table: group.table.name,
        key: row.map(|row| row.key.to_string()).unwrap_or_default(),
        expected: match row.map(|row| row.operation) {
            Some(Operation::Update { expected_version }) => expected_version,
            _ => 0,
        },
    }
}

async fn write_outgoing(lane: &mut Lane, units: &[Unit]) -> Result<(), Wrong> {
    let mut sent: Vec<(i32, &Outgoing)> = units
        .iter()
        .filter_map(|unit| Some((i32::from(unit.shard.number), unit.outgoing.as_ref()?)))
        .collect();
    if sent.is_empty() {
        return Ok(());
    }
    sent.sort_by_key(|(shard, outgoing)| (*shard, outgoing.first_sequence));

    let mut columns = Vec::with_capacity(sent.len());
    for (_, outgoing) in &sent {
        let column = outbox::to_columns(outgoing).map_err(|error| {
            Wrong::Data(StoreError::Corrupt {
                what: "a message to be written".to_owned(),
                source: Box::new(error),
            })
        })?;
        columns.push(column);
    }

    let bound = bound_outgoing(&sent, &columns).map_err(Trouble::Sql)?;
    let written = lane.run(OUTBOX, bound).await;
    written
        .map(drop)
        .map_err(|error| Trouble::Sql(error).into())
}

/// Events and messages as JSON, where there are any.
type Columns = (Option<String>, Option<String>);

fn bound_outgoing(sent: &[(i32, &Outgoing)], columns: &[Columns]) -> Result<Bound, sqlx::Error> {
    let version = |outgoing: &Outgoing| outgoing.version_in_history().map(signed);
    let mut bound = Bound::default();
    add(&mut bound, array(sent, |(shard, _)| *shard))?;
    add(
        &mut bound,
        array(sent, |(_, sent)| signed(sent.first_sequence)),
    )?;
    let count = |sent: &Outgoing| i32::try_from(sent.count()).unwrap_or(i32::MAX);
    add(&mut bound, array(sent, |(_, sent)| count(sent)))?;
    add(&mut bound, array(sent, |(_, sent)| sent.entity))?;
    add(&mut bound, array(sent, |(_, sent)| version(sent)))?;
    add(&mut bound, array(sent, |(_, sent)| sent.correlation_id))?;
    add(&mut bound, array(sent, |(_, sent)| sent.time.micros()))?;
    add(&mut bound, array(columns, |(events, _)| events.as_deref()))?;
    add(
        &mut bound,
        array(columns, |(_, messages)| messages.as_deref()),
    )?;
    Ok(bound)
}

fn array<'a, S, T>(all: &'a [S], of: impl Fn(&'a S) -> T) -> Vec<T> {
    all.iter().map(of).collect()
}

/// The last change of each timer counts.
async fn write_timers(lane: &mut Lane, units: &[Unit]) -> Result<(), sqlx::Error> {
    let changes = |unit: &Unit| {
        let timer: TimerChange = unit.timer?;
        Some((timer.id, (i32::from(unit.shard.number), timer.set)))
    };
    let last: BTreeMap<_, _> = units.iter().filter_map(changes).collect();

    let removed: Vec<_> = last
        .iter()
        .filter(|(_, (_, set))| set.is_none())
        .map(|(id, _)| *id)
        .collect();
    if !removed.is_empty() {
        let mut bound = Bound::default();
        add(&mut bound, removed)?;
        lane.run(NO_TIMERS, bound).await?;
    }

    let set: Vec<_> = last
        .into_iter()
        .filter_map(|(id, (shard, set))| Some((id, shard, set?)))
        .collect();
    if set.is_empty() {
        return Ok(());
    }

    let patience =
        |patience: std::time::Duration| i64::try_from(patience.as_micros()).unwrap_or(i64::MAX);
    let mut bound = Bound::default();
    add(&mut bound, array(&set, |(id, ..)| *id))?;
    add(&mut bound, array(&set, |(_, shard, _)| *shard))?;
    add(&mut bound, array(&set, |(.., set)| set.wake_at.micros()))?;
    add(&mut bound, array(&set, |(.., set)| patience(set.patience)))?;
    add(&mut bound, array(&set, |(.., set)| set.waits_for))?;
    lane.run(TIMERS, bound).await.map(drop)
}

/// The last position in each source counts.
async fn write_positions(lane: &mut Lane, units: &[Unit]) -> Result<(), sqlx::Error> {
    let reached = |unit: &Unit| {
        let (reached, position) = unit.position?;
        let source = reached.source;
        let key = (
            i32::from(unit.shard.number),
            source.service.name(),
            i32::from(source.number),
            reached.stream.name(),
        );
        Some((key, signed(position)))
    };
    let last: BTreeMap<_, _> = units.iter().filter_map(reached).collect();
    if last.is_empty() {
        return Ok(());
    }

    let last: Vec<_> = last.into_iter().collect();
    let mut bound = Bound::default();
    add(&mut bound, array(&last, |((shard, ..), _)| *shard))?;
    add(&mut bound, array(&last, |((_, service, ..), _)| *service))?;
    add(&mut bound, array(&last, |((_, _, number, _), _)| *number))?;
    add(&mut bound, array(&last, |((.., stream), _)| *stream))?;
    add(&mut bound, array(&last, |(_, position)| *position))?;
    lane.run(INBOX, bound).await.map(drop)
}

/// Notes how far outboxes are published, where they are still held.
async fn write_published(lane: &mut Lane, published: &[Published]) -> Result<(), sqlx::Error> {
    if published.is_empty() {
        return Ok(());
    }

    let mut notes: Vec<_> = published.iter().collect();
    notes.sort_by_key(|note| note.shard.number);
    let mut bound = Bound::default();
    add(
        &mut bound,
        array(&notes, |note| i32::from(note.shard.number)),
    )?;
    add(&mut bound, array(&notes, |note| signed(note.epoch)))?;
    add(
        &mut bound,
        array(&notes, |note| signed(note.heads.published())),
    )?;
    add(&mut bound, array(&notes, |note| note.heads.to_json()))?;
    lane.run(PUBLISHED, bound).await.map(drop)
}
