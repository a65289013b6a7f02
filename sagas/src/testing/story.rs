//! Given a saga, when something comes in, then its effects and its state.

use std::fmt::Debug;
use std::time::Duration;

use uuid::Uuid;

use crate::nested::NestedReply;
use crate::{
    Attempt, Beginning, Definition, Effect, Incoming, Reason, Run, SagaData, SagaId, SagaPolicy,
    SagaState, StepState, Timestamp,
};

/// What comes in.
#[derive(Clone, Debug)]
pub enum When<D: SagaData> {
    /// A reply to the newest command; see [`replied`].
    Replied(Incoming<D>),
    /// A reply to an earlier command; see [`replied_late`].
    RepliedLate(Incoming<D>),
    /// The saga's service refuses a local effect; see [`local_refused`].
    LocalRefused {
        /// The step's name.
        step: &'static str,
        /// Why it is refused.
        reason: Reason,
    },
    /// The time has come at which the saga wants to be woken.
    Woken,
    /// An operator stops the saga.
    Stopped,
    /// An operator makes the stuck saga try again.
    Retried,
    /// An operator gives the stuck saga up.
    Abandoned,
}

/// A reply to the newest command.
#[must_use]
pub fn replied<D: SagaData>(reply: D::Reply) -> When<D> {
    When::Replied(Incoming::Own(reply))
}

/// A reply to a command before the newest one.
#[must_use]
pub fn replied_late<D: SagaData>(reply: D::Reply) -> When<D> {
    When::RepliedLate(Incoming::Own(reply))
}

/// A nested saga answers the newest command.
#[must_use]
pub fn nested_replied<D: SagaData>(reply: NestedReply) -> When<D> {
    When::Replied(Incoming::Nested(reply))
}

/// The saga's service refuses the local effect of this step, which has just been asked for.
#[must_use]
pub fn local_refused<D: SagaData>(step: &'static str, reason: Reason) -> When<D> {
    When::LocalRefused { step, reason }
}

/// The time has come at which the saga wants to be woken: its deadline, or the next attempt.
#[must_use]
pub fn woken<D: SagaData>() -> When<D> {
    When::Woken
}

/// An operator stops the saga.
#[must_use]
pub fn stopped<D: SagaData>() -> When<D> {
    When::Stopped
}

/// An operator has the stuck saga try again.
#[must_use]
pub fn retried<D: SagaData>() -> When<D> {
    When::Retried
}

/// An operator gives the stuck saga up.
#[must_use]
pub fn abandoned<D: SagaData>() -> When<D> {
    When::Abandoned
}

/// A saga that begins, and what it does.
#[must_use]
pub fn given<D: SagaData>(definition: &'static Definition<D>, data: D) -> Story<D> {
    Story::begin(definition, data, Run::begin)
}

/// A saga whose first step is the command that begins it.
#[must_use]
pub fn given_after_first_step<D: SagaData>(
    definition: &'static Definition<D>,
    data: D,
) -> Story<D> {
    Story::begin(definition, data, Run::begin_after_first_step)
}

/// A saga under way, with what it wants done since the last thing that came in.
#[derive(Clone, Debug)]
pub struct Story<D: SagaData> {
    /// The saga as it is now.
    pub run: Run<D>,
    /// What it wants done since the last thing that came in.
    pub effects: Vec<Effect<D>>,
    /// How patient it is.
    pub policy: SagaPolicy,
    /// The story's clock: a second later with each thing that comes in.
    pub now: Timestamp,
}

