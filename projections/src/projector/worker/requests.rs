//! What the projector does besides following the log, because somebody asks for it.

use std::time::Duration;

use tokio::sync::oneshot;

use super::{Parts, Worker};
use crate::ViewError;
use crate::error::describe;
use crate::projection::Projection;
use crate::projector::Request;

/// Readers wait while the projector rests.
const MAX_REST: Duration = Duration::from_secs(1);

impl<P: Projection> Worker<P> {
    /// Does what somebody asks for; true when that is to end.
    pub(super) async fn carry_out(&mut self, request: Request) -> Result<bool, ViewError> {
        match request {
            Request::Replay {
                service,
                entity,
                answer,
            } => {
                let outcome = self.replay(service, entity).await;
                self.answer(answer, outcome)?;
            }
            Request::Heal {
                source,
                entity,
                answer,
            } => {
                let outcome = self.heal(source, entity).await;
                self.answer(answer, outcome)?;
            }
            Request::Rest { resting, go_on } => {
                self.commit()?;
                // Who has given up waiting lets it go on at once.
                let _ = resting.send(());
                let _ = tokio::time::timeout(MAX_REST, go_on).await;
            }
            Request::Stop => {
                self.stopping = true;
                if self.parts.tenure.is_held() {
                    self.commit()?;
                    self.finish()?;
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Answers a request. After an error that is not of the data the worker starts again, as after
    /// any other.
    fn answer<T>(
        &self,
        to: oneshot::Sender<Result<T, ViewError>>,
        outcome: Result<T, ViewError>,
    ) -> Result<(), ViewError> {
        let failure = match &outcome {
            Ok(_) | Err(ViewError::Conflict { .. }) => Ok(()),
            Err(error) => {
                self.parts.alarm.notice(error);
                Err(ViewError::Unavailable {
                    view: self.parts.definition.name,
                    source: describe(error).into(),
                })
            }
        };
        // Nobody waits any more when this fails.
        let _ = to.send(outcome);
        failure
    }

    /// Waits out a delay; true when it was asked to stop meanwhile.
    pub(super) async fn rest(&mut self, delay: Duration) -> bool {
        let Parts {
            requests,
            definition,
            ..
        } = &mut self.parts;

        let view = definition.name;

        let refuses = async {
            let unavailable = || {
                let source = "its projector is waiting to start again".into();
                ViewError::Unavailable { view, source }
            };
            // Nobody waits any more when sending fails.
            while let Some(request) = requests.recv().await {
                match request {
                    Request::Replay { answer, .. } => drop(answer.send(Err(unavailable()))),
                    Request::Heal { answer, .. } => drop(answer.send(Err(unavailable()))),
                    Request::Rest { .. } => {}
                    Request::Stop => break,
                }
            }
        };
        tokio::time::timeout(delay, refuses).await.is_ok()
    }
}
