//! Which nodes there are, by what each tells all of itself now and then.
//!
//! What a node tells is its own business: here it is bytes. Nothing rests on it; it is shown to
//! people, and says whether what is sent arrives.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often a node tells of itself.
pub const TELLS_EVERY: Duration = Duration::from_secs(2);
/// One that has said nothing for so long is not there: as long as the session after which its
/// shards are given to others.
pub const SILENT_FOR: Duration = Duration::from_secs(6);
/// So long it is still known that there was one.
const REMEMBERED_FOR: Duration = Duration::from_secs(600);

/// What a node has heard of all nodes, itself included.
#[derive(Debug, Default)]
pub struct Roll(Mutex<BTreeMap<String, Heard>>);

/// What a node has told last.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Its name.
    pub node: String,
    /// What it told.
    pub note: Arc<[u8]>,
    at: Instant,
}

impl Heard {
    /// How long ago it was.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.at.elapsed()
    }

    /// Whether the node is still there, as far as anybody knows.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.age() < SILENT_FOR
    }
}

impl Roll {
    /// A node has told something; nothing when it leaves.
    pub fn heard(&self, node: &str, note: &[u8]) {
        let mut nodes = self.lock();
        forget(&mut nodes);
        if note.is_empty() {
            nodes.remove(node);
            return;
        }

        let heard = Heard {
            node: node.to_owned(),
            note: note.into(),
            at: Instant::now(),
        };
        nodes.insert(node.to_owned(), heard);
    }

    /// All nodes that are there or were not long ago, in the order of their names.
    #[must_use]
    pub fn nodes(&self) -> Vec<Heard> {
        let mut nodes = self.lock();
        forget(&mut nodes);
        nodes.values().cloned().collect()
    }

    /// Whether this node is there.
    #[must_use]
    pub fn has(&self, node: &str) -> bool {
        self.lock().get(node).is_some_and(Heard::is_present)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Heard>> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget(nodes: &mut BTreeMap<String, Heard>) {
    nodes.retain(|_, heard| heard.age() < REMEMBERED_FOR);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(roll: &Roll) -> Vec<String> {
        roll.nodes().into_iter().map(|heard| heard.node).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_falls_silent_is_not_there_and_is_forgotten_in_the_end() {
        let roll = Roll::default();
        roll.heard("b", b"1");
        roll.heard("a", b"1");

        tokio::time::sleep(SILENT_FOR - TELLS_EVERY).await;
        roll.heard("a", b"2");
        assert!(roll.has("a") && roll.has("b"));
        tokio::time::sleep(TELLS_EVERY).await;
        assert!(roll.has("a") && !roll.has("b"));
        assert_eq!(names(&roll), ["a", "b"]);
        assert_eq!(&*roll.nodes()[0].note, b"2");

        tokio::time::sleep(REMEMBERED_FOR - SILENT_FOR).await;
        assert_eq!(names(&roll), ["a"]);
    }

    #[tokio::test]
    async fn a_node_that_leaves_is_forgotten_at_once() {
        let roll = Roll::default();
        roll.heard("a", b"1");
        roll.heard("a", b"");
        assert!(names(&roll).is_empty() && !roll.has("a"));
    }
}
