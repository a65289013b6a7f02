//! The shop whose lists are queried: few customers, of which one has more orders than are shown
//! with a customer.

use std::collections::BTreeSet;

use serde_json::Value;
use tests::{Node, Shared, time};

pub static SHOP: Shared<Shop> = Shared::new();

/// Orders of the busy customer beside the first, valuable one: more than are shown with a customer.
pub const SMALL_ORDERS: usize = 104;

pub struct Shop {
    pub node: Node,
    pub ada: String,
    pub bea: String,
    pub cy: String,
    pub idle: String,
    pub busy: String,
    /// The busy customer's oldest order, 77.77.
    pub oldest: String,
    pub ada_approved: String,
    pub bea_cancelled: String,
}

impl Shop {
    pub async fn open() -> Self {
        let node = Node::start().await;
        let api = node.api();
        let ada = api.create_customer("Ada Park", "500.00").await;
        let busy = api.create_customer("Busy Bee", "1000.00").await;
        let bea = api.create_customer("Bea Stone", "300.00").await;
        let cy = api.create_customer("Cy Young", "50.00").await;
        let idle = api.create_customer("Ada Lovelace", "1000.00").await;

        let ada_approved = api.place(&ada.id, "100.00", "APPROVED").await;
        let shipped = api.place(&ada.id, "20.00", "APPROVED").await;
        let shipped = api.ship(&shipped.id).await.is(200);
        let ada_rejected = api.place(&ada.id, "450.00", "REJECTED").await;
        let bea_approved = api.place(&bea.id, "30.00", "APPROVED").await;
        let bea_cancelled = api.place(&bea.id, "60.00", "APPROVED").await;
        let cancelled = api.cancel(&bea_cancelled.id).wait(30).await.is(200);
        let cy_rejected = api.place(&cy.id, "60.00", "REJECTED").await;
        let oldest = api.place(&busy.id, "77.77", "APPROVED").await;
        let small = (0..SMALL_ORDERS).map(|_| api.place(&busy.id, "0.01", "APPROVED"));
        let small = futures_util::future::join_all(small).await;

        let mut tokens = vec![
            ada_rejected.token,
            shipped.token(),
            cancelled.token(),
            cy_rejected.token,
            idle.token,
        ];
        tokens.extend([ada_approved.token, bea_approved.token, oldest.token]);
        tokens.extend(small.into_iter().map(|order| order.token));
        api.views_cover(&tokens).await;
        Self {
            ada: ada.id,
            bea: bea.id,
            cy: cy.id,
            idle: idle.id,
            busy: busy.id,
            oldest: oldest.id,
            ada_approved: ada_approved.id,
            bea_cancelled: bea_cancelled.id,
            node,
        }
    }

    pub async fn customers(&self, query: &[(&str, &str)]) -> Vec<Value> {
        self.node
            .api()
            .walk("/customers", query, "customers", "customerId")
            .await
    }

    pub async fn customer_ids(&self, query: &[(&str, &str)]) -> BTreeSet<String> {
        ids(&self.customers(query).await, "customerId")
    }

    pub async fn orders(&self, query: &[(&str, &str)]) -> Vec<Value> {
        self.node
            .api()
            .walk("/orders", query, "orders", "orderId")
            .await
    }
}

pub fn ids(items: &[Value], field: &str) -> BTreeSet<String> {
    items
        .iter()
        .map(|item| item[field].as_str().unwrap_or_default().to_owned())
        .collect()
}

pub fn set(ids: &[&String]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).clone()).collect()
}

pub fn is_newest_first(items: &[Value]) -> bool {
    items.is_sorted_by(|newer, older| time(&newer["creationTime"]) >= time(&older["creationTime"]))
}
