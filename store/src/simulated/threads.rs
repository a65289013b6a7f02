//! What takes the place of threads in a simulation: the work takes turns with all other.

use std::io;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::threads::{Threads, Work};

/// Runs work on the thread that starts it, which must be in a local set of tokio's.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoThreads;

impl Threads for NoThreads {
    fn spawn(&self, _name: String, work: Work) -> io::Result<()> {
        drop(tokio::task::spawn_local(work()));
        Ok(())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(duration).boxed()
    }
}
