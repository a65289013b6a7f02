//! The shop that the tests search: orders whose words stand in different fields.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{Node, Response, Shared};

pub static SHOP: Shared<Shop> = Shared::new();

/// Orders that differ in nothing but their creation time, to page through.
pub const CRATES: usize = 12;

pub struct Shop {
    pub node: Node,
    pub margaret: String,
    /// Margaret Hamilton's: plain yogurt and bagels, "leave at the back door".
    pub breakfast: String,
    /// Grace Hopper's: strawberry yogurts, "back garden door, please".
    pub dessert: String,
    /// Grace Hopper's, rejected: tuna.
    pub fish: String,
}

impl Shop {
    pub async fn open() -> Self {
        let node = Node::start().await;
        let api = node.api();
        let margaret = api.create_customer("Margaret Hamilton", "100.00").await.id;
        let grace = api.create_customer("Grace Hopper", "100.00").await.id;

        let lines = [
            line("APOLLO-11", "YOGURT PLAIN", "1.00"),
            line("4711", "Bagels 4 OZ", "2.00"),
        ];
        let body =
            json!({"customerId": margaret, "lines": lines, "note": "leave at the back door"});
        let breakfast = api.place_order(body, "APPROVED").await;
        let lines = [line("815", "Strawberry yogurts", "5.00")];
        let body = json!({"customerId": grace, "lines": lines, "note": "back garden door, please"});
        let dessert = api.place_order(body, "APPROVED").await;
        let body = json!({"customerId": grace, "lines": [line("99", "Tuna in oil", "500.00")]});
        let fish = api.place_order(body, "REJECTED").await;
        let mut tokens = vec![breakfast.token, dessert.token, fish.token];

        for number in 0..CRATES {
            let crates = line(&format!("crate{number}"), "Lemonade crate", "0.50");
            let body = json!({"customerId": grace, "lines": [crates]});
            tokens.push(api.place_order(body, "APPROVED").await.token);
        }

        api.views_cover(&tokens).await;

        Self {
            node,
            margaret,
            breakfast: breakfast.id,
            dessert: dessert.id,
            fish: fish.id,
        }
    }

    pub async fn search(&self, query: &[(&str, &str)]) -> Response {
        let mut call = self.node.api().get("/orders");
        for (name, value) in query {
            call = call.query(name, value);
        }
        call.await.is(200)
    }

    pub async fn found(&self, text: &str) -> BTreeSet<String> {
        let answer = self.search(&[("text", text), ("limit", "200")]).await;
        assert_eq!(
            answer.json["total"],
            answer.items("orders").len(),
            "{}",
            answer.text
        );
        answer.each("orders", "orderId").into_iter().collect()
    }
}

pub fn line(sku: &str, name: &str, price: &str) -> Value {
    json!({"sku": sku, "name": name, "quantity": 1, "unitPrice": {"amount": price}})
}

pub fn set(ids: &[&String]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).clone()).collect()
}
