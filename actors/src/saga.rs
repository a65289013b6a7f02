//! The saga actor: one run of a saga, driven by replies, timers and operators.

use ::sagas::Attempt;
use actix::{Actor, Context, Handler, Message};
use domain::messages::CustomerReply;
use domain::saga::{Effect, LocalStep, Saga, SagaPolicy, SagaState};
use domain::{ShardId, Timestamp};
use store::StoreError;
use store::faults::Faults;
use store::mapping::{Recalled, RememberedKey, recall};
use store::rows::{Journaled, RowChange};
use store::sagas::{self, StoredSaga};

use crate::customer::MAILBOX;
use crate::gateway::RequestBinding;
use crate::supervision::{ActorError, guarded};

/// What a saga is asked.
#[derive(Debug)]
pub(crate) enum Ask {
    Reply {
        reply: CustomerReply,
        /// What the reply echoes of its command; absent when that came from release 0.1.
        attempt: Option<Attempt>,
    },
    /// The timer that was set for this time is due.
    Wake {
        set_for: Timestamp,
    },
    Cancel {
        reason: Option<String>,
        binding: Option<RequestBinding>,
    },
    Retry {
        binding: Option<RequestBinding>,
    },
    /// The order refused the local step that this saga's last effects asked for.
    LocalStepRefused(LocalStep),
    /// Nothing; only to be shown.
    Show,
}

#[derive(Debug, Message)]
#[rtype(result = "Result<Told, ActorError>")]
pub(crate) struct AskSaga {
    pub ask: Ask,
    pub now: Timestamp,
}

/// What a saga tells: its effects, and its state after them.
#[derive(Debug)]
pub(crate) struct Told {
    pub outcome: Outcome,
    pub effects: Vec<Effect>,
    pub saga: Saga,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    /// It has changed; the row is to be written with its effects. Asked again in the same step, it
    /// gives a newer row that replaces this one.
    Changed(RowChange),
    Unchanged,
    KeyReused,
    /// It has ended, or is not stuck.
    NotPossible,
}

pub(crate) struct SagaActor {
    shard: ShardId,
    stored: StoredSaga,
    policy: SagaPolicy,
    /// What the newest row handed out is compared with when it is written.
    expected_version: u64,
    faults: Faults,
}

impl SagaActor {
    /// A saga that has been loaded, or whose first row is inserted by the same step.
    pub(crate) fn new(
        shard: ShardId,
        stored: StoredSaga,
        policy: SagaPolicy,
        faults: Faults,
    ) -> Self {
        let expected_version = stored.saga.version;
        SagaActor {
            shard,
            stored,
            policy,
            expected_version,
            faults,
        }
    }

    fn decide(&mut self, ask: Ask, now: Timestamp) -> Result<Told, StoreError> {
        let policy = self.policy;

        match ask {
            Ask::Show => Ok(self.told(Outcome::Unchanged, Vec::new())),
            Ask::Reply { reply, attempt } => {
                let name = reply.answer().map(|answer| answer.customer_name.as_str());
                self.faults
                    .panic_if(self.faults.plan().panic_saga.as_ref(), name);
                self.progress(|saga| saga.replied(&reply, attempt.as_ref(), &policy, now))
            }
            Ask::Wake { set_for } => self.progress(|saga| saga.woken(set_for, &policy, now)),
            Ask::Cancel { reason, binding } => self.operate(binding, |saga| {
                (!saga.state.has_ended()).then(|| saga.cancelled(reason, &policy, now))
            }),
            Ask::Retry { binding } => self.operate(binding, |saga| {
                (saga.state == SagaState::Stuck).then(|| saga.retried(&policy, now))
            }),
            Ask::LocalStepRefused(step) => {
                // The row handed out before is replaced within the same unit, so it is compared
                // with the same version.
                let effects = self.stored.saga.local_step_refused(step, &policy, now);
                self.changed(effects)
            }
        }
    }

    fn progress(&mut self, act: impl FnOnce(&mut Saga) -> Vec<Effect>) -> Result<Told, StoreError> {
        let before = self.stored.saga.version;
        let effects = act(&mut self.stored.saga);
        if self.stored.saga.version == before {
            return Ok(self.told(Outcome::Unchanged, effects));
        }
        self.expected_version = before;
        self.changed(effects)
    }

    /// An operator's command: found among the remembered keys, not possible, or carried out and
    /// remembered.
    fn operate(
        &mut self,
        binding: Option<RequestBinding>,
        act: impl FnOnce(&mut Saga) -> Option<Vec<Effect>>,
    ) -> Result<Told, StoreError> {
        if let Some(RequestBinding { key, fingerprint }) = binding {
            match recall(&self.stored.remembered, key, fingerprint) {
                Recalled::Nothing => {}
                Recalled::Repeated { .. } => return Ok(self.told(Outcome::Unchanged, Vec::new())),
                Recalled::Reused => return Ok(self.told(Outcome::KeyReused, Vec::new())),
            }
        }

        let before = self.stored.saga.version;

        let Some(effects) = act(&mut self.stored.saga) else {
            return Ok(self.told(Outcome::NotPossible, Vec::new()));
        };

        // One that joins what is under way binds its key, too; then the row alone is written.
        if self.stored.saga.version == before && binding.is_none() {
            return Ok(self.told(Outcome::Unchanged, effects));
        }

        if let Some(RequestBinding { key, fingerprint }) = binding {
            self.stored.remembered.push(RememberedKey {
                key: key.as_uuid(),
                fingerprint,
                saga: None,
            });
        }

        self.expected_version = before;

        self.changed(effects)
    }

    fn changed(&self, effects: Vec<Effect>) -> Result<Told, StoreError> {
        let row = sagas::to_row(&self.stored, self.shard)?.update(self.expected_version);
        Ok(self.told(Outcome::Changed(row), effects))
    }

    fn told(&self, outcome: Outcome, effects: Vec<Effect>) -> Told {
        Told {
            outcome,
            effects,
            saga: self.stored.saga.clone(),
        }
    }
}

impl Actor for SagaActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<AskSaga> for SagaActor {
    type Result = Result<Told, ActorError>;

    fn handle(&mut self, message: AskSaga, context: &mut Self::Context) -> Self::Result {
        guarded(context, || self.decide(message.ask, message.now))
    }
}
