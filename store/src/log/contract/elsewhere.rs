//! The log of a cluster: at the node that commits, and at another one, to which what was committed
//! is carried.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use sagas::{Service, ShardId};

use super::{Making, OnTheWay};
use crate::ServiceDatabase;
use crate::cluster::{Arrivals, Carrier};
use crate::faults::Faults;
use crate::journal::testing::{Logs, SHARDS};
use crate::log::cluster::ClusterLog;
use crate::log::{Destination, Message};

/// Makes the log of a node that is looked at by itself. What it sends to others goes nowhere.
pub fn at_the_owner(database: &ServiceDatabase, faults: Faults) -> Logs {
    let log = over(database, faults, Arc::new(Nowhere));
    (log.clone(), log)
}

fn over(database: &ServiceDatabase, faults: Faults, carrier: Arc<dyn Carrier>) -> Arc<ClusterLog> {
    ClusterLog::new(vec![database.clone()], SHARDS, faults, carrier)
}

/// The way from one node to another.
pub trait Way: Send + 'static {
    /// Makes a new one. Whatever came by the old one comes no more.
    fn open(&mut self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }

    /// Where the node on this database sends what it has committed.
    fn carrier(&mut self, database: &ServiceDatabase) -> Arc<dyn Carrier>;

    /// Has it arrive there.
    fn lead_to(&mut self, arrivals: Arc<dyn Arrivals>);

    /// Until what is sent arrives.
    fn is_open(&mut self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }

    /// Nothing arrives any more.
    fn close(&mut self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }
}

/// Makes two logs: that of a node that commits, and that of another one, which is looked at. The
/// faults befall what arrives.
pub struct Elsewhere<W> {
    way: W,
    traffic: Arc<Traffic>,
}

impl<W: Way> Elsewhere<W> {
    /// Messages go this way.
    pub fn by(way: W) -> Self {
        Elsewhere {
            way,
            traffic: Arc::default(),
        }
    }
}

impl<W: Way> Making for Elsewhere<W> {
    fn prepare(&mut self) -> BoxFuture<'_, ()> {
        self.traffic = Arc::default();
        self.way.open()
    }

    fn make(&mut self, database: &ServiceDatabase, faults: Faults) -> Logs {
        let looked_at = over(database, faults, Arc::new(Nowhere));
        self.way.lead_to(Arc::new(Receiving {
            log: Arc::clone(&looked_at),
            traffic: Arc::clone(&self.traffic),
        }));

        let sending = Sending {
            carrier: self.way.carrier(database),
            traffic: Arc::clone(&self.traffic),
        };
        let owner = over(database, Faults::default(), Arc::new(sending));
        (looked_at, owner)
    }

    fn connected(&mut self) -> BoxFuture<'_, ()> {
        self.way.is_open()
    }

    fn on_the_way(&self) -> Option<OnTheWay> {
        let traffic = Arc::clone(&self.traffic);
        Some(Arc::new(move || traffic.is_on_the_way()))
    }

    fn end(&mut self) -> BoxFuture<'_, ()> {
        self.way.close()
    }
}

/// The newest message of each source to each destination that has been sent, and has come.
#[derive(Debug, Default)]
struct Traffic {
    sent: Mutex<Newest>,
    come: Mutex<Newest>,
}

type Newest = BTreeMap<(ShardId, Destination), u64>;

impl Traffic {
    fn is_on_the_way(&self) -> bool {
        let (sent, come) = (self.sent.lock().unwrap(), self.come.lock().unwrap());
        // What was sent before may come once more.
        let has_come = |to| come.get(to).copied().unwrap_or(0);
        sent.iter().any(|(to, sequence)| has_come(to) < *sequence)
    }
}

fn note<'m>(newest: &Mutex<Newest>, messages: impl Iterator<Item = &'m Message>) {
    let mut newest = newest.lock().unwrap();
    for message in messages {
        let newest = newest.entry((message.source, message.destination));
        let newest = newest.or_default();
        *newest = message.sequence.max(*newest);
    }
}

/// Notes what is sent.
#[derive(Debug)]
struct Sending {
    carrier: Arc<dyn Carrier>,
    traffic: Arc<Traffic>,
}

impl Carrier for Sending {
    fn carry(&self, messages: Vec<Arc<Message>>) {
        note(
            &self.traffic.sent,
            messages.iter().map(|message| &**message),
        );
        self.carrier.carry(messages);
    }
}

/// Notes what has come, once the log has it.
#[derive(Debug)]
struct Receiving {
    log: Arc<ClusterLog>,
    traffic: Arc<Traffic>,
}

impl Arrivals for Receiving {
    fn arrived(&self, messages: Vec<Message>) {
        self.log.arrived(messages.clone());
        note(&self.traffic.come, messages.iter());
    }

    fn asked(&self, _: ShardId, _: u64, _: &[u8]) {}

    fn asked_before(&self, _: ShardId, _: u64, _: &[u8]) {}

    fn answered(&self, _: Service, _: &[u8]) {}

    fn told(&self, _: &[u8]) {}
}

/// Where nobody is.
#[derive(Debug)]
struct Nowhere;

impl Carrier for Nowhere {
    fn carry(&self, _: Vec<Arc<Message>>) {}
}

/// Hands messages over within the process, and so at once.
#[derive(Clone, Default)]
pub struct Direct(Arc<OnceLock<Arc<dyn Arrivals>>>);

impl Way for Direct {
    fn open(&mut self) -> BoxFuture<'_, ()> {
        *self = Direct::default();
        ready(()).boxed()
    }

    fn carrier(&mut self, _: &ServiceDatabase) -> Arc<dyn Carrier> {
        Arc::new(self.clone())
    }

    fn lead_to(&mut self, arrivals: Arc<dyn Arrivals>) {
        assert!(self.0.set(arrivals).is_ok(), "it leads somewhere already");
    }
}

impl Carrier for Direct {
    fn carry(&self, messages: Vec<Arc<Message>>) {
        let messages = messages.iter().map(|message| (**message).clone());
        self.0.get().unwrap().arrived(messages.collect());
    }
}

impl fmt::Debug for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Direct").finish_non_exhaustive()
    }
}
