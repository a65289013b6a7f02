//! Threads that yield to commands: views may be a moment behind, a caller's commit may not.
//!
//! On a machine whose cores are all busy, the commit of an index would otherwise hold up commits of the journals.

use std::io;
use std::thread::{Builder, JoinHandle};

/// How much less a background thread counts when cores are scarce: about a third of one that serves commands.
const NICE: i32 = 5;

/// Starts a thread of the background. Threads that it starts itself are of the background too.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn spawn<T: Send + 'static>(
    name: String,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name).spawn(move || {
        // On Linux this is the thread's alone. Where it is not allowed, the work is done all the same.
        let _ = rustix::process::nice(NICE);
        work()
    })
}
