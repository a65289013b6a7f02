//! What a node takes in: the messages and questions to its shards, the answers to itself, and
//! events: all of them if it feeds views, else those that its shards may go on with.
//!
//! One consumer reads all of it, so that one request asks a broker for everything that is new. It
//! belongs to no group: which partitions it reads is said by hand. The group's consumers
//! ([`super::ownership`]) say when shards come and go, and read nothing. So a shard that takes its
//! time over a message never makes the group think that the node is dead.

#[cfg(test)]
mod testing;

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::counter;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sagas::Service;
use tracing::{debug, error, warn};

use super::beginning::Beginning;
use super::clients::{Complaints, TURN, config};
use super::ends::{self, Ends};
use super::headers::{SERVICE, SHARD, WORD, header};
use super::reading::Reading;
use super::record;
use super::topics::{Topic, Topics};
use super::{KafkaError, KafkaSettings};
use crate::cluster::Arrivals;
use crate::cluster::roll::Roll;
use crate::log::Message;
use crate::metric_names::KAFKA_UNREADABLE;
#[cfg(test)]
pub(super) use testing::Disturbed;

/// How many messages are handed over at once, at most.
const BATCH: usize = 1_000;

/// The consumer of a node.
pub(super) struct Reader {
    consumer: BaseConsumer<Complaints>,
    topics: Arc<Topics>,
    node: String,
    /// Which nodes there are.
    roll: Arc<Roll>,
    complaints: Complaints,
    reading: Mutex<Reading>,
    /// What has been told of as unreadable: one record of each kind is enough.
    told: Mutex<BTreeSet<String>>,
}

impl Reader {
    pub(super) fn new(
        settings: &KafkaSettings,
        topics: Arc<Topics>,
        complaints: &Complaints,
    ) -> Result<Self, KafkaError> {
        let consumer = config(settings)
            // Demanded of every consumer. It subscribes to nothing, so no group comes of it.
            .set(
                "group.id",
                format!("{}.{}", settings.namespace, settings.node),
            )
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // When what it was to read next is gone: the gap is seen, and read from the outbox.
            .set("auto.offset.reset", "latest")
            // A request that waits for news asks about the partitions there were when it was sent:
            // so long a shard waits for its first message. By default it is half a second.
            .set("fetch.wait.max.ms", "100")
            // What waits in memory until it is taken.
            .set("queued.max.messages.kbytes", "16384")
            .create_with_context(complaints.clone())
            .map_err(|source| KafkaError::Client {
                brokers: settings.brokers.clone(),
                source,
            })?;
        Ok(Reader {
            consumer,
            topics,
            node: settings.node.clone(),
            roll: Arc::default(),
            complaints: complaints.clone(),
            reading: Mutex::default(),
            told: Mutex::default(),
        })
    }

    pub(super) fn roll(&self) -> &Arc<Roll> {
        &self.roll
    }

    /// Where the answers to this node end, and the events. Blocks, longer if the topics are so new
    /// that not all brokers know them.
    pub(super) fn ends(&self) -> KafkaResult<Ends> {
        Ends::find(&self.consumer, &self.topics, &self.node)
    }

    /// The offsets of these partitions at a time, or at the end. Blocks.
    pub(super) fn offsets(
        &self,
        list: TopicPartitionList,
        at: Offset,
    ) -> KafkaResult<TopicPartitionList> {
        ends::offsets(&self.consumer, list, at)
    }

    /// Reads the answers, what nodes tell of themselves, and all events if they are followed, from
    /// there on.
    pub(super) fn follow(&self, ends: &Ends, follows_events: bool) {
        self.lock().all_events = follows_events;
        let events = follows_events.then_some(&ends.events);
        let lists = [Some(&ends.answers), Some(&ends.nodes), events];
        for list in lists.into_iter().flatten() {
            if let Err(error) = self.consumer.incremental_assign(list) {
                error!("answers, notes or events cannot be read from Kafka: {error}");
            }
        }
    }

    /// Reads messages and questions to the shards in these partitions for this tenure: messages
    /// from now on, questions from a little earlier. Blocks, but not for long.
    pub(super) fn begin(
        &self,
        service: Service,
        partitions: &BTreeSet<i32>,
        tenure: u64,
    ) -> KafkaResult<()> {
        let client = (&self.consumer, &self.complaints);
        let Beginning { list, own } =
            Beginning::find(client, &self.topics, service, (partitions, tenure))?;

        // Held until both are known: what arrives in between waits for it.
        let mut reading = self.lock();
        self.assign(&list)?;
        reading.own.extend(own);
        self.read_beside(&mut reading);
        Ok(())
    }

    /// Reads nothing any more of what goes to the shards in these partitions.
    pub(super) fn end(&self, service: Service, partitions: &BTreeSet<i32>) {
        let mut reading = self.lock();
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            if reading.own.remove(&(service, *partition)).is_none() {
                continue;
            }
            for topic in [Topic::Inbox(service), Topic::Requests(service)] {
                if let Some(topic) = self.topics.name(topic) {
                    list.add_partition(topic, *partition);
                }
            }
        }

