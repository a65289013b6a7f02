//! Why a command fails.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Why a command fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
pub enum CommandError {
    /// The text says what is not there.
    #[error("there is no such {0}")]
    NotFound(Cow<'static, str>),
    /// The entity's state does not allow it; the text says which state and what is allowed.
    #[error("{0}")]
    Conflict(String),
    /// The same `Idempotency-Key` came before with another request.
    #[error("this Idempotency-Key was used with another request")]
    KeyReused,
    /// Too much work is waiting.
    #[error("too much work is waiting")]
    Overloaded,
    /// The store does not answer, or the node is shutting down. The command may or may not have
    /// happened.
    #[error("the store does not answer")]
    Unavailable,
    /// The command fails each time it is tried.
    #[error("the command failed")]
    Failed,
}

impl CommandError {
    /// An error that says that there is no such thing.
    #[must_use]
    pub const fn not_found(what: &'static str) -> Self {
        CommandError::NotFound(Cow::Borrowed(what))
    }
}
