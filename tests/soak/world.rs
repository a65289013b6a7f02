//! What everybody in a round shares: its plan, the way to the node, the ledger, the story.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tests::{Api, Response};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use crate::ledger::{Kind, Ledger};
use crate::plan::{Buyer, Plan, Wrong};

/// Beyond its wait, a caller is answered within this time: the five seconds that a command or a
/// store is given, those it takes until a store is known to stand still, and what is lost to a busy
/// machine.
const A_LITTLE: Duration = Duration::from_secs(15);

/// The times at which the node was stopped, and went on.
type Stops = Vec<(Instant, Option<Instant>)>;

/// A round under way.
pub struct World {
    pub plan: Plan,
    began: Instant,
    ledger: Arc<Mutex<Ledger>>,
    /// The ledger's numbers of this round's acts.
    numbers: Mutex<BTreeMap<usize, usize>>,
    /// This round's acts that have come to their ends.
    ended: watch::Sender<BTreeSet<usize>>,
    /// The first customer of the store, and those of this round as far as they are there.
    buyers: watch::Sender<BTreeMap<Buyer, Uuid>>,
    api: Mutex<Option<Api>>,
    stops: Mutex<Stops>,
    /// Whether the node has answered anything since its start.
    heard: AtomicBool,
    /// Whether the operator drops what is in quarantine.
    discards: AtomicBool,
    story: Mutex<Vec<String>>,
    violations: Mutex<Vec<String>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics with it")
}

impl World {
    pub fn new(plan: Plan, ledger: Arc<Mutex<Ledger>>) -> Self {
        let hot = locked(&ledger).customers.first().map(|(id, _)| *id);
        let buyers = hot.map(|hot| (Buyer::Hot, hot)).into_iter().collect();
        World {
            plan,
            began: Instant::now(),
            ledger,
            numbers: Mutex::default(),
            ended: watch::Sender::default(),
            buyers: watch::Sender::new(buyers),
            api: Mutex::default(),
            stops: Mutex::default(),
            heard: AtomicBool::default(),
            discards: AtomicBool::default(),
            story: Mutex::default(),
            violations: Mutex::default(),
        }
    }

    /// Notes what has happened, with the time.
    pub fn tell(&self, what: &str) {
        let at = self.began.elapsed().as_secs_f64();
        locked(&self.story).push(format!("{at:>8.3} s  {what}"));
    }

    /// Notes what must never happen.
    pub fn violated(&self, what: &str) {
        self.tell(&format!("VIOLATION: {what}"));
        locked(&self.violations).push(what.to_owned());
    }

    pub fn story(&self) -> Vec<String> {
        locked(&self.story).clone()
    }

    pub fn violations(&self) -> Vec<String> {
        locked(&self.violations).clone()
    }

    /// What the store's callers know.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        locked(&self.ledger)
    }

    /// Notes that an act of this round begins, on an entity or to make one; its number in the
    /// ledger.
    pub fn begin(&self, act: usize, kind: Kind, entity: Option<Uuid>) -> usize {
        let number = self.ledger().begin(kind, entity);
        locked(&self.numbers).insert(act, number);
        number
    }

    /// An act of this round has come to its end.
    pub fn ends(&self, act: usize) {
        self.ended.send_modify(|ended| {
            ended.insert(act);
        });
    }

    /// Waits until an act of this round has come to its end; gives the order that it has made, as
    /// far as anybody knows.
    pub async fn order_of(&self, act: usize) -> Option<Uuid> {
        // It may have been left out, to make the round smaller.
        self.plan.acts.iter().find(|known| known.number == act)?;

        let mut ended = self.ended.subscribe();
        let there = ended.wait_for(|ended| ended.contains(&act)).await;
        drop(there.expect("the world lives on"));

        let number = *locked(&self.numbers).get(&act)?;
        self.ledger().entries[number].entity
    }

    /// Waits until a customer is there; gives its id.
    pub async fn buyer(&self, buyer: Buyer) -> Uuid {
        let mut buyers = self.buyers.subscribe();
        let there = buyers.wait_for(|buyers| buyers.contains_key(&buyer)).await;
        there.expect("the world lives on")[&buyer]
    }

    /// A customer of this round is there.
    pub fn welcome(&self, number: usize, id: Uuid, token: &str) {
        self.ledger().customers.push((id, token.to_owned()));
        self.buyers.send_modify(|buyers| {
            buyers.insert(Buyer::New(number), id);
            buyers.entry(Buyer::Hot).or_insert(id);
        });
    }

    /// A time since the beginning as an instant.
    pub fn at(&self, time: Duration) -> Instant {
        self.began + time
    }

    /// The way to the node; to where it was, while it does not run.
    pub fn api(&self) -> Option<Api> {
        locked(&self.api).clone()
    }

    /// The node has started, and listens there.
    pub fn started(&self, url: &str) {
        self.heard.store(false, Ordering::Relaxed);
        locked(&self.api).replace(Api::new(url));
    }

    /// Whether the node has answered since its start.
    pub fn has_been_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    pub fn set_discards(&self, discards: bool) {
        self.discards.store(discards, Ordering::Relaxed);
    }

    pub fn discards(&self) -> bool {
        self.discards.load(Ordering::Relaxed)
    }

    /// The node's process stands from now on.
    pub fn stopped(&self) {
        locked(&self.stops).push((Instant::now(), None));
    }

    /// It goes on.
    pub fn goes_on(&self) {
        for (_, end) in locked(&self.stops).iter_mut() {
            end.get_or_insert_with(Instant::now);
        }
    }

    /// How long the node has stood since then.
    pub fn stood_since(&self, since: Instant) -> Duration {
        let now = Instant::now();
        let stood = |(from, to): &(Instant, Option<Instant>)| {
            to.unwrap_or(now)
                .saturating_duration_since(since.max(*from))
        };
        locked(&self.stops).iter().map(stood).sum()
    }

    /// Looks at an answer, or at a call that has ended without one: it comes in time.
    pub fn look(&self, call: &str, began: Instant, wait: u32, answer: Option<&Response>) {
        self.heard.fetch_or(answer.is_some(), Ordering::Relaxed);
        let bound = Duration::from_secs(wait.into()) + A_LITTLE + self.stood_since(began);
        let took = began.elapsed();
        if took > bound {
            self.violated(&format!("{call} took {took:?}, more than {bound:?}"));
        }

        let Some(answer) = answer else {
            return;
        };
        let mut faults = self.plan.faults.iter();
        let fails_by_itself = !faults.any(|fault| matches!(fault.what, Wrong::BuiltIn(_)));
        if answer.status == 500 && fails_by_itself {
            self.violated(&format!("{call}: 500: {}", answer.text));
        }
        if answer.status == 503 && answer.header("retry-after").is_empty() {
            self.violated(&format!("{call}: 503 without Retry-After: {}", answer.text));
        }
    }
}
