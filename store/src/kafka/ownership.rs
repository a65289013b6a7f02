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
//!
//! A node that the group has lost (no broker answers, or it was stopped and taken for dead) keeps
//! its shards until it takes part again, and hears which are its own. Whoever has them by then has
//! raised their epochs, so this node commits and answers nothing more there; and while no broker
//! answers, nobody else can have been given them, and all nodes go on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use sagas::Service;
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::assignments::Assignments;
use super::clients::{Complaints, TURN, config};
use super::reader::Reader;
use super::threads::Threads;
use super::topics::Topic;
use super::{KafkaError, KafkaSettings};
use crate::cluster::Participation;

/// After how long without a sign of life a node is taken for dead: the shortest time that brokers
/// allow, unless they are told to. Shards of a node that was killed move after it.
const SESSION_MS: &str = "6000";

/// How often a node gives a sign of life, and hears that shards are to move: after at most two of
/// these when a node joins or leaves. Each costs a broker some 200 us.
const HEARTBEAT_MS: &str = "200";

/// After how long a node is taken for dead whose thread for its group stands still. At least the
/// time above.
const POLL_MS: &str = "10000";

/// A question whether this node has a partition, and whom to tell.
type Question = (i32, oneshot::Sender<bool>);

/// The consumer, and the questions to the coordinator of its group.
type Parts = (Arc<BaseConsumer<Place>>, Receiver<Question>);

/// A node's place in the group of one service.
pub(super) struct Ownership {
    context: Arc<Member>,
    ask: Sender<Question>,
    /// Until the node begins.
    parts: Mutex<Option<Parts>>,
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
            topic,
            assignments,
            reader,
            complaints: complaints.clone(),
            place: Mutex::default(),
        });

        let consumer: BaseConsumer<Place> = config(settings)
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
        let (ask, questions) = channel();
        Ok(Ownership {
            context,
            ask,
            parts: Mutex::new(Some((Arc::new(consumer), questions))),
        })
    }

    pub(super) fn service(&self) -> Service {
        self.context.service
    }

    /// Joins the group, and takes part in it until the threads are stopped. The one that ends last
    /// lets go of the consumer, which says farewell to the group.
    pub(super) fn begin(&self, threads: &Threads) -> Result<(), KafkaError> {
        let Some((consumer, questions)) = lock(&self.parts).take() else {
            return Ok(());
        };

        let (member, same) = (Arc::clone(&self.context), Arc::clone(&consumer));
        let name = format!("kafka-{}", self.service());
        threads.start(&name, move |stop| member.take_part(&consumer, stop))?;

        let member = Arc::clone(&self.context);
        threads.start(&format!("{name}-ask"), move |stop| {
            member.ask_coordinator(&same, &questions, stop);
        })
    }

    pub(super) fn participation(&self) -> Participation {
        let place = lock(&self.context.place);
        match (place.takes_part, place.is_overtaken) {
            (true, _) => Participation::Full,
            (false, false) => Participation::OutOfTouch,
            (false, true) => Participation::Overtaken,
        }
    }

    /// How many shards are the node's that it does not read yet.
    pub(super) fn not_begun(&self) -> usize {
        let gained = lock(&self.context.place).gained.clone();
        let assignments = &self.context.assignments;
        assignments.shards_in(self.service(), &gained).count()
    }

    /// Asks the coordinator whether this node has this partition.
    pub(super) fn confirm(&self, partition: i32) -> oneshot::Receiver<bool> {
        let (sender, answer) = oneshot::channel();
        if self.context.holds(partition) {
            // Whoever is not there any more answers by dropping it.
            let _ = self.ask.send((partition, sender));
        }
        answer
    }
}

impl fmt::Debug for Ownership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ownership = f.debug_struct("Ownership");
        ownership
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

/// What a node is in a group.
#[derive(Debug)]
struct Member {
    service: Service,
    topic: String,
    assignments: Arc<Assignments>,
    reader: Arc<Reader>,
    complaints: Complaints,
    place: Mutex<InGroup>,
}

/// How a node stands with its group.
#[derive(Debug, Default)]
struct InGroup {
    takes_part: bool,
    /// Partitions that are assigned, but not read yet.
    gained: BTreeSet<i32>,
    /// Partitions that were the node's when the group lost it.
    kept: BTreeSet<i32>,
    /// Some of those were let go of, since somebody else has them.
    is_overtaken: bool,
}

impl Member {
    /// Takes part in the group until it is stopped.
    fn take_part(&self, consumer: &BaseConsumer<Place>, stop: &AtomicBool) {
        if let Err(error) = consumer.subscribe(&[&self.topic]) {
            error!(service = %self.service, "the node takes part in no group: {error}");
        }

        while !stop.load(Ordering::SeqCst) {
            // It is assigned nothing to read, so it brings events alone.
            if let Some(Err(error)) = consumer.poll(TURN) {
                self.complaints.tell(&error.to_string());
            }
            self.begin_reading();
        }
    }

    /// Begins to read what has been assigned. Only then its shards are published: their owner
    /// reads from the outbox what was sent before.
    fn begin_reading(&self) {
        let gained = std::mem::take(&mut lock(&self.place).gained);
        if gained.is_empty() {
            return;
        }

        let tenure = self.assignments.next_tenure();
        match self.reader.begin(self.service, &gained, tenure) {
            Ok(()) => {
                info!(service = %self.service, kafka.partitions = ?gained, "shards are assigned");
                self.assignments.add(self.service, &gained, tenure);
            }
            Err(error) => {
                self.complaints
                    .tell(&format!("reading cannot begin: {error}"));
                lock(&self.place).gained.extend(gained);
            }
        }
    }

