//! Questions of other nodes to a tenure of a shard that has not begun here.
//!
//! What carries questions and what assigns shards do not wait for each other: a question that comes
//! early is kept until its tenure begins. One that comes too late, to a tenure that is over, is let
//! go of: the next owner tells whoever asked.

use std::collections::VecDeque;

use crate::entity::Entity;
use crate::error::CommandError;
use crate::request::Request;

/// At most this many are kept, the newest.
const KEPT: usize = 256;

/// The questions, oldest first.
pub(super) struct EarlyQuestions<E: Entity>(VecDeque<Request<E>>);

impl<E: Entity> EarlyQuestions<E> {
    pub(super) fn keep(&mut self, request: Request<E>) {
        self.0.retain(|kept| !kept.is_abandoned());
        self.0.push_back(request);
        if self.0.len() > KEPT
            && let Some(oldest) = self.0.pop_front()
            && let Some(oldest) = oldest.unless_before()
        {
            oldest.answer(Err(CommandError::Overloaded));
        }
    }

    /// Those to the tenure that begins.
    pub(super) fn take(&mut self, tenure: Option<u64>) -> impl Iterator<Item = Request<E>> {
        let (now, later) = std::mem::take(&mut self.0)
            .into_iter()
            .filter(|request| request.tenure() >= tenure)
            .partition(|request| request.tenure() == tenure);
        self.0 = later;
        VecDeque::into_iter(now)
    }
}

impl<E: Entity> Default for EarlyQuestions<E> {
    fn default() -> Self {
        EarlyQuestions(VecDeque::new())
    }
}
