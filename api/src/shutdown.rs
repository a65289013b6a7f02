//! How a node is asked to end: `SIGTERM` or `SIGINT`, told to all parts by one watched value.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Becomes true when the node shall end.
pub type Shutdown = watch::Receiver<bool>;

/// Listens for the signals that end a process in order. Called inside the runtime; the first signal
/// sets the value, and later ones change nothing, so that the drain is not cut short.
///
/// # Errors
/// When the signals cannot be listened for.
pub fn on_signals() -> io::Result<Shutdown> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = watch::channel(false);

    actix_rt::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "asked to end; draining");
        sender.send_replace(true);
        // Kept, so that whoever asks later still sees the value and not a closed channel.
        sender.closed().await;
    });

    Ok(receiver)
}

/// Waits until the node shall end. A sender that is gone means the same.
pub async fn requested(mut shutdown: Shutdown) {
    // The only error is that the sender is gone.
    let _ = shutdown.wait_for(|ending| *ending).await;
}
