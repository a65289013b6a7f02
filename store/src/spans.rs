//! What happens below a request, for whoever traces it: a commit, a message on its way, a saga, a
//! view. Nobody is told by default; then a span costs a look at whether anybody is.

use std::fmt;
use std::sync::OnceLock;

use sagas::Timestamp;
use uuid::Uuid;

/// Something that has taken a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What it was, of a bounded number of names.
    pub name: String,
    /// What it was part of: a saga, or the entity that a command was for. Whoever is told knows
    /// which request that came from.
    pub part_of: Uuid,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// What else is known of it.
    pub attributes: Vec<(&'static str, String)>,
}

/// Is told of spans, by threads that must not wait.
pub trait Spans: fmt::Debug + Send + Sync {
    /// One has ended.
    fn ended(&self, span: Span);
}

static TOLD: OnceLock<Box<dyn Spans>> = OnceLock::new();

/// Tells of all spans of this process from now on. The first to ask for it counts; false for any
/// other.
pub fn tell_to(spans: Box<dyn Spans>) -> bool {
    TOLD.set(spans).is_ok()
}

/// Whether anybody is told.
#[must_use]
pub fn are_told() -> bool {
    TOLD.get().is_some()
}

/// Tells of a span, which is only made when somebody is told.
pub fn tell(span: impl FnOnce() -> Span) {
    if let Some(told) = TOLD.get() {
        told.ended(span());
    }
}
