//! What a topic of events holds, read from its beginning to its end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::Offset;
use sagas::{Service, ShardId};

use super::clients::{Complaints, TURN, config};
use super::record;
use super::topics::Topics;
use super::{KafkaError, KafkaSettings};

/// How long the brokers may say nothing while a topic is read.
const SILENCE: Duration = Duration::from_secs(30);

/// How often it is told how far the reading is, in records.
const TELL_EVERY: u64 = 100_000;

/// The events that a topic holds, by their source.
#[derive(Debug, Default)]
pub(super) struct Contents(BTreeMap<ShardId, Held>);

impl Contents {
    /// The events of this source up to here are there, from the first on.
    pub(super) fn without_gap(&self, source: ShardId) -> u64 {
        self.0.get(&source).map_or(0, Held::without_gap)
    }
}

/// Which events of a source are there. Each names the one before it, so it covers what lies between
/// them: each span goes from behind a sequence up to another one.
#[derive(Debug, Default)]
struct Held(BTreeMap<u64, u64>);

impl Held {
    fn note(&mut self, previous: u64, sequence: u64) {
        // What names no earlier one before it is none of ours.
        if previous >= sequence {
            return;
        }

        let (mut from, mut to) = (previous, sequence);
        let before = self.0.range(..=from).next_back();
        if let Some((begin, end)) = before
            && *end >= from
        {
            (from, to) = (*begin, to.max(*end));
        }

        while let Some((begin, end)) = self.0.range(from..=to).next() {
            let (begin, end) = (*begin, *end);
            self.0.remove(&begin);
            to = to.max(end);
        }
        self.0.insert(from, to);
    }

    fn without_gap(&self) -> u64 {
        self.0.get(&0).copied().unwrap_or(0)
    }
}

/// Reads the topic of a service's events up to its end. Blocks.
pub(super) fn read(
    settings: &KafkaSettings,
    topics: &Topics,
    service: Service,
    complaints: &Complaints,
    tell: &dyn Fn(u64),
) -> Result<Contents, KafkaError> {
    let unreachable = |source| KafkaError::Unreachable {
        brokers: settings.brokers.clone(),
        source,
    };
    let consumer: BaseConsumer<Complaints> = config(settings)
        // Demanded of every consumer; no group comes of it.
        .set(
            "group.id",
            format!("{}.{}", settings.namespace, settings.node),
        )
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create_with_context(complaints.clone())
        .map_err(|source| KafkaError::Client {
            brokers: settings.brokers.clone(),
            source,
        })?;

    let mut list = topics.events_of(&[service]);
    list.set_all_offsets(Offset::Beginning)
        .and_then(|()| consumer.assign(&list))
        .map_err(unreachable)?;

    let (mut contents, mut records) = (Contents::default(), 0_u64);
    let (mut unread, mut heard) = (list.count(), Instant::now());
    while unread > 0 {
        match consumer.poll(TURN) {
            Some(Ok(record)) => {
                let named = |name: &str| topics.service(name);
                // What cannot be read is no event that anybody has.
                if let Ok(event) =
                    record::read(record.key(), record.headers(), record.payload(), named)
                {
                    let held = contents.0.entry(event.source).or_default();
                    held.note(event.previous, event.sequence);
                }

                records += 1;
                if records.is_multiple_of(TELL_EVERY) {
                    tell(records);
                }
            }
            Some(Err(ClientError::PartitionEOF(_))) => unread -= 1,
            Some(Err(error)) if heard.elapsed() > SILENCE => return Err(unreachable(error)),
            Some(Err(error)) => {
                complaints.tell(&error.to_string());
                continue;
            }
            None if heard.elapsed() > SILENCE => {
                return Err(unreachable(ClientError::NoMessageReceived));
            }
            None => continue,
        }
        heard = Instant::now();
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_ends_what_is_there_until_it_is_closed() {
        let mut held = Held::default();
        assert_eq!(held.without_gap(), 0);

        // A message to somebody else has the sequence between.
        for (previous, sequence) in [(0, 1), (1, 3), (7, 8), (8, 12)] {
            held.note(previous, sequence);
        }
        assert_eq!(held.without_gap(), 3);

        held.note(5, 7);
        assert_eq!(held.without_gap(), 3);
        held.note(3, 5);
        assert_eq!(held.without_gap(), 12);
    }

    #[test]
    fn a_duplicate_adds_nothing_and_hides_nothing() {
        let mut held = Held::default();
        for (previous, sequence) in [(0, 2), (4, 6), (0, 2), (4, 6), (2, 4), (2, 4), (9, 8)] {
            held.note(previous, sequence);
        }
        assert_eq!(held.0, BTreeMap::from([(0, 6)]));
    }
}
