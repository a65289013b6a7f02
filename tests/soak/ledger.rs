//! What the callers of a store have done, over all rounds on it, and what they were told.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tests::{Answers, Told};
use uuid::Uuid;

/// One act of a caller.
#[derive(Clone, Debug)]
pub struct Entry {
    pub kind: Kind,
    /// The order or customer it is about, or has made as far as its caller was told.
    pub entity: Option<Uuid>,
    /// How often nobody knows whether it has happened.
    pub open: u64,
    /// Whether it was accepted once.
    pub accepted: bool,
}

/// What an act is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Customer,
    Order,
    Nonsense,
    Cancel,
    Ship,
    StopSaga,
}

/// An answer about an order.
#[derive(Clone, Debug)]
pub struct Shown {
    pub order: Uuid,
    /// Of a customer that exists.
    pub customer: Option<Uuid>,
    pub version: u64,
    pub state: String,
    /// Names its customer, too.
    pub token: String,
    /// The word by which a search finds it.
    pub note: String,
}

/// All of it.
#[derive(Default)]
pub struct Ledger {
    /// Oldest first, with the token of the answer that told of each.
    pub customers: Vec<(Uuid, String)>,
    pub entries: Vec<Entry>,
    pub answers: Answers,
    /// The newest answer is the last.
    pub shown: Vec<Shown>,
    /// The newest saga of each order.
    pub sagas: BTreeMap<Uuid, Uuid>,
}

impl Ledger {
    /// Notes that an act begins, on an entity or to make one; its number in this ledger.
    pub fn begin(&mut self, kind: Kind, entity: Option<Uuid>) -> usize {
        self.entries.push(Entry {
            kind,
            entity,
            open: 0,
            accepted: false,
        });
        self.entries.len() - 1
    }

    /// Notes that nobody knows whether it has happened.
    pub fn nobody_knows(&mut self, number: usize) {
        self.entries[number].open += 1;
    }

    /// Notes that it has happened to this entity; tells if it was another one before.
    pub fn accept(&mut self, number: usize, entity: Uuid, version: u64) -> Option<String> {
        let entry = &mut self.entries[number];
        entry.accepted = true;
        let before = entry.entity.replace(entity);

        // Whether an answer is a repeat cannot be told from outside.
        let told = Told {
            entity,
            version,
            repeated: false,
        };
        self.answers.note(number, told);
        let other = before.filter(|before| *before != entity);
        other.map(|other| format!("act {number} is of {entity}, and was of {other}"))
    }

    /// The orders that were confirmed, and how many more there may be: of callers who were not
    /// answered.
    pub fn orders(&self) -> (BTreeSet<Uuid>, u64) {
        let made = || {
            self.entries
                .iter()
                .filter(|entry| entry.kind == Kind::Order)
        };
        let known = made().filter_map(|entry| entry.entity);
        let unknown = made().filter(|entry| entry.entity.is_none());
        (known.collect(), unknown.map(|entry| entry.open).sum())
    }

    /// The token by which a customer is seen.
    pub fn token_of(&self, customer: Uuid) -> Option<&str> {
        let mut customers = self.customers.iter();
        let found = customers.find(|(id, _)| *id == customer);
        found.map(|(_, token)| token.as_str())
    }

    /// Whether an act of this kind on the entity was accepted, or may have been.
    pub fn may_have(&self, kind: Kind, entity: Uuid) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| {
            let is_it = entry.kind == kind && entry.entity == Some(entity);
            is_it && (entry.accepted || entry.open > 0)
        })
    }
}

/// An id of a JSON answer.
pub fn id(value: &Value) -> Option<Uuid> {
    value.as_str()?.parse().ok()
}

/// The version that an answer tells of each entity of a list.
pub fn versions(items: &[Value], name: &str) -> BTreeMap<Uuid, u64> {
    let items = items.iter();
    items
        .filter_map(|item| Some((id(&item[name])?, item["version"].as_u64()?)))
        .collect()
}
