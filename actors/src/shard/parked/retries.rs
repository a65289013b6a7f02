//! When a parked message is tried again, and when it is quarantined.

use std::time::Duration;

use sagas::Timestamp;
use store::parking::{ParkedHead, ParkedState};

/// A message that has failed this many times is quarantined.
pub(super) const ATTEMPTS: u32 = 5;
/// A row that cannot be read is read again so often.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(30);
const FIRST_DELAY: Duration = Duration::from_millis(200);

pub(super) fn state_after(attempts: u32) -> ParkedState {
    if attempts >= ATTEMPTS {
        ParkedState::Quarantined
    } else {
        ParkedState::Waiting
    }
}

/// The delay after this many attempts.
pub(super) fn delay(attempts: u32) -> Duration {
    FIRST_DELAY.saturating_mul(2u32.saturating_pow(attempts.saturating_sub(1).min(ATTEMPTS)))
}

pub(super) fn next_attempt(
    state: ParkedState,
    attempts: u32,
    failed: bool,
    now: Timestamp,
) -> Option<Timestamp> {
    let waits = state == ParkedState::Waiting && failed;
    waits.then(|| now.after(delay(attempts)))
}

/// When to try the first message of a queue; one that has waited behind another has no time of its
/// own, and is due at once.
pub(super) fn due_at(head: &ParkedHead) -> Option<Timestamp> {
    match head.state {
        ParkedState::Quarantined => None,
        ParkedState::Waiting => Some(head.next_attempt_at.unwrap_or_default()),
    }
}
