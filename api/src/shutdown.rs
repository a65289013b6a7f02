//! How to tell a node to end: `SIGTERM` or `SIGINT` sets one value that all parts watch.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Becomes true when the node must end.
pub type Shutdown = watch::Receiver<bool>;

/// Asks the node to end, as a signal does.
#[derive(Clone, Debug)]
pub struct Ending(Arc<watch::Sender<bool>>);

impl Ending {
    /// Asks; asking again changes nothing and does not cut the drain short.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}

/// Listens for the signals that end a process in order. Called inside the runtime; the first signal
/// sets the value.
///
/// # Errors
/// When the process cannot listen for the signals.
pub fn on_signals() -> io::Result<(Ending, Shutdown)> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = watch::channel(false);
    let ending = Ending(Arc::new(sender));

    let told = ending.clone();
    actix_rt::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "asked to end; draining");
        told.request();
        // Kept, so that whoever asks later still sees the value and not a closed channel.
        told.0.closed().await;
    });

    Ok((ending, receiver))
}

/// Waits until the node must end. A sender that is gone means the same.
pub async fn requested(mut shutdown: Shutdown) {
    // The only error is that the sender is gone.
    let _ = shutdown.wait_for(|ending| *ending).await;
}
