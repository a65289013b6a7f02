//! How to tell a node to end: `SIGTERM` or `SIGINT` changes one value that all parts watch.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How far a node is on its way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It runs.
    Running,
    /// It was asked to end, and hands its shards over: it answers as before, but says that it is
    /// not ready, and keeps no connection.
    Leaving,
    /// It takes no requests any more, and ends those under way.
    Ending,
}

/// The phase of this node.
pub type Shutdown = watch::Receiver<Phase>;

/// Ends the node.
#[derive(Clone, Debug)]
pub struct Ending(Arc<watch::Sender<Phase>>);

impl Ending {
    /// No requests are to be taken any more. Saying it again changes nothing and does not cut the
    /// drain short.
    pub fn request(&self) {
        self.reach(Phase::Ending);
    }

    fn reach(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let is_news = *now < phase;
            *now = phase.max(*now);
            is_news
        });
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
    let (sender, receiver) = watch::channel(Phase::Running);
    let ending = Ending(Arc::new(sender));

    let told = ending.clone();
    actix_rt::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "asked to end; draining");
        told.reach(Phase::Leaving);
        // Kept, so that whoever asks later still sees the value and not a closed channel.
        told.0.closed().await;
    });

    Ok((ending, receiver))
}

/// Waits until the node is asked to end. A sender that is gone means the same.
pub async fn asked(shutdown: Shutdown) {
    reaches(shutdown, Phase::Leaving).await;
}

/// Waits until the node takes no requests any more. A sender that is gone means the same.
pub async fn requested(shutdown: Shutdown) {
    reaches(shutdown, Phase::Ending).await;
}

async fn reaches(mut shutdown: Shutdown, phase: Phase) {
    // The only error is that the sender is gone.
    let _ = shutdown.wait_for(|now| *now >= phase).await;
}
