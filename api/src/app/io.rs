//! The runtime of the views' supervisors, projectors and connections.
//!
//! HTTP workers and shards have runtimes of one thread each, and a socket belongs to the runtime
//! that opened it; so everything that speaks to other servers runs on one runtime of several
//! threads, where a slow store does not hold up HTTP or shards.

use tokio::runtime::{Builder, Handle, Runtime};

/// Few: they wait, mostly.
const THREADS: usize = 2;

/// A runtime that ends without waiting when it is dropped: a plain one must not be dropped inside
/// another runtime.
pub(super) struct IoRuntime {
    handle: Handle,
    /// Taken when it ends.
    runtime: Option<Runtime>,
}

impl IoRuntime {
    /// # Errors
    /// When the system gives no threads.
    pub(super) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("io")
            .enable_all()
            .build()?;
        Ok(IoRuntime {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for IoRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
