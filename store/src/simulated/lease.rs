//! A server that gives a lease to one of several simulated nodes at a time, as a database server
//! does by a lock that a session holds.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::lease::{Grants, Lease};

/// What the way there and back takes.
const ON_THE_WAY: Duration = Duration::from_millis(2);
/// A session that says nothing for this long is ended.
const SILENT: Duration = Duration::from_secs(8);
/// A node that was heard is sure for so long.
const SURE_FOR: Duration = Duration::from_secs(5);
/// How often the holder says that it is there.
const SAYS_EVERY: Duration = Duration::from_secs(1);
/// How often the others try.
const TRIES_EVERY: Duration = Duration::from_millis(500);
/// Whoever hears nothing for so long opens another session.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// What all nodes strive with.
#[derive(Clone, Debug, Default)]
pub struct LeaseServer(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    sessions: u64,
    /// The session that has the lock, and when it was heard last.
    holder: Option<(u64, Instant)>,
    cut_off: BTreeSet<String>,
}

/// A node's connection. It ends with the process, as a socket does.
struct Session {
    number: u64,
    node: String,
    server: LeaseServer,
}

impl LeaseServer {
    /// A lease for a node of this name, and the work of striving for it, which is to be done on the
    /// node's machine.
    pub fn strive(&self, node: &str) -> (impl Future<Output = ()> + Send + use<>, Lease) {
        let (grants, lease) = Lease::granted();
        let (server, node) = (self.clone(), node.to_owned());
        let strives = async move {
            loop {
                server.connect(&node).hold(&grants).await;
                grants.end();
                tokio::time::sleep(TRIES_EVERY).await;
            }
        };
        (strives, lease)
    }

    /// All sessions end.
    pub fn restart(&self) {
        self.lock().holder = None;
    }

    /// Keeps a node from the server, or lets it come again.
    pub fn cut_off(&self, node: &str, is_cut: bool) {
        let mut state = self.lock();
        match is_cut {
            true => state.cut_off.insert(node.to_owned()),
            false => state.cut_off.remove(node),
        };
    }

    fn connect(&self, node: &str) -> Session {
        let mut state = self.lock();
        state.sessions += 1;
        Session {
            number: state.sessions,
            node: node.to_owned(),
            server: self.clone(),
        }
    }

    // Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Waits for the lock and holds it, until the server is not heard, or has ended the session.
    async fn hold(&self, grants: &Grants) {
        loop {
            let asked_at = Instant::now();
            match self.ask(State::give).await {
                Some(true) => {
                    grants.until(asked_at + SURE_FOR);
                    break;
                }
                Some(false) => tokio::time::sleep(TRIES_EVERY).await,
                None => return,
            }
        }

        loop {
            tokio::time::sleep(SAYS_EVERY).await;
            let asked_at = Instant::now();
            match self.ask(State::hears).await {
                Some(true) => grants.until(asked_at + SURE_FOR),
                Some(false) | None => return,
            }
        }
    }

    /// What the server answers; nothing when it does not.
    async fn ask(&self, question: fn(&mut State, u64) -> bool) -> Option<bool> {
        tokio::time::sleep(ON_THE_WAY).await;
        let answer = {
            let mut state = self.server.lock();
            let is_cut = state.cut_off.contains(&self.node);
            (!is_cut).then(|| question(&mut state, self.number))
        };
        if answer.is_none() {
            tokio::time::sleep(ANSWERS_WITHIN).await;
        }
        answer
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut state = self.server.lock();
        // Of a node that is cut off the server hears nothing, not even this.
        if !state.cut_off.contains(&self.node) {
            state.holder.take_if(|(session, _)| *session == self.number);
        }
    }
}

impl State {
    /// A session asks for the lock; whether it has it now.
    fn give(&mut self, session: u64) -> bool {
        let is_silent = |(_, heard): &mut (u64, Instant)| heard.elapsed() >= SILENT;
        self.holder.take_if(is_silent);
        let (holder, _) = *self.holder.get_or_insert((session, Instant::now()));
        holder == session
    }

    /// A session says that it is there; whether it has not been ended.
    fn hears(&mut self, session: u64) -> bool {
        match &mut self.holder {
            Some((holder, heard)) if *holder == session && heard.elapsed() < SILENT => {
                *heard = Instant::now();
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nobody_gets_the_lease_while_another_node_is_sure_of_it() {
        let server = LeaseServer::default();
        let (strives, first) = server.strive("first");
        let strives = tokio::spawn(strives);
        first.clone().begins().await;
        let (second_strives, second) = server.strive("second");
        let second_strives = tokio::spawn(second_strives);

        server.cut_off("first", true);
        let mut moved = 0;
        for _ in 0..200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(!first.is_held() || !second.is_held());
            moved += u32::from(second.is_held());
        }
        assert!(moved > 0);

        server.cut_off("first", false);
        second_strives.abort();
        first.clone().begins().await;
        strives.abort();
    }
}
