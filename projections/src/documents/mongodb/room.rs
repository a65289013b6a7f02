//! How many more orders customers' documents may take in before they are cut down to the newest
//! again. Cutting makes the server go through all of a document's orders, which costs it more than
//! the rest of the statement; so it is done once for many orders.

use std::collections::HashMap;

use domain::CustomerId;

/// How many orders of a customer are shown: the newest.
pub(super) const SHOWN: usize = 100;
/// How many more orders a document may hold.
pub(super) const SPARE: usize = 25;
/// Remembers at most this many customers: some 4 MiB.
const MAX_CUSTOMERS: usize = 65_536;

/// What one writer knows of it.
#[derive(Debug, Default)]
pub(super) struct Room(HashMap<CustomerId, usize>);

impl Room {
    /// Takes room for some more orders. False when there is not enough, or not known to be: then
    /// the document must be cut down to the orders shown by the same statement.
    pub(super) fn take(&mut self, customer: CustomerId, orders: usize) -> bool {
        if let Some(left) = self.0.get_mut(&customer).filter(|left| **left >= orders) {
            *left -= orders;
            return true;
        }
        if self.0.len() >= MAX_CUSTOMERS {
            self.0.clear();
        }
        self.0.insert(customer, SPARE);
        false
    }

    /// What a document holds is not known any more.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn there_is_room_only_after_a_cut_and_never_for_more_than_is_spare() {
        let mut room = Room::default();
        let [one, other] = [1, 2].map(|number| CustomerId(Uuid::from_u128(number)));
        assert!(!room.take(one, 1));
        assert!(room.take(one, SPARE - 1));
        assert!(!room.take(one, 2));
        assert!(room.take(one, SPARE));
        assert!(!room.take(other, 1));
        assert!(!room.take(other, SPARE + 1));
        room.forget();
        assert!(!room.take(one, 1));
    }
}
