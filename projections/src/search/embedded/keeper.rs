//! Makes an index durable, on a thread of the background: once a second while it changes, and at
//! the end.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::lazy_directory::LazyDirectory;
use crate::background;

/// How much time a crash takes from the index at most; its events are read from the log again.
const EVERY: Duration = Duration::from_secs(1);

/// Dropping it makes durable what there is, and ends the thread.
pub(super) struct Keeper {
    directory: LazyDirectory,
    failure: Arc<Mutex<Option<io::Error>>>,
    /// Taken out to end the thread.
    running: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Keeper {
    pub(super) fn start(directory: LazyDirectory) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let failure: Arc<Mutex<Option<io::Error>>> = Arc::default();
        let (kept, failed) = (directory.clone(), Arc::clone(&failure));

        let work = move || {
            let mut last = false;
            while !last {
                last = !matches!(stopped.recv_timeout(EVERY), Err(RecvTimeoutError::Timeout));
                if let Err(error) = kept.persist() {
                    tracing::warn!(error = %error, "the search index is not durable");
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
            }
        };
        let thread = background::spawn("view-search-keep".to_owned(), work)?;

        Ok(Keeper {
            directory,
            failure,
            running: Some((stop, thread)),
        })
    }

    /// Makes the index durable now.
    pub(super) fn persist(&self) -> io::Result<()> {
        self.directory.persist()
    }

    /// Why the index could not be made durable, if that has failed since the last time this was
    /// asked.
    pub(super) fn failure(&self) -> Option<io::Error> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            // It only panics when a lock of the index is lost; then there is nothing left to make
            // durable.
            let _ = thread.join();
        }
    }
}
