//! How patient sagas are.

use std::time::Duration;

use crate::SagaState;

/// How long sagas go on before they give up, and how often they try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SagaPolicy {
    /// A saga whose definition sets no deadline compensates when it has neither ended nor passed
    /// its pivot by then.
    pub deadline: Duration,
    /// A compensation, or a step after the pivot, is tried again after this delay when nothing has
    /// confirmed it; the delay doubles each time.
    pub first_retry: Duration,
    /// After this many attempts without a confirmation the saga is shown as stuck.
    pub attempts: u32,
}

impl Default for SagaPolicy {
    fn default() -> Self {
        SagaPolicy {
            deadline: Duration::from_secs(600),
            first_retry: Duration::from_secs(2),
            attempts: 8,
        }
    }
}

impl SagaPolicy {
    /// The delay after the attempt of this number, counted from 1.
    #[must_use]
    pub fn delay_after(&self, attempt: u32) -> Duration {
        let doubled = attempt.saturating_sub(1).min(16);
        self.first_retry.saturating_mul(1 << doubled)
    }

    /// The longest that a saga waits from now until it is woken, whatever its row says: a clock
    /// that has stepped back must not make it wait longer. `deadline` is the one that its
    /// definition sets.
    #[must_use]
    pub fn longest_wait(
        &self,
        deadline: Option<Duration>,
        state: SagaState,
        attempts: u32,
    ) -> Duration {
        let retry = self.delay_after(attempts);
        match state {
            // After its pivot the saga wakes to try again; before it, at its deadline.
            SagaState::Running => deadline.unwrap_or(self.deadline).max(retry),
            _ => retry,
        }
    }
}
