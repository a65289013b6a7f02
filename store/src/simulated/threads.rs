//! What takes the place of threads in a simulation: the work takes turns with all other.

use std::io;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use tokio::task::{AbortHandle, spawn_local};

use crate::threads::{BorrowedWork, Threads, Work};

/// Runs work on the thread that starts it, which must be in a local set of tokio's.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoThreads;

impl Threads for NoThreads {
    fn spawn(&self, _name: String, work: Work) -> io::Result<()> {
        drop(spawn_local(work()));
        Ok(())
    }

    fn spawn_in_background(&self, name: String, work: Work) -> io::Result<()> {
        self.spawn(name, work)
    }

    fn in_background<'a>(
        &'a self,
        _name: String,
        work: BorrowedWork<'a>,
    ) -> LocalBoxFuture<'a, io::Result<()>> {
        work().map(Ok).boxed_local()
    }

    fn start(&self, task: BoxFuture<'static, ()>) -> AbortHandle {
        spawn_local(task).abort_handle()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(duration).boxed()
    }
}
