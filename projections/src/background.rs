//! Threads that yield to those that serve callers: what is built from the history, copied, merged
//! or synced can wait.
//!
//! On a machine whose cores are all busy it would otherwise hold up commits of the journals, and of
//! the views that answer.

use std::io;
use std::panic::resume_unwind;
use std::thread::{self, Builder, JoinHandle};

/// How much less a background thread counts when cores are scarce: about a third of one that serves
/// commands.
const NICE: i32 = 5;

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

/// Does some work on a thread of the background, and waits for it.
///
/// # Errors
/// When the system gives no thread.
///
/// # Panics
/// When the work does.
pub fn run<T: Send>(name: String, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = Builder::new().name(name).spawn_scoped(scope, || {
            yield_to_others();
            work()
        })?;
        Ok(thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

fn yield_to_others() {
    // On Linux this is the thread's alone. Where it is not allowed, the work is done all the same.
    let _ = rustix::process::nice(NICE);
}
