//! A network between simulated nodes, and a coordinator that gives them their shards.
//!
//! Everything on it takes a moment, and meets with the trouble of the log's deliveries. A node that
//! the coordinator has not heard of for a while loses its shards, and hears of that when it can: it
//! may have been stopped, or cut off, and take itself for their owner until then.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sagas::{Service, ShardId};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{DeliveryFate, Trouble};
use crate::cluster::{Arrivals, Assigned, Carrier, Membership, Participation, Transport};
use crate::log::{Destination, Message};

/// What the way from one node to another takes when nothing holds it up.
const ON_THE_WAY: Duration = Duration::from_millis(2);
/// How often a node says that it is there.
const BEATS_EVERY: Duration = Duration::from_millis(500);
/// A node that the coordinator has not heard of for so long is taken for dead.
const SESSION: Duration = Duration::from_secs(3);
/// How often it looks.
const LOOKS_EVERY: Duration = Duration::from_millis(250);
/// Whoever gets shards hears of it so much later than who loses them, if nothing is held up.
const GAINS_LATER: Duration = Duration::from_millis(40);
/// What a node is told takes effect there after this time.
const HEARS_AFTER: Duration = Duration::from_millis(5);
/// A shard's next owner hears of the questions to it that are not older.
const QUESTIONS: Duration = Duration::from_secs(5);
/// Whoever asks the coordinator gives up then.
const ASKS_FOR: Duration = Duration::from_secs(3);

/// A node that has started once: the next time it is another one.
type MemberId = (String, u64);

/// What lies between the nodes of a simulation.
#[derive(Clone, Debug)]
pub struct Network(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    shards: Vec<ShardId>,
    trouble: Arc<dyn Trouble>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the coordinator has heard last of each that it takes for alive.
    members: BTreeMap<MemberId, Instant>,
    /// Each shard's owner, and the number of its tenure.
    owners: BTreeMap<ShardId, (MemberId, u64)>,
    /// How many tenures have begun.
    tenures: u64,
    /// The nodes that run.
    seats: BTreeMap<MemberId, Place>,
    cut_off: BTreeSet<String>,
    started: u64,
    /// The questions of the last seconds, oldest first.
    questions: VecDeque<Asked>,
}

/// A question to a shard.
#[derive(Debug)]
struct Asked {
    at: Instant,
    shard: ShardId,
    /// The number of the tenure in which it was asked; 0 when nobody had it yet.
    tenure: u64,
    question: Arc<[u8]>,
}

#[derive(Debug)]
struct Place {
    assigned: watch::Sender<Assigned>,
    arrivals: Option<Arc<dyn Arrivals>>,
}

impl Network {
    /// One without nodes, for these services.
    #[must_use]
    pub fn new(services: &[Service], shards: u16, trouble: Arc<dyn Trouble>) -> Self {
        let of = |service: &Service| ShardId::all_of(*service, shards);
        Network(Arc::new(Shared {
            shards: services.iter().flat_map(of).collect(),
            trouble,
            state: Mutex::default(),
        }))
    }

    /// Looks after the nodes for as long as it is polled.
    pub async fn coordinate(&self) {
        loop {
            tokio::time::sleep(LOOKS_EVERY).await;
            let mut state = self.lock();
            let before = state.members.len();
            state.members.retain(|_, seen| seen.elapsed() < SESSION);
            if state.members.len() < before {
                self.assign_anew(&mut state);
            }
        }
    }

    /// A node starts. It gets shards when it says that it is there.
    #[must_use]
    pub fn join(&self, node: &str) -> Arc<Seat> {
        let mut state = self.lock();
        state.started += 1;
        let member = (node.to_owned(), state.started);
        let place = Place {
            assigned: watch::channel(Assigned::default()).0,
            arrivals: None,
        };
        state.seats.insert(member.clone(), place);
        drop(state);

        Arc::new(Seat {
            member,
            network: self.clone(),
            assigned: watch::channel(Assigned::default()).0,
        })
    }

    /// A node has died: nothing arrives there any more. The coordinator does not know yet.
    pub fn died(&self, node: &str) {
        self.lock().seats.retain(|(name, _), _| name != node);
    }

    /// Cuts a node off, or connects it again.
    pub fn cut_off(&self, node: &str, is_cut: bool) {
        let mut state = self.lock();
        match is_cut {
            true => state.cut_off.insert(node.to_owned()),
            false => state.cut_off.remove(node),
        };
    }

    /// Lets go of all nodes.
    pub fn close(&self) {
        self.lock().seats.clear();
    }

