//! Publishing events again from the outbox in the database, where they are kept for ever: for
//! those who follow a topic that has lost some. Nodes need it not, they read the outbox themselves.
//!
//! It may run while nodes do. What they publish meanwhile may stand between, or before, what is
//! published here; an event that comes twice is the same, and each names the one before it.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use sagas::{Service, ShardId, Timestamp};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::acknowledged::Acknowledged;
use super::clients::Complaints;
use super::contents::{self, Contents};
use super::outcomes::Refused;
use super::topics::{Topic, Topics};
use super::{KafkaError, KafkaSettings};
use crate::history::{self, Read};
use crate::log::{Destination, Message};
use crate::{ServiceDatabase, StoreError};

/// So many events are read, published and acknowledged before the next.
const PAGE: usize = 1_000;

/// Which events of a service are to be published again.
#[derive(Clone, Copy, Debug)]
pub struct Republication {
    /// The one of its shards; all of them otherwise.
    pub shard: Option<u16>,
    /// From this sequence on. Otherwise from the first that the topic lacks on: whoever follows it
    /// and stops at a gap then finds all that comes behind it in order.
    pub from: Option<u64>,
}

/// What was published again.
#[derive(Debug)]
pub struct Republished {
    /// The topic that has it now.
    pub topic: String,
    /// By their numbers.
    pub shards: Vec<OfShard>,
}

/// What was published again of a shard.
#[derive(Debug)]
pub struct OfShard {
    /// Whose outbox it was.
    pub shard: ShardId,
    /// How many events.
    pub events: u64,
    /// The first and the last of them.
    pub span: Option<(Place, Place)>,
    /// Why the topic lacks some all the same.
    pub lacks: Option<Lacking>,
}

/// Where an event stands.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// In the outbox of its shard.
    pub sequence: u64,
    /// When it happened.
    pub time: Timestamp,
}

/// What the outbox cannot give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacking {
    /// Older events were deleted; it begins with this one.
    BeginsAt(u64),
    /// So many rows or events are damaged, the first of them at this place.
    Damaged(u64, u64),
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lacking::BeginsAt(sequence) => write!(
                f,
                "the database has no events before sequence {sequence} any more, the topic is \
                 complete from there on only"
            ),
            Lacking::Damaged(count, first) => write!(
                f,
                "{count} events, the first at sequence {first}, are damaged in the database and \
                 left out"
            ),
        }
    }
}

/// Why not everything was published.
#[derive(Debug, thiserror::Error)]
pub enum RepublishError {
    /// Kafka does not answer, refuses, or its topics are not as they should be.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such shard.
    #[error("shard {shard} of {service} is not there: it has {shards}, from 0 on")]
    Shard {
        /// The one that was asked for.
        shard: u16,
        /// Of which service.
        service: Service,
        /// How many it has.
        shards: u16,
    },
}

/// Publishes events of a service again, in the order of each shard, and waits until they are
/// acknowledged. Topics that are missing are created. `tell` hears now and then how far it is.
///
/// # Errors
/// When not everything was published that the outbox has. What was is no harm, and it can be begun
/// anew.
pub async fn republish(
    settings: KafkaSettings,
    database: &ServiceDatabase,
    wanted: Republication,
    tell: Arc<dyn Fn(&str) + Send + Sync>,
) -> Result<Republished, RepublishError> {
    let (service, count) = (database.service, settings.shards);
    if let Some(shard) = wanted.shard.filter(|shard| *shard >= count) {
        return Err(RepublishError::Shard {
            shard,
            service,
            shards: count,
        });
    }

    let told = Arc::clone(&tell);
    let connected = spawn_blocking(move || connect(&settings, service, wanted, &*told)).await;
    let (topics, contents, producer) =
        connected.map_err(|panic| KafkaError::Thread(panic.into()))??;
    let mut republishing = Republishing {
        database,
        topics,
        producer,
        tell,
        published: 0,
    };

    let mut shards = Vec::new();
    for source in ShardId::all_of(service, count) {
        if wanted.shard.is_none_or(|shard| shard == source.number) {
            let from = match wanted.from {
                Some(sequence) => sequence,
                None => contents.without_gap(source) + 1,
            };
            shards.push(republishing.shard(source, from).await?);
        }
    }
    Ok(Republished {
        topic: republishing.topic(),
        shards,
    })
}

