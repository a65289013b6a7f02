//! What can go wrong in a view.

use std::any::Any;
use std::time::Duration;

pub(crate) use store::error::chain as describe;
use tokio::task::JoinError;
use uuid::Uuid;

use crate::waiting::Behind;

/// An error of a view store.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The view store does not answer; trying again may help.
    #[error("the {view} view store does not answer")]
    Unavailable {
        /// The name of the view.
        view: &'static str,
        /// What its store, or the connection to it, says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The query has taken too long, and was given up. One that asks for less may be answered.
    #[error("the {view} view has given up a query after {limit:?}")]
    TimedOut {
        /// The name of the view.
        view: &'static str,
        /// How long a query may take.
        limit: Duration,
    },
    /// Reading the event log failed.
    #[error("the event log cannot be read")]
    Log(#[from] store::StoreError),
    /// The view has not reached in time what the caller has seen.
    #[error("the {view} view has not reached what the token asks for")]
    Behind {
        /// The name of the view.
        view: &'static str,
        /// What was asked for, and what the view has reached.
        behind: Box<Behind>,
    },
    /// What the caller asks for cannot be asked: names the field and what is allowed.
    #[error("{field}: {message}")]
    InvalidQuery {
        /// The name of the parameter.
        field: &'static str,
        /// What is allowed.
        message: String,
    },
    /// The caller's consistency token is of another deployment, whose versions mean nothing here.
    #[error("Consistency-Token: another deployment has given it out")]
    ForeignToken,
    /// The view cannot take this data in, whatever is tried: an event that does not fit what it
    /// has, or that its store refuses. It is about one entity.
    #[error("the {view} view cannot take this in: {what}")]
    Refused {
        /// The name of the view.
        view: &'static str,
        /// What cannot be taken in, and why.
        what: String,
    },
    /// What the view has stored cannot be read or written any more. No retry helps, only another
    /// generation; the view's supervisor builds it as soon as it hears of this.
    #[error("the {view} view is damaged: {what}")]
    Damaged {
        /// The name of the view.
        view: &'static str,
        /// What is damaged, and how.
        what: String,
    },
    /// The view's code, or that of its store, has panicked: by a bug, or by damage that it did not
    /// expect. The supervisor has the generation examined.
    #[error("the {view} view has panicked: {what}")]
    Panicked {
        /// The name of the view.
        view: &'static str,
        /// What the panic says.
        what: String,
    },
    /// The view's store holds the views of another deployment. They are left alone.
    #[error("the {view} view is not written: {what}")]
    Foreign {
        /// The name of the view.
        view: &'static str,
        /// Whose it is.
        what: String,
    },
    /// More entities are in quarantine than bad data explains: the release or the store is wrong.
    #[error(
        "the {view} view has {limit} entities in quarantine and takes in no more events: {cause}"
    )]
    TooManyQuarantined {
        /// The name of the view.
        view: &'static str,
        /// How many a view takes in at most.
        limit: usize,
        /// What was wrong with the event that came on top.
        cause: String,
    },
    /// No generation of the view can answer yet: one is being built.
    #[error("the {view} view is not ready: a generation is being built")]
    NotReady {
        /// The name of the view.
        view: &'static str,
    },
    /// What is asked for does not fit how the view stands; nothing was changed.
    #[error("{what}")]
    Conflict {
        /// The name of the view.
        view: &'static str,
        /// What does not fit.
        what: String,
    },
    /// The key of a request has been used for another one; nothing was changed.
    #[error("the key has been used for another request about the {view} view")]
    KeyReused {
        /// The name of the view.
        view: &'static str,
    },
    /// The view has stopped, because the process is shutting down.
    #[error("the {view} view is closed")]
    Closed {
        /// The name of the view.
        view: &'static str,
    },
}

impl ViewError {
    /// What a store has belongs to another deployment.
    pub(crate) fn foreign(view: &'static str, found: Uuid, ours: Uuid) -> Self {
        let what = format!(
            "its store holds the views of deployment {found}, and this is deployment {ours}; give \
             each a database or namespace of its own, or delete what nobody needs there"
        );
        ViewError::Foreign { view, what }
    }

    /// A task of the view has not come to its end.
    pub(crate) fn of_task(view: &'static str, error: JoinError) -> Self {
        match error.try_into_panic() {
            Ok(panic) => ViewError::Panicked {
                view,
                what: text_of(&*panic),
            },
            // The runtime has ended.
            Err(_) => ViewError::Closed { view },
        }
    }

    /// Only the node that feeds the view can do what is asked for; which one that is may change.
    pub(crate) fn fed_elsewhere(view: &'static str) -> Self {
        let source = "another node feeds it, which alone can do that".into();
        ViewError::Unavailable { view, source }
    }

    /// Another node has saved another catalog since the one was read that was to be followed on.
    #[must_use]
    pub fn overtaken(view: &'static str) -> Self {
        let source = "another node has changed which generations there are".into();
        ViewError::Unavailable { view, source }
    }

    /// This node follows the view, and has not heard for a while which generation is meant.
    pub(crate) fn unsure(view: &'static str) -> Self {
        let source = "it is not known here which generation answers".into();
        ViewError::Unavailable { view, source }
    }

    /// Whether the same work may succeed later without any change.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            ViewError::Unavailable { .. }
                | ViewError::TimedOut { .. }
                | ViewError::Foreign { .. }
                | ViewError::Log(_)
                | ViewError::Behind { .. }
                | ViewError::NotReady { .. }
        )
    }
}

/// What a panic says.
pub(crate) fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a word").to_owned()
}
