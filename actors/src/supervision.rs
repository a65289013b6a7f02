//! Supervision: what happens when an actor panics.
//!
//! Stock actix does not survive a panic in a handler, and its `Supervisor` would keep the state
//! that caused it. So an actor decides inside [`guarded`]: a panic stops the actor and drops its
//! state, and the shard that asked it loads the entity anew and asks again; what fails again is
//! parked with growing delay, and quarantined in the end.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use actix::{Actor, ActorContext, Context};

/// The actor panicked; its state is gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the actor panicked: {0}")]
pub(crate) struct Panicked(pub String);

/// Decides, and stops the actor when that panics.
pub(crate) fn guarded<A, T>(
    context: &mut Context<A>,
    decide: impl FnOnce() -> T,
) -> Result<T, Panicked>
where
    A: Actor<Context = Context<A>>,
{
    // The state that a panic may have left half changed is never looked at again: the actor stops.
    catch_unwind(AssertUnwindSafe(decide)).map_err(|panic| {
        context.stop();
        Panicked(text_of(panic.as_ref()))
    })
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "without a text".to_owned(),
    }
}
