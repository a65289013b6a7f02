//! What follows from how a piece of long work has ended.

use store::Clock;

use super::Supervisor;
use crate::ViewError;
use crate::error::describe;
use crate::generations::Catalog;
use crate::projection::Projection;
use crate::views::building::WorkOutcome;
use crate::views::comparison::Comparison;

impl<P: Projection> Supervisor<P> {
    /// Follows from how a piece of work has ended. Work on a generation that was given up meanwhile
    /// has no consequences.
    pub(super) async fn finish(&mut self, outcome: WorkOutcome<P>) -> Result<(), ViewError> {
        let is_gone = |catalog: &Catalog| catalog.get(outcome.number()).is_none();
        if self.catalog.as_ref().is_some_and(is_gone) {
            return Ok(());
        }

        match outcome {
            WorkOutcome::Copied { number, opened } => {
                let Some(opened) = self.succeeded(number, opened)? else {
                    return Ok(());
                };
                let catalog = self.loaded()?.with_copied(number);
                self.save(catalog).await?;
                self.feed(number, opened)
            }

            WorkOutcome::Built { number, compared } => {
                let Some(compared) = self.succeeded(number, compared)? else {
                    self.reverting.take_if(|revert| revert.number == number);
                    return Ok(());
                };
                self.built(number, compared).await
            }

            WorkOutcome::Swapped { number, outcome } => {
                let Some(()) = self.succeeded(number, outcome)? else {
                    return Ok(());
                };
                tracing::info!(
                    view = self.shared.definition.name,
                    generation = number,
                    "the generation answers"
                );
                self.shared.gauges.swapped();
                if let Some(revert) = self.reverting.take_if(|revert| revert.number == number) {
                    // Nobody waits for it any more when this fails.
                    let _ = revert.done.send(());
                }
                Ok(())
            }
        }
    }

    /// What a piece of work has brought; `None` when trying it again would not help: then the
    /// generation stays as it is until a new rebuild takes its place, or is damaged and replaced.
    fn succeeded<T>(
        &mut self,
        number: u32,
        outcome: Result<T, ViewError>,
    ) -> Result<Option<T>, ViewError> {
        match outcome {
            Ok(value) => {
                self.goes_on(number);
                Ok(Some(value))
            }
            // It was given up, or the one it was compared with: what is due now is done next.
            Err(ViewError::Closed { .. }) => Ok(None),
            Err(ViewError::Damaged { what, .. }) => {
                self.found_damaged(number, what);
                Ok(None)
            }
            Err(ViewError::Panicked { view, what }) => {
                self.suspected(number, &what);
                Err(ViewError::Panicked { view, what })
            }
            Err(error) if error.is_transient() => Err(error),
            Err(error) => {
                self.stopped(number, describe(&error));
                Ok(None)
            }
        }
    }

    /// What had stopped it once is over.
    fn goes_on(&self, number: u32) {
        self.shared.change(|stand| {
            stand.stopped.take_if(|(stopped, _)| *stopped == number);
        });
    }

    fn stopped(&self, number: u32, reason: String) {
        let view = self.shared.definition.name;
        tracing::error!(
            view,
            generation = number,
            reason,
            "the generation must not answer"
        );
        self.shared
            .change(|stand| stand.stopped = Some((number, reason)));
    }

    /// A generation has what the answering one had: it answers from now on, unless something would
    /// be lost.
    async fn built(&mut self, number: u32, compared: Comparison) -> Result<(), ViewError> {
        let Comparison {
            compared,
            repaired,
            examples,
            loss,
        } = compared;

        let view = self.shared.definition.name;

        if let Some(loss) = loss {
            self.stopped(number, loss);
            return Ok(());
        }

        if repaired > 0 {
            let examples: Vec<String> = examples.iter().map(ToString::to_string).collect();
            tracing::warn!(view, generation = number, repaired, examples = %examples.join(" "), "documents are repaired");
            self.shared.gauges.repaired(repaired);
        }

        tracing::info!(
            view,
            generation = number,
            compared,
            repaired,
            "the generation is built"
        );

        let by = self
            .reverting
            .as_ref()
            .filter(|revert| revert.number == number)
            .and_then(|revert| revert.by);

        let before = self.loaded()?;
        let mut next = before
            .with_live(number, Clock::system().now())
            .with_bound(by, number);
        // One that could not be opened is nothing to go back to.
        if let Some(old) = before
            .live
            .filter(|old| self.shared.generation(*old).is_err())
        {
            next = next.without(old);
        }
        self.save(next).await
    }
}
