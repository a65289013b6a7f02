//! What can go wrong in a view.

/// An error of a view store.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The view store does not answer; trying again may help.
    #[error("the {view} view store does not answer")]
    Unavailable { view: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    /// Reading the event log failed.
    #[error("the event log cannot be read")]
    Log(#[from] store::StoreError),
    /// What the caller asks for cannot be asked: names the field and what is allowed.
    #[error("{field}: {message}")]
    InvalidQuery { field: &'static str, message: String },
    /// Stored data of the view cannot be read.
    #[error("the {view} view is damaged: {what}")]
    Corrupt { view: &'static str, what: String },
}

impl ViewError {
    /// Whether the same work may succeed later without any change.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, ViewError::Unavailable { .. } | ViewError::Log(_))
    }
}
