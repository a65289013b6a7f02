//! The shard: the loop that owns a partition of a service.
//!
//! Each turn it takes what has gathered, in order: requests, deliveries of the log, retries and
//! timers that are due. It works strictly one piece after the other, so that units enter the
//! journal in the order in which the shard read what caused them, and an entity's changes in the
//! order of its versions. Many shards take turns on one arbiter.
//!
//! When the journal refuses a unit or the database fails, everything in memory may rest on what
//! never becomes durable. The shard then *reloads*: it takes a new epoch, drops its actors, reads
//! its positions, and repeats the work that is not done.

mod bound;
mod bulk;
mod catching_up;
mod early;
mod followers;
mod gathering;
mod heard;
mod inbox;
mod messages;
mod noted;
mod open;
mod operated;
mod parked;
mod requests;
mod standing;
mod submit;
mod tenure;
mod timers;
mod work;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use metrics::{Counter, Gauge};
use sagas::mistakes::{Mistake, makes};
use sagas::{MessageId, ShardId, Timestamp};
use store::faults::Faults;
use store::{
    Clock, Delivery, InboxPositions, Journal, Log, PassedOver, ServiceDatabase, SourceStream,
    StoreError,
};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use uuid::Uuid;

use crate::entities::Entities;
use crate::entity::Entity;
use crate::request::Request;
use bound::BoundKeys;
use bulk::BulkRequests;
use catching_up::CatchUp;
use early::EarlyQuestions;
use followers::Waiting;
use gathering::Gathered;
use heard::Unheard;
use noted::NotedActions;
use open::Reloads;
use parked::ParkedMessages;
pub(crate) use tenure::Tenure;
use timers::Timers;
use work::InHand;

/// What panics again and again must not keep others from their turns.
const AFTER_PANIC: Duration = Duration::from_millis(20);

/// What a shard works with.
pub(crate) struct Parts<E: Entity> {
    pub shard: ShardId,
    pub node: String,
    pub journal: Journal,
    pub database: ServiceDatabase,
    pub log: Arc<dyn Log>,
    pub clock: Clock,
    pub faults: Faults,
    pub requests: mpsc::Receiver<Request<E>>,
    pub tenure: Tenure,
    /// The shards of this node that are open.
    pub open: watch::Sender<BTreeSet<ShardId>>,
    /// Those of which something may be in the journal that was submitted in their tenure.
    pub held: watch::Sender<BTreeSet<ShardId>>,
    pub status: Arc<Status>,
}

/// What a shard shows to others.
#[derive(Debug, Default)]
pub(crate) struct Status {
    pub timers: AtomicUsize,
    pub live_actors: AtomicUsize,
    /// Entities whose messages wait.
    pub parked: AtomicUsize,
    /// How often it has dropped its memory and begun again.
    pub reloads: AtomicU64,
    /// Why the shard is not open, or has just reloaded.
    pub trouble: Mutex<Option<String>>,
}

/// What a shard hears of its units once the journal has decided their fate.
pub(super) enum Returned<E: Entity> {
    /// A request to do again.
    Again(Box<Request<E>>),
    /// This message's unit was refused because of its own data.
    Culprit(MessageId, String),
    /// The same of the unit that woke this saga.
    CulpritTimer(Uuid, String),
    /// What came of waking this saga is durable.
    Woken(Uuid),
    /// Callers that wait for the end of a saga, or of what an entity waits for by itself; it has
    /// not come about yet.
    Waiting(Uuid, Vec<Waiting<E>>),
    /// The journal has dropped something; the shard must reload.
    Reload(Arc<StoreError>),
}

pub(super) struct Instruments {
    applied: Counter,
    duplicates: Counter,
    gaps: Counter,
    parked: Counter,
    quarantined: Counter,
    panics: Counter,
    reloads: Counter,
    live: Gauge,
}

