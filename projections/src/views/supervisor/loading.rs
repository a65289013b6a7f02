//! Reading the catalog: whose it is, what to do when there is none that can be read, and what is
//! left in the store that it does not name.

use super::Supervisor;
use crate::ViewError;
use crate::generations::{BuildFrom, Catalog, Found, Generation, Stage};
use crate::projection::Projection;

/// How many of the newest numbers a start checks for what a crash has left between a catalog and a
/// deletion.
const LEFTOVERS: u32 = 8;

impl<P: Projection> Supervisor<P> {
    /// Reads the catalog, and begins a first generation, or a new one where the definition has
    /// changed.
    ///
    /// # Errors
    /// When the store does not answer; [`ViewError::Foreign`] when it is another deployment's.
    pub(super) async fn load(&mut self) -> Result<(), ViewError> {
        let ours = self.shared.deployment;

        let read = match self.shared.store.catalog().await {
            Ok(catalog) => match catalog.deployment {
                None => Ok(catalog),
                Some(owner) if owner == ours => Ok(catalog),
                Some(other) => Err((ViewError::foreign(self.name(), other, ours), catalog)),
            },
            Err(error @ ViewError::Damaged { .. }) => {
                match self.shared.look(|stand| stand.catalog.clone()) {
                    // It was read before, and has been damaged since.
                    Some(known) => return self.save(known).await,
                    None => Err((error, Catalog::default())),
                }
            }
            Err(error) => return Err(error),
        };

        match read {
            Ok(catalog) => {
                self.discard_leftovers(&catalog).await;
                self.begin_with(catalog).await
            }
            Err((error @ ViewError::Foreign { .. }, _)) if self.shared.store.is_shared() => {
                self.close_all().await;
                Err(error)
            }
            Err((error, unusable)) => self.begin_anew(&error, &unusable).await,
        }
    }

    fn name(&self) -> &'static str {
        self.shared.definition.name
    }

    /// Takes a catalog over, for this deployment, with what is due by it.
    async fn begin_with(&mut self, catalog: Catalog) -> Result<(), ViewError> {
        let definition = self.shared.definition.number;
        let outdated = |generation: &Generation| generation.definition != definition;

        let interrupted = catalog
            .building()
            .filter(|building| self.is_interrupted(building))
            .map(|building| building.number);
        let due = match (catalog.building(), catalog.answering()) {
            (Some(building), _) => {
                let is_due = outdated(building) || interrupted.is_some();
                is_due.then_some(building.from)
            }
            (None, Some(live)) => outdated(live).then_some(BuildFrom::History),
            (None, None) => Some(BuildFrom::History),
        };

        let deployment = Some(self.shared.deployment);
        let is_claimed = catalog.deployment == deployment;
        let catalog = Catalog {
            deployment,
            ..catalog
        };

        match due {
            Some(from) => {
                let next = self.with_new(&catalog, from);
                tracing::info!(
                    view = self.name(),
                    generation = next.newest,
                    "a generation is begun"
                );
                self.save(next).await?;
                if let Some(number) = interrupted {
                    self.discard_unless_followed(number).await;
                }
                Ok(())
            }
            None if is_claimed && self.is_fenced() => {
                self.take_over(catalog);
                Ok(())
            }
            None => self.save(catalog).await,
        }
    }

    /// Whether nobody who looked after the view before can save a catalog any more. A node that was
    /// stopped may yet send one: the revision of a tenure's first save keeps it out.
    fn is_fenced(&self) -> bool {
        self.is_fenced || !self.shared.lease.has_rivals()
    }

    /// Whether another node may have begun to copy this generation. It is not gone on with: that
    /// node may have been stopped, and still delete or write what it has. Another number is given
    /// in its place.
    fn is_interrupted(&self, building: &Generation) -> bool {
        let is_at_work = |number| self.work.as_ref().is_some_and(|work| work.number == number);
        building.stage == Stage::Copying
            && !is_at_work(building.number)
            && self.shared.lease.has_rivals()
    }

    /// Begins with an empty catalog in the place of one that is of no use, with numbers that
    /// nothing in the store has.
    pub(super) async fn begin_anew(
        &mut self,
        why: &ViewError,
        unusable: &Catalog,
    ) -> Result<(), ViewError> {
        let (view, ours) = (self.name(), self.shared.deployment);
        let found = self.shared.store.generations().await?;
        let other = found.iter().filter_map(|found| found.deployment);
        if let Some(other) = other.into_iter().find(|owner| *owner != ours) {
            self.close_all().await;
            return Err(ViewError::foreign(view, other, ours));
        }

        tracing::error!(view, error = %why, "the view begins anew");
        self.shared
            .change(|stand| stand.damage = Some(why.to_string()));
        self.close_all().await;

        let newest = found.iter().map(|found| found.number).max();
        let catalog = Catalog {
            newest: newest.unwrap_or(0).max(unusable.newest),
            revision: unusable.revision,
            ..Catalog::default()
        };
        self.begin_with(catalog).await?;

        // In a store that others may use, only what has our name on it is surely ours.
        let is_shared = self.shared.store.is_shared();
        let is_ours = |found: &&Found| !is_shared || found.deployment == Some(ours);
        for found in found.iter().filter(is_ours) {
            self.discard_unless_followed(found.number).await;
        }
        Ok(())
    }

    /// Deletes what the catalog has let go of before a crash.
    async fn discard_leftovers(&self, catalog: &Catalog) {
        for number in catalog.newest.saturating_sub(LEFTOVERS).max(1)..=catalog.newest {
            if catalog.get(number).is_none() && self.shared.generation(number).is_err() {
                self.discard_unless_followed(number).await;
            }
        }
    }

    /// Others may still read from it, where the view is shared.
    async fn discard_unless_followed(&self, number: u32) {
        match self.shared.lease.has_rivals() {
            true => self.let_go(number, None),
            false => self.discard(number).await,
        }
    }

    /// Deletes a generation, if that is possible. Its number is never given again, so nothing
    /// depends on it.
    async fn discard(&self, number: u32) {
        let (store, ours) = (&self.shared.store, self.shared.deployment);
        if !self.shared.lease.is_held() {
            return;
        }
        if let Err(error) = store.discard(number, ours).await {
            tracing::warn!(
                error = %error,
                generation = number,
                view = self.name(),
                "a generation is not deleted yet"
            );
        }
    }

    /// Ends all generations and leaves them in the store as they are: it is not ours, or of no use.
    pub(super) async fn close_all(&mut self) {
        self.catalog = None;
        self.reverting = None;
        self.leave_work();

        let open = self.shared.look(|stand| stand.open.clone());
        self.shared.change(|stand| {
            stand.catalog = None;
            stand.live = None;
            stand.to_answer = None;
            stand.stopped = None;
            stand.open.clear();
        });
        for generation in open.into_values() {
            generation.stop().await;
        }
    }
}
