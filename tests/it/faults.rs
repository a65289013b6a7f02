//! Faults injected into messages and commits: whatever they repeat, lose or roll back, the shop
//! ends in the same states.

use futures_util::future::join_all;
use serde_json::Value;
use tests::{Api, Node, in_state};

use crate::books;

const ORDERS_EACH: usize = 10;

#[tokio::test]
async fn every_message_delivered_twice_has_its_effect_once() {
    let node = Node::start_with(&[("COUNTERFOIL_FAULTS", "deliver-twice")]).await;
    the_shop_ends_as_it_must(&node.api()).await;
    books::audit(node).await;
}

#[tokio::test]
async fn messages_lost_on_the_way_are_missed_and_sent_again() {
    let node = Node::start_with(&[("COUNTERFOIL_FAULTS", "lose-message=3")]).await;
    the_shop_ends_as_it_must(&node.api()).await;
    books::audit(node).await;
}

#[tokio::test]
async fn every_other_message_lost_stops_nothing() {
    let node = Node::start_with(&[("COUNTERFOIL_FAULTS", "lose-message=2")]).await;
    the_shop_ends_as_it_must(&node.api()).await;
    books::audit(node).await;
}

#[tokio::test]
async fn a_commit_that_fails_leaves_no_trace_and_is_made_good() {
    let node = Node::start_with(&[("COUNTERFOIL_FAULTS", "fail-commit=5")]).await;
    the_shop_ends_as_it_must(&node.api()).await;
    books::audit(node).await;
}

#[tokio::test]
async fn all_of_it_together_changes_no_end_state() {
    let node = Node::start_with(&[(
        "COUNTERFOIL_FAULTS",
        "deliver-twice,lose-message=5,fail-commit=7",
    )])
    .await;
    the_shop_ends_as_it_must(&node.api()).await;
    books::audit(node).await;
}

#[tokio::test]
async fn what_was_answered_before_a_failing_commit_is_kept_and_what_was_refused_is_not() {
    let node = Node::start_with(&[("COUNTERFOIL_FAULTS", "fail-commit=2")]).await;
    let api = node.api();
    let mut answered = Vec::new();
    for number in 0..20 {
        let call = api
            .new_customer(&format!("Customer {number}"), "15.00")
            .key(&format!("customer-{number}"));
        let answer = call.clone().await;
        if answer.status == 201 {
            answered.push(answer.str("customerId").to_owned());
        } else {
            assert!(answer.status >= 500, "{}", answer.text);
            answer.is_problem(answer.status);
            let repeated = books::accepted(call).await.is(201);
            answered.push(repeated.str("customerId").to_owned());
        }
    }

    for customer in &answered {
        api.customer(customer)
            .query("asOfVersion", "1")
            .await
            .is(200);
        api.customer(customer)
            .query("asOfVersion", "2")
            .await
            .is_problem(404);
    }
    let listed = tests::eventually("the list shows every customer", async || {
        let listed = api
            .walk("/customers", &[("limit", "200")], "customers", "customerId")
            .await;
        (listed.len() >= answered.len()).then_some(listed)
    })
    .await;
    assert_eq!(listed.len(), answered.len());
    books::audit(node).await;
}

/// Orders of 7.00 by three customers, of which one can pay for 7 of 10 only; then a cancel and a
/// shipment each. Everything is keyed and repeated until it is taken, so the end is the same
/// whatever fails on the way.
async fn the_shop_ends_as_it_must(api: &Api) {
    let mut customers = Vec::new();
    for (name, limit) in [("Ada", "100.00"), ("Bea", "50.00"), ("Cy", "1000.00")] {
        let created = books::accepted(api.new_customer(name, limit).key(name))
            .await
            .is(201);
        customers.push(created.str("customerId").to_owned());
    }
    let orders = customers
        .iter()
        .flat_map(|customer| (0..ORDERS_EACH).map(move |number| (customer, number)));
    let placed = join_all(orders.map(|(customer, number)| {
        books::accepted(
            api.new_order(customer, "7.00")
                .key(&format!("{customer}-{number}")),
        )
    }));
    for answer in placed.await {
        answer.is(201);
    }

    let books_before = books::balance(api, &customers).await;
    let approved: Vec<usize> = customers
        .iter()
        .map(|customer| held(&books_before[customer]).len())
        .collect();
    assert_eq!(approved, [10, 7, 10]);
    for customer in &customers {
        let held = held(&books_before[customer]);
        books::accepted(api.cancel(&held[0]).key("cancel")).await;
        books::accepted(api.ship(&held[1]).key("ship"))
            .await
            .is(200);
    }

    let books_after = books::balance(api, &customers).await;
    for (customer, approved) in customers.iter().zip(approved) {
        let orders = &books_after[customer];
        let count = |state| {
            orders
                .iter()
                .filter(|order| in_state(order, &[state]))
                .count()
        };
        let counts = [
            count("APPROVED"),
            count("SHIPPED"),
            count("CANCELLED"),
            count("REJECTED"),
        ];
        assert_eq!(
            counts,
            [approved - 2, 1, 1, ORDERS_EACH - approved],
            "{orders:?}"
        );
        for order in orders {
            books::history_is_contiguous(
                api,
                &format!(
                    "/orders/{}/history",
                    order["orderId"].as_str().unwrap_or_default()
                ),
            )
            .await;
        }
        books::history_is_contiguous(api, &format!("/customers/{customer}/history")).await;
    }
}

/// The ids of the orders that hold credit.
fn held(orders: &[Value]) -> Vec<String> {
    let held = orders
        .iter()
        .filter(|order| in_state(order, &["APPROVED", "SHIPPED"]));
    held.filter_map(|order| order["orderId"].as_str().map(str::to_owned))
        .collect()
}
