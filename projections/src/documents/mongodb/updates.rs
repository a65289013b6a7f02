//! The statements of a commit, each guarded by the versions of what it writes.

use std::collections::BTreeMap;

use domain::{CustomerId, Order};
use mongodb::bson::raw::{CString, cstr};
use mongodb::bson::{RawArrayBuf, RawBson, RawDocumentBuf, rawdoc, serialize_to_raw_document_buf};
use serde::Serialize;

use super::room::{Room, SHOWN};
use super::shapes::{CustomerChanges, CustomerFields, StoredOrder, StoredPart, stored_version};
use crate::ViewError;
use crate::documents::fold::{Change, CustomerState, Fold, OrderState};
use crate::documents::refused;

/// The statements about orders.
#[derive(Default)]
pub(super) struct OrderWrites {
    /// Whole documents that are new, most likely.
    pub inserts: Vec<RawDocumentBuf>,
    /// Changes of documents that are there, and whole ones that take their place.
    pub updates: Vec<RawDocumentBuf>,
}

impl OrderWrites {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.inserts.is_empty() && self.updates.is_empty()
    }
}

pub(super) fn orders(orders: &Fold<OrderState>) -> Result<OrderWrites, ViewError> {
    let mut writes = OrderWrites::default();

    for Change {
        state: OrderState { order, details },
        replaces,
    } in orders.changed()
    {
        match details {
            Some(details) => {
                let document = raw(&StoredOrder::new(order, details)?)?;
                if replaces {
                    let id = order.id.to_string();
                    writes
                        .updates
                        .push(rawdoc! {"q": {"_id": id}, "u": document, "upsert": true});
                } else {
                    writes.inserts.push(document);
                }
            }
            None => writes.updates.push(order_changes(order)?),
        }
    }

    Ok(writes)
}

/// What an order's later events change, in an older document.
fn order_changes(order: &Order) -> Result<RawDocumentBuf, ViewError> {
    let version = stored_version(order.version)?;
    let mut changes = rawdoc! {"state": order.state.name(), "version": version};
    if let Some(reason) = order.rejection_reason {
        changes.append(cstr!("rejectionReason"), reason.name());
    }
    if let Some(name) = &order.customer_name {
        changes.append(cstr!("customerName"), name.as_str());
    }
    Ok(
        rawdoc! {"q": {"_id": order.id.to_string(), "version": {"$lt": version}}, "u": {"$set": changes}},
    )
}

/// Puts a whole document in the place of an older one.
pub(super) fn replace_older(document: &RawDocumentBuf) -> Result<RawDocumentBuf, ViewError> {
    let id = document.get_str("_id").map_err(refused)?;
    let version = document.get_i64("version").map_err(refused)?;
    Ok(rawdoc! {"q": {"_id": id, "version": {"$lt": version}}, "u": document.clone()})
}

/// What becomes of one customer's document: its own part and the orders in it.
#[derive(Default)]
struct CustomerUpdate<'a> {
    customer: Option<Change<'a, CustomerState>>,
    orders: Vec<(&'a Order, bool)>,
}

/// One statement for each customer that has changed or has orders that have.
pub(super) fn customers(
    customers: &Fold<CustomerState>,
    orders: &Fold<OrderState>,
    room: &mut Room,
) -> Result<Vec<RawDocumentBuf>, ViewError> {
    let mut updates: BTreeMap<CustomerId, CustomerUpdate<'_>> = BTreeMap::new();

    for change in customers.changed() {
        let id = change.state.customer.id;
        updates.entry(id).or_default().customer = Some(change);
    }

    for Change {
        state: OrderState { order, .. },
        replaces,
    } in orders.changed()
    {
        updates
            .entry(order.customer_id)
            .or_default()
            .orders
            .push((order, replaces));
    }

    updates
        .into_iter()
        .map(|(id, update)| update.statement(id, room))
        .collect()
}

