//! The saga actor: one run of a saga, driven by replies, timers, operators, and the saga that it is
//! nested in.

use actix::{Actor, Context, Handler, Message};
use sagas::nested::Parent;
use sagas::{
    Attempt, Definition, Effect, Incoming, Reason, Run, SagaData, SagaId, SagaPolicy, SagaState,
    ShardId, Timestamp,
};
use store::StoreError;
use store::faults::Faults;
use store::mapping::{Recalled, recall};
use store::row_changes::{Journaled, RowChange};
use store::sagas::{self as rows, StoredSaga};
use store::timers::{TimerChange, TimerSet};
use uuid::Uuid;

use crate::entity::MAILBOX;
use crate::operator::{self, OnSaga, Operator, SagaAction};
use crate::request::RequestBinding;
use crate::supervision::{ActorError, guarded};

/// What a shard asks a saga.
#[derive(Debug)]
pub(crate) enum Ask<D: SagaData> {
    Reply {
        reply: Incoming<D>,
        /// What the reply echoes of its command; absent when that came from release 0.1.
        attempt: Option<Attempt>,
        /// Whether a fault plan picks this reply.
        panics: bool,
    },
    /// The timer that was set for this time is due.
    Wake { set_for: Timestamp },
    Operate {
        action: SagaAction,
        by: Operator,
        binding: Option<RequestBinding>,
    },
    /// The saga's entity refused the local step of this name, which its last effects asked for.
    LocalRefused {
        step: &'static str,
        reason: Reason,
        detail: String,
    },
    /// The saga that it is nested in repeats what has begun it.
    BeginAgain { parent: Parent },
    /// The saga that it is nested in undoes it.
    Undo { parent: Parent },
    /// Asks nothing but the state.
    Show,
}

pub(crate) struct AskSaga<D: SagaData> {
    pub ask: Ask<D>,
    pub now: Timestamp,
}

impl<D: SagaData> Message for AskSaga<D> {
    type Result = Result<Told<D>, ActorError>;
}

/// What a saga tells: its effects, and how it stands after them.
#[derive(Debug)]
pub(crate) struct Told<D: SagaData> {
    pub outcome: SagaOutcome,
    pub effects: Vec<Effect<D>>,
    pub run: Standing<D>,
}

/// How a run stands, as far as its shard wants to know: without its steps.
#[derive(Debug)]
pub(crate) struct Standing<D: SagaData> {
    pub id: SagaId,
    pub definition: &'static Definition<D>,
    pub state: SagaState,
    pub entity: Uuid,
    pub data: D,
    pub reason: Option<Reason>,
    pub version: u64,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// Whom it waits for, while it is stuck.
    pub stuck_for: Option<Uuid>,
}

impl<D: SagaData> Standing<D> {
    pub(crate) fn of(run: &Run<D>) -> Self {
        Standing {
            id: run.id,
            definition: run.definition,
            state: run.state,
            entity: run.entity,
            data: run.data.clone(),
            reason: run.reason.clone(),
            version: run.version,
            started_at: run.started_at,
            ended_at: run.ended_at,
            stuck_for: (run.state == SagaState::Stuck).then(|| awaited_by(run)),
        }
    }
}

/// The outcome of a question to a saga.
#[derive(Debug)]
pub(crate) enum SagaOutcome {
    /// It has changed: write the row with its effects. Asked again in the same step, it gives a
    /// newer row that replaces this one.
    Changed {
        row: RowChange,
        /// Absent when its timer stays as it is.
        timer: Option<TimerChange>,
        /// What is kept of what an operator has done.
        action: Option<RowChange>,
    },
    Unchanged,
    /// It was woken at a time that is not its own: this is the timer that it wants, or that it
    /// wants none any more.
    Untimely(TimerChange),
    KeyReused,
    /// It has ended, can only go on, or is not stuck.
    NotPossible,
}

/// A saga's row that is replaced by a newer one.
#[derive(Clone, Copy, Debug)]
struct Replaced {
    version: u64,
    /// When it wants to be woken, and whom it waits for.
    timer: Option<(Timestamp, Uuid)>,
}

