//! Threads for work that blocks, or must not wait its turn among other work.
//!
//! A journal, and the projector of a view, have a thread each. Their work is a future, so that
//! whatever runs them may also be a single thread that runs everything else: a simulation.

use std::fmt;
use std::io;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::{self, Builder};
use std::time::Duration;

use futures_executor::block_on;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// Makes the future on the thread that it is to run on; it need not be able to leave it.
pub type Work = Box<dyn FnOnce() -> LocalBoxFuture<'static, ()> + Send>;

/// [`Work`] on what its caller has.
pub type BorrowedWork<'a> = Box<dyn FnOnce() -> LocalBoxFuture<'a, ()> + Send + 'a>;

/// How much less a background thread counts when cores are scarce: about a third of one that serves
/// commands.
const NICE: i32 = 5;

/// Gives work a thread of its own.
pub trait Threads: fmt::Debug + Send + Sync {
    /// Runs work on a thread of this name, to its end. It may block that.
    ///
    /// # Errors
    /// When the system gives no thread.
    fn spawn(&self, name: String, work: Work) -> io::Result<()>;

    /// The same on a thread that [yields](yield_to_others) to those that serve callers.
    ///
    /// # Errors
    /// When the system gives no thread.
    fn spawn_in_background(&self, name: String, work: Work) -> io::Result<()>;

    /// Does work on a thread that yields to those that serve callers, and waits for it. Only for
    /// work that has a thread of its own: it may block it.
    ///
    /// # Errors
    /// When the system gives no thread.
    ///
    /// # Panics
    /// When the work does.
    fn in_background<'a>(
        &'a self,
        name: String,
        work: BorrowedWork<'a>,
    ) -> LocalBoxFuture<'a, io::Result<()>>;

    /// Runs what never blocks, beside other such work. [`Task::start`] tells how it has ended.
    fn start(&self, task: BoxFuture<'static, ()>) -> AbortHandle;

    /// Rests for so long, to the microsecond. Only for work that has a thread of its own: it may
    /// block it.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// Has this thread yield to those that serve callers. Threads that it starts yield, too.
///
/// On a machine whose cores are all busy it would otherwise hold up commits of the journals, and of
/// the views that answer.
pub fn yield_to_others() {
    // On Linux this is the thread's alone. Where it is not allowed, the work is done all the same.
    let _ = rustix::process::nice(NICE);
}

/// Work that never blocks, and what comes of it. It goes on when nobody waits for it any more.
#[derive(Debug)]
pub struct Task<T> {
    outcome: oneshot::Receiver<T>,
    handle: AbortHandle,
}

/// A task has panicked, or was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the task has ended without an outcome")]
pub struct NoOutcome;

impl<T: Send + 'static> Task<T> {
    /// Starts it.
    pub fn start(threads: &dyn Threads, work: impl Future<Output = T> + Send + 'static) -> Self {
        let (sender, outcome) = oneshot::channel();
        let task = async move {
            // Nobody may wait for it.
            let _ = sender.send(work.await);
        };
        let handle = threads.start(task.boxed());
        Task { outcome, handle }
    }

    /// Ends it where it waits.
    pub fn abort(&self) {
        self.handle.abort();
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, NoOutcome>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = self.outcome.poll_unpin(context);
        outcome.map(|outcome| outcome.map_err(|_| NoOutcome))
    }
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

/// Does work on this thread, which waits by means of a runtime without being one of its own: the
/// work may block it by waiting for other futures of that runtime.
fn run<'a>(runtime: &Handle, work: impl FnOnce() -> LocalBoxFuture<'a, ()>) {
    let _inside = runtime.enter();
    block_on(work());
}

impl Threads for OwnThreads {
    fn spawn(&self, name: String, work: Work) -> io::Result<()> {
        let runtime = self.runtime.clone();
        let thread = Builder::new().name(name);
        thread.spawn(move || run(&runtime, work)).map(drop)
    }

    fn spawn_in_background(&self, name: String, work: Work) -> io::Result<()> {
        let work = || {
            yield_to_others();
            work()
        };
        self.spawn(name, Box::new(work))
    }

    fn in_background<'a>(
        &'a self,
        name: String,
        work: BorrowedWork<'a>,
    ) -> LocalBoxFuture<'a, io::Result<()>> {
        let does = move || {
            thread::scope(|scope| {
                let thread = Builder::new().name(name).spawn_scoped(scope, || {
                    yield_to_others();
                    run(&self.runtime, work);
                })?;
                thread.join().unwrap_or_else(|panic| resume_unwind(panic));
                Ok(())
            })
        };
        async { does() }.boxed_local()
    }

    fn start(&self, task: BoxFuture<'static, ()>) -> AbortHandle {
        self.runtime.spawn(task).abort_handle()
    }

    // The timers of the runtime count in milliseconds, and wait for its turn.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        async move { thread::sleep(duration) }.boxed()
    }
}
