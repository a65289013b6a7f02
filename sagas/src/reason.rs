//! Why a saga compensates: a name, that of a refusal or of a stop.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a saga compensates. The mechanism has some names of its own; a definition names its
/// refusals.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reason(Cow<'static, str>);

impl Reason {
    /// The deadline of the saga, or of its running step, has passed.
    pub const TIMED_OUT: Reason = Reason::named("TIMED_OUT");
    /// An operator has stopped it.
    pub const CANCELLED_BY_OPERATOR: Reason = Reason::named("CANCELLED_BY_OPERATOR");
    /// The saga that it is nested in has undone the step that began it.
    pub const UNDONE: Reason = Reason::named("UNDONE");

    /// The reason of this name.
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        Reason(Cow::Borrowed(name))
    }

    /// Its name, as stored and shown.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl From<String> for Reason {
    fn from(name: String) -> Self {
        Reason(Cow::Owned(name))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
