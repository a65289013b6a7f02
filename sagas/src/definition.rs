//! Saga definitions, as values to read.
//!
//! A saga (Garcia-Molina and Salem, *Sagas*, 1987) is a sequence of local transactions, each with a
//! compensation that undoes it. A definition says which steps a saga has, who takes part in each,
//! and what each reply means; a [`Run`](crate::Run) carries out any of them, and knows none.
//!
//! A step may be its *pivot* (Richardson, *Microservices Patterns*, chapter 4): once that is done
//! the saga goes forward only, and the steps after it are tried again until they succeed.

mod check;

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::nested::NestedCommand;
use crate::{Address, SagaId, StepRecord, WireMessage};

pub use check::Mistake;

/// What a saga knows and needs: its own data, and what its steps are made of.
pub trait SagaData:
    Clone + fmt::Debug + PartialEq + Serialize + DeserializeOwned + Send + 'static
{
    /// What the saga's own service does in a local step.
    type Local: Copy + Eq + fmt::Debug + Send + Sync + 'static;
    /// What it asks of participants.
    type Command: WireMessage + PartialEq;
    /// What they answer.
    type Reply: WireMessage + PartialEq;
}

/// A saga as a value.
pub struct Definition<D: SagaData> {
    /// The saga's type, as it stands in tables and answers.
    pub name: &'static str,
    /// Counts the definition's changes: a run ends under the version it began with.
    pub version: u16,
    /// A run compensates when it has neither ended nor passed its pivot by then. Absent: the
    /// [policy](crate::SagaPolicy) sets the deadline.
    pub deadline: Option<Duration>,
    /// Taken in this order, compensated in the reverse one.
    pub steps: &'static [Step<D>],
    /// Takes from a reply what the saga wants to remember, whether the reply decides anything or
    /// comes late.
    pub learn: fn(&mut D, &D::Reply),
    /// What an operator's giving up a stuck run does with what that leaves behind. Nobody waits for
    /// it: notices, then at most one local effect. Absent: the rest of the compensations, when the
    /// run compensates; they must be safe without their confirmations.
    pub settled_by: Option<&'static [Action<D>]>,
    /// The former versions that no definition describes any more, and how their runs are carried
    /// over.
    pub carried_over: &'static [CarryOver<D>],
}

/// One step of a saga.
pub struct Step<D: SagaData> {
    /// Unique within its definition; stored, and so kept.
    pub name: &'static str,
    /// What the step does.
    pub action: Action<D>,
    /// Undoes the action, even when nobody knows whether that has happened. Undoing what has never
    /// happened must succeed.
    pub compensation: Option<Action<D>>,
    /// Whether the step is taken, asked when its turn comes.
    pub when: Option<fn(&D) -> bool>,
    /// The saga compensates when the step is not done within this time.
    pub deadline: Option<Duration>,
    /// Once this step is done, the saga only goes on.
    pub is_pivot: bool,
}

/// How a step, or its compensation, is carried out.
pub enum Action<D: SagaData> {
    /// By the saga's own service, in the unit of the saga's own progress.
    Local(D::Local),
    /// By a participant, which replies. Commands of one saga to one entity keep their order, and
    /// each may come again with another number: the participant carries them out so that the last
    /// one counts.
    Ask {
        /// The participant.
        to: fn(&D) -> Address,
        /// What it is asked.
        command: fn(&D) -> D::Command,
        /// What the replies mean, by their wire names.
        replies: &'static [(&'static str, Meaning)],
    },
    /// By somebody whose answer the saga does not wait for: the step is done when the command is on
    /// its way.
    Notify {
        /// Who is told.
        to: fn(&D) -> Address,
        /// What they are told.
        command: fn(&D) -> D::Command,
    },
    /// By a saga that this step begins, in this service or another one.
    Nested {
        /// The entity that the nested saga works on.
        on: fn(&D) -> Address,
        /// Which saga.
        saga: &'static str,
        /// What it begins with: its data, as JSON. See [`nested::data`](crate::nested::data).
        data: fn(&D) -> crate::wire::Body,
    },
    /// By the nested saga that the step has begun: it compensates, whether it is under way or has
    /// completed.
    UndoNested {
        /// The entity that the nested saga works on.
        on: fn(&D) -> Address,
    },
}

/// What a reply means to the step that awaits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The step, or the compensation, has been carried out.
    Done,
    /// The participant refuses, for the reason of this name: the saga compensates.
    Refused(&'static str),
    /// What was done cannot be undone any more: the saga goes on to its end instead.
    Irreversible,
}

/// How a run of a former version goes on under a definition.
pub struct CarryOver<D: SagaData> {
    /// The former version.
    pub from: u16,
    /// Gives the records that fit the definition's steps, in their order, from those of the former
    /// version, and brings the data up to date.
    pub carry: fn(Vec<StepRecord>, &mut D) -> Vec<StepRecord>,
}

