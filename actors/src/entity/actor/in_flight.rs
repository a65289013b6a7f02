//! Parts of an entity that the database does not show yet.

use std::collections::VecDeque;

use foldhash::{HashMap, HashMapExt};
use uuid::Uuid;

use crate::entity::Entity;

/// A part as the database had it when this turn began, or later.
#[derive(Debug)]
pub(crate) struct PartAsRead<E: Entity> {
    pub key: Uuid,
    pub stored: Option<E::Part>,
}

/// Parts changed by units that may not be durable yet. An entity that everybody asks has hundreds
/// of them, so that no decision goes through them all.
pub(super) struct InFlight<E: Entity> {
    /// As its newest unit leaves it, and the ticket of that unit.
    newest: HashMap<Uuid, (u64, Option<E::Part>)>,
    /// Every change, in the order of the tickets.
    changes: VecDeque<(u64, Uuid)>,
}

impl<E: Entity> InFlight<E> {
    pub(super) fn new() -> Self {
        InFlight {
            newest: HashMap::new(),
            changes: VecDeque::new(),
        }
    }

    /// The unit of this ticket leaves the part so.
    pub(super) fn changed(&mut self, ticket: u64, key: Uuid, part: Option<E::Part>) {
        debug_assert!(self.changes.back().is_none_or(|(last, _)| *last <= ticket));
        self.changes.push_back((ticket, key));
        self.newest.insert(key, (ticket, part));
    }

    /// A part after everything decided so far.
    pub(super) fn now(&self, part: PartAsRead<E>) -> Option<E::Part> {
        match self.newest.get(&part.key) {
            Some((_, newest)) => newest.clone(),
            None => part.stored,
        }
    }

    /// Forgets what units up to this ticket have changed: whatever was read shows it already.
    pub(super) fn is_shown_up_to(&mut self, durable: u64) {
        while let Some((_, key)) = self.changes.pop_front_if(|(ticket, _)| *ticket <= durable) {
            // A later unit may have changed it again.
            if self
                .newest
                .get(&key)
                .is_some_and(|(ticket, _)| *ticket <= durable)
            {
                self.newest.remove(&key);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }
}
