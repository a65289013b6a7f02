//! The documents that a writer has in memory: those that are not committed yet, and those whose
//! next event is near. Every other order's newest document is in the index, by id.

use std::collections::HashMap;

use domain::OrderId;

use crate::OrderDocument;
use crate::search::fold::size_of;

/// The writer keeps at most this many documents, and this much text, between commits. When either
/// is reached, it commits early.
const MAX_PENDING: usize = 20_000;
const MAX_PENDING_BYTES: usize = 16 << 20;
/// Keeps at most this many committed documents for their next event.
const MAX_LOCKED: usize = 4_096;

/// A document that is not committed yet.
pub(super) struct Pending {
    /// As the newest event has left it.
    pub document: OrderDocument,
    /// The version of it that is committed.
    pub replaces: Option<u64>,
}

#[derive(Default)]
pub(super) struct Buffer {
    pending: HashMap<OrderId, Pending>,
    pending_bytes: usize,
    /// Documents as committed, of orders on which a saga was at work then.
    locked: HashMap<OrderId, OrderDocument>,
}

impl Buffer {
    /// The newest document of an order, if it is here.
    pub(super) fn get(&self, order: OrderId) -> Option<&OrderDocument> {
        let pending = self.pending.get(&order).map(|pending| &pending.document);
        pending.or_else(|| self.locked.get(&order))
    }

    /// Takes the newest document of an order out, if it is here.
    pub(super) fn take(&mut self, order: OrderId) -> Option<Pending> {
        if let Some(pending) = self.pending.remove(&order) {
            let bytes = size_of(&pending.document);
            self.pending_bytes = self.pending_bytes.saturating_sub(bytes);
            return Some(pending);
        }

        let document = self.locked.remove(&order)?;
        let replaces = Some(document.version);
        Some(Pending { document, replaces })
    }

    /// Keeps an order's newest document until the next commit.
    pub(super) fn keep(&mut self, document: OrderDocument, replaces: Option<u64>) {
        self.pending_bytes += size_of(&document);
        self.pending
            .insert(document.order_id, Pending { document, replaces });
    }

    /// Whether there is no room for one more document.
    pub(super) fn is_full(&self) -> bool {
        self.pending.len() >= MAX_PENDING || self.pending_bytes >= MAX_PENDING_BYTES
    }

    /// What the next commit has to write.
    pub(super) fn pending(&self) -> &HashMap<OrderId, Pending> {
        &self.pending
    }

    /// All of it is committed: keeps the documents that will change soon.
    pub(super) fn committed(&mut self) {
        let committed = self.pending.drain();
        let committed = committed.map(|(order, pending)| (order, pending.document));
        let locked = committed.filter(|(_, document)| document.state.lock().is_some());
        self.locked.extend(locked.take(MAX_LOCKED));
        self.pending_bytes = 0;

        let excess = self.locked.len().saturating_sub(MAX_LOCKED);
        if excess > 0 {
            // Whichever: any can be read from the index.
            let out: Vec<OrderId> = self.locked.keys().take(excess).copied().collect();
            out.iter().for_each(|order| drop(self.locked.remove(order)));
        }
    }

    /// Drops what is not committed.
    pub(super) fn drop_uncommitted(&mut self) {
        self.pending.clear();
        self.pending_bytes = 0;
    }
}
