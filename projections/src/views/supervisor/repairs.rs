//! Generations that are damaged are replaced: what is lost with them can be made again. Whether one
//! is damaged is told by its store when it is opened, by its projector, by a query, or by an
//! examination after something has panicked.
//!
//! The new generation has a number of its own and nothing of the old one, so it does not matter
//! what is left of that. Should the new one be damaged as well, and soon, there is a reason that a
//! rebuild does not remove; then each next one waits longer, up to minutes. An outage is no damage
//! and comes nowhere near here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use store::threads::Task;
use store::{Destination, Positions};
use tokio::time::Instant;

use super::Supervisor;
use crate::ViewError;
use crate::alarm::{Finding, Raised};
use crate::generations::Catalog;
use crate::projection::Projection;

/// A repair that comes later than this after the one before has nothing to do with it.
const UNRELATED_AFTER: Duration = Duration::from_secs(600);
const FIRST_HOLD: Duration = Duration::from_secs(1);
const MAX_HOLD: Duration = Duration::from_secs(300);

/// How an examination has ended.
pub(super) struct Examined {
    /// The number of the generation.
    pub number: u32,
    /// An error is what is wrong with it, or why it could not be examined.
    pub outcome: Result<(), ViewError>,
}

/// What is to be repaired, and when.
#[derive(Default)]
pub(super) struct Repairs {
    /// What is wrong with generations that are to be replaced.
    damaged: BTreeMap<u32, String>,
    /// Generations that are to be examined.
    suspects: BTreeSet<u32>,
    examining: Option<(u32, Task<Result<(), ViewError>>)>,
    /// When all that was open was examined last.
    all_examined: Option<Instant>,
    /// When the newest repair was begun.
    begun: Option<Instant>,
    /// How long that was held back.
    hold: Duration,
    /// Until when nothing is opened that is to be built.
    held_until: Option<Instant>,
}

impl Repairs {
    /// Another generation is begun in the place of a damaged one. Says how long it must wait.
    fn begin(&mut self, now: Instant) -> Duration {
        let is_related = self
            .begun
            .is_some_and(|begun| now.saturating_duration_since(begun) < UNRELATED_AFTER);
        self.hold = match is_related {
            true => (self.hold * 2).clamp(FIRST_HOLD, MAX_HOLD),
            false => Duration::ZERO,
        };
        self.begun = Some(now);
        self.held_until = now.checked_add(self.hold);
        self.hold
    }

    /// An operator wants to see for himself.
    pub(super) fn forgive(&mut self) {
        self.begun = None;
        self.held_until = None;
    }

    /// How long what is to be built is still held back; `None` when it is not.
    pub(super) fn held_for(&self) -> Option<Duration> {
        let left = self.held_until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Resolves when an examination has ended; never when there is none.
    pub(super) async fn examined(&mut self) -> Examined {
        let Some((number, task)) = &mut self.examining else {
            return std::future::pending().await;
        };
        let number = *number;
        // One that has panicked has found nothing that could be told.
        let outcome = task.await.unwrap_or(Ok(()));
        self.examining = None;
        Examined { number, outcome }
    }
}

impl<P: Projection> Supervisor<P> {
    /// Somebody has told of something.
    pub(super) fn alarmed(&mut self, Raised { number, finding }: Raised) {
        match finding {
            Finding::Damaged(what) => self.found_damaged(number, what),
            Finding::Suspect(what) => self.suspected(number, &what),
        }
    }

    /// Something has panicked on a generation.
    pub(super) fn suspected(&mut self, number: u32, what: &str) {
        let view = self.shared.definition.name;
        tracing::error!(view, generation = number, panic = %what, "the view has panicked and is examined");
        self.repairs.suspects.insert(number);
    }

    /// A generation is damaged. From now on it does not answer.
    pub(super) fn found_damaged(&mut self, number: u32, what: String) {
        let view = self.shared.definition.name;
        if self.is_new(number) {
            tracing::error!(view, generation = number, what = %what, "the generation is damaged and is replaced");
            self.let_not_answer(number, format!("is damaged: {what}"), what);
        }
    }

    /// A generation knows of nothing that has happened: most often its node has ended before the
    /// first commit to it, and nothing that was kept is lost.
    pub(super) fn found_empty(&mut self, number: u32) {
        let view = self.shared.definition.name;
        if self.is_new(number) {
            tracing::warn!(
                view,
                generation = number,
                "the generation was begun and knows of nothing that has happened, as after an end \
                 before its first commit; another one is built"
            );
            let what = "knows of nothing that has happened";
            self.let_not_answer(number, what.to_owned(), what.to_owned());
        }
    }

    /// Whether nobody has told of this generation, and it is one.
    fn is_new(&self, number: u32) -> bool {
        let is_known = |catalog: &Catalog| catalog.get(number).is_some();
        !self.repairs.damaged.contains_key(&number) && self.catalog.as_ref().is_none_or(is_known)
    }

