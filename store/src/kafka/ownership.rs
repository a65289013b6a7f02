//! Which shards a node is to own: whatever the consumer group of the service assigns to it.
//!
//! A shard belongs to whoever has its partition of the inbox topic. Each service has a group of its
//! own, because the assignor takes partitions from a node in the order of their topics: with one
//! group for all, the second node would get all shards of one service and none of the other, and
//! every message would go from node to node.
//!
//! The consumers of the groups read nothing; [`super::reader`] does, from the moment a partition is
//! assigned. The offsets in the groups mean nothing either: to commit one is how the coordinator is
//! asked whether this node is still a member.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError as ClientError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use sagas::{Service, ShardId};
use tokio::sync::{oneshot, watch};
use tracing::{error, info};

use super::clients::{Complaints, TURN, config};
use super::reader::Reader;
use super::topics::{Topic, Topics};
use super::{KafkaError, KafkaSettings};
use crate::cluster::Assigned;

/// After how long without a sign of life a node is taken for dead: the shortest time that brokers
/// allow, unless they are told to. Shards of a node that was killed move after it.
const SESSION_MS: &str = "6000";

/// How often a node gives a sign of life, and hears that shards are to move: after at most two of
/// these when a node joins or leaves. Each costs a broker some 200 us.
const HEARTBEAT_MS: &str = "200";

/// After how long a node is taken for dead whose thread for its group stands still. At least the
/// time above.
const POLL_MS: &str = "10000";

/// After how long an answer of the coordinator comes no more: the client has given up by then.
const ANSWER: Duration = Duration::from_secs(20);

/// The shards that are assigned to a node, of all services.
#[derive(Debug)]
pub(super) struct Assignments {
    assigned: watch::Sender<Assigned>,
    shards: u16,
    topics: Arc<Topics>,
    stop: Arc<AtomicBool>,
}

impl Assignments {
    pub(super) fn new(shards: u16, topics: Arc<Topics>, stop: Arc<AtomicBool>) -> Self {
        Assignments {
            assigned: watch::Sender::new(Assigned::default()),
            shards,
            topics,
            stop,
        }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Assigned> {
        self.assigned.subscribe()
    }

    /// All shards are given up, and none is taken any more once the node is stopped.
    pub(super) fn clear(&self) {
        self.change(BTreeSet::clear);
    }

    fn add(&self, service: Service, partitions: &BTreeSet<i32>) {
        self.change(|assigned| {
            if !self.stop.load(Ordering::SeqCst) {
                assigned.extend(self.shards_in(service, partitions));
            }
        });
    }

    fn remove(&self, service: Service, partitions: &BTreeSet<i32>) {
        self.change(|assigned| {
            for shard in self.shards_in(service, partitions) {
                assigned.remove(&shard);
            }
        });
    }

    /// Whether all shards in this partition are assigned.
    fn holds(&self, service: Service, partition: i32) -> bool {
        let assigned = self.assigned.borrow();
        self.shards_in(service, &BTreeSet::from([partition]))
            .all(|shard| assigned.contains(&shard))
    }

    fn shards_in(
        &self,
        service: Service,
        partitions: &BTreeSet<i32>,
    ) -> impl Iterator<Item = ShardId> {
        (0..self.shards)
            .map(move |number| ShardId::new(service, number))
            .filter(|shard| partitions.contains(&self.topics.of_shard(*shard)))
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<ShardId>)) {
        self.assigned.send_if_modified(|assigned| {
            let mut changed = BTreeSet::clone(assigned);
            change(&mut changed);

            let differs = changed != **assigned;
            if differs {
                *assigned = Arc::new(changed);
            }
            differs
        });
    }
}

/// A node's place in the group of one service.
pub(super) struct Ownership {
    context: Arc<Member>,
    topic: String,
    /// Until the node leaves.
    consumer: Mutex<Option<Arc<BaseConsumer<Place>>>>,
}

impl Ownership {
    pub(super) fn new(
        settings: &KafkaSettings,
        service: Service,
        assignments: Arc<Assignments>,
        reader: Arc<Reader>,
        complaints: &Complaints,
    ) -> Result<Self, KafkaError> {
        let name = assignments.topics.name(Topic::Inbox(service));
        let topic = name.map(str::to_owned).ok_or_else(|| {
            KafkaError::Settings(format!(
                "node {} owns {service}, which has no topics",
                settings.node
            ))
        })?;
        let context = Arc::new(Member {
            service,
            topic: topic.clone(),
            assignments,
            reader,
            complaints: complaints.clone(),
            gained: Mutex::default(),
            questions: Mutex::default(),
        });

        let consumer = config(settings)
            .set(
                "group.id",
                format!("{}.{service}.nodes", settings.namespace),
            )
            // Who keeps a shard goes on with it while others move.
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", SESSION_MS)
            .set("heartbeat.interval.ms", HEARTBEAT_MS)
            .set("max.poll.interval.ms", POLL_MS)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .create_with_context(Place(Arc::clone(&context)))
            .map_err(|source| KafkaError::Client {
                brokers: settings.brokers.clone(),
                source,
            })?;
        Ok(Ownership {
            context,
            topic,
            consumer: Mutex::new(Some(Arc::new(consumer))),
        })
    }

    pub(super) fn service(&self) -> Service {
        self.context.service
    }