fn connect(
    settings: &KafkaSettings,
    service: Service,
    wanted: Republication,
    tell: &(dyn Fn(&str) + Send + Sync),
) -> Result<(Arc<Topics>, Contents, Arc<Acknowledged>), KafkaError> {
    let complaints = Complaints::new();
    let topics = Arc::new(Topics::new(settings));
    topics.ensure(settings, &complaints)?;

    let contents = match wanted.from {
        Some(_) => Contents::default(),
        None => contents::read(settings, &topics, service, &complaints, &|records| {
            tell(&format!(
                "{service}: {records} records of the topic are read"
            ));
        })?,
    };
    let producer = Acknowledged::new(settings, &topics, &complaints, Refused::Fails)?;
    Ok((topics, contents, Arc::new(producer)))
}

/// What a republication works with.
struct Republishing<'d> {
    database: &'d ServiceDatabase,
    topics: Arc<Topics>,
    producer: Arc<Acknowledged>,
    tell: Arc<dyn Fn(&str) + Send + Sync>,
    published: u64,
}

impl Republishing<'_> {
    fn topic(&self) -> String {
        let name = self.topics.name(Topic::Events(self.database.service));
        name.unwrap_or_default().to_owned()
    }

    /// Publishes the events of a shard from this sequence on.
    async fn shard(&mut self, source: ShardId, from: u64) -> Result<OfShard, RepublishError> {
        let begins = self.beginning(source).await?;
        let begins = begins.filter(|begins| from < *begins);
        let mut of_shard = OfShard {
            shard: source,
            events: 0,
            span: None,
            lacks: begins.map(Lacking::BeginsAt),
        };

        let mut after = history::event_before(self.database, source, from).await?;
        loop {
            let Read {
                messages: mut page,
                to_the_end,
                ..
            } = self.page(source, after).await?;
            if let Some(last) = page.last() {
                after = last.sequence;
            }

            // Nobody knows which was before it, but there was one: whoever follows sees a gap.
            if let Some(first) = page
                .first_mut()
                .filter(|first| Some(first.sequence) == begins)
            {
                first.previous = first.sequence.saturating_sub(1);
            }
            page.retain(|event| {
                let is_readable = event.unreadable().is_none();
                if !is_readable {
                    of_shard.note_damage(event);
                }
                is_readable
            });
            for event in &page {
                of_shard.note(event);
            }
            self.deliver(page).await?;

            // What is committed from then on its node publishes. Whoever went after that, too,
            // would come to no end where orders never cease.
            if to_the_end {
                return Ok(of_shard);
            }
        }
    }

    async fn page(&self, source: ShardId, after: u64) -> Result<Read, StoreError> {
        history::messages(self.database, source, Destination::Events, after, PAGE).await
    }

    /// The sequence of the oldest event, if others were before it: an entity's history begins with
    /// version 1, and among the oldest events of a shard are such that create nobody, if older ones
    /// were deleted.
    async fn beginning(&self, source: ShardId) -> Result<Option<u64>, StoreError> {
        let oldest = self.page(source, 0).await?.messages;
        let mut begun: HashSet<Uuid> = HashSet::new();
        let is_continued = oldest
            .iter()
            .filter(|event| event.unreadable().is_none() && !event.is_notice())
            .any(|event| begun.insert(event.entity) && event.version > 1);
        Ok(oldest
            .first()
            .filter(|_| is_continued)
            .map(|first| first.sequence))
    }

    async fn deliver(&mut self, events: Vec<Message>) -> Result<(), RepublishError> {
        let (producer, topics) = (Arc::clone(&self.producer), Arc::clone(&self.topics));
        let count = u64::try_from(events.len()).unwrap_or(0);
        let delivered = spawn_blocking(move || producer.deliver(&topics, &events));
        delivered
            .await
            .map_err(|panic| KafkaError::Thread(panic.into()))??;

        let (before, page) = (self.published, u64::try_from(PAGE).unwrap_or(1));
        self.published += count;
        // A line for some hundred pages.
        if before / (100 * page) != self.published / (100 * page) {
            let (service, events) = (self.database.service, self.published);
            (self.tell)(&format!("{service}: {events} events are published"));
        }
        Ok(())
    }
}

impl OfShard {
    fn note(&mut self, event: &Message) {
        let place = Place {
            sequence: event.sequence,
            time: event.time,
        };
        self.events += 1;
        self.span = Some((self.span.map_or(place, |(first, _)| first), place));
    }

    fn note_damage(&mut self, event: &Message) {
        self.lacks = match self.lacks {
            Some(Lacking::Damaged(count, first)) => Some(Lacking::Damaged(count + 1, first)),
            None => Some(Lacking::Damaged(1, event.sequence)),
            begins => begins,
        };
    }
}
