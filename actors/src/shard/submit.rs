//! A step becomes a unit, and what happens when its fate is known.

use sagas::mistakes::{Mistake, makes};
use sagas::{MessageId, ShardId, Timestamp};
use store::row_changes::RowChange;
use store::spans::{self, Span};
use store::unit::{Completion, Fate, Outgoing, Unit};
use store::{Clock, SourceStream, StoreError};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::followers::Waiting;
use super::{Returned, Shard};
use crate::entities::SagaEnd;
use crate::entity::{Answered, Entity};
use crate::error::CommandError;
use crate::request::{Reply, Request, ShardAnswer};
use crate::step::{Step, Turn};

/// The cause of a step.
pub(super) enum Cause<E: Entity> {
    Request(Request<E>),
    /// A message of the log, whose position the unit advances.
    Message {
        id: MessageId,
        source: SourceStream,
        sequence: u64,
    },
    /// A parked message, whose row the unit changes.
    Retry(MessageId),
    Timer(Uuid),
    /// Events that nobody here wanted, whose position the unit writes.
    Passed(SourceStream),
    /// The shard has reloaded, and tells of what has ended before.
    Reload,
}

impl<E: Entity> Shard<E> {
    pub(super) fn turn_of(&self, durable_at_read: u64) -> Turn {
        Turn {
            now: self.parts.clock.now(),
            ticket: self.ticket + 1,
            durable_at_read,
        }
    }

    /// Hands a step to the journal.
    pub(super) fn submit(
        &mut self,
        mut step: Box<Step<E>>,
        extra_rows: Vec<RowChange>,
        mut cause: Cause<E>,
    ) {
        self.ticket += 1;
        self.entities.took_part(&step, self.ticket);

        if let Some(timer) = &step.timer {
            let by_itself = timer.id == step.entity;
            self.timers.set(timer, by_itself, self.parts.clock.now());
        }

        if let Some((saga, stuck_for)) = step.stuck {
            self.timers.is_stuck(saga.0, stuck_for);
        }

        let saga = step.ended.take().map(|(saga, end)| (saga.0, end));
        let entity = step.settled.take();
        let entity = entity.map(|end| (end.entity.head().id, Some(end)));
        let ended = saga.or(entity).and_then(|(id, end)| {
            let callers = self.waiting.remove(&id)?;
            let end = end?;
            Some(Ended { id, end, callers })
        });

        let position = match &cause {
            Cause::Message {
                source, sequence, ..
            } => {
                self.positions.insert(*source, *sequence);
                self.passed.remove(source);
                Some((*source, *sequence))
            }
            Cause::Passed(stream) => Some((*stream, self.position(*stream))),
            _ => None,
        };

        let mut rows = std::mem::take(&mut step.rows);
        rows.extend(extra_rows);
        let followed = spans::are_told().then(|| Followed {
            shard: self.parts.shard,
            part_of: step.correlation_id,
            began: self.parts.clock.now(),
            clock: self.parts.clock.clone(),
            traced: std::mem::take(&mut step.traced),
        });
        let observed = Observed {
            followed,
            measured: step.measured.take(),
        };
        let mut answer = step.answer.take();
        let writes_nothing = rows.is_empty() && step.events.is_empty();
        let is_early = makes(Mistake::AnswerBeforeCommit)
            || writes_nothing && makes(Mistake::GroundNotAwaited);
        if is_early && let Cause::Request(request) = cause {
            request.answer(answer.take().unwrap_or(Ok(ShardAnswer::Done)));
            cause = Cause::Retry(MessageId(Uuid::nil()));
        }

        let unit = Unit {
            shard: self.parts.shard,
            epoch: self.epoch,
            ticket: self.ticket,
            rows,
            position,
            timer: step
                .timer
                .take()
                .filter(|_| !makes(Mistake::TimerNotStored)),
            outgoing: self.outgoing(*step),
            completion: completion(cause, answer, ended, observed, self.return_to.clone()),
        };
        self.parts.journal.submit(unit);
    }

