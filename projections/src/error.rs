//! What can go wrong in a view.

use crate::waiting::Behind;

/// An error of a view store.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The view store does not answer; trying again may help.
    #[error("the {view} view store does not answer")]
    Unavailable {
        view: &'static str,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Reading the event log failed.
    #[error("the event log cannot be read")]
    Log(#[from] store::StoreError),
    /// The view has not reached in time what the caller has seen.
    #[error("the {view} view has not reached what the token asks for")]
    Behind {
        view: &'static str,
        behind: Box<Behind>,
    },
    /// What the caller asks for cannot be asked: names the field and what is allowed.
    #[error("{field}: {message}")]
    InvalidQuery {
        field: &'static str,
        message: String,
    },
    /// Stored data of the view cannot be read, or data cannot be stored in it.
    #[error("the {view} view is damaged: {what}")]
    Corrupt { view: &'static str, what: String },
    /// So many entities are in quarantine that it is not the data that is bad.
    #[error(
        "the {view} view has {limit} entities in quarantine and takes in no more events: {cause}"
    )]
    TooManyQuarantined {
        view: &'static str,
        limit: usize,
        cause: String,
    },
    /// The first generation of the view is still being built.
    #[error("the {view} view is not ready: its first generation is being built")]
    NotReady { view: &'static str },
    /// What is asked for does not fit how the view stands; nothing was changed.
    #[error("{what}")]
    Conflict { view: &'static str, what: String },
    /// The key of a request has been used for another one; nothing was changed.
    #[error("the key has been used for another request about the {view} view")]
    KeyReused { view: &'static str },
    /// The view has stopped, because the process is shutting down.
    #[error("the {view} view is closed")]
    Closed { view: &'static str },
}

impl ViewError {
    /// Whether the same work may succeed later without any change.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            ViewError::Unavailable { .. }
                | ViewError::Log(_)
                | ViewError::Behind { .. }
                | ViewError::NotReady { .. }
        )
    }
}

/// An error with its causes, in one line.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
