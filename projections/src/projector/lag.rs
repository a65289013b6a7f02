//! How far a view is behind the log.

use std::collections::BTreeMap;
use std::time::Duration;

use sagas::{ShardId, Timestamp};
use serde::{Serialize, Serializer};
use store::{Destination, Log, Positions, StoreError};

use super::progress::Times;

/// The lag of one source shard that has events the view has not committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceLag {
    /// The shard that the view is behind.
    pub source: ShardId,
    /// How many sequences of the source's outbox lie between the view and the newest event. It
    /// counts the other messages of the outbox too, so it is an upper bound of the events; exact
    /// counting would read them.
    pub events: u64,
    /// The time of the newest committed event minus that of the newest one taken in.
    #[serde(rename = "seconds", serialize_with = "as_seconds")]
    pub age: Duration,
}

/// The lag of a view: of all sources together, and of each that is behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// Of all sources together.
    pub events: u64,
    /// Of the source that is furthest behind.
    #[serde(rename = "seconds", serialize_with = "as_seconds")]
    pub age: Duration,
    /// The sources that the view is behind.
    pub sources: Vec<SourceLag>,
}

impl Lag {
    /// Measures the lag. `times` are those of the committed events, where they are known; of a
    /// source that is behind the log is read for what neither it nor they have at hand.
    pub(crate) async fn measure(
        log: &dyn Log,
        committed: &Positions,
        times: &Times,
    ) -> Result<Lag, StoreError> {
        let mut lag = Lag::default();

        for (source, (position, head)) in sources_behind(log, committed) {
            let newest = match log.head_time(source) {
                None => time_at(log, source, head).await?,
                known => known,
            };
            let reached = match times.get(&source) {
                None => time_at(log, source, position).await?,
                known => known.copied(),
            };
            let age = newest
                .zip(reached)
                .map_or(Duration::ZERO, |(newest, reached)| newest.since(reached));
            let events = head.saturating_sub(position);
            lag.events = lag.events.saturating_add(events);
            lag.age = lag.age.max(age);
            lag.sources.push(SourceLag {
                source,
                events,
                age,
            });
        }

        Ok(lag)
    }
}

fn as_seconds<S: Serializer>(age: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(age.as_secs_f64())
}

/// The sources whose head is beyond the position, with both.
pub(super) fn sources_behind(
    log: &dyn Log,
    positions: &Positions,
) -> BTreeMap<ShardId, (u64, u64)> {
    let place = |source| {
        let position = positions.get(&source).copied().unwrap_or(0);
        (source, (position, log.head(source, Destination::Events)))
    };
    log.sources()
        .into_iter()
        .map(place)
        .filter(|(_, (position, head))| position < head)
        .collect()
}

/// When the event at `sequence` happened; for 0, where nothing stands, that of the source's first
/// event.
async fn time_at(
    log: &dyn Log,
    source: ShardId,
    sequence: u64,
) -> Result<Option<Timestamp>, StoreError> {
    let before = sequence.saturating_sub(1);
    Ok(log
        .read(source, Destination::Events, before, 1)
        .await?
        .first()
        .map(|message| message.time))
}
