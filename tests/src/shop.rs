//! The steps most tests begin with, asserted: a customer, an order that has reached its state, the
//! sum of open credit.

use std::collections::HashSet;

use serde_json::Value;

use crate::{Api, Response, cents};

/// A customer that has been created.
#[derive(Debug, Clone)]
pub struct Customer {
    /// Its id.
    pub id: String,
    /// The consistency token of the newest answer about it.
    pub token: String,
}

/// An order whose saga has ended.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Its id.
    pub id: String,
    /// The id of the saga that created it; empty where orders have none.
    pub saga: String,
    /// The state in which that saga has left it.
    pub state: String,
    /// The consistency token of the newest answer about it.
    pub token: String,
}

impl Api {
    /// Creates a customer; `limit` is an amount such as `100.00`.
    pub async fn create_customer(&self, name: &str, limit: &str) -> Customer {
        let created = self.new_customer(name, limit).await.is(201);
        Customer {
            id: created.str("customerId").to_owned(),
            token: created.token(),
        }
    }

    /// Creates an order, waits for its saga and asserts the state it ended in.
    pub async fn place(&self, customer: &str, total: &str, state: &str) -> Placed {
        let answer = self.new_order(customer, total).wait(30).await.is(201);
        placed(&answer, state)
    }

    /// The same for an order written out as JSON.
    pub async fn place_order(&self, body: Value, state: &str) -> Placed {
        let answer = self.post("/orders").json(body).wait(30).await.is(201);
        placed(&answer, state)
    }

    /// The customer's available credit in cents, at least as new as the token.
    pub async fn available_cents(&self, customer: &str, token: &str) -> i64 {
        cents(&self.customer(customer).token(token).await.is(200).json["availableCredit"])
    }

    /// Waits until every view, search included, has taken in what these tokens name; reads after it
    /// need no token.
    ///
    /// One read per token: together they would be more than a header is meant to hold.
    pub async fn views_cover(&self, tokens: &[String]) {
        for token in tokens {
            for (path, text) in [
                ("/customers", None),
                ("/orders", None),
                ("/orders", Some("anything")),
            ] {
                let call = self.get(path).query("limit", "1").wait(30).token(token);
                text.into_iter()
                    .fold(call, |call, text| call.query("text", text))
                    .await
                    .is(200);
            }
        }
    }

    /// Every item of a paged list, following the cursors; asserts that none comes twice.
    pub async fn walk(
        &self,
        path: &str,
        query: &[(&str, &str)],
        list: &str,
        id: &str,
    ) -> Vec<Value> {
        let mut items: Vec<Value> = Vec::new();
        let mut seen = HashSet::new();
        let mut cursor: Option<String> = None;

        loop {
            let mut call = self.get(path);
            for (name, value) in query {
                call = call.query(name, value);
            }
            if let Some(cursor) = &cursor {
                call = call.query("cursor", cursor);
            }
            let page = call.await.is(200);
            for item in page.items(list) {
                assert!(
                    seen.insert(item[id].to_string()),
                    "twice in {}: {item}",
                    page.call
                );
                items.push(item.clone());
            }
            match page.next() {
                // a cursor that leads to nothing new would go on for ever
                Some(_) if page.items(list).is_empty() => {
                    panic!("{}: an empty page names a next one", page.call)
                }
                Some(next) => cursor = Some(next.to_owned()),
                None => return items,
            }
        }
    }
}

#[track_caller]
fn placed(answer: &Response, state: &str) -> Placed {
    assert_eq!(
        answer.str("state"),
        state,
        "{}: {}",
        answer.call,
        answer.text
    );
    Placed {
        id: answer.str("orderId").to_owned(),
        saga: answer.json["sagaId"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        state: answer.str("state").to_owned(),
        token: answer.token(),
    }
}

/// Whether an order's JSON is in one of these states.
pub fn in_state(order: &Value, states: &[&str]) -> bool {
    order["state"]
        .as_str()
        .is_some_and(|state| states.contains(&state))
}

/// The credit these orders hold, in cents: approved and shipped ones have a reservation, rejected
/// and cancelled ones none.
pub fn reserved_cents(orders: &[Value]) -> i64 {
    orders
        .iter()
        .filter(|order| in_state(order, &["APPROVED", "SHIPPED"]))
        .map(|order| cents(&order["orderTotal"]))
        .sum()
}