    /// Takes part in the group until it is stopped, and leaves it then.
    pub(super) fn run(&self, stop: &AtomicBool) {
        let Some(consumer) = lock(&self.consumer).clone() else {
            return;
        };
        if let Err(error) = consumer.subscribe(&[&self.topic]) {
            error!(service = %self.service(), "the node takes part in no group: {error}");
        }

        while !stop.load(Ordering::SeqCst) {
            // It is assigned nothing to read, so it brings events alone.
            if let Some(Err(error)) = consumer.poll(TURN) {
                self.context.complaints.tell(&error.to_string());
            }
            self.context.begin_reading();
            self.context.ask(&consumer);
        }

        // The last one to let go of the consumer says farewell to the group.
        lock(&self.consumer).take();
        drop(consumer);
        self.context.refuse();
    }

    /// Asks the coordinator whether this node has this partition.
    pub(super) fn confirm(&self, partition: i32) -> oneshot::Receiver<bool> {
        let (sender, answer) = oneshot::channel();
        if self.context.assignments.holds(self.service(), partition)
            && let Some(consumer) = &*lock(&self.consumer)
        {
            let mut questions = lock(&self.context.questions);
            questions.waiting.entry(partition).or_default().push(sender);
            drop(questions);
            self.context.ask(consumer);
        }
        answer
    }
}

impl fmt::Debug for Ownership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ownership = f.debug_struct("Ownership");
        ownership
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

/// Who asks about each partition.
type Askers = BTreeMap<i32, Vec<oneshot::Sender<bool>>>;

/// Questions to the coordinator: one is under way, of all that had gathered.
#[derive(Debug, Default)]
struct Questions {
    waiting: Askers,
    asked: Option<(Instant, Askers)>,
}

/// What a node is in a group.
#[derive(Debug)]
struct Member {
    service: Service,
    topic: String,
    assignments: Arc<Assignments>,
    reader: Arc<Reader>,
    complaints: Complaints,
    /// Partitions that are assigned, but not read yet.
    gained: Mutex<BTreeSet<i32>>,
    questions: Mutex<Questions>,
}

impl Member {
    /// Begins to read what has been assigned. Only then its shards are published: their owner
    /// reads from the outbox what was sent before.
    fn begin_reading(&self) {
        let gained = std::mem::take(&mut *lock(&self.gained));
        if gained.is_empty() {
            return;
        }

        match self.reader.begin(self.service, &gained) {
            Ok(()) => {
                info!(service = %self.service, kafka.partitions = ?gained, "shards are assigned");
                self.assignments.add(self.service, &gained);
            }
            Err(error) => {
                self.complaints
                    .tell(&format!("reading cannot begin: {error}"));
                lock(&self.gained).extend(gained);
            }
        }
    }

    fn give_up(&self, partitions: &BTreeSet<i32>, lost: bool) {
        self.assignments.remove(self.service, partitions);
        lock(&self.gained).retain(|partition| !partitions.contains(partition));
        self.reader.end(self.service, partitions);
        info!(service = %self.service, kafka.partitions = ?partitions, lost, "shards are given up");
    }

    /// Asks the coordinator what waits to be asked, unless a question is under way.
    fn ask(&self, consumer: &BaseConsumer<Place>) {
        let mut questions = lock(&self.questions);
        let under_way = |(since, _): &(Instant, Askers)| since.elapsed() < ANSWER;
        if questions.asked.as_ref().is_some_and(under_way) || questions.waiting.is_empty() {
            return;
        }

        let asked = std::mem::take(&mut questions.waiting);
        if self.commit(consumer, &asked).is_ok() {
            questions.asked = Some((Instant::now(), asked));
        }
    }

    /// The coordinator takes no offset from who is not a member, or is one as of old.
    fn commit(&self, consumer: &BaseConsumer<Place>, asked: &Askers) -> KafkaResult<()> {
        let mut offsets = TopicPartitionList::new();
        for partition in asked.keys() {
            offsets.add_partition_offset(&self.topic, *partition, Offset::Offset(0))?;
        }
        consumer.commit(&offsets, CommitMode::Async)
    }

    /// The coordinator has answered. What it has assigned otherwise before its answer is known
    /// here: both come in their order.
    fn answered(&self, result: &KafkaResult<()>, offsets: &TopicPartitionList) {
        let Some((_, asked)) = lock(&self.questions).asked.take() else {
            return;
        };
        if let Err(error) = result {
            info!(service = %self.service, "the coordinator confirms no shard: {error}");
        }

        for (partition, askers) in asked {
            let accepted = offsets
                .find_partition(&self.topic, partition)
                .is_none_or(|offset| offset.error().is_ok());
            let confirmed =
                result.is_ok() && accepted && self.assignments.holds(self.service, partition);
            for asker in askers {
                let _ = asker.send(confirmed);
            }
        }
    }

    /// Nobody is there any more to ask.
    fn refuse(&self) {
        *lock(&self.questions) = Questions::default();
    }
}

/// What the client of a group calls back, while it is polled.
struct Place(Arc<Member>);

impl ClientContext for Place {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.complaints.log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.0.complaints.error(error, reason);
    }
}

impl ConsumerContext for Place {
    /// Says what has come and gone. The client itself is told to read nothing of it.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let elements = partitions.elements();
        let partitions = elements.iter().map(|element| element.partition()).collect();
        let nothing = TopicPartitionList::new();

        let done = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                lock(&self.0.gained).extend(&partitions);
                consumer.incremental_assign(&nothing)
            }
            _ => {
                self.0.give_up(&partitions, consumer.assignment_lost());
                match consumer.rebalance_protocol() {
                    RebalanceProtocol::Cooperative => consumer.incremental_unassign(&nothing),
                    _ => consumer.unassign(),
                }
            }
        };
        if let Err(error) = done {
            self.0
                .complaints
                .tell(&format!("a change of the group failed: {error}"));
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        self.0.answered(&result, offsets);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
