//! Putting a node together: which services it runs.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use actix_rt::Arbiter;
use metrics::counter;
use sagas::definition::Mistake;
use sagas::handler;
use sagas::nested::{NestedCommand, NestedReply};
use sagas::wire::names::{Names, TwoMeanings, two_meanings};
use sagas::{Definitions, SagaData, Service, ShardId, WireMessage};
use store::{Journal, ServiceDatabase};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::tenures::Tenures;
use super::{Node, NodeConfig, NodeParts, housekeeping};
use crate::entities::{Entities, Surroundings};
use crate::entity::Entity;
use crate::metric_names as names;
use crate::remote::Awaited;
use crate::request::Request;
use crate::requests::{Door, Doors, Inner, Requests};
use crate::shard::{Parts, Shard, Status, Tenure};

/// Requests that may wait for one shard.
const REQUESTS_PER_SHARD: usize = 1024;

/// A node under construction. Shards open by themselves as soon as their service runs.
pub struct NodeBuilder<'a> {
    config: &'a NodeConfig,
    parts: &'a NodeParts,
    doors: Vec<(Service, Arc<dyn Door>)>,
    node: Node,
    tenures: Tenures,
}

/// Why a node cannot run a service.
#[derive(Debug, thiserror::Error)]
pub enum CannotRun {
    /// There is no database and journal of it among the node's parts.
    #[error("there is no database of the service {0}")]
    NoDatabase(Service),
    /// One of its sagas has a mistake.
    #[error("a saga of the service {service} is wrong: {mistake}")]
    Definition {
        /// The service.
        service: Service,
        /// What is wrong with the saga.
        mistake: Mistake,
    },
    /// One of its event handlers has a mistake.
    #[error("a handler of the service {service} is wrong: {mistake}")]
    Handler {
        /// The service.
        service: Service,
        /// What is wrong with the handler.
        mistake: handler::Mistake,
    },
    /// It runs already.
    #[error("the service {0} is to run twice")]
    Twice(Service),
    /// One of its messages would be taken for another.
    #[error("service {service}: {mistake}")]
    Message {
        /// The service.
        service: Service,
        /// Which name has two meanings.
        mistake: TwoMeanings,
    },
    /// One of its messages is not among those of its schema, which are to be all.
    #[error("service {service}: message {message} is not among those of its schema")]
    LeftOut {
        /// The service.
        service: Service,
        /// The wire name.
        message: &'static str,
    },
}

impl<'a> NodeBuilder<'a> {
    pub(super) fn new(config: &'a NodeConfig, parts: &'a NodeParts) -> Self {
        let arbiters = (0..config.arbiters).map(|_| Arbiter::new());
        let tenures = Tenures::new(parts.membership.assigned());

        NodeBuilder {
            config,
            parts,
            doors: Vec::new(),
            node: Node {
                doors: Doors::new(Vec::new()),
                journals: parts.journals.clone(),
                arbiters: arbiters.collect(),
                ended: Mutex::default(),
                release: CancellationToken::new(),
                stop: CancellationToken::new(),
                open: watch::channel(BTreeSet::new()).0,
                held: watch::channel(BTreeSet::new()).0,
                assigned: tenures.told(),
                membership: Arc::clone(&parts.membership),
                shards: 0,
                status: HashMap::new(),
            },
            tenures,
        }
    }

    /// Runs the service that keeps this entity, and gives its door.
    ///
    /// # Errors
    /// When the node has no database of it or runs it already, when one of its sagas is wrong, or
    /// one of its messages has two meanings.
    pub fn run<E: Entity>(&mut self) -> Result<Requests<E>, CannotRun> {
        let service = E::SERVICE;
        if self.doors.iter().any(|(runs, _)| *runs == service) {
            return Err(CannotRun::Twice(service));
        }
        if let Some(mistake) = Definitions::of(E::SAGAS).mistakes().into_iter().next() {
            return Err(CannotRun::Definition { service, mistake });
        }
        if let Some(mistake) = handler::mistake(service, E::HANDLERS) {
            return Err(CannotRun::Handler { service, mistake });
        }
        if let Some(mistake) = two_meanings(&messages_of::<E>()) {
            return Err(CannotRun::Message { service, mistake });
        }

        let (parts, none) = (self.parts, CannotRun::NoDatabase(service));
        let database = parts.database(service);
        let (Some(database), Some(journal)) = (database, parts.journal(service)) else {
            return Err(none);
        };
        let names = messages_of::<E>().into_iter().flat_map(|(_, names)| names);
        if let Some(message) = database.left_out(names.map(|(name, _)| *name)) {
            return Err(CannotRun::LeftOut { service, message });
        }

        let mut senders = HashMap::new();
        for shard in ShardId::all_of(service, self.config.shards) {
            let (sender, requests) = mpsc::channel(REQUESTS_PER_SHARD);
            senders.insert(shard, sender);
            self.start_shard::<E>(shard, (database, journal), requests);
        }
        Ok(self.door(database, Some(journal), senders))
    }

