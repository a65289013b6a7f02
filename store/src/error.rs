//! What can go wrong in the store, by what the caller can do about it.

use sagas::ShardId;

use crate::deployment::Misfit;
use crate::loading;

/// An infrastructure error of the store. A business refusal is never one of these.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or does not answer as it should; trying again may help.
    #[error("the {what} database does not answer")]
    Database {
        /// Whose it is.
        what: String,
        /// What it says.
        source: sea_orm::DbErr,
    },
    /// The server of a database is not there, or does nothing for us now; it may later.
    #[error("the {what} database {place} does not answer: {cause}")]
    Unreachable {
        /// Whose it is.
        what: String,
        /// Where it is.
        place: String,
        /// Why, as far as it is known.
        cause: String,
    },
    /// A write of the journal failed in the database itself.
    #[error("writing to the {what} database failed")]
    Write {
        /// Whose it is.
        what: String,
        /// Whether it is the database that failed, and not the data that were to be written.
        transient: bool,
        /// What it says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row is not at the version its writer had seen: two writers, or a bug.
    #[error("{table} {key} is not at version {expected}")]
    VersionConflict {
        /// As the database knows it.
        table: &'static str,
        /// Of the row.
        key: String,
        /// The version that the writer had seen.
        expected: u64,
    },
    /// Another owner has taken the shard over.
    #[error("shard {shard} is owned at epoch {current}, not {held}")]
    StaleEpoch {
        /// Which one.
        shard: ShardId,
        /// The epoch at which the writer took itself for its owner.
        held: u64,
        /// The epoch of its owner.
        current: u64,
    },
    /// Stored data cannot be read: it was changed by hand, or written by a newer release.
    #[error("{what} cannot be read")]
    Corrupt {
        /// What was to be read, with its id.
        what: String,
        /// Why it cannot be.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The journal panicked over its work, and has begun anew.
    #[error("the journal of {what} panicked")]
    Panicked {
        /// Whose it is.
        what: String,
    },
    /// A commit may have happened or not. Doing the same work again might do it twice.
    #[error("it is not known whether a commit of the {what} database has happened")]
    OutcomeUnknown {
        /// Whose it is.
        what: String,
    },
    /// The journal has ended, because the process is shutting down or its thread has failed.
    #[error("the journal of {what} is closed")]
    Closed {
        /// Whose it is.
        what: String,
    },
    /// A file cannot be used, and no waiting mends it: somebody must do what the remedy says.
    #[error("{file} cannot be used: {cause}; {remedy}")]
    Unusable {
        /// Where it is.
        file: String,
        /// Why it cannot be used.
        cause: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Databases do not belong together; a start on them would answer wrongly.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// The data folder does not fit the configuration.
    #[error("{0}")]
    Configuration(String),
    /// A fault asked for by a test.
    #[error("injected fault: {0}")]
    Injected(&'static str),
}

/// An error with what is behind it, in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();

    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl StoreError {
    /// The error with what is behind it, in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        chain(self)
    }

    /// Whether it is about what stands in a row, and the database answers.
    #[must_use]
    pub fn is_of_a_row(&self) -> bool {
        match self {
            StoreError::Database { source, .. } => loading::is_of_a_row(source),
            StoreError::Corrupt { .. } => true,
            _ => false,
        }
    }

    /// Whether the same work may succeed later without any change.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            StoreError::Database { .. }
            | StoreError::Unreachable { .. }
            | StoreError::Panicked { .. }
            | StoreError::Injected(_) => true,
            StoreError::Write { transient, .. } => *transient,
            _ => false,
        }
    }
}
