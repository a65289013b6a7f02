//! A step becomes a unit, and what happens when its fate is known.

use domain::{MessageId, ShardId};
use store::rows::RowChange;
use store::unit::{Completion, Fate, Outgoing, Unit};
use tokio::sync::{mpsc, oneshot};

use super::logic::Logic;
use super::{Returned, Shard};
use crate::gateway::{CommandError, OrderAnswer};
use crate::request::{Answer, Request};
use crate::step::{Step, Turn};

/// What caused a step.
pub(super) enum Cause {
    Request(Request),
    /// A message of the log, whose position the unit advances.
    Message {
        id: MessageId,
        source: ShardId,
        sequence: u64,
    },
    /// A parked message, whose row the unit changes.
    Retry(MessageId),
    Timer,
}

impl<L: Logic> Shard<L> {
    pub(super) fn turn_of(&self, durable_at_read: u64) -> Turn {
        Turn { now: self.parts.clock.now(), ticket: self.ticket + 1, durable_at_read }
    }

    /// Hands a step to the journal.
    pub(super) fn submit(&mut self, mut step: Step, extra_rows: Vec<RowChange>, cause: Cause) {
        self.ticket += 1;
        self.logic.took_part(&step, self.ticket);
        if let Some((saga, wake_at)) = step.timer {
            self.set_timer(saga, wake_at);
        }
        let told = step.ended.take().map(|(saga, answer)| (self.waiting.remove(&saga).unwrap_or_default(), answer));
        let position = match &cause {
            Cause::Message { source, sequence, .. } => {
                self.positions.insert(*source, *sequence);
                Some((*source, *sequence))
            }
            _ => None,
        };
        let mut rows = std::mem::take(&mut step.rows);
        rows.extend(extra_rows);
        let answer = step.answer.take();
        let unit = Unit {
            shard: self.parts.shard,
            epoch: self.epoch,
            ticket: self.ticket,
            rows,
            outgoing: self.outgoing(step),
            position,
            completion: completion(cause, answer, told, self.return_to.clone()),
        };
        self.parts.journal.submit(unit);
    }

    fn outgoing(&mut self, step: Step) -> Option<Outgoing> {
        if step.events.is_empty() && step.messages.is_empty() {
            return None;
        }
        let outgoing = Outgoing {
            first_sequence: self.next_sequence,
            entity: step.entity,
            first_version: step.first_version,
            correlation_id: step.correlation_id,
            time: step.time,
            events: step.events,
            messages: step.messages,
        };
        self.next_sequence += outgoing.count();
        Some(outgoing)
    }

    /// Waits until everything submitted so far is durable, or has failed.
    pub(super) async fn settle(&mut self) {
        self.ticket += 1;
        let (settled, wait) = oneshot::channel();
        self.parts.journal.submit(Unit {
            shard: self.parts.shard,
            epoch: self.epoch,
            ticket: self.ticket,
            rows: Vec::new(),
            outgoing: None,
            position: None,
            completion: Box::new(move |_| {
                // Only this function waits for it.
                let _ = settled.send(());
            }),
        });
        // An error says that the journal has dropped the unit, which settles it too.
        let _ = wait.await;
    }
}

type Told = Option<(Vec<oneshot::Sender<OrderAnswer>>, OrderAnswer)>;

fn completion(
    cause: Cause,
    answer: Option<Result<Answer, CommandError>>,
    told: Told,
    return_to: mpsc::UnboundedSender<Returned>,
) -> Completion {
    Box::new(move |fate| {
        let error = match fate {
            Fate::Durable => {
                if let Some((waiting, answer)) = told {
                    for caller in waiting {
                        // A caller that has stopped waiting has had its answer.
                        let _ = caller.send(answer.clone());
                    }
                }
                if let Cause::Request(request) = cause {
                    request.answer(answer.unwrap_or(Ok(Answer::Done)));
                }
                return;
            }
            Fate::Dropped(error) => {
                match cause {
                    Cause::Request(request) if matches!(*error, store::StoreError::Closed { .. }) => {
                        request.answer(Err(CommandError::Unavailable));
                    }
                    Cause::Request(request) => drop(return_to.send(Returned::Again(request))),
                    Cause::Message { .. } | Cause::Retry(_) | Cause::Timer => {}
                }
                error
            }
            Fate::Culprit(error) => {
                match cause {
                    Cause::Request(request) => request.answer(Err(CommandError::Failed)),
                    Cause::Message { id, .. } | Cause::Retry(id) => {
                        drop(return_to.send(Returned::Culprit(id, error.to_string())));
                    }
                    Cause::Timer => {}
                }
                error
            }
        };
        // When nobody receives, the shard has stopped, and whoever opens it next reads what is durable.
        let _ = return_to.send(Returned::Reload(error));
    })
}
