//! What the supervisor of a view writes and everyone else reads: the generations that are open, and
//! which one answers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sagas::mistakes::{Mistake, makes};
use store::threads::Threads;
use store::{Clock, Destination, Lease, Log, Positions};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::entity_work::EntityWork;
use super::open::OpenGeneration;
use crate::ViewError;
use crate::alarm::{Alarm, Raised};
use crate::entity_rows::EntityRows;
use crate::generations::{Catalog, ViewStore};
use crate::metrics::ViewGauges;
use crate::projection::Projection;
use crate::projector::{Surroundings, ViewDefinition};

/// A node that follows a view answers for so long after it has read which generation is meant.
const SURE_FOR: Duration = Duration::from_secs(10);
/// What answers no more is kept at least for so long where others may follow it: they have turned
/// to another generation by then, or do not answer, and their last queries have ended.
const FOLLOWERS_TURN_WITHIN: Duration = Duration::from_secs(20);

/// How a view stands at this moment.
pub(super) struct Stand<P: Projection> {
    /// As it was read or saved last; `None` before it was read.
    pub catalog: Option<Catalog>,
    /// By number. Each is fed.
    pub open: BTreeMap<u32, Arc<OpenGeneration<P>>>,
    /// The one that answers; one of those that are open, or followed, or fed in a tenure before.
    pub live: Option<Arc<OpenGeneration<P>>>,
    /// What readers here may have been shown while another node looked after the view: what answers
    /// next must have it.
    pub owed: Positions,
    /// The tenure of this node in which the catalog was read or saved.
    pub tenure: Option<Lease>,
    /// The one that is to answer, and whose turn may come at any moment; absent while a catalog is
    /// saved, which may have another one answer.
    pub to_answer: Option<u32>,
    /// While rows are copied, or generations compared.
    pub entity_work: Option<Arc<EntityWork>>,
    /// Why the store does not tell its generations; the supervisor asks again.
    pub failure: Option<String>,
    /// The generation whose building has ended without success, and why.
    pub stopped: Option<(u32, String)>,
    /// What was damaged, as long as it is not replaced.
    pub damage: Option<String>,
    /// What replaces it is damaged time and again, and the next one is not begun yet.
    pub is_held: bool,
}

impl<P: Projection> Stand<P> {
    /// The generation that answers, or else the one that will.
    pub fn fed(&self) -> Option<Arc<OpenGeneration<P>>> {
        let live = self.live.clone();
        live.or_else(|| self.open.values().next().cloned())
    }

    /// The one that answers, if it is not fed in this tenure.
    pub fn former(&self) -> Option<Arc<OpenGeneration<P>>> {
        let is_fed = |live: &Arc<OpenGeneration<P>>| {
            let open = self.open.get(&live.number());
            open.is_some_and(|open| Arc::ptr_eq(open, live))
        };
        self.live.clone().filter(|live| !is_fed(live))
    }
}

/// What a view is made of.
pub(crate) struct Parts<P: Projection> {
    /// Which view it is.
    pub definition: ViewDefinition,
    /// Where its generations are.
    pub store: Arc<dyn ViewStore<P>>,
    /// Held while this node feeds the view.
    pub lease: Lease,
    /// What its projectors work with.
    pub surroundings: Surroundings,
    /// The entities as they stand, to copy and to compare.
    pub rows: Arc<dyn EntityRows<P::Entity>>,
    /// How long the generation that has answered before is kept.
    pub keep: Duration,
    /// How often the supervisor looks whether all that is open is still there, and how far it is.
    pub look_every: Duration,
    /// How often what is open is examined, where that finds what nothing else does.
    pub examine_every: Duration,
    /// Whose view it is.
    pub deployment: Uuid,
}

/// The parts of a view, and its stand.
pub(super) struct Shared<P: Projection> {
    /// Which view it is.
    pub definition: ViewDefinition,
    /// Where its generations are.
    pub store: Arc<dyn ViewStore<P>>,
    /// Held while this node feeds the view.
    pub lease: Lease,
    /// What its projectors work with.
    pub surroundings: Surroundings,
    /// The entities as they stand, to copy and to compare.
    pub rows: Arc<dyn EntityRows<P::Entity>>,
    /// How long the generation that has answered before is kept.
    pub keep: Duration,
    /// How often the supervisor looks whether all that is open is still there.
    pub look_every: Duration,
    /// How often what is open is examined.
    pub examine_every: Duration,
    /// Whose view it is.
    pub deployment: Uuid,
    /// What is measured of it.
    pub gauges: ViewGauges,
    alarms: mpsc::UnboundedSender<Raised>,
    stopping: AtomicBool,
    /// When this node knew last which generation is meant.
    known_at: Mutex<Instant>,
    stand: watch::Sender<Stand<P>>,
}

