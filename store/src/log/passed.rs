//! Events that a listener has no use for. They are not handed over: it is only noted how far they
//! go, so that their listener's position passes over them without a turn for each.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sagas::ShardId;

use super::Message;

/// Whether a listener goes on with an event. Asked by whoever publishes, so it must be quick.
pub type Wants = fn(&Message) -> bool;

/// Remembers at most this many pieces of a source. A listener that has fallen behind that far finds
/// a gap, and reads the outbox.
const PIECES: usize = 256;

/// The events of each source that were not handed over to one listener.
#[derive(Debug, Default)]
pub struct PassedOver(Mutex<BTreeMap<ShardId, VecDeque<Piece>>>);

/// Events without a gap between them.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// The sequence of the event before them.
    from: u64,
    /// Of the last one.
    to: u64,
}

impl PassedOver {
    /// Notes an event that is not handed over.
    pub(super) fn note(&self, event: &Message) {
        let mut sources = self.lock();
        let pieces = sources.entry(event.source).or_default();

        match pieces.back_mut() {
            Some(last) if last.to == event.previous => last.to = event.sequence,
            _ => {
                if pieces.len() == PIECES {
                    pieces.pop_front();
                }
                pieces.push_back(Piece {
                    from: event.previous,
                    to: event.sequence,
                });
            }
        }
    }

    /// How far a listener is that has come to this position, when it passes over what it has no use
    /// for. What lies behind an event that is still to come stays noted.
    #[must_use]
    pub fn after(&self, source: ShardId, mut position: u64) -> u64 {
        let mut sources = self.lock();
        let Some(pieces) = sources.get_mut(&source) else {
            return position;
        };

        while let Some(piece) = pieces.front().filter(|piece| piece.from <= position) {
            position = position.max(piece.to);
            pieces.pop_front();
        }

        position
    }

    // Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ShardId, VecDeque<Piece>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a listener wants an event. One over which its handler panics is wanted: the listener
/// knows what to do about that, and whoever publishes does not.
pub(super) fn is_wanted(wants: Wants, event: &Message) -> bool {
    catch_unwind(AssertUnwindSafe(|| wants(event))).unwrap_or(true)
}