impl<D: SagaData> Definition<D> {
    /// The first version of a saga.
    #[must_use]
    pub const fn new(name: &'static str, steps: &'static [Step<D>]) -> Self {
        Definition {
            name,
            version: 1,
            deadline: None,
            steps,
            learn: |_, _| (),
            settled_by: None,
            carried_over: &[],
        }
    }

    /// Gives the definition a newer version number than 1.
    #[must_use]
    pub const fn version(self, version: u16) -> Self {
        Definition { version, ..self }
    }

    /// Sets the deadline of each run.
    #[must_use]
    pub const fn within(self, deadline: Duration) -> Self {
        Definition {
            deadline: Some(deadline),
            ..self
        }
    }

    /// Sets what the saga takes from replies; see [`learn`](Definition::learn).
    #[must_use]
    pub const fn learning(self, learn: fn(&mut D, &D::Reply)) -> Self {
        Definition { learn, ..self }
    }

    /// Sets what settles a run that is given up; see [`settled_by`](Definition::settled_by).
    #[must_use]
    pub const fn settled_by(self, settlement: &'static [Action<D>]) -> Self {
        Definition {
            settled_by: Some(settlement),
            ..self
        }
    }

    /// Names the former versions whose runs go on under this one.
    #[must_use]
    pub const fn carried_over_from(self, carried_over: &'static [CarryOver<D>]) -> Self {
        Definition {
            carried_over,
            ..self
        }
    }

    /// The step of this name, and its place.
    #[must_use]
    pub fn step(&self, name: &str) -> Option<(usize, &'static Step<D>)> {
        self.steps
            .iter()
            .enumerate()
            .find(|(_, step)| step.name == name)
    }
}

impl<D: SagaData> Step<D> {
    /// A step without compensation, condition or deadline, and not the pivot.
    #[must_use]
    pub const fn new(name: &'static str, action: Action<D>) -> Self {
        Step {
            name,
            action,
            compensation: None,
            when: None,
            deadline: None,
            is_pivot: false,
        }
    }

    /// Sets what undoes the step.
    #[must_use]
    pub const fn compensated_by(self, compensation: Action<D>) -> Self {
        Step {
            compensation: Some(compensation),
            ..self
        }
    }

    /// The step is taken only when this holds.
    #[must_use]
    pub const fn when(self, holds: fn(&D) -> bool) -> Self {
        Step {
            when: Some(holds),
            ..self
        }
    }

    /// Sets the step's own deadline.
    #[must_use]
    pub const fn within(self, deadline: Duration) -> Self {
        Step {
            deadline: Some(deadline),
            ..self
        }
    }

    /// Makes the step the saga's pivot.
    #[must_use]
    pub const fn pivot(self) -> Self {
        Step {
            is_pivot: true,
            ..self
        }
    }
}

impl<D: SagaData> Action<D> {
    /// Asks an entity, of this service or of another one. A reply that is not among `replies`
    /// decides nothing.
    #[must_use]
    pub const fn ask(
        to: fn(&D) -> Address,
        command: fn(&D) -> D::Command,
        replies: &'static [(&'static str, Meaning)],
    ) -> Self {
        Action::Ask {
            to,
            command,
            replies,
        }
    }

    /// Whether somebody must confirm it.
    #[must_use]
    pub const fn is_awaited(&self) -> bool {
        matches!(
            self,
            Action::Ask { .. } | Action::Nested { .. } | Action::UndoNested { .. }
        )
    }

    /// The wire name of the command that it sends, if it sends one.
    #[must_use]
    pub fn command_name(&self, data: &D) -> Option<&'static str> {
        match self {
            Action::Local(_) => None,
            Action::Ask { command, .. } | Action::Notify { command, .. } => {
                Some(command(data).wire_name().0)
            }
            Action::Nested { .. } => Some(NestedCommand::BEGIN),
            Action::UndoNested { .. } => Some(NestedCommand::UNDO),
        }
    }

    /// Who carries it out, when that is not the saga's own service.
    #[must_use]
    pub fn participant(&self, data: &D) -> Option<Address> {
        match self {
            Action::Local(_) => None,
            Action::Ask { to, .. } | Action::Notify { to, .. } => Some(to(data)),
            Action::Nested { on, .. } | Action::UndoNested { on } => Some(on(data)),
        }
    }
}

/// The id of the saga that a step begins: it follows from the command that begins it first, so that
/// repeats find it.
#[must_use]
pub(crate) fn nested_id(parent: SagaId, step: &str, number: u32) -> SagaId {
    SagaId::derive(step, parent.0, u64::from(number))
}

impl<D: SagaData> Clone for Step<D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D: SagaData> Copy for Step<D> {}

impl<D: SagaData> Clone for Action<D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D: SagaData> Copy for Action<D> {}

impl<D: SagaData> fmt::Debug for Definition<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} version {}", self.name, self.version)
    }
}

// A definition is known by its name and its version.
impl<D: SagaData> PartialEq for Definition<D> {
    fn eq(&self, other: &Self) -> bool {
        (self.name, self.version) == (other.name, other.version)
    }
}