impl<P: Projection> Shared<P> {
    /// With the receiver of what goes wrong with generations: few findings ever stand in it, each
    /// generation tells once.
    pub(super) fn new(parts: Parts<P>) -> (Self, mpsc::UnboundedReceiver<Raised>) {
        let Parts {
            definition,
            store,
            lease,
            surroundings,
            rows,
            keep,
            look_every,
            examine_every,
            deployment,
        } = parts;
        let (alarms, raised) = mpsc::unbounded_channel();

        let stand = Stand {
            catalog: None,
            open: BTreeMap::new(),
            live: None,
            owed: Positions::new(),
            tenure: None,
            to_answer: None,
            entity_work: None,
            failure: None,
            stopped: None,
            damage: None,
            is_held: false,
        };

        let shared = Shared {
            definition,
            store,
            lease,
            surroundings,
            rows,
            keep,
            look_every,
            examine_every,
            deployment,
            gauges: ViewGauges::new(definition.name),
            alarms,
            stopping: AtomicBool::new(false),
            known_at: Mutex::new(Instant::now()),
            stand: watch::Sender::new(stand),
        };
        (shared, raised)
    }

    pub(super) fn log(&self) -> &dyn Log {
        &*self.surroundings.log
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.surroundings.clock
    }

    pub(super) fn threads(&self) -> &dyn Threads {
        &*self.surroundings.threads
    }

    /// An alarm for a generation that is opened.
    pub(super) fn alarm(&self, number: u32) -> Alarm {
        Alarm::new(number, self.alarms.clone())
    }

