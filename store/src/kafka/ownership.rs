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

mod asking;
mod member;

use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use sagas::Service;
use tokio::sync::oneshot;

use self::asking::Question;
use self::member::Member;
use super::assignments::Assignments;
use super::clients::{Complaints, config};
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
        let context = Member::new(service, topic, assignments, reader, complaints);
        let context = Arc::new(context);

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
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((consumer, questions)) = parts.take() else {
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
        self.context.participation()
    }

    /// How many shards are the node's that it does not read yet.
    pub(super) fn not_begun(&self) -> usize {
        self.context.not_begun()
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