impl CustomerUpdate<'_> {
    /// A pipeline, whose expressions see the document as it was before.
    fn statement(mut self, id: CustomerId, room: &mut Room) -> Result<RawDocumentBuf, ViewError> {
        let mut fields = RawDocumentBuf::new();
        if let Some(change) = &self.customer {
            set_customer(&mut fields, change)?;
        }

        let has_orders = !self.orders.is_empty();
        if has_orders {
            self.embed(&mut fields)?;
        }

        let mut stages = RawArrayBuf::new();
        stages.push(rawdoc! {"$set": fields});

        if has_orders && !room.take(id, self.orders.len()) {
            stages.push(keep_newest()?);
        }

        Ok(rawdoc! {"q": {"_id": id.to_string()}, "u": stages, "upsert": true})
    }

    /// Puts the orders into the document.
    fn embed(&mut self, fields: &mut RawDocumentBuf) -> Result<(), ViewError> {
        let largest = self
            .orders
            .iter()
            .map(|(order, _)| order.total.cents())
            .max()
            .unwrap_or_default();

        fields.append(
            cstr!("largestOrder"),
            rawdoc! {"$max": ["$largestOrder", largest]},
        );
        // Those beyond have more newer ones in this commit alone than are shown.
        self.orders
            .sort_by_key(|(order, _)| std::cmp::Reverse((order.created_at, order.id)));

        self.orders.truncate(SHOWN);

        for (order, replaces) in &self.orders {
            let part = raw(&StoredPart::new(order)?)?;
            let (field, version) = (
                format!("orders.{}", order.id),
                stored_version(order.version)?,
            );
            let value = guarded(
                *replaces,
                &format!("{field}.version"),
                version,
                part,
                &field,
            );
            fields.append(CString::try_from(field).map_err(refused)?, value);
        }

        Ok(())
    }
}

fn set_customer(
    fields: &mut RawDocumentBuf,
    change: &Change<'_, CustomerState>,
) -> Result<(), ViewError> {
    let CustomerState { customer, is_new } = change.state;
    let version = stored_version(customer.version)?;

    let set = if *is_new {
        raw(&CustomerFields::new(customer)?)?
    } else {
        raw(&CustomerChanges::new(customer)?)?
    };

    for field in &set {
        let (name, value) = field.map_err(refused)?;
        let value = guarded(change.replaces, "version", version, value, name.as_str());
        fields.append(name, value);
    }

    Ok(())
}

/// A value that takes the place of what a field has, if that is of an older version.
fn guarded(
    replaces: bool,
    stored_version: &str,
    version: i64,
    value: impl Into<RawBson>,
    field: &str,
) -> RawDocumentBuf {
    let value = rawdoc! {"$literal": value};
    if replaces {
        return value;
    }
    // What is missing is less than any number.
    rawdoc! {"$cond": [{"$lt": [format!("${stored_version}"), version]}, value, format!("${field}")]}
}

/// Drops all but the newest orders of a document that has come to hold more.
///
/// What is sorted are times and ids alone: the server makes documents of whatever else it compares,
/// over and over, which took two fifths of its time.
pub(super) fn keep_newest() -> Result<RawDocumentBuf, ViewError> {
    let most = i32::try_from(SHOWN).map_err(refused)?;
    let all = rawdoc! {"$objectToArray": {"$ifNull": ["$orders", {}]}};
    let places = rawdoc! {"$map": {"input": all.clone(), "in": ["$$this.v.createdAt", "$$this.k"]}};
    let newest_first = rawdoc! {"$sortArray": {"input": places, "sortBy": -1}};
    let last = rawdoc! {"$arrayElemAt": [newest_first, most - 1]};
    let is_kept = rawdoc! {"$gte": [["$$this.v.createdAt", "$$this.k"], "$$last"]};
    let kept = rawdoc! {"$arrayToObject": {"$filter": {"input": all.clone(), "cond": is_kept}}};
    let newest = rawdoc! {"$let": {"vars": {"last": last}, "in": kept}};
    Ok(
        rawdoc! {"$set": {"orders": {"$cond": [{"$lte": [{"$size": all}, most]}, "$orders", newest]}}},
    )
}

fn raw(value: &impl Serialize) -> Result<RawDocumentBuf, ViewError> {
    serialize_to_raw_document_buf(value).map_err(refused)
}
