//! What waits: parked messages lie behind the positions of their shards, and timers wake somebody.
//! How tables that are rarely long are walked over.

use std::collections::BTreeMap;

use domain::messages::{CustomerNotice, OrderNotice};
use domain::wire::names::is_among;
use domain::{CustomerEvent, MessageId, OrderEvent, Service, ShardId};
use store::parking::{self, ParkedState};
use store::snapshot::{AsRead, Snapshot, last_id};
use store::tables::{parked, timer};
use store::{Message, SourceStream, StoreError};
use uuid::Uuid;

use super::AuditError;
use super::problem::{Mismatch, Problem};
use super::report::{Invariant, Report};
use super::stores::Stores;
use super::{inboxes, operators, retries};

/// Rows read at a time, each time in a snapshot of their own.
pub(super) const ROWS: u64 = 1_000;
/// Tells of this many timers at most that wake nobody.
const TIMERS: u64 = 1_000;

pub(super) async fn audit(stores: &Stores) -> Result<Report, AuditError> {
    let mut report = Report::default();
    report.checked(Invariant::Quarantine, 0);
    report.checked(Invariant::Operators, 0);

    for service in domain::SERVICES {
        parked_messages(stores, service, &mut report).await?;
        retries::audit(stores, service, &mut report).await?;
        timers(stores, service, &mut report).await?;
        operators::audit(stores, service, &mut report).await?;
    }
    Ok(report)
}

/// A shard's position in each source.
type Reached = BTreeMap<(ShardId, SourceStream), u64>;

/// A row of a table, by its key.
pub(super) trait Row: Sized + Send + Sync {
    /// What it is called.
    const NAME: &'static str;
    const INVARIANT: Invariant;
    /// What it is judged by beside itself, of the same moment.
    type Beside: Send + Sync;

    fn key(&self) -> Uuid;

    /// Some rows after one.
    fn some(
        snapshot: &Snapshot,
        after: Option<Uuid>,
    ) -> impl Future<Output = Result<Vec<AsRead<Self>>, StoreError>> + Send;

    fn beside(
        snapshot: &Snapshot,
        service: Service,
        shards: u16,
    ) -> impl Future<Output = Result<Self::Beside, StoreError>> + Send;
}

impl Row for parked::Model {
    const NAME: &'static str = "parked message";
    const INVARIANT: Invariant = Invariant::Quarantine;
    /// The unit that parks a message also moves the position.
    type Beside = Reached;

    fn key(&self) -> Uuid {
        self.message_id
    }

    async fn some(
        snapshot: &Snapshot,
        after: Option<Uuid>,
    ) -> Result<Vec<AsRead<Self>>, StoreError> {
        let key = parked::Column::MessageId;
        snapshot.page::<parked::Entity>(key, after, ROWS).await
    }

    async fn beside(
        snapshot: &Snapshot,
        service: Service,
        shards: u16,
    ) -> Result<Reached, StoreError> {
        reached(snapshot, service, shards).await
    }
}

impl Row for timer::Model {
    const NAME: &'static str = "timer";
    const INVARIANT: Invariant = Invariant::Sagas;
    type Beside = ();

    fn key(&self) -> Uuid {
        self.timer_id
    }

    async fn some(
        snapshot: &Snapshot,
        after: Option<Uuid>,
    ) -> Result<Vec<AsRead<Self>>, StoreError> {
        let key = timer::Column::TimerId;
        snapshot.page::<timer::Entity>(key, after, ROWS).await
    }