    /// Gives the shards in turn to all that are there.
    fn assign_anew(&self, state: &mut State) {
        let members: Vec<_> = state.members.keys().cloned().collect();
        if members.is_empty() {
            state.owners.clear();
        }
        for (shard, member) in self.0.shards.iter().zip(members.iter().cycle()) {
            let stays = |(owner, _): &(MemberId, u64)| owner == member;
            if !state.owners.get(shard).is_some_and(stays) {
                state.tenures += 1;
                let tenure = state.tenures;
                state.owners.insert(*shard, (member.clone(), tenure));
            }
        }

        for member in state.seats.keys() {
            self.tell_later(member.clone());
        }
    }

    fn tell_later(&self, member: MemberId) {
        let held_up = match self.0.trouble.delivery() {
            DeliveryFate::Arrives(after) | DeliveryFate::Twice(_, after) => after,
            DeliveryFate::Lost => BEATS_EVERY,
        };
        let network = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(ON_THE_WAY + held_up).await;
            network.tell(&member, false);
            tokio::time::sleep(GAINS_LATER).await;
            network.tell(&member, true);
        });
    }

    /// Tells a node what is its own, or only what is no longer.
    fn tell(&self, member: &MemberId, gains: bool) {
        let state = self.lock();
        let Some(place) = state.reachable(member) else {
            return;
        };

        let owned = state.owners.iter();
        let owned = owned.filter(|(_, (owner, _))| owner == member);
        let mut owned: BTreeMap<_, _> = owned
            .map(|(shard, (_, tenure))| (*shard, *tenure))
            .collect();
        let mut gained = BTreeMap::new();
        place.assigned.send_if_modified(|assigned| {
            if !gains {
                owned.retain(|shard, tenure| assigned.get(shard) == Some(tenure));
            }
            let is_new = |(shard, tenure): &(&ShardId, &u64)| assigned.get(*shard) != Some(*tenure);
            gained.extend(owned.iter().filter(is_new).map(|new| (*new.0, *new.1)));
            let changes = **assigned != owned;
            *assigned = Arc::new(owned);
            changes
        });

        let from_before = |asked: &Asked| {
            let tenure = *gained.get(&asked.shard)?;
            let is_meant = asked.at.elapsed() < QUESTIONS && asked.tenure < tenure;
            is_meant.then(|| (asked.shard, tenure, Arc::clone(&asked.question)))
        };
        let recent: Vec<_> = state.questions.iter().filter_map(from_before).collect();
        drop(state);
        for (shard, tenure, question) in recent {
            self.send(member.clone(), move |arrivals| {
                arrivals.asked_before(shard, tenure, &question);
            });
        }
    }

    /// Keeps a question, so that whoever owns its shard next hears of it.
    fn keep(&self, asked: Asked) {
        let questions = &mut self.lock().questions;
        let is_old = |asked: &mut Asked| asked.at.elapsed() >= QUESTIONS;
        while questions.pop_front_if(is_old).is_some() {}
        questions.push_back(asked);
    }

    fn beat(&self, member: &MemberId) {
        let mut state = self.lock();
        if state.reachable(member).is_none() {
            return;
        }
        let is_new = state.members.insert(member.clone(), Instant::now());
        if is_new.is_none() {
            self.assign_anew(&mut state);
        } else {
            drop(state);
            // It may have missed what it was told.
            self.tell(member, false);
            self.tell(member, true);
        }
    }

    fn leave(&self, member: &MemberId) {
        let mut state = self.lock();
        if state.members.remove(member).is_some() {
            self.assign_anew(&mut state);
        }
    }

    /// Has something arrive at a node, as the trouble wants it.
    fn send(&self, to: MemberId, what: impl Fn(&dyn Arrivals) + Clone + Send + 'static) {
        let arrivals = match self.0.trouble.delivery() {
            DeliveryFate::Lost => Vec::new(),
            DeliveryFate::Arrives(after) => vec![after],
            DeliveryFate::Twice(first, second) => vec![first, second],
        };

        for after in arrivals {
            let (network, to, what) = (self.clone(), to.clone(), what.clone());
            tokio::spawn(async move {
                tokio::time::sleep(ON_THE_WAY + after).await;
                let arrivals = {
                    let state = network.lock();
                    state
                        .reachable(&to)
                        .and_then(|place| place.arrivals.clone())
                };
                if let Some(arrivals) = arrivals {
                    what(&*arrivals);
                }
            });
        }
    }

    // Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn reachable(&self, member: &MemberId) -> Option<&Place> {
        let is_cut = self.cut_off.contains(&member.0);
        self.seats.get(member).filter(|_| !is_cut)
    }
}

