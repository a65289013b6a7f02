//! Kafka as what carries messages, questions and answers between the nodes of a cluster, and gives
//! shards to nodes: the ports of [`crate::cluster`].
//!
//! | topic | carries | partition |
//! |---|---|---|
//! | `<namespace>.<service>.inbox` | commands and replies to the service's shards | receiver |
//! | `<namespace>.<service>.events` | events of the service's shards | source |
//! | `<namespace>.<service>.requests` | questions to the service's shards | shard |
//! | `<namespace>.answers` | answers and other words to nodes | hash of the node's name |
//! | `<namespace>.nodes` | what nodes tell all of themselves | the first |
//!
//! A shard stands in the partition of its number modulo their count, and belongs to the node that
//! the group `<namespace>.<service>.nodes` assigns that partition of the inbox to.
//!
//! Nothing that was committed rests on a topic: they may be deleted while nodes run or not, and are
//! created anew (`watching`). What is not delivered, or sent while nobody reads, its receiver reads
//! from the outbox; for others, who follow events, it can be published again (`republish`).

mod acknowledged;
mod assignments;
mod beginning;
mod clients;
mod contents;
mod ends;
mod error;
mod headers;
mod lacking;
mod membership;
mod outcomes;
mod outgoing;
mod ownership;
mod reader;
mod reading;
mod record;
mod relayed;
mod republish;
mod threads;
mod topics;
mod waiting;
mod watching;

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::message::OwnedHeaders;
use sagas::{Service, ShardId};
use tokio::task::spawn_blocking;
use tracing::{error, warn};

use crate::cluster::roll::Roll;
use crate::cluster::{Arrivals, Carrier, Membership, Participation, Transport};
use crate::log::Message;
use crate::relay::AcknowledgingCarrier;
use assignments::Assignments;
use clients::Complaints;
use ends::Ends;
pub use error::KafkaError;
use outgoing::Outgoing;
use ownership::Ownership;
use reader::Reader;
use relayed::ForRelay;
pub use republish::{
    Lacking, OfShard, Place, Republication, RepublishError, Republished, republish,
};
use threads::Threads;
use topics::{Topic, Topics};
use watching::Watching;

/// How long a shard may wait to be confirmed.
const CONFIRM: Duration = Duration::from_secs(3);

/// How long what was sent last may take when a node leaves.
const FLUSH: Duration = Duration::from_secs(2);

/// How long the threads of a node that leaves may take: a broker that does not answer is not worth
/// waiting for, the group will notice that the node is gone.
const LEAVE: Duration = Duration::from_secs(5);

/// Where Kafka is, and what a node is there for.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// `host:port,host:port`
    pub brokers: String,
    /// What the names of topics and groups begin with: that of the deployment.
    pub namespace: String,
    /// How many partitions each topic has. A node owns the shards of whole partitions, so it is at
    /// least the number of nodes; each one more makes batches smaller and sagas dearer. Never
    /// changed while there are topics.
    pub partitions: i32,
    /// How many shards each service has.
    pub shards: u16,
    /// Whose topics there are: all services.
    pub services: Vec<Service>,
    /// Whose shards this node may own.
    pub owns: Vec<Service>,
    /// The node's name, which no other has.
    pub node: String,
    /// Whether the node hands over what it commits. Otherwise a relay carries it, out of the
    /// outboxes.
    pub carries: bool,
}

impl KafkaSettings {
    /// How many partitions topics have, unless somebody says otherwise.
    pub const PARTITIONS: i32 = 4;
}

/// A node's connection to Kafka.
#[derive(Debug)]
pub struct Kafka {
    settings: KafkaSettings,
    complaints: Complaints,
    topics: Arc<Topics>,
    outgoing: Arc<Outgoing>,
    reader: Arc<Reader>,
    assignments: Arc<Assignments>,
    ownerships: Vec<Ownership>,
    /// Where to begin to read; taken once.
    ends: Mutex<Option<Ends>>,
    /// Taken by the same.
    watching: Mutex<Option<Watching>>,
    /// When it has begun to tell all nodes of itself.
    tells_since: OnceLock<Instant>,
    /// Those that take part in the groups.
    members: Threads,
    threads: Threads,
}