/// A shard and everything it has in memory.
pub(crate) struct Shard<E: Entity> {
    parts: Parts<E>,
    entities: Entities<E>,
    deliveries: mpsc::Receiver<Delivery>,
    /// Events that have not been handed over, because nobody here wants them.
    passed_over: Arc<PassedOver>,
    returned: mpsc::UnboundedReceiver<Returned<E>>,
    return_to: mpsc::UnboundedSender<Returned<E>>,
    epoch: u64,
    next_sequence: u64,
    /// The ticket of the newest unit.
    ticket: u64,
    /// The position reached in each stream, as if everything submitted will commit.
    positions: InboxPositions,
    /// The events of these sources are heard by handlers.
    heard: Vec<ShardId>,
    /// What the shards of this service must hear before timers of this one are due.
    unheard: Option<Unheard>,
    /// Positions that have moved over events that are none of this service's business, and are
    /// written with the next check.
    passed: BTreeSet<SourceStream>,
    /// The newest message of each stream at the last check.
    expected: InboxPositions,
    parked: ParkedMessages,
    bulk: BulkRequests,
    noted: NotedActions,
    /// The keys of what operators have done about parked messages.
    bound: BoundKeys,
    /// How often a message's unit was refused since the process started.
    refusals: HashMap<MessageId, (u32, String)>,
    timers: Timers,
    /// By who tells of the end: a saga, or an entity that waits by itself.
    waiting: BTreeMap<Uuid, Vec<Waiting<E>>>,
    /// Some of those may have ended unheard: the shard has reloaded.
    may_have_ended: bool,
    /// Requests to do again after a reload.
    again: VecDeque<Request<E>>,
    early: EarlyQuestions<E>,
    /// Something of this tenure has gone to the journal.
    has_claimed: bool,
    /// Why the shard must reload.
    broken: Option<String>,
    /// The journal has ended, or nobody can ask any more: there will be no other tenure.
    is_over: bool,
    reloads: Reloads,
    catch_up: CatchUp,
    in_hand: Option<InHand>,
    /// What the clock said last.
    now: Timestamp,
    /// When it last checked whether something was lost on the way.
    checked_at: Instant,
    instruments: Instruments,
}

impl<E: Entity> Shard<E> {
    /// Serves the shard whenever it is this node's, until the node stops.
    pub(crate) async fn run(mut self) {
        while self.wait_for_tenure().await {
            let tenure = self.parts.tenure.number();
            self.again.extend(self.early.take(tenure));
            self.serve().await;
            if self.is_over || self.parts.tenure.node_stops() {
                return;
            }
            self.leave().await;
        }
    }

    /// Waits until the shard is this node's; false when the node stops first. Whoever asks from
    /// here meanwhile has been sent by what is out of date.
    async fn wait_for_tenure(&mut self) -> bool {
        loop {
            tokio::select! {
                biased;
                begins = self.parts.tenure.begins() => return begins,
                request = self.parts.requests.recv() => match request {
                    Some(request) => self.turn_away(request),
                    None => return false,
                },
                Some(returned) = self.returned.recv() => {
                    if let Returned::Again(request) = returned {
                        self.turn_away(*request);
                    }
                }
            }
        }
    }

    /// A request to a shard that is not this node's now, or not yet.
    fn turn_away(&mut self, request: Request<E>) {
        match request.tenure() {
            Some(_) => drop(self.if_in_time(request)),
            None => request.pass_on(),
        }
    }

    /// A request, unless it has come from afar to another tenure than the one that has begun last,
    /// or from before that: one to the next is kept until that begins.
    fn if_in_time(&mut self, request: Request<E>) -> Option<Request<E>> {
        let tenure = request.tenure();
        match tenure.is_none() || tenure == self.parts.tenure.number() {
            true => request.unless_before(),
            false => {
                if tenure > self.parts.tenure.number() {
                    self.early.keep(request);
                }
                None
            }
        }
    }

    /// Works until the tenure ends. A panic between two turns does not end it either: the shard
    /// reloads.
    async fn serve(&mut self) {
        loop {
            let work = AssertUnwindSafe(self.work()).catch_unwind().await;
            let Err(panic) = work else { return };
            self.panicked(panic.as_ref());
            if !self.parts.tenure.pause(AFTER_PANIC).await {
                return;
            }
        }
    }

    /// Opens, and does what comes; until the tenure ends.
    async fn work(&mut self) {
        let is_open = match self.broken {
            None => self.open().await,
            Some(_) => self.reload().await,
        };
        if !is_open {
            return;
        }

        loop {
            let Some(gathered) = self.gather().await else {
                return;
            };
            if gathered.check {
                self.forget_gone_callers();
                self.pass_over_unwanted();
                self.note_passed();
            }
            if self.broken.is_none() {
                self.guarded_turn(gathered).await;
            } else {
                self.again.extend(gathered.requests);
            }
            self.take_returned();
            if self.broken.is_some() && !self.reload().await {
                return;
            }
            self.keep_in_bounds();
        }
    }

    fn take_returned(&mut self) {
        while let Ok(returned) = self.returned.try_recv() {
            self.take(returned);
        }
    }

    fn take(&mut self, returned: Returned<E>) {
        match returned {
            Returned::Again(request) => self.again.push_back(*request),
            Returned::Culprit(message, cause) => self.refuse(message, cause),
            Returned::CulpritTimer(saga, cause) => self.put_off(saga, &cause),
            Returned::Woken(saga) => self.timers.woken(saga),
            Returned::Waiting(id, callers) => self.waiting.entry(id).or_default().extend(callers),
            Returned::Reload(_) if makes(Mistake::NoReload) => {}
            Returned::Reload(error) => self.broken = Some(error.chain()),
        }
    }
}
