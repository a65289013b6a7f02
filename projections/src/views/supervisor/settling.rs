//! Making what is open what the catalog says.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use store::Positions;
use store::threads::Task;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Supervisor;
use crate::ViewError;
use crate::error::text_of;
use crate::generations::{Catalog, Generation, Opened, Stage};
use crate::projection::Projection;
use crate::views::building::{self, WorkOutcome};
use crate::views::open::OpenGeneration;

/// How long queries that began before may still read from a generation that is to be deleted.
const LAST_QUERIES: Duration = Duration::from_secs(60);
/// A generation that was to answer, and cannot be opened for so long, is not waited for by the one
/// that is built to take its place.
const OPENED_WITHIN: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

impl<P: Projection> Supervisor<P> {
    /// Follows the catalog. Calling it again changes nothing.
    ///
    /// # Errors
    /// When the store does not answer. What can be done all the same is done.
    pub(super) async fn settle(&mut self) -> Result<(), ViewError> {
        loop {
            if self.catalog.is_none() {
                self.load().await?;
            }

            self.replace_what_is_damaged().await?;
            self.forget_what_was_kept_long_enough().await?;

            let catalog = self.loaded()?;
            self.let_go_of_what_is_gone(&catalog, &catalog);
            let opened = self.open_all(&catalog).await;
            self.note_what_is_not_open(&catalog);
            // What replaces it is begun at once.
            if self.has_damage() {
                continue;
            }

            self.work_on(&catalog);
            self.examine_next();
            self.show_repairs(&catalog);
            return opened;
        }
    }

    /// Opens what the catalog has. One generation that cannot be opened keeps no other from that.
    async fn open_all(&mut self, catalog: &Catalog) -> Result<(), ViewError> {
        let mut outcome = Ok(());
        // The one that answers first: queries need not wait for the others.
        for generation in catalog.answering().into_iter().chain(&catalog.generations) {
            let number = generation.number;
            if self.is_to_be_opened(generation) {
                match self.open(generation).await {
                    Ok(()) => {}
                    Err(
                        ViewError::Damaged { what, .. }
                        | ViewError::Panicked { what, .. }
                        | ViewError::Foreign { what, .. },
                    ) => self.found_damaged(number, what),
                    Err(error) => outcome = outcome.and(Err(error)),
                }
            }
            self.make_live_at_once(catalog, number);
        }
        outcome
    }

    fn note_what_is_not_open(&mut self, catalog: &Catalog) {
        let is_missing = |live: u32| self.shared.generation(live).is_err();
        self.unopened_since = match catalog.live.is_some_and(is_missing) {
            true => self.unopened_since.or(Some(Instant::now())),
            false => None,
        };
    }

    /// Whether the one that answers may be opened yet: what is built is compared with it.
    fn awaits_the_answering(&self) -> bool {
        let is_recent = |since: Instant| since.elapsed() < OPENED_WITHIN;
        self.unopened_since.is_some_and(is_recent)
    }

    fn is_to_be_opened(&self, generation: &Generation) -> bool {
        let is_held = generation.stage != Stage::Ready && self.repairs.held_for().is_some();
        generation.stage != Stage::Copying
            && !is_held
            && self.shared.generation(generation.number).is_err()
    }

    /// Opens a generation, if what it has can be of use, and feeds it.
    async fn open(&mut self, generation: &Generation) -> Result<(), ViewError> {
        let (number, deployment) = (generation.number, self.shared.deployment);
        let was_there = self.is_in_store(number).await?;
        let opened = self.shared.store.open(number, deployment).await?;
        let (opened, positions) = self.positions_of(opened).await?;

        self.is_of_this_log(&positions).await?;
        let has_nothing =
            positions.is_empty() && self.shared.heads().values().any(|head| *head > 0);
        if generation.stage == Stage::Ready && has_nothing {
            if was_there {
                self.found_empty(number);
                return Ok(());
            }
            return Err(self.damaged("it is gone".to_owned()));
        }

        self.feed(number, opened)?;
        if generation.stage == Stage::Ready {
            self.examine_when_opened(number);
        }
        Ok(())
    }