pub(crate) struct SagaActor<D: SagaData> {
    shard: ShardId,
    stored: StoredSaga<D>,
    policy: SagaPolicy,
    /// What the newest row handed out replaces. Absent when the row is the saga's first one.
    replaces: Option<Replaced>,
    faults: Faults,
}

impl<D: SagaData> SagaActor<D> {
    /// A saga that has been loaded.
    pub(crate) fn loaded(
        shard: ShardId,
        stored: StoredSaga<D>,
        policy: SagaPolicy,
        faults: Faults,
    ) -> Self {
        SagaActor {
            replaces: Some(replaced(&stored.saga)),
            shard,
            stored,
            policy,
            faults,
        }
    }

    /// A saga that has just begun, with its first answer.
    pub(crate) fn begun(
        shard: ShardId,
        (run, effects): (Run<D>, Vec<Effect<D>>),
        policy: SagaPolicy,
        faults: Faults,
        now: Timestamp,
    ) -> Result<(Self, Told<D>), StoreError> {
        let actor = SagaActor {
            shard,
            stored: StoredSaga {
                saga: run,
                remembered: Vec::new(),
            },
            policy,
            replaces: None,
            faults,
        };
        let told = actor.changed(effects, now)?;

        Ok((actor, told))
    }

    fn decide(&mut self, ask: Ask<D>, now: Timestamp) -> Result<Told<D>, StoreError> {
        let policy = self.policy;

        match ask {
            Ask::Show => Ok(self.told(SagaOutcome::Unchanged, Vec::new())),
            Ask::Reply {
                reply,
                attempt,
                panics,
            } => {
                self.faults.panic_when(panics);
                self.progress(now, |run| {
                    run.replied(&reply, attempt.as_ref(), &policy, now)
                })
            }
            Ask::Wake { set_for } => {
                let mut told = self.progress(now, |run| run.woken(set_for, &policy, now))?;
                if matches!(told.outcome, SagaOutcome::Unchanged) {
                    told.outcome = SagaOutcome::Untimely(self.wanted(now));
                }
                Ok(told)
            }
            Ask::BeginAgain { parent } => self.progress(now, |run| run.begun_again(parent, now)),
            Ask::Undo { parent } => self.progress(now, |run| run.undone(parent, &policy, now)),
            Ask::Operate {
                action,
                by,
                binding,
            } => self.operate(action, by, binding, now),
            Ask::LocalRefused {
                step,
                reason,
                detail,
            } => {
                // The row handed out before is replaced within the same unit, so it replaces the
                // same one.
                let run = &mut self.stored.saga;
                let effects = run.local_refused(step, reason, &detail, &policy, now);
                self.changed(effects, now)
            }
        }
    }

    fn progress(
        &mut self,
        now: Timestamp,
        act: impl FnOnce(&mut Run<D>) -> Vec<Effect<D>>,
    ) -> Result<Told<D>, StoreError> {
        let before = replaced(&self.stored.saga);
        let effects = act(&mut self.stored.saga);
        if self.stored.saga.version == before.version {
            return Ok(self.told(SagaOutcome::Unchanged, effects));
        }

        self.replaces = Some(before);
        self.changed(effects, now)
    }

    /// An operator's command: a repeat under a remembered key, an impossible command, or one to
    /// carry out and remember.
    fn operate(
        &mut self,
        action: SagaAction,
        by: Operator,
        binding: Option<RequestBinding>,
        now: Timestamp,
    ) -> Result<Told<D>, StoreError> {
        if let Some(RequestBinding {
            key, fingerprint, ..
        }) = binding
        {
            match recall(&self.stored.remembered, key, fingerprint) {
                Recalled::Nothing => {}
                Recalled::Repeated { .. } => {
                    return Ok(self.told(SagaOutcome::Unchanged, Vec::new()));
                }
                Recalled::Reused => return Ok(self.told(SagaOutcome::KeyReused, Vec::new())),
            }
        }

        let (before, was) = (replaced(&self.stored.saga), self.stored.saga.state);

        let Some(effects) = self.act(action, by.reason.clone(), now) else {
            return Ok(self.told(SagaOutcome::NotPossible, Vec::new()));
        };

        // A command that joins what is under way binds its key, too; then only the row is written.
        if self.stored.saga.version == before.version && binding.is_none() {
            return Ok(self.told(SagaOutcome::Unchanged, effects));
        }

        let remembered = binding.map(|binding| binding.remembered(None, None));
        self.stored.remembered.extend(remembered);

        self.replaces = Some(before);
        let mut told = self.changed(effects, now)?;
        if let SagaOutcome::Changed { action: kept, .. } = &mut told.outcome {
            let on = OnSaga {
                saga: told.run.id.0,
                entity: told.run.entity,
                before: was.name(),
                after: told.run.state.name(),
                version: told.run.version,
            };
            *kept = Some(operator::of_saga(
                action,
                &on,
                by,
                binding,
                (self.shard, now),
            ));
        }
        Ok(told)
    }