impl Kafka {
    /// Finds the brokers, creates the topics that are missing and checks the others. Messages and
    /// questions may be sent from now on. Nothing is taken in before [`begin`](Kafka::begin), but
    /// then the answers and events that have come in the meantime are.
    ///
    /// # Errors
    /// When no broker answers within some 10 seconds, or the topics are not as they should be.
    pub async fn connect(settings: KafkaSettings) -> Result<Arc<Self>, KafkaError> {
        let connected = spawn_blocking(move || Self::connect_blocking(&settings)).await;
        connected.map_err(|panic| KafkaError::Thread(panic.into()))?
    }

    fn connect_blocking(settings: &KafkaSettings) -> Result<Arc<Self>, KafkaError> {
        if settings.partitions < 1 {
            let partitions = settings.partitions;
            return Err(KafkaError::Settings(format!(
                "COUNTERFOIL_KAFKA_PARTITIONS is {partitions}, but must be at least 1"
            )));
        }

        let complaints = Complaints::new();
        let topics = Arc::new(Topics::new(settings));
        topics.ensure(settings, &complaints)?;

        let (members, threads) = (Threads::new(), Threads::new());
        let outgoing = Arc::new(Outgoing::new(settings, &topics, &complaints)?);
        let reader = Arc::new(Reader::new(settings, Arc::clone(&topics), &complaints)?);
        let ends = reader.ends().map_err(|source| KafkaError::Unreachable {
            brokers: settings.brokers.clone(),
            source,
        })?;
        let watching = Watching::new(
            settings,
            Arc::clone(&topics),
            Arc::clone(&reader),
            &complaints,
        )?;
        let assignments = Arc::new(Assignments::new(settings.shards, Arc::clone(&topics)));

        let ownerships = settings.owns.iter().map(|service| {
            let (assignments, reader) = (Arc::clone(&assignments), Arc::clone(&reader));
            Ownership::new(settings, *service, assignments, reader, &complaints)
        });
        let ownerships = ownerships.collect::<Result<_, _>>()?;

        let producer = Arc::clone(&outgoing);
        threads.start("kafka-producer", move |stop| producer.run(stop))?;
        Ok(Arc::new(Kafka {
            settings: settings.clone(),
            complaints,
            topics,
            outgoing,
            reader,
            assignments,
            ownerships,
            ends: Mutex::new(Some(ends)),
            watching: Mutex::new(Some(watching)),
            tells_since: OnceLock::new(),
            members,
            threads,
        }))
    }

    /// Begins to take in what the others send, and joins the groups of the services that the node
    /// owns. Whoever follows events gets those of all services, any other node those that its
    /// shards may go on with. Only the first call counts.
    pub fn begin(&self, arrivals: Arc<dyn Arrivals>, follows_events: bool) {
        let ends = self
            .ends
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(ends) = ends else { return };
        self.reader.follow(&ends, follows_events);

        let reader = Arc::clone(&self.reader);
        let reading = self
            .threads
            .start("kafka-reader", move |stop| reader.run(&*arrivals, stop));
        let watching = self
            .watching
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let watching = watching.map_or(Ok(()), |watching| {
            self.threads
                .start("kafka-topics", |stop| watching.run(stop))
        });
        let joining = self.ownerships.iter();
        let joining = joining.map(|ownership| ownership.begin(&self.members));
        for error in joining.chain([reading, watching]).filter_map(Result::err) {
            error!("a part of Kafka does not run: {error}");
        }
    }

