//! What operators ask of a view.

use tokio::sync::oneshot;

use super::{Request, Reverting, Supervisor};
use crate::ViewError;
use crate::generations::{BuildFrom, Generation};

impl<R: ?Sized + Send + Sync + 'static> Supervisor<R> {
    /// Accepts or refuses a request. Nobody waits for the answer any more when sending it fails.
    pub(super) async fn answer(&mut self, request: Request) {
        match request {
            Request::Rebuild { from, answer } => {
                let outcome = self.rebuild(from).await;
                let _ = answer.send(outcome);
            }
            Request::Revert { answer } => {
                let outcome = self.revert();
                let _ = answer.send(outcome);
            }
        }
    }

    /// Begins a new generation. A kept one, or one whose building has stopped, makes room.
    async fn rebuild(&mut self, from: BuildFrom) -> Result<Generation, ViewError> {
        let catalog = self.loaded()?;
        let stopped = self.shared.look(|stand| stand.stopped.is_some());
        let is_building = catalog.building().is_some() && !stopped;
        if is_building || self.work.is_some() || !self.is_swapped(&catalog) {
            return Err(self.busy());
        }
        let next = self.with_new(&catalog, from);
        let begun = next.building().cloned().ok_or_else(|| self.busy())?;
        self.save(next).await?;
        tracing::info!(view = self.shared.definition.name, generation = begun.number, "a rebuild is begun");
        Ok(begun)
    }

    /// Goes back to the kept generation as soon as it has what the answering one has.
    fn revert(&mut self) -> Result<Reverting, ViewError> {
        let catalog = self.loaded()?;
        if self.work.is_some() || !self.is_swapped(&catalog) {
            return Err(self.busy());
        }
        let Some(kept) = catalog.kept().cloned() else {
            let view = self.shared.definition.name;
            return Err(ViewError::Conflict {
                view,
                what: format!("no earlier generation of the {view} view is kept"),
            });
        };
        tracing::info!(view = self.shared.definition.name, generation = kept.number, "going back to a generation");
        let (sender, done) = oneshot::channel();
        self.reverting = Some((kept.number, sender));
        self.start_building(kept.number, false);
        Ok(Reverting { generation: kept, done })
    }

    fn busy(&self) -> ViewError {
        let view = self.shared.definition.name;
        ViewError::Conflict { view, what: format!("a rebuild of the {view} view is under way") }
    }
}
