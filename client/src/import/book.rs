//! The references of an import: which customer an order belongs to, what the node called it, and in
//! which state it was left.
//!
//! It is the only part that grows with the file, so an entry is small and of fixed size: a digest
//! instead of the reference and one of the line, the node's id as 16 bytes. It decides what a line
//! may refer to, and sends nothing.

mod resolving;

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::hash::{DefaultHasher, Hash, Hasher};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::line::Entry;

/// A customer of this import, by the order of appearance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CustomerIndex(pub usize);

/// 16 bytes of SHA-256 of a reference: two references that share them do not occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RefKey([u8; 16]);

impl RefKey {
    fn of(reference: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(reference.as_bytes()).into();
        let mut key = [0; 16];
        key.copy_from_slice(digest.split_at(16).0);
        Self(key)
    }
}

/// The states an order can be seen in.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderState {
    Pending,
    Approved,
    Rejected,
    CancelPending,
    Cancelled,
    Shipped,
}

/// An order the node has made.
#[derive(Debug, Clone, Copy)]
pub struct Placed {
    /// The node's name for it.
    pub id: Uuid,
    /// The state in which it was seen last.
    pub state: OrderState,
}

/// What is to be done with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// It goes behind the other lines of this customer.
    To(CustomerIndex),
    /// The same line stands above, and its reference is its key: it changes nothing more.
    Repeated,
}

/// A digest of all that a line says, to tell a repeated one from another under its reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Content(u64);

impl Content {
    fn of(entry: &Entry) -> Self {
        let mut hasher = DefaultHasher::new();
        entry.hash(&mut hasher);
        Self(hasher.finish())
    }
}

#[derive(Debug)]
struct CustomerSlot {
    index: CustomerIndex,
    content: Content,
}

#[derive(Debug)]
struct OrderSlot {
    customer: CustomerIndex,
    content: Content,
    placed: Option<Placed>,
}

/// All customers and orders that the file has named so far.
#[derive(Debug, Default)]
pub struct Book {
    customers: HashMap<RefKey, CustomerSlot>,
    customer_ids: Vec<Option<Uuid>>,
    orders: HashMap<RefKey, OrderSlot>,
}

impl Book {
    /// Takes a line in: registers what it names and tells whose queue it belongs to, or why it
    /// cannot be played.
    pub fn admit(&mut self, entry: &Entry) -> Result<Admitted, String> {
        match entry {
            Entry::Customer { reference, .. } => self.admit_customer(reference, Content::of(entry)),
            Entry::Order {
                reference,
                customer,
                ..
            } => self.admit_order(reference, customer, Content::of(entry)),
            // The node takes one that comes again as done.
            Entry::Cancel { order } | Entry::Ship { order } => self
                .orders
                .get(&RefKey::of(order))
                .map(|slot| Admitted::To(slot.customer))
                .ok_or_else(|| format!("order {order:?} is not known above this line")),
        }
    }

    fn admit_customer(&mut self, reference: &str, content: Content) -> Result<Admitted, String> {
        match self.customers.entry(RefKey::of(reference)) {
            MapEntry::Occupied(slot) if slot.get().content == content => Ok(Admitted::Repeated),
            MapEntry::Occupied(_) => Err(format!(
                "ref {reference:?} is already used by another customer"
            )),
            MapEntry::Vacant(vacant) => {
                let index = CustomerIndex(self.customer_ids.len());
                self.customer_ids.push(None);
                vacant.insert(CustomerSlot { index, content });
                Ok(Admitted::To(index))
            }
        }
    }

    fn admit_order(
        &mut self,
        reference: &str,
        customer: &str,
        content: Content,
    ) -> Result<Admitted, String> {
        let Some(customer) = self.customers.get(&RefKey::of(customer)) else {
            return Err(format!(
                "customer {customer:?} is not known above this line"
            ));
        };

        match self.orders.entry(RefKey::of(reference)) {
            MapEntry::Occupied(slot) if slot.get().content == content => Ok(Admitted::Repeated),
            MapEntry::Occupied(_) => Err(format!(
                "ref {reference:?} is already used by another order"
            )),
            MapEntry::Vacant(vacant) => {
                vacant.insert(OrderSlot {
                    customer: customer.index,
                    content,
                    placed: None,
                });
                Ok(Admitted::To(customer.index))
            }
        }
    }

    /// The node's id of a customer, once it has one.
    pub fn customer_id(&self, customer: CustomerIndex) -> Option<Uuid> {
        self.customer_ids.get(customer.0).copied().flatten()
    }

    /// Notes the node's id of a customer.
    pub fn customer_opened(&mut self, customer: CustomerIndex, id: Uuid) {
        if let Some(slot) = self.customer_ids.get_mut(customer.0) {
            *slot = Some(id);
        }
    }

    /// An order as it was last seen, once the node has it.
    pub fn order(&self, reference: &str) -> Option<Placed> {
        self.orders
            .get(&RefKey::of(reference))
            .and_then(|slot| slot.placed)
    }

    /// Notes the new state of an order and gives the one before, if there was one.
    pub fn order_is(&mut self, reference: &str, now: Placed) -> Option<OrderState> {
        let slot = self.orders.get_mut(&RefKey::of(reference))?;
        slot.placed.replace(now).map(|before| before.state)
    }
}

#[cfg(test)]
mod tests;
