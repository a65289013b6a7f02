//! One open generation of a view: its read side, who waits for it, and the projector that feeds it.
//! Each generation is fed by itself, from its own positions.

use std::sync::Arc;
use std::time::Duration;

use sagas::{Service, ShardId};
use store::{Lease, Log, Positions, StoreError};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::ViewError;
use crate::alarm::Alarm;
use crate::generations::Opened;
use crate::projection::Projection;
use crate::projector::{
    Fed, Feeding, Followed, Lag, Progress, Projector, Snapshot, Surroundings, ViewDefinition,
    Written,
};
use crate::token::ConsistencyToken;
use crate::waiting::{Waiting, is_at_least};

/// How often it is looked for a moment in which one generation has all that another shows.
const LOOKS: usize = 20;

/// A generation that is fed. A query takes one, waits on it, and reads from it.
pub struct OpenGeneration<P: Projection> {
    alarm: Arc<Alarm>,
    reader: Arc<P::Reader>,
    waiting: Arc<Waiting>,
    progress: Arc<Progress>,
    projector: Projector,
}

impl<P: Projection> OpenGeneration<P> {
    /// Starts feeding a generation from where it stands, as long as `tenure` lasts. Call it inside
    /// the runtime that drives the log.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn feed(
        definition: ViewDefinition,
        alarm: Alarm,
        opened: Opened<P>,
        surroundings: Surroundings,
        tenure: Lease,
    ) -> Result<Self, ViewError> {
        let alarm = Arc::new(alarm);
        let told = Arc::clone(&alarm);
        Self::open(definition, alarm, opened, move |followed| {
            let Followed {
                writer,
                waiting,
                progress,
                ..
            } = followed;
            let written = Written {
                writer,
                waiting,
                progress,
                alarm: told,
                tenure,
            };
            Projector::start::<P>(definition, written, surroundings)
        })
    }

    /// Follows a generation that another node feeds. Call it inside the runtime that drives the
    /// log.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn follow(
        definition: ViewDefinition,
        alarm: Alarm,
        opened: Opened<P>,
        surroundings: &Surroundings,
    ) -> Result<Self, ViewError> {
        Self::open(definition, Arc::new(alarm), opened, |followed| {
            Projector::follow(definition, followed, surroundings)
        })
    }

    /// A generation with what `start` makes of its write side.
    fn open(
        definition: ViewDefinition,
        alarm: Arc<Alarm>,
        opened: Opened<P>,
        start: impl FnOnce(Followed<P::Entity>) -> std::io::Result<Projector>,
    ) -> Result<Self, ViewError> {
        let Opened {
            writer,
            reader,
            versions,
        } = opened;

        let known = Arc::clone(&versions);
        let waiting = Arc::new(Waiting::new(definition.name, definition.uses, versions));
        let progress = Arc::new(Progress::new());
        let projector = start(Followed {
            writer,
            versions: known,
            waiting: Arc::clone(&waiting),
            progress: Arc::clone(&progress),
        })
        .map_err(|source| ViewError::Unavailable {
            view: definition.name,
            source: Box::new(source),
        })?;

        Ok(OpenGeneration {
            alarm,
            reader,
            waiting,
            progress,
            projector,
        })
    }

    /// Whether it is looked here how far another node has come with it. It is not of one that was
    /// fed here, and that another node may feed since.
    pub(crate) fn is_followed(&self) -> bool {
        self.projector.is_follower()
    }

    /// Its number in the catalog.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.alarm.number()
    }

    /// Its read side. Queries go through [`read`](OpenGeneration::read), which knows what to do
    /// about damage.
    #[must_use]
    pub fn reader(&self) -> &Arc<P::Reader> {
        &self.reader
    }

    /// Reads from it. Tells the view's supervisor of damage that this shows, which replaces the
    /// generation.
    ///
    /// # Errors
    /// What reading does.
    pub async fn read<T>(
        &self,
        read: impl AsyncFnOnce(Arc<P::Reader>) -> Result<T, ViewError>,
    ) -> Result<T, ViewError> {
        let outcome = read(Arc::clone(&self.reader)).await;
        outcome.inspect_err(|error| self.alarm.notice(error))
    }

    /// Tells the supervisor what is wrong with it.
    pub(crate) fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    /// Waits until the generation has reached all that the token names, at most `timeout`.
    ///
    /// # Errors
    /// [`ViewError::Behind`] when the time is over, [`ViewError::Unavailable`] when it cannot be
    /// asked or takes nothing in at present.
    pub async fn wait_until(
        &self,
        token: &ConsistencyToken,
        timeout: Duration,
    ) -> Result<(), ViewError> {
        let waited = self.waiting.wait_until(token, timeout).await;
        waited.inspect_err(|error| self.alarm.notice(error))
    }

    /// Waits, as long as it takes, until positions are committed.
    pub(crate) async fn reach(&self, goal: &Positions) -> Result<(), ViewError> {
        self.waiting.reach(goal).await
    }

    /// The positions of the newest commit; empty before they are read.
    pub(crate) fn committed(&self) -> Positions {
        self.waiting.committed()
    }

    /// The positions of the newest commit, as soon as they are read.
    pub(crate) async fn restored(&self) -> Result<Positions, ViewError> {
        self.waiting.restored().await?;
        Ok(self.waiting.committed())
    }

    /// Up to where whoever reads from it now may have been shown the sources. Where another node
    /// feeds it, what is known here is older, and it is looked again; as long as it takes, if that
    /// fails.
    pub(crate) async fn newest(&self) -> Positions {
        if self.is_followed() {
            // Of one that is closed no more will be known.
            let _ = self.waiting.looked_at().await;
        }
        self.may_show()
    }

    /// Up to where readers may have been shown the sources, as far as that is known here.
    pub(crate) fn may_show(&self) -> Positions {
        self.waiting.may_show()
    }

    /// Waits, as long as it takes, until it has, shard by shard, what another shows, which may be
    /// fed meanwhile. Where that is fed all the time, it is what it has shown some milliseconds
    /// ago.
    pub(crate) async fn reach_level_of(&self, other: &Self) -> Result<(), ViewError> {
        for _ in 0..LOOKS {
            let goal = other.newest().await;
            if self.has(&goal) {
                break;
            }
            self.reach(&goal).await?;
        }
        Ok(())
    }

    /// Whether it has committed, shard by shard, what another may have shown.
    pub(crate) fn is_level_with(&self, other: &Self) -> bool {
        other.waiting.is_known() && self.has(&other.may_show())
    }

    /// Whether it has committed this much, shard by shard.
    pub(crate) fn has(&self, positions: &Positions) -> bool {
        is_at_least(&self.committed(), positions)
    }

    /// How many readers wait.
    #[must_use]
    pub fn waiting_readers(&self) -> usize {
        self.waiting.count()
    }

    /// What its projector is at.
    #[must_use]
    pub fn feeding(&self) -> Feeding {
        self.progress.feeding()
    }

    /// How far it is behind the log.
    pub(crate) async fn lag(&self, log: &dyn Log) -> Result<Lag, StoreError> {
        // Times first: they are at most as new as the positions then.
        let times = self.progress.times();
        Lag::measure(log, &self.committed(), &times).await
    }

    pub(crate) fn shown(&self) -> Snapshot {
        self.progress.snapshot()
    }

    /// What was taken in since it was opened.
    pub(crate) fn fed(&self) -> Fed {
        self.progress.fed()
    }

    /// Takes an entity out of quarantine and applies what its history has; see
    /// [`Projector::replay`].
    ///
    /// # Errors
    /// When it has stopped or its store does not answer.
    pub async fn replay(&self, service: Service, entity: Uuid) -> Result<bool, ViewError> {
        self.projector.replay(service, entity).await
    }

    /// Puts an entity as its history has it in the place of what is shown; see [`Projector::heal`].
    pub(crate) async fn heal(&self, source: ShardId, entity: Uuid) -> Result<u64, ViewError> {
        self.projector.heal(source, entity).await
    }

    /// Lets it rest: see [`Projector::rest`].
    pub(crate) async fn rest(&self) -> Option<oneshot::Sender<()>> {
        self.projector.rest().await
    }

    /// Asks it to stop, and does not wait.
    pub(crate) fn let_go(&self) {
        self.projector.ask_to_stop();
    }

    /// Commits what was applied and stops feeding. The reader answers still.
    pub async fn stop(&self) {
        self.projector.stop().await;
    }
}
