//! The other side of a projector: on the nodes that do not feed a view they share, it looks how far
//! the one that does has come, and wakes the readers who wait here.
//!
//! It polls, bounded in both ways: every few milliseconds while somebody waits, once a second
//! otherwise, and each time with one question for all entities that are waited for.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::{Feeding, Progress, Request, ViewDefinition};
use crate::ViewError;
use crate::error::{describe, text_of};
use crate::port::{VersionReader, ViewWriter};
use crate::waiting::{EntityVersions, Waiting};

/// How often it looks while readers wait. A look at a server takes about a millisecond.
const WHILE_SOMEBODY_WAITS: Duration = Duration::from_millis(10);
/// How often it looks while nobody does.
const OTHERWISE: Duration = Duration::from_secs(1);
/// After a look that fails.
const AFTER_AN_ERROR: Duration = Duration::from_millis(500);
/// So many entities are asked for at once; the others come with the next look.
const MAX_ENTITIES: usize = 2_000;
/// So many entities in quarantine are shown.
const MAX_QUARANTINED: usize = 1_000;

/// A generation that another node feeds.
pub(crate) struct Followed<E> {
    /// Nothing is written through it.
    pub writer: Box<dyn ViewWriter<E>>,
    /// Tells how far single entities are.
    pub versions: Arc<dyn VersionReader>,
    /// The readers that wait for what the other node takes in.
    pub waiting: Arc<Waiting>,
    /// Whether this node's looks at the generation succeed, and what they found, for whoever asks.
    pub progress: Arc<Progress>,
}

impl<E> Followed<E> {
    /// Looks until it is asked to stop.
    pub(super) async fn run(
        mut self,
        definition: ViewDefinition,
        mut requests: mpsc::UnboundedReceiver<Request>,
    ) {
        let mut failures = 0_u32;
        loop {
            let looked = AssertUnwindSafe(self.look(definition)).catch_unwind().await;
            let failure = match looked {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(describe(&error)),
                Err(panic) => Some(format!("the look has panicked: {}", text_of(&*panic))),
            };
            let pause = match failure {
                None if self.waiting.count() > 0 => WHILE_SOMEBODY_WAITS,
                None => OTHERWISE,
                Some(_) => AFTER_AN_ERROR,
            };

            failures = failure.as_ref().map_or(0, |_| failures.saturating_add(1));
            if let Some(failure) = failure {
                // One look may fail; readers go on waiting for the next.
                if failures > 1 {
                    self.waiting.fail(&failure);
                }
                self.progress.failed(failure);
            }

            if self.rests(definition, &mut requests, pause).await {
                break;
            }
        }
        self.waiting.close();
    }

    /// Looks how far the view is.
    async fn look(&mut self, definition: ViewDefinition) -> Result<(), ViewError> {
        let wishes = self.waiting.wishes(MAX_ENTITIES);
        let mut reached = EntityVersions::new();
        if !wishes.is_empty() {
            let versions = self.versions.versions_of(&wishes).await?;
            reached.extend(wishes.into_iter().zip(versions));
        }

        let positions = self.writer.positions()?;
        if positions.is_empty() && !self.waiting.committed().is_empty() {
            return Err(ViewError::Damaged {
                view: definition.name,
                what: "all that it has taken in is gone".to_owned(),
            });
        }
        self.progress.start(&positions);
        self.progress.working(Feeding::Following);
        if self.waiting.count() == 0 {
            let quarantined = self.writer.quarantined(MAX_QUARANTINED)?;
            self.progress.quarantined(quarantined);
        }
        self.waiting.advance(&reached, &positions);
        Ok(())
    }

    /// Waits until it is time for the next look; true when there is to be none.
    async fn rests(
        &self,
        definition: ViewDefinition,
        requests: &mut mpsc::UnboundedReceiver<Request>,
        pause: Duration,
    ) -> bool {
        let until = Instant::now() + pause;
        loop {
            let request = tokio::select! {
                biased;
                request = requests.recv() => request.unwrap_or(Request::Stop),
                () = tokio::time::sleep_until(until) => return false,
                () = self.waiting.demanded() => {
                    // Many come at once, and one look is for all of them.
                    sleep(WHILE_SOMEBODY_WAITS.min(pause)).await;
                    return false;
                }
            };

            // Whoever asks for something else has asked the wrong node.
            let elsewhere = || ViewError::fed_elsewhere(definition.name);
            match request {
                Request::Stop => return true,
                Request::Replay { answer, .. } => drop(answer.send(Err(elsewhere()))),
                Request::Heal { answer, .. } => drop(answer.send(Err(elsewhere()))),
                Request::Rest { .. } => {}
            }
        }
    }
}
