//! When a commit begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};

/// At most this many units in one commit.
const LARGEST_COMMIT: usize = 2_048;
/// Nobody waits longer than this for others.
const AT_MOST: Duration = Duration::from_millis(10);

/// The sagas whose callers wait at this node.
#[derive(Debug, Clone, Default)]
pub struct InFlight(Arc<AtomicUsize>);

/// Counts as long as it lives.
#[derive(Debug)]
pub struct Counted(InFlight);

impl InFlight {
    /// Counts one saga, until what is given is dropped.
    #[must_use]
    pub fn count(&self) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Gathers what the next commit writes.
#[derive(Debug, Clone)]
pub struct Pace {
    /// What a commit takes its share of.
    pub in_flight: InFlight,
    /// The share, in percent, of the sagas in flight for which a commit waits.
    pub share: usize,
}

impl Pace {
    /// Takes what is there, as soon as there is something. Then waits for as many as are worth a
    /// commit, but not for long; a lone saga is one of one, and never waits. False when nothing
    /// will come any more.
    pub async fn gather<M>(&self, inbox: &mut UnboundedReceiver<M>, gathered: &mut Vec<M>) -> bool {
        if inbox.recv_many(gathered, LARGEST_COMMIT).await == 0 {
            return false;
        }

        let until = Instant::now() + AT_MOST;
        while gathered.len() < self.worth_a_commit() {
            let room = LARGEST_COMMIT - gathered.len();
            match timeout_at(until, inbox.recv_many(gathered, room)).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        true
    }

    fn worth_a_commit(&self) -> usize {
        let in_flight = self.in_flight.0.load(Ordering::Relaxed);
        (in_flight * self.share / 100).min(LARGEST_COMMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::unbounded_channel;

    #[tokio::test(flavor = "current_thread", start_paused = true)]
    async fn a_lone_saga_never_waits_and_one_among_many_not_for_long() {
        let pace = Pace {
            in_flight: InFlight::default(),
            share: 50,
        };
        let (send, mut inbox) = unbounded_channel();
        let mut gathered = Vec::new();

        let begun = Instant::now();
        let _own = pace.in_flight.count();
        send.send(1).unwrap();
        assert!(pace.gather(&mut inbox, &mut gathered).await);
        assert_eq!(begun.elapsed(), Duration::ZERO);

        let others: Vec<Counted> = (0..9).map(|_| pace.in_flight.count()).collect();
        gathered.clear();
        send.send(2).unwrap();
        assert!(pace.gather(&mut inbox, &mut gathered).await);
        assert_eq!(begun.elapsed(), AT_MOST);

        drop(others);
        gathered.clear();
        (3..6).for_each(|message| send.send(message).unwrap());
        drop(send);
        assert!(pace.gather(&mut inbox, &mut gathered).await);
        assert_eq!((gathered, begun.elapsed()), (vec![3, 4, 5], AT_MOST));
    }
}
