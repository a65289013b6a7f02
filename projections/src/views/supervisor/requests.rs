//! What operators ask of a view.

use tokio::sync::oneshot;

use super::{Request, Revert, Reverting, Supervisor};
use crate::ViewError;
use crate::generations::{Binding, BuildFrom, Catalog, Stage};
use crate::projection::Projection;
use crate::projector::Feeding;

impl<P: Projection> Supervisor<P> {
    /// Accepts or refuses a request. Nobody waits for the answer any more when sending it fails.
    pub(super) async fn answer(&mut self, request: Request) {
        match request {
            Request::Rebuild { from, by, answer } => {
                let outcome = self.rebuild(from, by).await;
                let _ = answer.send(outcome);
            }
            Request::Revert { by, answer } => {
                let outcome = self.revert(by);
                let _ = answer.send(outcome);
            }
        }
    }

    /// Begins a new generation. A kept one, or one whose building does not get on, makes room.
    async fn rebuild(&mut self, from: BuildFrom, by: Option<Binding>) -> Result<u32, ViewError> {
        let catalog = self.known().await?;
        if let Some(generation) = self.answered_before(&catalog, by)? {
            return Ok(generation);
        }
        if self.is_busy(&catalog) {
            return Err(self.busy());
        }

        self.repairs.forgive();
        self.reverting = None;
        let next = self.with_new(&self.as_it_answers(&catalog), from);
        let number = next.newest;
        self.save(next.with_bound(by, number)).await?;

        tracing::info!(
            view = self.shared.definition.name,
            generation = number,
            "a rebuild is begun"
        );

        Ok(number)
    }

    /// The catalog. When that of a node's own folder cannot be read, for whatever reason, the one
    /// that was known before counts, and without that a new one: that is what a rebuild is asked
    /// for.
    async fn known(&mut self) -> Result<Catalog, ViewError> {
        if self.catalog.is_none()
            && let Err(error) = self.load().await
        {
            if self.shared.store.is_shared() {
                return Err(error);
            }
            match self.shared.look(|stand| stand.catalog.clone()) {
                Some(known) => self.take_over(known),
                None => self.begin_anew(&error, &Catalog::default()).await?,
            }
        }
        self.loaded()
    }

    /// Whether a rebuild, or a way back, is under way and gets on.
    fn is_busy(&self, catalog: &Catalog) -> bool {
        let gets_on = |number: u32| {
            let open = self.shared.generation(number);
            open.is_ok_and(|open| open.feeding() != Feeding::Failed && !open.alarm().is_damaged())
        };
        let is_stopped = |number: u32| {
            self.shared
                .look(|stand| matches!(&stand.stopped, Some((stopped, _)) if *stopped == number))
        };

        let is_building = catalog.building().is_some_and(|building| {
            let is_copied = building.stage == Stage::Copying
                && self
                    .work
                    .as_ref()
                    .is_some_and(|work| work.number == building.number);
            !is_stopped(building.number) && (is_copied || gets_on(building.number))
        });
        let is_swapping = !self.is_swapped(catalog) && catalog.live.is_some_and(gets_on);
        let is_reverting = self
            .reverting
            .as_ref()
            .is_some_and(|revert| gets_on(revert.number));

        is_building || is_swapping || is_reverting
    }

    /// The catalog with the generation that answers in fact: one that is to answer, and cannot, is
    /// given up, and does not begin to until that is saved.
    fn as_it_answers(&self, catalog: &Catalog) -> Catalog {
        let mut answers = None;
        self.shared.change(|stand| {
            stand.to_answer = None;
            answers = stand.live.as_ref().map(|live| live.number());
        });
        match answers.filter(|number| catalog.get(*number).is_some()) {
            Some(number) => catalog.with_answering(number),
            None => catalog.clone(),
        }
    }

    /// Goes back to the kept generation as soon as it has what the answering one has.
    fn revert(&mut self, by: Option<Binding>) -> Result<Reverting, ViewError> {
        let catalog = self.loaded()?;
        if let Some(generation) = self.answered_before(&catalog, by)? {
            return Ok(Reverting {
                generation,
                done: None,
            });
        }

        if self.work.is_some() || self.reverting.is_some() || !self.is_swapped(&catalog) {
            return Err(self.busy());
        }

        let Some(kept) = catalog.kept().cloned() else {
            let view = self.shared.definition.name;
            return Err(ViewError::Conflict {
                view,
                what: format!("no earlier generation of the {view} view is kept"),
            });
        };

        tracing::info!(
            view = self.shared.definition.name,
            generation = kept.number,
            "going back to a generation"
        );

        let (done, answers) = oneshot::channel();
        // The work begins now, and again should the store fail meanwhile.
        self.reverting = Some(Revert {
            number: kept.number,
            done,
            by,
        });

        Ok(Reverting {
            generation: kept.number,
            done: Some(answers),
        })
    }

    /// The generation that the same request has been answered before.
    fn answered_before(
        &self,
        catalog: &Catalog,
        by: Option<Binding>,
    ) -> Result<Option<u32>, ViewError> {
        let Some(by) = by else { return Ok(None) };
        match catalog.bound(by.key) {
            Some(bound) if bound.by != by => Err(ViewError::KeyReused {
                view: self.shared.definition.name,
            }),
            bound => Ok(bound.map(|bound| bound.generation)),
        }
    }

    fn busy(&self) -> ViewError {
        let view = self.shared.definition.name;
        ViewError::Conflict {
            view,
            what: format!("a rebuild of the {view} view is under way"),
        }
    }
}