    /// The group has given these to the node. With the first ones after it was lost, possibly none,
    /// it hears all that is its own: the rest of what it has kept is somebody else's, and what it
    /// gets again may have been.
    fn gain(&self, partitions: &BTreeSet<i32>) {
        let mut place = lock(&self.place);
        place.is_overtaken = false;
        place.gained.extend(partitions);
        let kept = std::mem::take(&mut place.kept);
        drop(place);

        if !kept.is_empty() {
            self.reader.end(self.service, &kept);
            let away = &kept - partitions;
            self.assignments.remove(self.service, &away);
            info!(service = %self.service, kafka.partitions = ?away, "other nodes have these now");
        }

        // At once, so that a node that starts takes part, and is ready, when its shards are its own.
        self.begin_reading();
        lock(&self.place).takes_part = true;
    }

    /// The group has lost the node.
    fn keep(&self, partitions: &BTreeSet<i32>) {
        let mut place = lock(&self.place);
        place.takes_part = false;
        // What has not begun yet is nothing to keep, unless it is that of before.
        place.gained = &place.gained - partitions;
        let held = partitions.iter().copied();
        place
            .kept
            .extend(held.filter(|partition| self.holds(*partition)));
        drop(place);

        warn!(
            service = %self.service, kafka.partitions = ?partitions,
            "the group has lost this node, which keeps its shards until it hears who has them"
        );
    }

    fn give_up(&self, partitions: &BTreeSet<i32>) {
        self.assignments.remove(self.service, partitions);
        let mut place = lock(&self.place);
        place.gained = &place.gained - partitions;
        place.kept = &place.kept - partitions;
        drop(place);

        self.reader.end(self.service, partitions);
        info!(service = %self.service, kafka.partitions = ?partitions, "shards are given up");
    }

    /// Lets go of what was kept and is not confirmed: whoever asks cannot go on with it.
    fn let_go(&self, unconfirmed: &BTreeSet<i32>) {
        let mut place = lock(&self.place);
        let away = &place.kept & unconfirmed;
        place.kept = &place.kept - &away;
        // The group may have given it back by now.
        let away = &away - &place.gained;
        place.is_overtaken |= !away.is_empty();
        drop(place);

        if !away.is_empty() {
            self.assignments.remove(self.service, &away);
            self.reader.end(self.service, &away);
            info!(service = %self.service, kafka.partitions = ?away, "others may have these now");
        }
    }

    /// Asks the coordinator what there is to ask: all that has gathered since it answered.
    ///
    /// On a thread of its own, because it waits for each answer. What the client calls back for an
    /// offset that is committed without waiting, the binding does not hear.
    fn ask_coordinator(
        &self,
        consumer: &BaseConsumer<Place>,
        questions: &Receiver<Question>,
        stop: &AtomicBool,
    ) {
        while !stop.load(Ordering::SeqCst) {
            let Ok(first) = questions.recv_timeout(TURN) else {
                continue;
            };
            let mut askers: BTreeMap<i32, Vec<oneshot::Sender<bool>>> = BTreeMap::new();
            for (partition, asker) in std::iter::once(first).chain(questions.try_iter()) {
                if !asker.is_closed() {
                    askers.entry(partition).or_default().push(asker);
                }
            }
            if askers.is_empty() {
                continue;
            }

            let confirmed = self.confirmed(consumer, askers.keys().copied());
            let asked: BTreeSet<i32> = askers.keys().copied().collect();
            self.let_go(&(&asked - &confirmed));
            for (partition, askers) in askers {
                // What was taken away in the meantime is not this node's either.
                let confirmed = confirmed.contains(&partition) && self.holds(partition);
                for asker in askers {
                    let _ = asker.send(confirmed);
                }
            }
        }
    }

    /// Which of these partitions the coordinator lets this node commit an offset for: none, if it
    /// is no member any more or one of an older generation.
    ///
    /// Partitions that a newer generation gives to others are this node's until it has heard so:
    /// the coordinator waits for that before somebody else gets them.
    fn confirmed(
        &self,
        consumer: &BaseConsumer<Place>,
        partitions: impl Iterator<Item = i32>,
    ) -> BTreeSet<i32> {
        let mut offsets = TopicPartitionList::new();
        for partition in partitions {
            offsets.add_partition(&self.topic, partition);
        }

        let committed = offsets
            .set_all_offsets(Offset::Offset(0))
            .and_then(|()| consumer.commit(&offsets, CommitMode::Sync));
        if let Err(error) = committed {
            info!(service = %self.service, "the coordinator confirms no shard: {error}");
            return BTreeSet::new();
        }
        let offsets = offsets.elements();
        let accepted = offsets.iter().filter(|offset| offset.error().is_ok());
        accepted.map(|offset| offset.partition()).collect()
    }

    fn holds(&self, partition: i32) -> bool {
        self.assignments.holds(self.service, partition)
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
                self.0.gain(&partitions);
                consumer.incremental_assign(&nothing)
            }
            _ => {
                match consumer.assignment_lost() {
                    true => self.0.keep(&partitions),
                    false => self.0.give_up(&partitions),
                }
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
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