type Begin<D> =
    fn(&'static Definition<D>, Beginning<D>, &SagaPolicy, Timestamp) -> (Run<D>, Vec<Effect<D>>);

impl<D: SagaData> Story<D> {
    fn begin(definition: &'static Definition<D>, data: D, begin: Begin<D>) -> Self {
        let (policy, now) = (SagaPolicy::default(), Timestamp::from_micros(1_000_000));
        let entity = Uuid::from_u128(1);

        let beginning = Beginning {
            id: SagaId::derive(definition.name, entity, 1),
            entity,
            data,
            not_before: now,
            parent: None,
        };

        let (run, effects) = begin(definition, beginning, &policy, now);
        Story {
            run,
            effects,
            policy,
            now,
        }
    }

    /// Something comes in, a second after what came before.
    #[must_use]
    pub fn when(mut self, when: When<D>) -> Self {
        self.now = self.now.after(Duration::from_secs(1));
        if let (When::Woken, Some(set_for)) = (&when, self.run.wake_at) {
            self.now = self.now.max(set_for);
        }
        let (run, policy, now) = (&mut self.run, self.policy, self.now);

        let numbered = |run: &Run<D>, number| Attempt {
            saga: run.id,
            step: "".into(),
            number,
        };

        self.effects = match when {
            When::Replied(reply) => {
                let newest = numbered(run, run.commands_sent);
                run.replied(&reply, Some(&newest), &policy, now)
            }
            When::RepliedLate(reply) => {
                let earlier = numbered(run, run.commands_sent.saturating_sub(1));
                run.replied(&reply, Some(&earlier), &policy, now)
            }
            When::LocalRefused { step, reason } => {
                let stand = self.effects.iter().take_while(
                    |effect| !matches!(effect, Effect::Local { step: asked, .. } if *asked == step),
                );
                let mut effects: Vec<_> = stand.cloned().collect();
                effects.extend(run.local_refused(step, reason, "refused", &policy, now));
                effects
            }
            When::Woken => match run.wake_at {
                Some(set_for) => run.woken(set_for, &policy, now),
                None => Vec::new(),
            },
            When::Stopped => run.cancelled(None, &policy, now),
            When::Retried => run.retried(&policy, now),
            When::Abandoned => run.abandoned(now),
        };

        self
    }

    /// The commands it sends, by their wire names.
    #[must_use]
    pub fn sends(&self) -> Vec<&'static str> {
        let name = |effect: &Effect<D>| match effect {
            Effect::Send { command, .. } => Some(command.wire_name().0),
            _ => None,
        };
        self.effects.iter().filter_map(name).collect()
    }

    /// # Panics
    /// When it sends anything else.
    #[track_caller]
    pub fn then_sends<const N: usize>(self, names: [&str; N]) -> Self {
        expect("it sends", &self.sends()[..], &names[..]);
        self
    }

    /// # Panics
    /// When it has its service do anything else.
    #[track_caller]
    pub fn then_does<const N: usize>(self, locals: [D::Local; N]) -> Self {
        let local = |effect: &Effect<D>| match effect {
            Effect::Local { local, .. } => Some(*local),
            _ => None,
        };
        let does: Vec<_> = self.effects.iter().filter_map(local).collect();
        expect("it does", &does[..], &locals[..]);
        self
    }

    /// # Panics
    /// When it tells the saga that it is nested in anything else.
    #[track_caller]
    pub fn then_answers<const N: usize>(self, names: [&str; N]) -> Self {
        let name = |effect: &Effect<D>| match effect {
            Effect::Answer { reply, .. } => Some(reply.wire_name().0),
            _ => None,
        };
        let answers: Vec<_> = self.effects.iter().filter_map(name).collect();
        expect("it answers", &answers[..], &names[..]);
        self
    }

    /// # Panics
    /// When it is in another state.
    #[track_caller]
    pub fn then_state(self, state: SagaState) -> Self {
        expect("it is", self.run.state, state);
        self
    }

    /// # Panics
    /// When it compensates for another reason, or for none.
    #[track_caller]
    pub fn then_reason(self, reason: &str) -> Self {
        let found = self.run.reason.as_ref().map(Reason::name);
        expect("its reason is", found, Some(reason));
        self
    }

    /// # Panics
    /// When its steps are in other states.
    #[track_caller]
    pub fn then_steps<const N: usize>(self, states: [StepState; N]) -> Self {
        let found: Vec<_> = self.run.steps.iter().map(|record| record.state).collect();
        expect("its steps are", &found[..], &states[..]);
        self
    }
}

#[track_caller]
fn expect<L: PartialEq<R> + Debug, R: Debug>(what: &str, found: L, expected: R) {
    assert!(
        found == expected,
        "{what} {found:?}, which was to be {expected:?}"
    );
}