    async fn beside(_: &Snapshot, _: Service, _: u16) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Judges all rows of a table, some at a time, each time in a snapshot of their own.
pub(super) async fn walk<R: Row>(
    stores: &Stores,
    service: Service,
    report: &mut Report,
    judge: impl Fn(&R, &R::Beside) -> Result<(), Mismatch>,
) -> Result<(), AuditError> {
    let mut after = None;
    loop {
        let snapshot = Snapshot::begin(stores.database(service)).await?;
        let rows = R::some(&snapshot, after).await?;
        let beside = R::beside(&snapshot, service, stores.shards).await?;
        snapshot.end().await?;

        let Some(last) = last_id(&rows, R::key, after) else {
            return Ok(());
        };
        after = Some(last);
        report.checked(R::INVARIANT, rows.len());
        for row in report.readable(R::INVARIANT, rows) {
            if let Err(mismatch) = judge(&row, &beside) {
                let subject = format_args!("{} {}", R::NAME, row.key());
                report.violated_by(R::INVARIANT, Problem::of(subject, mismatch));
            }
        }
    }
}

async fn parked_messages(
    stores: &Stores,
    service: Service,
    report: &mut Report,
) -> Result<(), AuditError> {
    let judge =
        |row: &parked::Model, reached: &Reached| judge_parked(service, row, reached, stores.shards);
    walk(stores, service, report, judge).await
}

async fn reached(
    snapshot: &Snapshot,
    service: Service,
    shards: u16,
) -> Result<Reached, StoreError> {
    let mut reached = Reached::new();
    for row in snapshot.inboxes().await?.into_iter().flatten() {
        // What is wrong with a position is told of where inboxes are looked at.
        if let Ok((shard, source, position)) = inboxes::place(service, &row, shards) {
            reached.insert((shard, source), position);
        }
    }
    Ok(reached)
}

fn judge_parked(
    service: Service,
    row: &parked::Model,
    reached: &Reached,
    shards: u16,
) -> Result<(), Mismatch> {
    let known = |what, found: &dyn std::fmt::Display| Mismatch::new(what, "a known one", found);
    if ParkedState::from_name(&row.state).is_none() {
        return Err(known("state", &row.state));
    }

    let number = u16::try_from(row.shard).ok().filter(|n| *n < shards);
    let shard = number.ok_or_else(|| known("shard", &row.shard))?;
    let shard = ShardId::new(service, shard);
    // A saga lives in the shard of its order, which its id does not tell.
    let at_home = ShardId::of(service, row.entity_id, shards);
    if service == domain::CUSTOMERS && shard != at_home {
        return Err(Mismatch::new("shard", at_home, shard));
    }

    let source = Service::from_name(&row.source_service);
    let source = source.ok_or_else(|| known("source", &row.source_service))?;
    let number = u16::try_from(row.source_shard).ok().filter(|n| *n < shards);
    let source = ShardId::new(
        source,
        number.ok_or_else(|| known("source", &row.source_shard))?,
    );

    let sequence = u64::try_from(row.source_sequence).unwrap_or(0);
    let id = MessageId::at(source, sequence);
    if id.0 != row.message_id {
        return Err(Mismatch::new("id", id.0, row.message_id));
    }

    // Else it would be received once more, and be processed twice.
    let stream = match is_heard(&row.name) {
        true => SourceStream::events(source),
        false => SourceStream::messages(source),
    };
    let position = reached.get(&(shard, stream)).copied().unwrap_or(0);
    if position < sequence {
        let expected = format_args!("at least {sequence}");
        return Err(Mismatch::new("position of its shard", expected, position));
    }

    parking::from_row(service, row.clone())
        .map(drop)
        .map_err(|error| Mismatch::of_row(&error))
}

/// Whether a message of this name is heard by whoever follows the events of its source, and sent to
/// nobody. Of what cannot be read only events are kept.
fn is_heard(name: &str) -> bool {
    let events = [
        CustomerEvent::WIRE_NAMES,
        CustomerNotice::WIRE_NAMES,
        OrderEvent::WIRE_NAMES,
        OrderNotice::WIRE_NAMES,
    ];
    name == Message::UNREADABLE || events.into_iter().any(|names| is_among(name, names))
}

/// Every timer can be read, and wakes somebody. When it is set for is compared with whom it wakes.
async fn timers(stores: &Stores, service: Service, report: &mut Report) -> Result<(), AuditError> {
    walk(stores, service, report, |_: &timer::Model, (): &()| Ok(())).await?;

    let snapshot = Snapshot::begin(stores.database(service)).await?;
    let timers = snapshot.timers_of_nobody(TIMERS).await?;
    snapshot.end().await?;

    for timer in timers {
        let problem = Problem::new(
            format_args!("timer {timer} of {service}"),
            "saga or entity",
            "one that it wakes",
            "none",
        );
        report.violated_by(Invariant::Sagas, problem);
    }
    Ok(())
}