    fn let_not_answer(&mut self, number: u32, told: String, what: String) {
        self.shared.change(|stand| {
            stand.live.take_if(|live| live.number() == number);
            // A swap to it may be under way.
            stand.to_answer.take_if(|next| *next == number);
            stand.damage = Some(format!("generation {number} {told}"));
        });
        self.repairs.damaged.insert(number, what);
    }

    pub(super) fn has_damage(&self) -> bool {
        !self.repairs.damaged.is_empty()
    }

    /// Has other generations built in the place of those that are damaged.
    ///
    /// # Errors
    /// When the catalog cannot be saved; what is damaged stays known.
    pub(super) async fn replace_what_is_damaged(&mut self) -> Result<(), ViewError> {
        while let Some(number) = self.repairs.damaged.keys().next().copied() {
            let catalog = self.loaded()?;
            let (definition, now) = (self.shared.definition.number, self.shared.clock().now());
            let next = catalog.with_replaced(number, definition, now);
            let begins = next.newest > catalog.newest;
            if next != catalog {
                self.save(next).await?;
            }
            self.repairs.damaged.remove(&number);
            if begins {
                self.begin_repair();
            }
        }
        Ok(())
    }

    fn begin_repair(&mut self) {
        let hold = self.repairs.begin(Instant::now());
        self.shared.gauges.replaced();
        if !hold.is_zero() {
            let (view, seconds) = (self.shared.definition.name, hold.as_secs());
            tracing::warn!(
                view,
                seconds,
                "what replaces a damaged generation is damaged, the next one waits"
            );
        }
    }

    /// Examines what is suspect, one generation after the other.
    pub(super) fn examine_next(&mut self) {
        if self.repairs.examining.is_some() {
            return;
        }
        let Some(number) = self.repairs.suspects.pop_first() else {
            return;
        };
        let store = Arc::clone(&self.shared.store);
        let examines = async move { store.examine(number).await };
        let task = Task::start(self.shared.threads(), examines);
        self.repairs.examining = Some((number, task));
    }

    /// An opened generation is examined where that finds what nobody would notice otherwise: a
    /// query that meets flipped bytes may just find less.
    pub(super) fn examine_when_opened(&mut self, number: u32) {
        if self.shared.store.has_checksums() {
            self.repairs.suspects.insert(number);
        }
    }

    pub(super) fn examine_from_time_to_time(&mut self) {
        let every = self.shared.examine_every;
        let since = self.repairs.all_examined.get_or_insert_with(Instant::now);
        if since.elapsed() < every {
            return;
        }
        self.repairs.all_examined = None;
        let open: Vec<u32> = self
            .shared
            .look(|stand| stand.open.keys().copied().collect());
        for number in open {
            self.examine_when_opened(number);
        }
    }

    pub(super) fn examined(&mut self, Examined { number, outcome }: Examined) {
        if let Ok(generation) = self.shared.generation(number) {
            generation.alarm().examined();
        }
        match outcome {
            Ok(()) => {}
            Err(ViewError::Damaged { what, .. }) => self.found_damaged(number, what),
            Err(error) => {
                let view = self.shared.definition.name;
                tracing::debug!(view, generation = number, error = %error, "it was not examined");
            }
        }
    }

    /// What positions say that never was, in words: they are beyond the end of a source. The
    /// service's database was replaced by an older copy, or by another deployment's.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(super) async fn never_was(
        &self,
        positions: &Positions,
    ) -> Result<Option<String>, ViewError> {
        let log = self.shared.log();
        let sources = log.sources();

        for (source, position) in positions {
            if !sources.contains(source) {
                return Ok(Some(format!(
                    "it has taken in {source}, which does not exist"
                )));
            }
            let head = log.head(*source, Destination::Events);
            if *position <= head {
                continue;
            }
            // The head may not be known yet.
            let before = position.saturating_sub(1);
            let read = log.read(*source, Destination::Events, before, 1);
            if read.await?.is_empty() {
                return Ok(Some(format!(
                    "it has taken in {source} up to {position}, where it ends at {head}: the \
                     database of the service is an older one, or another deployment's"
                )));
            }
        }

        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repair_is_begun_at_once_and_the_next_ones_wait_longer_and_longer() {
        let (mut repairs, start) = (Repairs::default(), Instant::now());
        let holds: Vec<u64> = (0..11)
            .map(|second| {
                let now = start + Duration::from_secs(second);
                repairs.begin(now).as_secs()
            })
            .collect();
        assert_eq!(holds, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);

        let later = start + Duration::from_secs(10) + UNRELATED_AFTER;
        assert_eq!(repairs.begin(later), Duration::ZERO);
    }

    #[test]
    fn who_asks_for_a_rebuild_need_not_wait() {
        let (mut repairs, start) = (Repairs::default(), Instant::now());
        repairs.begin(start);
        repairs.begin(start + MAX_HOLD);
        assert!(repairs.held_for().is_some());
        repairs.forgive();
        assert!(repairs.held_for().is_none());
        assert_eq!(repairs.begin(start + MAX_HOLD), Duration::ZERO);
    }
}
