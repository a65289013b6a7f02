//! How many files, sockets included, this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As many as the process may have open once it has [raised](raise_limit) its limit.
#[must_use]
pub fn most_open() -> usize {
    let limit = getrlimit(Resource::Nofile);
    limit
        .maximum
        .and_then(|most| usize::try_from(most).ok())
        .unwrap_or(usize::MAX)
}

/// Raises the limit as far as the system lets it: shells set a low one for programs that cannot
/// cope with more. Where that is refused, the limit stays as it is.
pub fn raise_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };

    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(error = %error, "the limit on open files stays as it is");
    }
}
