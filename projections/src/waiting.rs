//! Readers that wait until a view has reached what their token names: one table per view, woken by
//! its projector after each commit. Nobody polls.
//!
//! No wake-up is lost: a reader stands in the table *before* it looks at what the view has reached.
//! A commit before that is seen by the look, a commit after it finds the reader in the table.
//!
//! A reader in the table also asks the projector to commit at once when something it waits for has
//! been applied and is not committed yet; many readers share one commit.

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sagas::{Service, ShardId};
use store::Positions;
use tokio::sync::{Notify, oneshot, watch};
use uuid::Uuid;

use crate::ViewError;
use crate::port::VersionReader;
use crate::token::ConsistencyToken;

mod behind;
mod table;
#[cfg(test)]
mod tests;

use table::{End, Table};

pub use behind::{Behind, Mark};

/// A look at what the view has reached that takes no longer is awaited before the projector is
/// asked to hurry.
const SHORT_LOOK: Duration = Duration::from_millis(1);

/// The newest version of each entity among what was applied and not committed yet.
pub(crate) type EntityVersions = HashMap<(Service, Uuid), u64>;

/// The waiter table of one view.
#[derive(Debug)]
pub struct Waiting {
    view: &'static str,
    uses: &'static [Service],
    versions: Arc<dyn VersionReader>,
    table: Mutex<Table>,
    /// Wakes the projector when a reader has come.
    demand: Notify,
    /// Tells of each commit.
    advances: watch::Sender<()>,
}

/// Takes a reader out of the table however its waiting ends.
struct Place<'a> {
    waiting: &'a Waiting,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.table().leave(self.number);
    }
}

impl Waiting {
    /// For a view that takes in the events of the services in `uses`.
    #[must_use]
    pub fn new(
        view: &'static str,
        uses: &'static [Service],
        versions: Arc<dyn VersionReader>,
    ) -> Self {
        Waiting {
            view,
            uses,
            versions,
            table: Mutex::default(),
            demand: Notify::new(),
            advances: watch::Sender::new(()),
        }
    }

    /// Waits until the view has reached all that the token names, at most `timeout`. What a service
    /// has that the view does not use counts as reached.
    ///
    /// # Errors
    /// [`ViewError::Behind`] when the time is over, [`ViewError::Unavailable`] when the view cannot
    /// be asked.
    pub async fn wait_until(
        &self,
        token: &ConsistencyToken,
        timeout: Duration,
    ) -> Result<(), ViewError> {
        if !self.concerns(token) {
            return Ok(());
        }

        let Some((place, done)) = self.enter(token) else {
            return self.behind(token).await;
        };
        let reached = tokio::time::timeout(timeout, self.reached(&place, done)).await;
        drop(place);

        match reached {
            Ok(reached) => reached,
            Err(_) => self.behind(token).await,
        }
    }

    /// Looks whether the view is there already, and waits for it otherwise.
    async fn reached(
        &self,
        place: &Place<'_>,
        mut done: oneshot::Receiver<End>,
    ) -> Result<(), ViewError> {
        let mut check = pin!(self.check(place));
        let reached = match tokio::time::timeout(SHORT_LOOK, check.as_mut()).await {
            Ok(reached) => reached?,
            // The store is far away: what is wanted may be committed meanwhile.
            Err(_) => {
                self.demand.notify_one();
                tokio::select! {
                    biased;
                    ended = &mut done => return self.ended(ended.ok()),
                    reached = check => reached?,
                }
            }
        };

        if reached {
            return Ok(());
        }

        if let Some(cause) = self.failing() {
            return self.ended(Some(End::Failing(cause)));
        }

        self.demand.notify_one();

        self.ended(done.await.ok())
    }

    /// What a reader hears when its waiting has ended.
    fn ended(&self, end: Option<End>) -> Result<(), ViewError> {
        let view = self.view;
        match end {
            Some(End::Reached) => Ok(()),
            Some(End::Failing(cause)) => Err(ViewError::Unavailable {
                view,
                source: cause.into(),
            }),
            None => Err(ViewError::Closed { view }),
        }
    }

    /// Waits, as long as it takes, until all positions are committed, also those of services the
    /// view does not use.
    ///
    /// # Errors
    /// [`ViewError::Closed`] when the projector has stopped.
    pub(crate) async fn reach(&self, goal: &Positions) -> Result<(), ViewError> {
        // A place in the table makes the projector commit at once; without one the commit comes a
        // little later.
        let _place = self.place(BTreeMap::new(), goal.clone());
        self.demand.notify_one();
        self.until(|table| table.restored && is_at_least(&table.committed, goal))
            .await
    }

    /// Waits, as long as it takes, until the projector has read what is committed.
    ///
    /// # Errors
    /// [`ViewError::Closed`] when the projector has stopped.
    pub(crate) async fn restored(&self) -> Result<(), ViewError> {
        self.until(|table| table.restored).await
    }

