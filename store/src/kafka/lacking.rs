//! Whether a topic of events holds fewer than its service has published: it was deleted and created
//! anew while nobody looked, or the log was not Kafka before.
//!
//! Records that brokers delete when they are old do not count as lacking: a partition is compared
//! only while it has its first record. Its end then counts every record there ever was, duplicates
//! too, so that fewer than there are units with events are surely too few.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::topic_partition_list::Offset;
use sagas::{Service, ShardId, Timestamp};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ColumnTrait, ConnectionTrait};
use tokio::task::spawn_blocking;
use tracing::debug;

use super::Kafka;
use super::reader::Reader;
use super::topics::{Topic, Topics};
use super::watching::tell_lacking;
use crate::tables::outbox;
use crate::{ServiceDatabase, StoreError};

/// A partition that holds more is taken for whole: to count its units would take long.
const COUNTED: i64 = 1_000_000;

/// What was committed later than this ago may be on its way: longer than the client tries.
const ON_THE_WAY: Duration = Duration::from_secs(60);

impl Kafka {
    /// Looks once whether the topic of this service's events lacks some, and says so.
    pub async fn look_at_events(&self, database: &ServiceDatabase, now: Timestamp) {
        let Some(name) = self.topics.name(Topic::Events(database.service)) else {
            return;
        };
        match self.lacks_events(database, now).await {
            Ok(true) => tell_lacking(name, database.service),
            Ok(false) => {}
            Err(error) => debug!("whether {name} is whole is not known: {error}"),
        }
    }

    pub(super) async fn lacks_events(
        &self,
        database: &ServiceDatabase,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (reader, topics) = (Arc::clone(&self.reader), Arc::clone(&self.topics));
        let service = database.service;
        let shards = database.shards().await?.unwrap_or(0);
        let ends = spawn_blocking(move || whole_partitions(&reader, &topics, service)).await;

        for (partition, end) in ends.unwrap_or_default() {
            let of_partition = ShardId::all_of(service, shards)
                .filter(|shard| self.topics.of_shard(*shard) == partition);
            if units(database, of_partition, end, now).await? > end {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// How many units with events there are of these shards, one more than `end` at most.
async fn units(
    database: &ServiceDatabase,
    shards: impl Iterator<Item = ShardId>,
    end: i64,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let mut units = Query::select();
    // Each shard has its place in the key: the rows of the others are not walked over.
    units
        .expr(Expr::value(1))
        .from(outbox::Entity)
        .and_where(outbox::Column::Shard.is_in(shards.map(|shard| i32::from(shard.number))))
        .and_where(outbox::Column::Events.is_not_null())
        .and_where(outbox::Column::Time.lt(now.before(ON_THE_WAY).micros()))
        .limit(u64::try_from(end + 1).unwrap_or(0));

    let mut counted = Query::select();
    counted
        .expr_as(Expr::cust("COUNT(*)"), "units")
        .from_subquery(units, "counted");
    let row = database.read.query_one(&counted).await;
    let row = row.map_err(|e| database.failed(e))?;
    row.map_or(Ok(0), |row| row.try_get("", "units"))
        .map_err(|e| database.failed(e))
}

/// The ends of the partitions that still have their first record, or none yet.
fn whole_partitions(reader: &Reader, topics: &Topics, service: Service) -> Vec<(i32, i64)> {
    let topic = topics.name(Topic::Events(service)).unwrap_or_default();
    let list = topics.events_of(&[service]);
    let both = reader
        .offsets(list.clone(), Offset::Beginning)
        .and_then(|first| Ok((first, reader.offsets(list, Offset::End)?)));
    let (first, ends) = match both {
        Ok(both) => both,
        Err(error) => {
            debug!("the events in Kafka cannot be counted: {error}");
            return Vec::new();
        }
    };

    let is_whole = |partition| {
        let first = first.find_partition(topic, partition);
        first.is_some_and(|first| first.offset() == Offset::Offset(0))
    };
    let ends = ends.elements().into_iter();
    ends.filter_map(|end| match end.offset() {
        Offset::Offset(offset) if offset <= COUNTED && is_whole(end.partition()) => {
            Some((end.partition(), offset))
        }
        _ => None,
    })
    .collect()
}