    fn outgoing(&mut self, step: Step<E>) -> Option<Outgoing> {
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
            timer: None,
            completion: Box::new(move |_| {
                // Only this function waits for it.
                let _ = settled.send(());
            }),
        });
        // An error says that the journal has dropped the unit, which also settles it.
        let _ = wait.await;
    }
}

/// A saga that ends with a unit, or what an entity waits for by itself, and those who wait for
/// that.
struct Ended<E: Entity> {
    id: Uuid,
    end: Box<Answered<E>>,
    callers: Vec<Waiting<E>>,
}

/// What is told of a unit when it is durable, while somebody traces what happens.
struct Followed {
    shard: ShardId,
    part_of: Uuid,
    began: Timestamp,
    clock: Clock,
    /// What the step tells besides.
    traced: Vec<Span>,
}

/// What is told of a unit from outside, when it is durable.
struct Observed {
    followed: Option<Followed>,
    measured: Option<SagaEnd>,
}

impl Observed {
    fn tell(self) {
        if let Some(followed) = self.followed {
            followed.tell();
        }
        if let Some(end) = self.measured {
            end.count();
        }
    }
}

impl Followed {
    fn tell(self) {
        let Followed {
            shard,
            part_of,
            began,
            clock,
            traced,
        } = self;
        for span in traced {
            spans::tell(|| span);
        }
        spans::tell(|| Span {
            name: format!("commit {}", shard.service),
            part_of,
            began,
            ended: clock.now(),
            attributes: vec![("counterfoil.shard", shard.to_string())],
        });
    }
}

fn completion<E: Entity>(
    cause: Cause<E>,
    answer: Option<Reply<E>>,
    ended: Option<Ended<E>>,
    observed: Observed,
    return_to: mpsc::UnboundedSender<Returned<E>>,
) -> Completion {
    Box::new(move |fate| {
        let (error, culprit) = match fate {
            Fate::Durable => {
                observed.tell();
                if let Some(Ended { end, callers, .. }) = ended {
                    for caller in callers {
                        caller.follower.tell(Answered::clone(&end));
                    }
                }
                match cause {
                    Cause::Request(request) => {
                        request.answer(answer.unwrap_or(Ok(ShardAnswer::Done)))
                    }
                    Cause::Timer(id) => drop(return_to.send(Returned::Woken(id))),
                    Cause::Message { .. } | Cause::Retry(_) | Cause::Passed(_) | Cause::Reload => {}
                }
                return;
            }
            Fate::Dropped(error) => (error, false),
            // That somebody else has taken the shard over is no fault of the unit's.
            Fate::Culprit(error) => {
                let culprit = !matches!(*error, StoreError::StaleEpoch { .. });
                (error, culprit)
            }
        };
        // Nobody repeats it, or a repeat might do it twice.
        let closed = matches!(
            *error,
            StoreError::Closed { .. } | StoreError::OutcomeUnknown { .. }
        );

        let back = match cause {
            Cause::Request(request) if culprit => {
                request.answer(Err(CommandError::Failed));
                None
            }
            Cause::Request(request) if closed => {
                request.answer(Err(CommandError::Unavailable));
                None
            }
            Cause::Request(request) => Some(Returned::Again(Box::new(request))),
            Cause::Message { id, .. } | Cause::Retry(id) if culprit => {
                Some(Returned::Culprit(id, error.chain()))
            }
            Cause::Timer(saga) if culprit => Some(Returned::CulpritTimer(saga, error.chain())),
            Cause::Message { .. }
            | Cause::Retry(_)
            | Cause::Timer(_)
            | Cause::Passed(_)
            | Cause::Reload => None,
        };

        let waiting = ended.map(|Ended { id, callers, .. }| Returned::Waiting(id, callers));

        for returned in back
            .into_iter()
            .chain(waiting)
            .chain([Returned::Reload(error)])
        {
            // When nobody receives, the shard has stopped, and whoever opens it next reads what is
            // durable.
            let _ = return_to.send(returned);
        }
    })
}