    /// Runs the service that keeps this entity if the node may own shards of it, and reaches it at
    /// other nodes if not.
    ///
    /// # Errors
    /// As [`run`](NodeBuilder::run).
    pub fn run_or_reach<E: Entity>(&mut self) -> Result<Requests<E>, CannotRun> {
        match self.parts.journal(E::SERVICE) {
            Some(_) => self.run(),
            None => self.reach(),
        }
    }

    /// Gives a door to the service that keeps this entity, whose shards are all other nodes'.
    ///
    /// # Errors
    /// When the node has no database of it, or has a door to it already.
    pub fn reach<E: Entity>(&mut self) -> Result<Requests<E>, CannotRun> {
        let service = E::SERVICE;
        if self.doors.iter().any(|(runs, _)| *runs == service) {
            return Err(CannotRun::Twice(service));
        }
        let parts = self.parts;
        let database = parts.database(service);
        let database = database.ok_or(CannotRun::NoDatabase(service))?;
        Ok(self.door(database, None, HashMap::new()))
    }

    fn door<E: Entity>(
        &mut self,
        database: &ServiceDatabase,
        journal: Option<&Journal>,
        senders: HashMap<ShardId, mpsc::Sender<Request<E>>>,
    ) -> Requests<E> {
        let requests = Requests::new(Inner {
            node: self.config.name.clone(),
            shards: self.config.shards,
            senders,
            assigned: self.tenures.told(),
            database: database.clone(),
            loading: self.config.loading_of(E::SERVICE),
            journal: journal.cloned(),
            clock: self.parts.clock.clone(),
            release: self.node.release.clone(),
            transport: self.parts.transport.clone(),
            awaited: Awaited::default(),
        });
        self.doors.push((E::SERVICE, Arc::new(requests.clone())));
        requests
    }

    /// The node, with all the services that it was told to run.
    #[must_use]
    pub fn start(mut self) -> Node {
        let stop = &self.node.stop;
        actix_rt::spawn(self.tenures.tell(stop.clone()));
        if !self.parts.journals.is_empty() {
            housekeeping::start(self.config, self.parts, stop.clone());
        }
        self.node.doors = Doors::new(self.doors);
        self.node
    }

    fn start_shard<E: Entity>(
        &mut self,
        shard: ShardId,
        (database, journal): (&ServiceDatabase, &Journal),
        requests: mpsc::Receiver<Request<E>>,
    ) {
        let (config, parts) = (self.config, self.parts);
        let status = Arc::new(Status::default());
        self.node.status.insert(shard, Arc::clone(&status));

        let around = Surroundings {
            shard,
            shards: config.shards,
            database: database.clone(),
            policy: config.sagas,
            faults: parts.faults.clone(),
            loading: config.loading_of(shard.service),
            actors_per_shard: config.live_actors / usize::from(config.shards.max(1)),
            activated: counter!(names::ACTORS_ACTIVATED, "service" => shard.service.name()),
        };

        let shard_parts = Parts {
            shard,
            node: config.name.clone(),
            journal: journal.clone(),
            database: database.clone(),
            log: Arc::clone(&parts.log),
            clock: parts.clock.clone(),
            faults: parts.faults.clone(),
            requests,
            tenure: Tenure::new(
                shard,
                &parts.membership,
                self.tenures.of(shard),
                self.node.stop.clone(),
            ),
            open: self.node.open.clone(),
            held: self.node.held.clone(),
            status,
        };
        self.spawn(Shard::new(shard_parts, Entities::<E>::new(around)));
    }

    fn spawn<E: Entity>(&mut self, shard: Shard<E>) {
        let (end, ended) = oneshot::channel();
        let node = &mut self.node;

        let run = move || {
            actix_rt::spawn(async move {
                shard.run().await;
                // The receiver may have given up waiting.
                let _ = end.send(());
            });
        };

        match node.arbiters.iter().cycle().nth(node.shards) {
            // False only when the arbiter has stopped, which happens after its shards have.
            Some(arbiter) => drop(arbiter.spawn_fn(run)),
            None => run(),
        }

        node.lock_ended().push(ended);
        node.shards += 1;
    }
}

/// The messages that a service keeps, sends or takes in, by what they are.
fn messages_of<E: Entity>() -> [(&'static str, Names); 8] {
    [
        ("a command to a nested saga", NestedCommand::WIRE_NAMES),
        ("an answer of a nested saga", NestedReply::WIRE_NAMES),
        ("an event", E::Event::WIRE_NAMES),
        ("a notice", E::NOTICES),
        ("a command", E::Request::WIRE_NAMES),
        ("a command", <E::Saga as SagaData>::Command::WIRE_NAMES),
        ("a reply", E::Reply::WIRE_NAMES),
        ("a reply", <E::Saga as SagaData>::Reply::WIRE_NAMES),
    ]
}