    /// Does what an operator asks, unless the saga is not in a state for it.
    fn act(
        &mut self,
        action: SagaAction,
        reason: Option<String>,
        now: Timestamp,
    ) -> Option<Vec<Effect<D>>> {
        let (run, policy) = (&mut self.stored.saga, self.policy);
        match action {
            SagaAction::Cancel => {
                let goes_on = run.state.has_ended() || run.is_past_pivot();
                (!goes_on).then(|| run.cancelled(reason, &policy, now))
            }
            SagaAction::Retry => (run.state == SagaState::Stuck).then(|| run.retried(&policy, now)),
            SagaAction::Abandon => {
                let is_stuck = matches!(run.state, SagaState::Stuck | SagaState::Abandoned);
                is_stuck.then(|| run.abandoned(now))
            }
        }
    }

    fn changed(&self, effects: Vec<Effect<D>>, now: Timestamp) -> Result<Told<D>, StoreError> {
        let row = rows::to_row(&self.stored, self.shard)?;
        let row = match self.replaces {
            None => row.insert(),
            Some(before) => row.update(before.version),
        };

        let timer = self.timer(now);
        let outcome = SagaOutcome::Changed {
            row,
            timer,
            action: None,
        };
        Ok(self.told(outcome, effects))
    }

    /// The change of the saga's timer: when it wants to be woken is part of its row, and the timer
    /// is how its shard finds it.
    fn timer(&self, now: Timestamp) -> Option<TimerChange> {
        let before = self.replaces.and_then(|before| before.timer);
        (before != wanted_by(&self.stored.saga)).then(|| self.wanted(now))
    }

    /// The timer that the saga wants, or that it wants none any more.
    fn wanted(&self, now: Timestamp) -> TimerChange {
        let run = &self.stored.saga;
        let set = wanted_by(run).map(|(wake_at, waits_for)| TimerSet {
            wake_at,
            patience: wake_at.since(now),
            waits_for,
        });
        TimerChange { id: run.id.0, set }
    }

    fn told(&self, outcome: SagaOutcome, effects: Vec<Effect<D>>) -> Told<D> {
        Told {
            outcome,
            effects,
            run: Standing::of(&self.stored.saga),
        }
    }
}

/// When a run wants to be woken, and whom it waits for.
fn wanted_by<D: SagaData>(run: &Run<D>) -> Option<(Timestamp, Uuid)> {
    run.wake_at.map(|wake_at| (wake_at, awaited_by(run)))
}

/// Whom a run waits for, or would if it were not stuck.
pub(crate) fn awaited_by<D: SagaData>(run: &Run<D>) -> Uuid {
    let waits_for = run.waits_for();
    waits_for.map_or(run.entity, |address| address.entity)
}

fn replaced<D: SagaData>(run: &Run<D>) -> Replaced {
    Replaced {
        version: run.version,
        timer: wanted_by(run),
    }
}

// Nothing in it is ever pinned.
impl<D: SagaData> Unpin for SagaActor<D> {}

impl<D: SagaData> Actor for SagaActor<D> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX);
    }
}

impl<D: SagaData> Handler<AskSaga<D>> for SagaActor<D> {
    type Result = Result<Told<D>, ActorError>;

    fn handle(&mut self, message: AskSaga<D>, context: &mut Self::Context) -> Self::Result {
        guarded(context, || self.decide(message.ask, message.now))
    }
}