    /// What carries messages for a relay.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn acknowledging(&self) -> Result<Arc<dyn AcknowledgingCarrier>, KafkaError> {
        let topics = Arc::clone(&self.topics);
        let carrier = ForRelay::new(&self.settings, &self.complaints, topics)?;
        Ok(Arc::new(carrier))
    }

    /// Tells all nodes of this one, as it is to do now and then ([`TELLS_EVERY`]).
    ///
    /// [`TELLS_EVERY`]: crate::cluster::roll::TELLS_EVERY
    pub fn tell_all(&self, note: &[u8]) {
        let _ = self.tells_since.get_or_init(Instant::now);
        // Whoever hears nothing takes this node for gone, and only shows it; this one sees by it that
        // it is not heard.
        let _ = self.outgoing.send(
            self.topics.name(Topic::Nodes),
            self.topics.of_all(),
            &self.settings.node,
            OwnedHeaders::new(),
            note,
        );
    }

    /// Tells one node something, as best it can.
    pub fn tell(&self, node: &str, word: &[u8]) {
        // Whoever waits for an answer asks again.
        let _ = self.outgoing.send(
            self.topics.name(Topic::Answers),
            self.topics.of_node(node),
            node,
            headers::word_headers(),
            word,
        );
    }

    /// Which nodes there are, as they have told since this one began.
    #[must_use]
    pub fn roll(&self) -> Arc<Roll> {
        Arc::clone(self.reader.roll())
    }

    /// No shard is this node's any more, nor will one be. Nobody else is given them before the node
    /// [leaves the groups](Kafka::leave_groups): it is their member still.
    pub fn give_up(&self) {
        self.assignments.give_up();
    }

    /// Leaves the groups, so that the shards move at once. What is sent goes on its way as before.
    /// Waits that long at most. A second call does nothing.
    pub async fn leave_groups(&self, within: Duration) {
        self.give_up();
        self.members.stop();
        let ended = self.members.take_ended();
        let left = ended.map(|ended| spawn_blocking(move || wait_for(&ended, within)));
        if let Some(left) = left
            && let Err(panic) = left.await
        {
            error!("leaving the groups failed: {panic}");
        }
    }

    /// Leaves the groups, delivers what has been sent, and ends all threads; all that within this
    /// time at most. What is sent afterwards may be lost. A second call does nothing.
    pub async fn leave(&self, within: Duration) {
        let deadline = Instant::now() + within;
        let left = move || deadline.saturating_duration_since(Instant::now());
        self.tell_all(&[]);
        self.leave_groups(left()).await;
        self.threads.stop();

        let Some(ended) = self.threads.take_ended() else {
            return;
        };
        let outgoing = Arc::clone(&self.outgoing);
        let leaving = spawn_blocking(move || {
            outgoing.flush(FLUSH.min(left()));
            wait_for(&ended, left());
        });
        if let Err(panic) = leaving.await {
            error!("leaving Kafka failed: {panic}");
        }
    }
}

/// Waits until the last of some threads has ended, which closes the channel.
fn wait_for(ended: &Receiver<()>, within: Duration) {
    if ended.recv_timeout(within.min(LEAVE)) == Err(RecvTimeoutError::Timeout) {
        warn!("Kafka does not answer the node that leaves; the group will notice");
    }
}

impl Carrier for Kafka {
    fn carry(&self, messages: Vec<Arc<Message>>) {
        if !self.settings.carries {
            return;
        }
        for message in messages {
            let (topic, partition) = self.topics.place_of(&message);

            // What is not queued is counted, and seen as a gap.
            let _ = self.outgoing.send(
                topic,
                partition,
                &record::key(&message),
                record::headers(&message),
                message.body.get().as_bytes(),
            );
        }
    }
}

impl Transport for Kafka {
    fn ask(&self, shard: ShardId, question: Vec<u8>) -> bool {
        // Out of touch with the brokers, the question would come when its caller has long gone.
        self.participation() != Participation::OutOfTouch
            && self.outgoing.send(
                self.topics.name(Topic::Requests(shard.service)),
                self.topics.of_shard(shard),
                &shard.to_string(),
                headers::question_headers(shard),
                &question,
            )
    }

    fn answer(&self, node: &str, service: Service, answer: Vec<u8>) {
        let _ = self.outgoing.send(
            self.topics.name(Topic::Answers),
            self.topics.of_node(node),
            node,
            headers::answer_headers(service),
            &answer,
        );
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.members.stop();
        self.threads.stop();
    }
}

#[cfg(test)]
mod tests;