    /// Whether there is anything of a generation, before it is opened and so made.
    async fn is_in_store(&self, number: u32) -> Result<bool, ViewError> {
        let found = self.shared.store.generations().await?;
        Ok(found.iter().any(|found| found.number == number))
    }

    async fn positions_of(
        &self,
        mut opened: Opened<P>,
    ) -> Result<(Opened<P>, Positions), ViewError> {
        let view = self.shared.definition.name;
        let (sender, read) = oneshot::channel();

        // Writers block.
        let work = move || {
            let reads = async move {
                let reading = catch_unwind(AssertUnwindSafe(|| opened.writer.positions()));
                let positions = reading.unwrap_or_else(|panic| {
                    let what = text_of(&*panic);
                    Err(ViewError::Panicked { view, what })
                });
                // Nobody takes it when the node has ended.
                let _ = sender.send((opened, positions));
            };
            reads.boxed_local()
        };
        let threads = self.shared.threads();
        let started = threads.spawn(format!("open-{view}"), Box::new(work));
        started.map_err(|error| ViewError::Unavailable {
            view,
            source: error.into(),
        })?;

        let (opened, positions) = read.await.map_err(|_| ViewError::Closed { view })?;
        Ok((opened, positions?))
    }

    /// # Errors
    /// [`ViewError::Damaged`] when positions tell of what this log never had.
    pub(super) async fn is_of_this_log(&self, positions: &Positions) -> Result<(), ViewError> {
        match self.never_was(positions).await? {
            Some(what) => Err(self.damaged(what)),
            None => Ok(()),
        }
    }

    fn damaged(&self, what: String) -> ViewError {
        let view = self.shared.definition.name;
        ViewError::Damaged { view, what }
    }

    async fn forget_what_was_kept_long_enough(&mut self) -> Result<(), ViewError> {
        // One that is gone back to is not let go of.
        let catalog = self.loaded()?;
        if let Some(number) = catalog.kept().map(|kept| kept.number)
            && self.keeps_for().is_zero()
            && self.work.is_none()
            && self.reverting.is_none()
            && self.is_swapped(&catalog)
        {
            tracing::info!(
                view = self.shared.definition.name,
                generation = number,
                "the generation is kept no longer"
            );
            self.save(catalog.without(number)).await?;
        }

        Ok(())
    }

    /// Ends, and deletes, generations that a catalog does not have any more.
    pub(super) fn let_go_of_what_is_gone(&mut self, before: &Catalog, catalog: &Catalog) {
        let gone = |number: &u32| catalog.get(*number).is_none();
        self.reverting.take_if(|revert| gone(&revert.number));
        if self.work.as_ref().is_some_and(|work| gone(&work.number)) {
            self.leave_work();
        }

        let known = before.generations.iter().map(|known| known.number);
        let mut let_go: BTreeMap<u32, Option<Arc<OpenGeneration<P>>>> =
            known.filter(gone).map(|number| (number, None)).collect();

        self.shared.change(|stand| {
            stand.stopped.take_if(|(number, _)| gone(number));
            stand.live.take_if(|live| gone(&live.number()));
            let closed = stand.open.extract_if(.., |number, _| gone(number));
            let_go.extend(closed.map(|(number, open)| (number, Some(open))));
        });

        for (number, open) in let_go {
            self.let_go(number, open);
        }
    }

    /// Ends a generation, if it is open, and deletes it when the last query has let go of it, here
    /// and on the nodes that follow.
    pub(super) fn let_go(&self, number: u32, open: Option<Arc<OpenGeneration<P>>>) {
        let shared = Arc::clone(&self.shared);
        let lets_go = async move {
            if let Some(generation) = open {
                last_queries(generation).await;
            }
            shared.followers_turn().await;
            // Whoever looks after the view by then finds it left over.
            if !shared.lease.is_held() || shared.has(number) {
                return;
            }
            // What is left is deleted at the next start.
            if let Err(error) = shared.store.discard(number, shared.deployment).await {
                let view = shared.definition.name;
                tracing::warn!(error = %error, generation = number, view, "a generation is not deleted yet");
            }
        };
        drop(Task::start(self.shared.threads(), lets_go));
    }

