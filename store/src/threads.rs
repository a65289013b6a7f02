//! Threads for work that blocks, or must not wait its turn among other work.
//!
//! A journal, and the projector of a view, have a thread each. Their work is a future, so that
//! whatever runs them may also be a single thread that runs everything else: a simulation.

use std::fmt;
use std::io;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use tokio::runtime::Handle;

/// Makes the future on the thread that it is to run on; it need not be able to leave it.
pub type Work = Box<dyn FnOnce() -> LocalBoxFuture<'static, ()> + Send>;

/// Gives work a thread of its own.
pub trait Threads: fmt::Debug + Send + Sync {
    /// Runs work on a thread of this name, to its end.
    ///
    /// # Errors
    /// When the system gives no thread.
    fn spawn(&self, name: String, work: Work) -> io::Result<()>;

    /// Rests for so long, to the microsecond. Only for work that has a thread of its own: it may
    /// block it.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// Threads of the operating system.
#[derive(Clone, Debug)]
pub struct OwnThreads {
    runtime: Handle,
}

impl OwnThreads {
    /// Threads whose work waits by means of the runtime that runs here.
    ///
    /// # Panics
    /// When none does.
    #[must_use]
    pub fn here() -> Self {
        OwnThreads {
            runtime: Handle::current(),
        }
    }
}

impl Threads for OwnThreads {
    fn spawn(&self, name: String, work: Work) -> io::Result<()> {
        let runtime = self.runtime.clone();
        std::thread::Builder::new()
            .name(name)
            .spawn(move || runtime.block_on(work()))
            .map(drop)
    }

    // The timers of the runtime count in milliseconds, and wait for its turn.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        async move { std::thread::sleep(duration) }.boxed()
    }
}
