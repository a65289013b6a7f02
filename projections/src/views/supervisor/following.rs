//! Following a view that another node looks after: what its catalog says answers is read here too.

use std::sync::Arc;
use std::time::Duration;

use sagas::mistakes::{Mistake, makes};
use tokio::time::Instant;

use super::{Request, Supervisor};
use crate::ViewError;
use crate::error::describe;
use crate::generations::Catalog;
use crate::projection::Projection;
use crate::views::open::OpenGeneration;

/// How often the catalog is read. The generation before is fed for much longer.
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// How long the next generation may take to have what this node has shown of the one before.
const LEVEL_WITHIN: Duration = Duration::from_secs(3);
/// A store that takes longer is asked again.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

impl<P: Projection> Supervisor<P> {
    /// Follows the view until this node is to look after it; false when everyone who could ask is
    /// gone. What it has read from so far answers on until then.
    pub(super) async fn follow(&mut self) -> bool {
        let mut lease = self.shared.lease.clone();
        while !lease.take() {
            let looked = tokio::time::timeout(ANSWERS_WITHIN, self.follow_the_catalog()).await;
            let looked = looked.unwrap_or_else(|_| Err(self.unavailable("it takes too long")));
            let failure = looked.as_ref().err().map(|error| describe(error));
            self.tell(failure.as_ref());
            self.shared.change(|stand| stand.failure = failure);

            tokio::select! {
                biased;
                request = self.requests.recv() => match request {
                    Some(request) => self.refuse(request),
                    None => return false,
                },
                () = lease.begins() => {}
                // Whoever feeds the view finds the damage, too.
                Some(_) = self.alarms.recv() => {}
                () = tokio::time::sleep(LOOKS_EVERY) => {}
            }
        }
        self.lease = lease;
        true
    }

    async fn follow_the_catalog(&mut self) -> Result<(), ViewError> {
        let (view, ours) = (self.shared.definition.name, self.shared.deployment);
        let asked_at = Instant::now();
        let catalog = self.shared.store.catalog().await?;
        if let Some(other) = catalog.deployment.filter(|owner| *owner != ours) {
            self.leave_followed();
            return Err(ViewError::foreign(view, other, ours));
        }

        let shown = self.shared.look(|stand| stand.live.clone());
        let is_fed = |shown: &Arc<OpenGeneration<P>>| catalog.get(shown.number()).is_some();
        if shown.as_ref().is_some_and(is_fed) {
            self.shared.knows(asked_at);
        }

        let is_meant = |number| Some(number) == catalog.live || makes(Mistake::FollowerStays);
        let stays = shown
            .as_ref()
            .is_some_and(|shown| shown.is_followed() && is_meant(shown.number()));
        match catalog.live {
            _ if stays => {}
            Some(next) => self.turn_to(next, &catalog, shown).await?,
            None => self.leave_followed(),
        }
        self.shared.knows(asked_at);
        self.measure().await;
        self.shared.gauges.generation(catalog.live);
        self.shared.change(|stand| stand.catalog = Some(catalog));
        Ok(())
    }

    /// Reads from another generation, as soon as it has what was read here.
    async fn turn_to(
        &self,
        next: u32,
        catalog: &Catalog,
        shown: Option<Arc<OpenGeneration<P>>>,
    ) -> Result<(), ViewError> {
        let opened = self.shared.store.open(next, self.shared.deployment).await?;
        let followed = OpenGeneration::follow(
            self.shared.definition,
            self.shared.alarm(next),
            opened,
            &self.shared.surroundings,
        )?;

        followed.restored().await?;
        if let Some(shown) = shown.filter(|_| !makes(Mistake::FollowerNotLevel)) {
            let reaches = self.reaches_what_was_shown(&followed, &shown, catalog);
            match tokio::time::timeout(LEVEL_WITHIN, reaches).await {
                Ok(reached) => reached?,
                Err(_) => {
                    let why = "the next generation has less than the one before";
                    return Err(self.unavailable(why));
                }
            }
        }

        let before = self.shared.look(|stand| stand.live.clone());
        self.shared
            .change(|stand| stand.live = Some(Arc::new(followed)));
        if let Some(before) = before {
            before.let_go();
        }
        Ok(())
    }

    /// Waits, as long as it takes, until the next generation has what readers here have been shown of
    /// the one before. How far that is, can be looked up while it is in the catalog. One that was
    /// given up may be gone, or tell of what never was: what is in the log is waited for then, which
    /// is all that it can have shown.
    async fn reaches_what_was_shown(
        &self,
        next: &OpenGeneration<P>,
        shown: &OpenGeneration<P>,
        catalog: &Catalog,
    ) -> Result<(), ViewError> {
        if catalog.get(shown.number()).is_some() {
            return next.reach_level_of(shown).await;
        }
        let known = shown.committed();
        if self.never_was(&known).await?.is_some() {
            return Ok(());
        }
        next.reach(&self.shared.heads()).await?;
        // Of other nodes' shards the head may be known later here than in the view.
        next.reach(&known).await
    }

    fn leave_followed(&self) {
        let left = self.shared.look(|stand| stand.live.clone());
        self.shared.change(|stand| stand.live = None);
        if let Some(left) = left {
            left.let_go();
        }
    }

    fn refuse(&self, request: Request) {
        let elsewhere = ViewError::fed_elsewhere(self.shared.definition.name);
        // Whoever asked may have gone.
        match request {
            Request::Rebuild { answer, .. } => drop(answer.send(Err(elsewhere))),
            Request::Revert { answer, .. } => drop(answer.send(Err(elsewhere))),
        }
    }

    /// Another node is to look after the view. What answers is fed until it is followed: what both
    /// nodes write is guarded by its versions.
    pub(super) async fn step_down(&mut self) {
        let view = self.shared.definition.name;
        tracing::warn!(view, "another node looks after the view now");
        self.catalog = None;
        self.is_fenced = false;
        self.reverting = None;
        self.leave_work();

        let mut open = self.shared.look(|stand| stand.open.clone());
        self.shared.change(|stand| {
            stand.to_answer = None;
            stand.stopped = None;
            stand.open.clear();
        });
        let live = self.shared.look(|stand| stand.live.clone());
        if let Some(live) = live {
            open.remove(&live.number());
        }
        for generation in open.into_values() {
            generation.let_go();
        }
    }
}