    /// Waits, as long as it takes, until it has been looked once more what is committed.
    ///
    /// # Errors
    /// [`ViewError::Closed`] when the projector has stopped.
    pub(crate) async fn looked_at(&self) -> Result<(), ViewError> {
        let mut advances = self.advances.subscribe();
        if self.table().closed {
            return Err(ViewError::Closed { view: self.view });
        }
        self.demand.notify_one();
        // The sender lives as long as this table does.
        let _ = advances.changed().await;
        Ok(())
    }

    async fn until(&self, wish: impl Fn(&Table) -> bool) -> Result<(), ViewError> {
        let mut advances = self.advances.subscribe();
        loop {
            {
                let table = self.table();

                if wish(&table) {
                    return Ok(());
                }

                if table.closed {
                    return Err(ViewError::Closed { view: self.view });
                }
            }
            // The sender lives as long as this table does.
            let _ = advances.changed().await;
        }
    }

    /// Why the projector takes nothing in at present.
    fn failing(&self) -> Option<String> {
        self.table().failing.clone()
    }

    /// The projector cannot go on for now: tells all readers at once, those that wait and those
    /// that come, until it has read its positions again.
    pub(crate) fn fail(&self, cause: &str) {
        self.table().fail(cause);
    }

    /// The positions of the newest commit.
    #[must_use]
    pub fn committed(&self) -> Positions {
        self.table().committed.clone()
    }

    /// Up to where readers may have been shown the sources: at least what is committed.
    pub(crate) fn may_show(&self) -> Positions {
        self.table().may_show.clone()
    }

    /// A commit with these positions is begun: readers may be shown that from now on, whatever
    /// becomes of its answer.
    pub(crate) fn reaches(&self, positions: &Positions) {
        self.table().reaches(positions);
    }

    /// Whether it is known what is committed, or will never be.
    pub(crate) fn is_known(&self) -> bool {
        let table = self.table();
        table.restored || table.closed
    }

    fn concerns(&self, token: &ConsistencyToken) -> bool {
        token
            .entities()
            .any(|(service, _, _)| self.uses.contains(&service))
            || token
                .positions()
                .keys()
                .any(|shard| self.uses.contains(&shard.service))
    }

    /// Puts a reader into the table; `None` when it is full.
    fn enter(&self, token: &ConsistencyToken) -> Option<(Place<'_>, oneshot::Receiver<End>)> {
        let entities = token
            .entities()
            .filter(|(service, _, _)| self.uses.contains(service));

        let entities = entities
            .map(|(service, entity, version)| ((service, entity), version))
            .collect();

        let positions = token
            .positions()
            .iter()
            .filter(|(shard, _)| self.uses.contains(&shard.service));

        self.place(
            entities,
            positions
                .map(|(shard, sequence)| (*shard, *sequence))
                .collect(),
        )
    }

    fn place(
        &self,
        entities: BTreeMap<(Service, Uuid), u64>,
        positions: Positions,
    ) -> Option<(Place<'_>, oneshot::Receiver<End>)> {
        let (number, done) = self.table().enter(entities, positions)?;
        let place = Place {
            waiting: self,
            number,
        };
        Some((place, done))
    }

    /// Looks at what the view has reached; true when that is all the reader waits for.
    async fn check(&self, place: &Place<'_>) -> Result<bool, ViewError> {
        let asked = self.table().wishes_of(place.number);

        let versions = if asked.is_empty() {
            Vec::new()
        } else {
            self.versions.versions_of(&asked).await?
        };

        let seen = asked.into_iter().zip(versions);
        Ok(self.table().saw(place.number, seen))
    }

    /// Resolves when a reader has come since the last time.
    pub(crate) async fn demanded(&self) {
        self.demand.notified().await;
    }

    /// How many readers wait.
    pub(crate) fn count(&self) -> usize {
        self.table().len()
    }

    /// Whether committing what was applied brings some reader forward.
    pub(crate) fn wants(&self, entities: &EntityVersions, positions: &Positions) -> bool {
        self.table().wants(entities, positions)
    }

    /// The entities that readers wait for, each once, at most so many.
    pub(crate) fn wishes(&self, most: usize) -> Vec<(Service, Uuid)> {
        self.table().wishes(most)
    }

    /// Wakes the readers whose last wish a commit has fulfilled.
    pub(crate) fn advance(&self, entities: &EntityVersions, positions: &Positions) {
        self.table().advance(entities, positions);
        self.advances.send_replace(());
    }

    /// Ends all waiting: the projector has stopped for good.
    pub(crate) fn close(&self) {
        self.table().close();
        self.advances.send_replace(());
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic under the lock leaves readers that time out, nothing worse.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reached(positions: &Positions, shard: ShardId) -> u64 {
    positions.get(&shard).copied().unwrap_or(0)
}

/// Whether positions are, shard by shard, not behind others.
pub(crate) fn is_at_least(positions: &Positions, goal: &Positions) -> bool {
    goal.iter()
        .all(|(shard, sequence)| reached(positions, *shard) >= *sequence)
}
