//! What a writer has of the orders: the documents to be written, and what it knows of those that
//! are stored.

use std::collections::{HashMap, HashSet};

use domain::OrderId;

use crate::OrderDocument;
use crate::search::fold::size_of;

/// The writer keeps at most this many documents, and this much text, between commits. When either
/// is reached, it commits early.
const MAX_PENDING: usize = 20_000;
const MAX_PENDING_BYTES: usize = 16 << 20;
/// Remembers at most this many stored documents, and this much text. When either is reached, it
/// forgets all: they can be read again.
const MAX_KNOWN: usize = 16_384;
const MAX_KNOWN_BYTES: usize = 16 << 20;

/// How often a document was put as a whole over what was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Puts {
    Counted(u32),
    /// Never: it begins with the order, and nobody has looked whether it is stored. The write finds
    /// out.
    Assumed,
    /// Once more than what is stored, which nobody has looked at.
    OnceMore,
}

impl Puts {
    /// As what it is written; `None` while that is not known.
    pub(super) fn stored(self) -> Option<u32> {
        match self {
            Puts::Counted(puts) => Some(puts),
            Puts::Assumed => Some(0),
            Puts::OnceMore => None,
        }
    }
}

/// A document that is not written yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) document: OrderDocument,
    pub(super) puts: Puts,
}

/// A document as it is stored.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) document: OrderDocument,
    pub(super) puts: u32,
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    pending: HashMap<OrderId, Pending>,
    pending_bytes: usize,
    /// Orders whose first event is near, and which nobody has looked for.
    beginning: HashSet<OrderId>,
    /// `None`: the order is not stored.
    known: HashMap<OrderId, Option<Known>>,
    known_bytes: usize,
}

impl Memory {
    pub(super) fn pending(&self) -> &HashMap<OrderId, Pending> {
        &self.pending
    }

    /// Whether a commit must come before anything else is changed.
    pub(super) fn is_full(&self) -> bool {
        self.pending.len() >= MAX_PENDING || self.pending_bytes >= MAX_PENDING_BYTES
    }

    /// Whether the memory knows the order, or knows that there is none.
    pub(super) fn has(&self, order: OrderId) -> bool {
        self.pending.contains_key(&order)
            || self.known.contains_key(&order)
            || self.beginning.contains(&order)
    }

    /// The order begins now: it is taken for one that is not stored.
    pub(super) fn begins(&mut self, order: OrderId) {
        if !self.has(order) {
            self.beginning.insert(order);
        }
    }

    /// How often what is stored of a new order was put.
    pub(super) fn puts_of_new(&self, order: OrderId) -> Puts {
        if self.beginning.contains(&order) {
            Puts::Assumed
        } else {
            Puts::Counted(0)
        }
    }

    /// The newest document of an order that the memory [has](Memory::has).
    pub(super) fn newest(&self, order: OrderId) -> Option<(&OrderDocument, Puts)> {
        if let Some(Pending { document, puts }) = self.pending.get(&order) {
            return Some((document, *puts));
        }
        let known = self.known.get(&order)?.as_ref()?;
        Some((&known.document, Puts::Counted(known.puts)))
    }

    /// The version applied; 0 when the order is unknown.
    pub(super) fn version_of(&self, order: OrderId) -> u64 {
        self.newest(order)
            .map_or(0, |(document, _)| document.version)
    }

    /// Takes in what is stored of an order.
    pub(super) fn learn(&mut self, order: OrderId, known: Option<Known>) {
        if self.known.len() >= MAX_KNOWN || self.known_bytes >= MAX_KNOWN_BYTES {
            self.known.clear();
            self.known_bytes = 0;
        }
        self.known_bytes += known.as_ref().map_or(0, |known| size_of(&known.document));
        if let Some(Some(before)) = self.known.insert(order, known) {
            self.known_bytes = self.known_bytes.saturating_sub(size_of(&before.document));
        }
    }

    /// Takes in a newer document of an order.
    pub(super) fn change(&mut self, document: OrderDocument, puts: Puts) {
        let order = document.order_id;
        self.beginning.remove(&order);
        self.pending_bytes += size_of(&document);
        if let Some(before) = self.pending.insert(order, Pending { document, puts }) {
            self.pending_bytes = self.pending_bytes.saturating_sub(size_of(&before.document));
        }
        if let Some(Some(before)) = self.known.remove(&order) {
            self.known_bytes = self.known_bytes.saturating_sub(size_of(&before.document));
        }
    }

    /// Takes in a document that is put over whatever there is.
    pub(super) fn put(&mut self, document: OrderDocument) {
        let order = document.order_id;
        let puts = match (self.newest(order), self.known.get(&order)) {
            (Some((_, Puts::Counted(puts))), _) => Puts::Counted(puts.saturating_add(1)),
            (None, Some(None)) => Puts::Counted(0),
            _ => Puts::OnceMore,
        };
        self.change(document, puts);
    }

    /// An order was written, and something was there that kept it out: takes in what is stored, and
    /// tells whether the order is to be written again over that.
    pub(super) fn stored_is_older(&mut self, order: OrderId, stored: Known) -> bool {
        let Some(pending) = self.pending.get_mut(&order) else {
            return false;
        };

        if pending.document.version > stored.document.version {
            pending.puts = Puts::Counted(stored.puts);
            return true;
        }

        if let Some(pending) = self.pending.remove(&order) {
            self.pending_bytes = self
                .pending_bytes
                .saturating_sub(size_of(&pending.document));
        }

        self.learn(order, Some(stored));

        false
    }

    /// The orders that are put over something nobody has looked at.
    pub(super) fn uncounted(&self) -> Vec<OrderId> {
        let uncounted = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.puts == Puts::OnceMore);
        uncounted.map(|(order, _)| *order).collect()
    }

    /// Takes in how often what is stored of such an order was put; `None` when nothing is.
    pub(super) fn count(&mut self, order: OrderId, stored: Option<u32>) {
        if let Some(pending) = self.pending.get_mut(&order) {
            pending.puts = Puts::Counted(stored.map_or(0, |puts| puts.saturating_add(1)));
        }
    }

    /// After a commit: keeps the documents on whose orders a saga is at work, since their next
    /// event is near.
    pub(super) fn committed(&mut self) {
        self.pending_bytes = 0;
        // Those that have not come yet may come; they need not.
        if self.beginning.len() > MAX_KNOWN {
            self.beginning.clear();
        }
        for (order, Pending { document, puts }) in std::mem::take(&mut self.pending) {
            let puts = puts.stored();
            if let (Some(_), Some(puts)) = (document.state.lock(), puts) {
                self.learn(order, Some(Known { document, puts }));
            }
        }
    }
}