        self.unassign(&list);
        self.read_beside(&mut reading);
    }

    /// Reads these from where the list says. What is read already, because to end it has failed, is
    /// begun anew: the client takes all of a list or nothing.
    fn assign(&self, list: &TopicPartitionList) -> KafkaResult<()> {
        match list.count() {
            0 => Ok(()),
            _ => self.consumer.incremental_assign(list).or_else(|_| {
                self.unassign_each(list);
                self.consumer.incremental_assign(list)
            }),
        }
    }

    /// Reads these no more. One that is not read keeps none of the others.
    fn unassign(&self, list: &TopicPartitionList) {
        if list.count() > 0
            && let Err(error) = self.consumer.incremental_unassign(list)
        {
            self.complaints.tell(&error.to_string());
            self.unassign_each(list);
        }
    }

    fn unassign_each(&self, list: &TopicPartitionList) {
        for partition in list.elements() {
            let mut alone = TopicPartitionList::new();
            alone.add_partition(partition.topic(), partition.partition());
            if let Err(error) = self.consumer.incremental_unassign(&alone) {
                debug!("reading a partition does not end: {error}");
            }
        }
    }

    /// Reads the events that the shards here may go on with, from now on, and no others. What they
    /// have missed shows by the heads that owners note.
    fn read_beside(&self, reading: &mut Reading) {
        let wanted = reading.beside(&self.topics.services);
        let list = |partitions: &mut dyn Iterator<Item = &(Service, i32)>| {
            let mut list = TopicPartitionList::new();
            for (service, partition) in partitions {
                if let Some(topic) = self.topics.name(Topic::Events(*service)) {
                    list.add_partition(topic, *partition);
                }
            }
            list
        };

        let gone = list(&mut reading.events.difference(&wanted));
        let mut new = list(&mut wanted.difference(&reading.events));
        self.unassign(&gone);
        let assigned = new
            .set_all_offsets(Offset::End)
            .and_then(|()| self.assign(&new));
        match assigned {
            Ok(()) => reading.events = wanted,
            Err(error) => {
                self.complaints.tell(&error.to_string());
                reading.events.retain(|read| wanted.contains(read));
            }
        }
    }

    // Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over what arrives, until it is stopped.
    pub(super) fn run(&self, arrivals: &dyn Arrivals, stop: &AtomicBool) {
        while !stop.load(Ordering::SeqCst) {
            let taken = catch_unwind(AssertUnwindSafe(|| self.turn(arrivals)));
            if taken.is_err() {
                error!("taking in what arrived through Kafka panicked; it is left out");
            }
        }

        // Nothing more is fetched for a node that has left.
        let mut reading = self.lock();
        reading.own.clear();
        reading.events.clear();
        if let Err(error) = self.consumer.unassign() {
            debug!("reading does not end: {error}");
        }
    }

    /// Takes in what is there, once there is something.
    fn turn(&self, arrivals: &dyn Arrivals) {
        let mut messages = Vec::new();
        let mut next = self.consumer.poll(TURN);
        while let Some(record) = next {
            match record {
                Ok(record) => messages.extend(self.take(&record, arrivals)),
                Err(error) => self.complaints.tell(&error.to_string()),
            }
            if messages.len() >= BATCH {
                break;
            }
            next = self.consumer.poll(Duration::ZERO);
        }

        if !messages.is_empty() {
            arrivals.arrived(messages);
        }
    }

    /// The message that a record carries. Questions and answers are handed over at once.
    fn take(&self, record: &BorrowedMessage<'_>, arrivals: &dyn Arrivals) -> Option<Message> {
        match self.topics.named(record.topic())? {
            Topic::Inbox(_) | Topic::Events(_) => {
                let service = |name: &str| self.topics.service(name);
                record::read(record.key(), record.headers(), record.payload(), service)
                    .inspect_err(|why| self.unreadable(record, &why.to_string()))
                    .ok()
            }
            Topic::Requests(service) => {
                self.take_question(record, service, arrivals);
                None
            }
            Topic::Nodes => {
                self.take_note(record);
                None
            }
            Topic::Answers => {
                // Several nodes share a partition.
                if record.key() == Some(self.node.as_bytes()) {
                    self.take_answer(record, arrivals);
                }
                None
            }
        }
    }

    fn take_question(
        &self,
        record: &BorrowedMessage<'_>,
        service: Service,
        arrivals: &dyn Arrivals,
    ) {
        let known = |name: &str| self.topics.service(name);
        let Some(shard) = header(record, SHARD).and_then(|shard| record::shard(shard, known))
        else {
            return self.unreadable(record, "it names no shard");
        };

        let mut reading = self.lock();
        let questions = reading.own.get_mut(&(service, record.partition()));
        let read = questions
            .map(|questions| (questions.tenure, questions.is_from_before(record.offset())));
        drop(reading);

        let question = record.payload().unwrap_or_default();
        match read {
            Some((tenure, true)) => arrivals.asked_before(shard, tenure, question),
            Some((tenure, false)) => arrivals.asked(shard, tenure, question),
            // The partition has just gone to another node, which tells whoever asked.
            None => {}
        }
    }

    fn take_answer(&self, record: &BorrowedMessage<'_>, arrivals: &dyn Arrivals) {
        let payload = record.payload().unwrap_or_default();
        if header(record, WORD).is_some() {
            return arrivals.told(payload);
        }
        match header(record, SERVICE).and_then(|name| self.topics.service(name)) {
            Some(service) => arrivals.answered(service, payload),
            None => self.unreadable(record, "it names no service"),
        }
    }

    /// A node tells of itself. What this one has told has come back: it is in touch.
    fn take_note(&self, record: &BorrowedMessage<'_>) {
        let node = record.key().map(std::str::from_utf8);
        let Some(Ok(node)) = node else {
            return self.unreadable(record, "it names no node");
        };
        let note = record.payload().unwrap_or_default();
        self.roll.heard(node, note);
    }

    fn unreadable(&self, record: &BorrowedMessage<'_>, why: &str) {
        let topic = record.topic();
        counter!(KAFKA_UNREADABLE, "topic" => topic.to_owned()).increment(1);

        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(format!("{topic}: {why}")) {
            warn!(
                kafka.topic = topic,
                kafka.partition = record.partition(),
                kafka.offset = record.offset(),
                "a record cannot be read and is skipped, as are others like it: {why}"
            );
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}
