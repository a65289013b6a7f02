//! Following a view that another node looks after: what its catalog says answers is read here too.

use std::sync::Arc;
use std::time::Duration;

use sagas::mistakes::{Mistake, makes};
use store::Positions;
use tokio::time::Instant;

use super::repairs::Repairs;
use super::{Request, Supervisor};
use crate::error::describe;
use crate::generations::Catalog;
use crate::projection::Projection;
use crate::views::open::OpenGeneration;
use crate::{ViewError, positions};

/// How often the catalog is read. The generation before is fed for much longer.
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// How long the next generation may take to have what this node has shown of the one before.
const LEVEL_WITHIN: Duration = Duration::from_secs(3);
/// How long it is tried to look up how far a generation is that may be gone.
const LOOKED_UP_WITHIN: Duration = Duration::from_secs(1);
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
        self.owe_what_was_shown().await;
        true
    }

    /// Whatever answers here next must have what readers were shown while another node looked after
    /// the view.
    async fn owe_what_was_shown(&self) {
        let shown = self.shared.look(|stand| stand.live.clone());
        if let Some(shown) = shown {
            // Nobody is owed what cannot be looked up.
            let owed = self.shown_of(&shown).await.unwrap_or_default();
            self.shared.change(|stand| stand.owed = owed);
        }
    }

    /// Up to where readers here may have been shown the sources by a generation that another node
    /// feeds, or has fed.
    async fn shown_of(&self, read: &OpenGeneration<P>) -> Result<Positions, ViewError> {
        let looked = match read.is_followed() {
            true => tokio::time::timeout(LOOKED_UP_WITHIN, read.newest())
                .await
                .ok(),
            // Of one that was fed here before nobody looks how far others have come with it.
            false => None,
        };
        let shown = looked.unwrap_or_else(|| {
            // It is gone, or its store does not answer: no more than what the log has, and what is
            // known of the shards of other nodes may be a moment old.
            let mut shown = self.shared.heads();
            positions::raise(&mut shown, &read.may_show());
            shown
        });
        // What never was cannot be reached.
        let never_was = self.never_was(&shown).await?;
        Ok(if never_was.is_none() {
            shown
        } else {
            Positions::new()
        })
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
        // How far another node has come with what was fed here before, only who follows it knows:
        // until then it is not left for another one.
        let fed_before = shown
            .as_ref()
            .filter(|shown| is_fed(shown) && !shown.is_followed())
            .map(|shown| shown.number());
        match catalog.live {
            _ if stays => {}
            Some(live) => {
                let next = fed_before.unwrap_or(live);
                self.turn_to(next, &catalog, shown).await?;
            }
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

    /// Waits, as long as it takes, until the next generation has what readers here have been shown
    /// of the one before, which goes on while it is in the catalog.
    async fn reaches_what_was_shown(
        &self,
        next: &OpenGeneration<P>,
        shown: &OpenGeneration<P>,
        catalog: &Catalog,
    ) -> Result<(), ViewError> {
        if catalog.get(shown.number()).is_some() {
            return next.reach_level_of(shown).await;
        }
        next.reach(&self.shown_of(shown).await?).await
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
        self.repairs = Repairs::default();
        self.unopened_since = None;
        self.reverting = None;
        self.leave_work();

        let mut open = self.shared.look(|stand| stand.open.clone());
        self.shared.change(|stand| {
            stand.tenure = None;
            stand.to_answer = None;
            stand.stopped = None;
            stand.damage = None;
            stand.is_held = false;
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