    /// Looks at the stand. It is locked meanwhile.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Stand<P>) -> T) -> T {
        look(&self.stand.borrow())
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Stand<P>)) {
        self.stand.send_modify(change);
    }

    /// Waits until the stand is as wished.
    pub(super) async fn until(&self, wish: impl FnMut(&Stand<P>) -> bool) {
        // The sender lives as long as this does.
        let _ = self.stand.subscribe().wait_for(wish).await;
    }

    /// Waits until another generation answers in the place of a damaged one, or it is known that
    /// none will for now.
    pub(super) async fn replaced(&self, damaged: u32) {
        self.until(|stand| {
            let answers = |live: &Arc<OpenGeneration<P>>| live.number() != damaged;
            let is_left =
                |catalog: &Catalog| catalog.get(damaged).is_some() || catalog.live.is_some();
            stand.live.as_ref().is_some_and(answers)
                || stand.failure.is_some()
                || !stand.catalog.as_ref().is_some_and(is_left)
        })
        .await;
    }

    /// Waits until some generation answers, or this one is given up, or the view ends.
    pub(super) async fn answers_or_is_gone(&self, number: u32) {
        self.until(|stand| {
            let catalog = stand.catalog.as_ref();
            let is_wanted = catalog.is_some_and(|catalog| catalog.get(number).is_some());
            stand.live.is_some() || !is_wanted || self.is_stopping()
        })
        .await;
    }

    /// The generation that answers.
    pub(super) fn current(&self) -> Result<Arc<OpenGeneration<P>>, ViewError> {
        let view = self.definition.name;
        if !self.is_sure() {
            return Err(ViewError::unsure(view));
        }
        self.look(|stand| match (&stand.live, &stand.failure, &stand.damage) {
            (Some(live), _, _) => Ok(Arc::clone(live)),
            (None, Some(failure), _) => Err(ViewError::Unavailable {
                view,
                source: failure.clone().into(),
            }),
            (None, None, Some(damage)) => Err(ViewError::Damaged {
                view,
                what: damage.clone(),
            }),
            (None, None, None) => Err(ViewError::NotReady { view }),
        })
    }

    /// Whether it is known here which generation is meant: by the node that looks after the view,
    /// and by one that has read it not long ago. One that was stopped, or cut off, must not answer
    /// from what may have been deleted meanwhile.
    fn is_sure(&self) -> bool {
        let is_recent = || self.known_at().elapsed() < SURE_FOR;
        self.knows_as_leader() || is_recent() || makes(Mistake::FollowerUnsure)
    }

    /// Whoever looks after the view, and has read its catalog, knows it at any moment; false when
    /// that is another node.
    pub(super) fn knows_as_leader(&self) -> bool {
        let leads = self.leads();
        if leads {
            self.knows(Instant::now());
        }
        leads
    }

    /// Whether this node looks after the view, in the tenure in which it has read the catalog.
    fn leads(&self) -> bool {
        let is_in_tenure = |stand: &Stand<P>| stand.tenure.as_ref().is_some_and(Lease::is_held);
        !self.lease.has_rivals() || self.look(is_in_tenure)
    }

    /// It was known at this time which generation is meant.
    pub(super) fn knows(&self, at: Instant) {
        let mut known_at = self.known_at();
        *known_at = at.max(*known_at);
    }

    fn known_at(&self) -> MutexGuard<'_, Instant> {
        // Nothing panics while it holds the lock.
        self.known_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the generation that has answered before is kept and fed.
    pub(super) fn keeps(&self) -> Duration {
        match self.is_followed() {
            true => self.keep.max(FOLLOWERS_TURN_WITHIN),
            false => self.keep,
        }
    }

    /// Waits until nobody reads any more, on any node, from what was let go of just now.
    pub(super) async fn followers_turn(&self) {
        if self.is_followed() {
            tokio::time::sleep(FOLLOWERS_TURN_WITHIN).await;
        }
    }

    /// Whether other nodes may follow what this one feeds.
    fn is_followed(&self) -> bool {
        self.lease.has_rivals() && !makes(Mistake::FormerDeletedAtOnce)
    }

    /// An open generation.
    pub(super) fn generation(&self, number: u32) -> Result<Arc<OpenGeneration<P>>, ViewError> {
        let closed = ViewError::Closed {
            view: self.definition.name,
        };
        self.look(|stand| stand.open.get(&number).cloned())
            .ok_or(closed)
    }

    /// Waits until this generation is to answer, or is given up, or the view ends.
    pub(super) async fn is_to_answer_or_gone(&self, number: u32) {
        self.until(|stand| {
            let catalog = stand.catalog.as_ref();
            let is_wanted = catalog.is_some_and(|catalog| catalog.get(number).is_some());
            stand.to_answer == Some(number) || !is_wanted || self.is_stopping()
        })
        .await;
    }

    /// Makes another generation the one that answers, if it is to, is open and whole, and has
    /// committed all that the present one has; so that no reader goes back.
    pub(super) fn swap_if_level(&self, next: &Arc<OpenGeneration<P>>) -> bool {
        self.stand.send_if_modified(|stand| {
            let is_open = stand
                .open
                .get(&next.number())
                .is_some_and(|open| Arc::ptr_eq(open, next));
            let is_level = stand
                .live
                .as_ref()
                .is_none_or(|live| next.is_level_with(live));

            let is_level = is_level && next.has(&stand.owed);
            let is_level = is_level || makes(Mistake::SwapTooEarly);
            let is_meant = stand.to_answer == Some(next.number());
            let swaps = is_meant && is_open && is_level && !next.alarm().is_damaged();
            if swaps {
                stand.live = Some(Arc::clone(next));
                stand.owed.clear();
            }
            swaps
        })
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        // For those who wait for the stand to change.
        self.change(|_| {});
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Long work on a generation ends when the node does, when the generation is given up, and when
    /// another node looks after the view.
    pub(super) fn go_on(&self, number: u32) -> Result<(), ViewError> {
        let is_wanted = self.has(number);
        // Rows that are a moment old must not come over what another node has taken in by now.
        if self.is_stopping() || !is_wanted || !self.leads() {
            return Err(ViewError::Closed {
                view: self.definition.name,
            });
        }
        Ok(())
    }

    /// Whether the catalog has a generation of this number.
    pub(super) fn has(&self, number: u32) -> bool {
        self.look(|stand| {
            let catalog = stand.catalog.as_ref();
            catalog.is_some_and(|catalog| catalog.get(number).is_some())
        })
    }

    /// Up to where the log goes now.
    pub(super) fn heads(&self) -> Positions {
        let head = |source| (source, self.log().head(source, Destination::Events));
        self.log().sources().into_iter().map(head).collect()
    }
}
