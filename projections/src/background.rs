//! Threads that yield to those that serve callers: what is merged or synced can wait.

use std::io;
use std::thread::{Builder, JoinHandle};

use store::threads::yield_to_others;

/// Starts a thread of the background. Threads that it starts itself are of the background too.
///
/// # Errors
/// When the system gives no thread.
pub fn spawn<T: Send + 'static>(
    name: String,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name).spawn(move || {
        yield_to_others();
        work()
    })
}
