//! How callers and operators ask a node: with patience, and with an eye on what every answer must
//! be.

use std::time::Duration;

use tests::{Call, Response};
use tokio::time::Instant;

use crate::world::World;

/// How a call has ended.
pub enum Heard {
    /// `2xx` or `4xx`.
    Answer(Box<Response>),
    /// It may have happened or not, and why nobody knows.
    Nothing(String),
}

/// Sends a call whose caller waits for so many seconds, and hangs up when its patience is over.
pub async fn ask(world: &World, what: &str, call: Call, wait: u32, patience: Duration) -> Heard {
    let call = if wait > 0 { call.wait(wait) } else { call };
    let began = Instant::now();
    let Ok(answer) = tokio::time::timeout(patience, call.answer()).await else {
        return Heard::Nothing("hangs up".to_owned());
    };

    world.look(what, began, wait, answer.as_ref().ok());
    match answer {
        Ok(answer) if answer.status < 500 => Heard::Answer(Box::new(answer)),
        Ok(answer) => Heard::Nothing(format!("is told {}: {}", answer.status, answer.text)),
        Err(error) => Heard::Nothing(format!("is not answered: {error:#}")),
    }
}

/// Sends a call of somebody who has all the time in the world; `None` without an answer.
pub async fn answered(world: &World, what: &str, call: Call) -> Option<Response> {
    match ask(world, what, call, 0, Duration::MAX).await {
        Heard::Answer(answer) => Some(*answer),
        Heard::Nothing(_) => None,
    }
}
