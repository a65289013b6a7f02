//! Supervision: what happens when an actor panics.
//!
//! Stock actix does not survive a panic in a handler, and its `Supervisor` would keep the state
//! that caused it. So an actor decides inside [`guarded`]: a panic stops the actor and drops its
//! state, and the shard that asked it loads the entity anew and asks again; what fails again is
//! parked with growing delay, and quarantined in the end.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use actix::{Actor, ActorContext, Context};

/// Why an actor gives no answer. Its state is gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ActorError {
    #[error("the actor panicked: {0}")]
    Panicked(String),
    /// It could not carry out its decision, and would fail again on the same state.
    #[error("{0}")]
    Failed(String),
}

/// Decides, and stops the actor when that panics or fails: nobody looks at its half-changed state
/// again.
pub(crate) fn guarded<A, T, E>(
    context: &mut Context<A>,
    decide: impl FnOnce() -> Result<T, E>,
) -> Result<T, ActorError>
where
    A: Actor<Context = Context<A>>,
    E: std::fmt::Display,
{
    let told = match catch_unwind(AssertUnwindSafe(decide)) {
        Ok(told) => told.map_err(|error| ActorError::Failed(error.to_string())),
        Err(panic) => Err(ActorError::Panicked(text_of(panic.as_ref()))),
    };

    if told.is_err() {
        context.stop();
    }
    told
}

/// Asks a service something outside its actors. A panic stops what it was asked for, and nothing
/// else: the text says why.
pub(crate) fn caught<T>(ask: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(ask)).map_err(|panic| text_of(panic.as_ref()))
}

/// The text of a panic.
pub(crate) fn text_of(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "without a text".to_owned(),
    }
}
