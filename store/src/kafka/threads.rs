//! The threads of a node's clients: librdkafka calls back on whichever polls it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;

use super::KafkaError;

/// The threads of a node. They end when they are told to; each holds a sender until it has.
pub(super) struct Threads {
    pub(super) stop: Arc<AtomicBool>,
    running: Mutex<Option<Sender<()>>>,
    ended: Mutex<Option<Receiver<()>>>,
}

impl Threads {
    pub(super) fn new() -> Self {
        let (running, ended) = channel();
        Threads {
            stop: Arc::default(),
            running: Mutex::new(Some(running)),
            ended: Mutex::new(Some(ended)),
        }
    }

    /// Starts a thread, unless they have been stopped.
    pub(super) fn start(
        &self,
        name: &str,
        work: impl FnOnce(&AtomicBool) + Send + 'static,
    ) -> Result<(), KafkaError> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = running.clone() else {
            return Ok(());
        };

        let stop = Arc::clone(&self.stop);
        Builder::new().name(name.to_owned()).spawn(move || {
            work(&stop);
            drop(running);
        })?;
        Ok(())
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    /// What is closed when all have ended; for the first who asks.
    pub(super) fn take_ended(&self) -> Option<Receiver<()>> {
        self.ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads")
            .field("stop", &self.stop)
            .finish_non_exhaustive()
    }
}
