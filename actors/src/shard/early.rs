//! Questions of other nodes that come to a shard before it is this node's.
//!
//! What carries questions and what assigns shards do not wait for each other. A question that comes
//! early is kept until its tenure begins; if none does, the shard is another node's, which answers.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::entity::Entity;
use crate::request::Request;
use crate::requests::ANSWERS_WITHIN;

/// At most this many are kept, the newest.
const KEPT: usize = 256;

/// The questions, oldest first.
pub(super) struct EarlyQuestions<E: Entity>(VecDeque<(Instant, Request<E>)>);

impl<E: Entity> EarlyQuestions<E> {
    pub(super) fn keep(&mut self, request: Request<E>) {
        self.forget_old();
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back((Instant::now(), request));
    }

    /// Those whose callers still wait.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Request<E>> {
        self.forget_old();
        self.0.drain(..).map(|(_, request)| request)
    }

    fn forget_old(&mut self) {
        let is_old = |(since, _): &(Instant, _)| since.elapsed() >= ANSWERS_WITHIN;
        while self.0.pop_front_if(|kept| is_old(kept)).is_some() {}
    }
}

impl<E: Entity> Default for EarlyQuestions<E> {
    fn default() -> Self {
        EarlyQuestions(VecDeque::new())
    }
}