    /// Work whose outcome nobody wants any more ends by itself.
    pub(super) fn leave_work(&mut self) {
        if let Some(work) = self.work.take() {
            work.task.abort();
            self.shared.change(|stand| stand.entity_work = None);
        }
    }

    /// Opens a generation for readers, and feeds it.
    pub(super) fn feed(&mut self, number: u32, opened: Opened<P>) -> Result<(), ViewError> {
        let generation = Arc::new(OpenGeneration::feed(
            self.shared.definition,
            self.shared.alarm(number),
            opened,
            self.shared.surroundings.clone(),
            self.lease.clone(),
        )?);
        self.shared.change(|stand| {
            stand.open.insert(number, generation);
        });
        Ok(())
    }

    /// Starts the work that is due, if none is under way.
    fn work_on(&mut self, catalog: &Catalog) {
        if self.work.is_some() {
            return;
        }
        let is_open = |number: u32| self.shared.generation(number).is_ok();
        let stopped = self
            .shared
            .look(|stand| stand.stopped.as_ref().map(|(number, _)| *number));

        if let Some(number) = catalog
            .live
            .filter(|live| !self.is_swapped(catalog) && is_open(*live))
        {
            let shared = Arc::clone(&self.shared);
            self.start(number, async move {
                let outcome = building::swap(shared, number).await;
                WorkOutcome::Swapped { number, outcome }
            });
        } else if let Some(building) = catalog.building()
            && stopped != Some(building.number)
        {
            match building.stage {
                Stage::Copying if self.repairs.held_for().is_none() => {
                    self.start_copying(building.number);
                }
                Stage::CatchingUp if is_open(building.number) && !self.awaits_the_answering() => {
                    self.start_building(building.number, true);
                }
                _ => {}
            }
        } else if let Some(number) = self.reverting.as_ref().map(|revert| revert.number)
            && catalog.kept().is_some_and(|kept| kept.number == number)
            && is_open(number)
        {
            self.start_building(number, false);
        }
    }

    /// While no generation answers, the one that is to answer does so at once; and what was
    /// followed here so far, or fed in a tenure before, is read from as it is fed now.
    fn make_live_at_once(&self, catalog: &Catalog, number: u32) {
        let Ok(generation) = self.shared.generation(number) else {
            return;
        };
        let is_to_answer = catalog.live == Some(number);

        let (former, answers) = self
            .shared
            .look(|stand| (stand.former(), stand.live.is_some()));
        let is_swapped = match &former {
            Some(former) if former.number() == number => {
                self.shared.change(|stand| {
                    stand.live = Some(generation);
                    stand.owed.clear();
                });
                true
            }
            // It was saved as the one that answers, and may not have what was shown so far.
            Some(_) => is_to_answer && self.shared.swap_if_level(&generation),
            None => is_to_answer && !answers && self.shared.swap_if_level(&generation),
        };
        if let Some(former) = former.filter(|_| is_swapped) {
            former.let_go();
        }
    }

    fn start_copying(&mut self, number: u32) {
        let shared = Arc::clone(&self.shared);
        self.start(number, async move {
            let opened = building::copy(shared, number).await;
            WorkOutcome::Copied { number, opened }
        });
    }

    /// Damage is shown until it is repaired.
    fn show_repairs(&self, catalog: &Catalog) {
        let (is_built, is_held) = (
            catalog.building().is_none(),
            self.repairs.held_for().is_some(),
        );
        self.shared.change(|stand| {
            stand.damage.take_if(|_| is_built && stand.live.is_some());
            stand.is_held = is_held && !is_built;
        });
    }
}

/// Stops feeding a generation, and waits until the last query has let go of it.
async fn last_queries<P: Projection>(generation: Arc<OpenGeneration<P>>) {
    generation.stop().await;
    let mut waited = Duration::ZERO;
    while Arc::strong_count(&generation) > 1 && waited < LAST_QUERIES {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        waited += BETWEEN_LOOKS;
    }
}
