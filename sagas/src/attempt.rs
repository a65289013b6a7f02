//! The envelope that ties a reply to its command: which attempt, of which step, of which saga.
//!
//! It stands beside the body, not in it, so that a participant can echo it without knowing any
//! saga. A saga numbers all commands of its life with one counter that never repeats. It counts
//! only the reply to its newest command: messages of one saga to one participant keep their order,
//! so that reply tells the participant's state after everything that was sent before.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::SagaId;

/// One attempt of one step of one saga. Every command of a saga carries one; the reply echoes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attempt {
    /// Whom to answer.
    pub saga: SagaId,
    /// The step by its name. The number alone identifies the command; the name tells people and
    /// participants what the command belongs to.
    pub step: Cow<'static, str>,
    /// Counts the commands of the saga from 1, over all steps, compensations and retries.
    pub number: u32,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "attempt {} of saga {}, for its step {}",
            self.number, self.saga, self.step
        )
    }
}
