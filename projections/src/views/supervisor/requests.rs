//! What operators ask of a view.

use tokio::sync::oneshot;

use super::{Request, Revert, Reverting, Supervisor};
use crate::ViewError;
use crate::generations::{Binding, BuildFrom, Catalog};

impl<R: ?Sized + Send + Sync + 'static> Supervisor<R> {
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

    /// Begins a new generation. A kept one, or one whose building has stopped, makes room.
    async fn rebuild(&mut self, from: BuildFrom, by: Option<Binding>) -> Result<u32, ViewError> {
        let catalog = self.loaded()?;
        if let Some(generation) = self.answered_before(&catalog, by)? {
            return Ok(generation);
        }

        let stopped = self.shared.look(|stand| stand.stopped.is_some());

        let is_building = catalog.building().is_some() && !stopped;
        if is_building
            || self.work.is_some()
            || self.reverting.is_some()
            || !self.is_swapped(&catalog)
        {
            return Err(self.busy());
        }

        let next = self.with_new(&catalog, from);
        let number = next.newest;
        self.save(next.with_bound(by, number)).await?;

        tracing::info!(
            view = self.shared.definition.name,
            generation = number,
            "a rebuild is begun"
        );

        Ok(number)
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
