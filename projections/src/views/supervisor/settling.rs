//! Making what is open what the catalog says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{MEASURE_EVERY, Supervisor};
use crate::ViewError;
use crate::generations::{BuildFrom, Catalog, Generation, Opened, Stage};
use crate::views::building::{self, Outcome};
use crate::views::open::OpenGeneration;

/// So many of the newest numbers are looked at for what a crash has left between a catalog and a
/// deletion.
const LEFTOVERS: u32 = 8;
/// How long queries that began before may still read from a generation that is to be deleted.
const LAST_QUERIES: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

impl<R: ?Sized + Send + Sync + 'static> Supervisor<R> {
    /// Follows the catalog. Calling it again changes nothing.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(super) async fn settle(&mut self) -> Result<(), ViewError> {
        if self.catalog.is_none() {
            self.load().await?;
        }

        self.forget_what_was_kept_long_enough().await?;

        let catalog = self.loaded()?;
        self.close_what_is_gone(&catalog);
        // The one that answers first: queries need not wait for the others.
        for generation in catalog.answering().into_iter().chain(&catalog.generations) {
            if generation.stage != Stage::Copying
                && self.shared.generation(generation.number).is_err()
            {
                let mut opened = self.shared.store.open(generation.number).await?;
                if generation.stage == Stage::Ready {
                    let is_empty;
                    (opened, is_empty) = self.is_empty(opened).await?;
                    if is_empty {
                        // There is one writer for a generation at a time, and it is opened again by
                        // what is saved now.
                        drop(opened);
                        return self.lose(generation.number).await;
                    }
                }
                self.feed(generation.number, opened)?;
            }
            self.make_live_at_once(&catalog, generation.number);
        }

        self.work_on(&catalog);

        Ok(())
    }

    /// Whether a generation has nothing of what the log has: it was deleted, or damaged and
    /// emptied.
    async fn is_empty(&self, mut opened: Opened<R>) -> Result<(Opened<R>, bool), ViewError> {
        if self.shared.heads().values().all(|head| *head == 0) {
            return Ok((opened, false));
        }
        // Writers block.
        let reading = tokio::task::spawn_blocking(move || {
            let positions = opened.writer.positions();
            (opened, positions)
        });

        let (opened, positions) = reading
            .await
            .map_err(|_| self.unavailable("reading its positions has panicked"))?;
        let is_empty = positions?.is_empty();
        Ok((opened, is_empty))
    }

    /// A generation that has answered, or could, is empty: it does not answer before it is built
    /// again.
    async fn lose(&mut self, number: u32) -> Result<(), ViewError> {
        tracing::error!(
            view = self.shared.definition.name,
            generation = number,
            "the generation is empty"
        );
        self.save(self.loaded()?.with_lost(number)).await?;
        Box::pin(self.settle()).await
    }

    /// Reads the catalog, and begins a first generation, or a new one where the definition has
    /// changed.
    async fn load(&mut self) -> Result<(), ViewError> {
        let catalog = self.shared.store.catalog().await?;
        let definition = self.shared.definition.number;

        for number in catalog.newest.saturating_sub(LEFTOVERS)..=catalog.newest {
            if number > 0
                && catalog.get(number).is_none()
                && self.shared.generation(number).is_err()
            {
                self.shared.store.discard(number).await?;
            }
        }

        let outdated = |generation: &Generation| generation.definition != definition;
        let due = match (catalog.building(), catalog.answering()) {
            (Some(building), _) => outdated(building).then_some(building.from),
            (None, Some(live)) => outdated(live).then_some(BuildFrom::History),
            (None, None) => Some(BuildFrom::History),
        };

        match due {
            Some(from) => {
                let next = self.with_new(&catalog, from);
                tracing::info!(
                    view = self.shared.definition.name,
                    generation = next.newest,
                    "a generation is begun"
                );
                self.save(next).await
            }
            None => {
                self.take_over(catalog);
                Ok(())
            }
        }
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

    /// Ends generations that the catalog does not have any more.
    pub(super) fn close_what_is_gone(&mut self, catalog: &Catalog) {
        let gone = |number: &u32| catalog.get(*number).is_none();
        self.reverting.take_if(|revert| gone(&revert.number));

        self.shared.change(|stand| {
            stand.stopped.take_if(|(number, _)| gone(number));
            let closed: Vec<_> = stand.open.extract_if(.., |number, _| gone(number)).collect();
            for (number, generation) in closed {
                let (store, view) = (Arc::clone(&self.shared.store), self.shared.definition.name);
                tokio::spawn(async move {
                    let_go(generation).await;
                    // What is left is deleted at the next start.
                    if let Err(error) = store.discard(number).await {
                        tracing::warn!(error = %error, generation = number, view, "a generation is not deleted yet");
                    }
                });
            }
        });
    }

    /// Opens a generation for readers, and feeds it.
    pub(super) fn feed(&mut self, number: u32, opened: Opened<R>) -> Result<(), ViewError> {
        let log = Arc::clone(&self.shared.log);
        let generation = Arc::new(OpenGeneration::feed(
            self.shared.definition,
            number,
            opened,
            log,
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

        if let Some(number) = catalog.live.filter(|_| !self.is_swapped(catalog)) {
            let shared = Arc::clone(&self.shared);
            self.start(async move {
                let outcome = building::swap(shared, number).await;
                Outcome::Swapped { number, outcome }
            });
        } else if let Some(building) = catalog.building()
            && !self.shared.look(
                |stand| matches!(&stand.stopped, Some((number, _)) if *number == building.number),
            )
        {
            match building.stage {
                Stage::Copying => self.start_copying(building.number),
                _ => self.start_building(building.number, true),
            }
        } else if let Some(number) = self.reverting.as_ref().map(|revert| revert.number)
            && catalog.kept().is_some_and(|kept| kept.number == number)
        {
            self.start_building(number, false);
        }
    }

    /// While no generation answers, the one that is to answer does so at once.
    fn make_live_at_once(&self, catalog: &Catalog, number: u32) {
        if catalog.live == Some(number)
            && self.shared.look(|stand| stand.live.is_none())
            && let Ok(generation) = self.shared.generation(number)
        {
            self.shared.swap_if_level(&generation);
        }
    }

    fn start_copying(&mut self, number: u32) {
        let shared = Arc::clone(&self.shared);
        self.start(async move {
            let opened = building::copy(shared, number).await;
            Outcome::Copied { number, opened }
        });
    }

    /// Sets the gauges.
    pub(super) async fn measure(&mut self) {
        if self.next_measure > Instant::now() {
            return;
        }

        self.next_measure = Instant::now() + MEASURE_EVERY;

        let gauges = self.shared.gauges;
        gauges.rebuilt(
            self.shared
                .progress()
                .map_or(1.0, |progress| progress.fraction),
        );

        let Some(live) = self.shared.look(|stand| stand.live.clone()) else {
            return;
        };
        gauges.waiting(live.waiting_readers());
        gauges.quarantined(live.shown().quarantined.len());

        match live.lag(&*self.shared.log).await {
            Ok(lag) => {
                for source in self.shared.log.sources() {
                    let behind = lag.sources.iter().find(|behind| behind.source == source);
                    let (events, age) =
                        behind.map_or((0, Duration::ZERO), |behind| (behind.events, behind.age));
                    gauges.lag(source, events, age);
                }
            }
            Err(error) => {
                tracing::debug!(error = %error, view = self.shared.definition.name, "the lag cannot be measured");
            }
        }
    }
}

/// Stops feeding a generation, and waits until the last query has let go of it.
async fn let_go<R: ?Sized>(generation: Arc<OpenGeneration<R>>) {
    generation.stop().await;
    let mut waited = Duration::ZERO;
    while Arc::strong_count(&generation) > 1 && waited < LAST_QUERIES {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        waited += BETWEEN_LOOKS;
    }
}