/// The place of a node on the network.
#[derive(Debug)]
pub struct Seat {
    member: MemberId,
    network: Network,
    /// As the node has heard.
    assigned: watch::Sender<Assigned>,
}

impl Seat {
    /// From now on what others send arrives here.
    pub fn begin(&self, arrivals: Arc<dyn Arrivals>) {
        if let Some(place) = self.network.lock().seats.get_mut(&self.member) {
            place.arrivals = Some(arrivals);
        }
    }

    /// Says now and then that the node is there, and hears what is its own. To be polled on its
    /// machine: one that is stopped says nothing, and does not hear at once when it goes on.
    pub async fn takes_part(self: Arc<Self>) {
        let mut told = match self.network.lock().seats.get(&self.member) {
            Some(place) => place.assigned.subscribe(),
            None => return,
        };

        loop {
            self.network.beat(&self.member);
            tokio::select! {
                biased;
                changed = told.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    tokio::time::sleep(HEARS_AFTER).await;
                    let assigned = told.borrow_and_update().clone();
                    self.assigned.send_replace(assigned);
                }
                () = tokio::time::sleep(BEATS_EVERY) => {}
            }
        }
    }

    /// Says that the node goes.
    pub fn leave(&self) {
        self.network.leave(&self.member);
    }

    fn is_cut_off(&self) -> bool {
        self.network.lock().reachable(&self.member).is_none()
    }

    fn owner(&self, shard: ShardId) -> Option<MemberId> {
        self.tenure(shard).map(|(owner, _)| owner)
    }

    fn tenure(&self, shard: ShardId) -> Option<(MemberId, u64)> {
        self.network.lock().owners.get(&shard).cloned()
    }
}

impl Carrier for Seat {
    fn carry(&self, messages: Vec<Arc<Message>>) {
        if self.is_cut_off() {
            return;
        }

        let mut away: BTreeMap<MemberId, Vec<Arc<Message>>> = BTreeMap::new();
        for message in messages {
            let receivers: Vec<MemberId> = match message.destination {
                Destination::Shard(shard) => self.owner(shard).into_iter().collect(),
                Destination::Events => self.network.lock().seats.keys().cloned().collect(),
            };
            for receiver in receivers.into_iter().filter(|to| *to != self.member) {
                away.entry(receiver).or_default().push(Arc::clone(&message));
            }
        }

        for (receiver, messages) in away {
            self.network.send(receiver, move |arrivals| {
                arrivals.arrived(messages.iter().map(|message| (**message).clone()).collect());
            });
        }
    }
}

impl Transport for Seat {
    fn ask(&self, shard: ShardId, question: Vec<u8>) -> bool {
        if self.is_cut_off() {
            return true;
        }
        let question: Arc<[u8]> = question.into();
        let owner = self.tenure(shard);
        self.network.keep(Asked {
            at: Instant::now(),
            shard,
            tenure: owner.as_ref().map_or(0, |(_, tenure)| *tenure),
            question: Arc::clone(&question),
        });
        if let Some((owner, tenure)) = owner {
            self.network.send(owner, move |arrivals| {
                arrivals.asked(shard, tenure, &question);
            });
        }
        true
    }

    fn answer(&self, node: &str, service: Service, answer: Vec<u8>) {
        let state = self.network.lock();
        let to = state.seats.keys().find(|(name, _)| name == node).cloned();
        drop(state);
        if let Some(to) = to.filter(|_| !self.is_cut_off()) {
            self.network
                .send(to, move |arrivals| arrivals.answered(service, &answer));
        }
    }
}

impl Membership for Seat {
    fn assigned(&self) -> watch::Receiver<Assigned> {
        self.assigned.subscribe()
    }

    fn confirm(&self, shard: ShardId) -> BoxFuture<'_, bool> {
        async move {
            tokio::time::sleep(ON_THE_WAY).await;
            if self.is_cut_off() {
                tokio::time::sleep(ASKS_FOR).await;
                return false;
            }
            let is_member = self.network.lock().members.contains_key(&self.member);
            is_member && self.owner(shard).as_ref() == Some(&self.member)
        }
        .boxed()
    }

    fn participation(&self) -> Participation {
        match self.network.lock().members.contains_key(&self.member) {
            true => Participation::Full,
            false => Participation::OutOfTouch,
        }
    }
}
