//! The Queries table of the contract: filters, sorts, pages and bad parameters, on a shop that
//! these tests only read.

mod shop;

use std::collections::BTreeSet;

use serde_json::Value;
use tests::{cents, time};

use shop::{SHOP, SMALL_ORDERS, Shop, ids, is_newest_first, set};

#[tokio::test]
async fn a_customer_is_shown_with_its_newest_100_orders() {
    let shop = SHOP.get(Shop::open).await;
    let api = shop.node.api();

    let busy = api.customer(&shop.busy).await.is(200);

    let orders = busy.json["orders"].as_object().expect("the orders by id");
    assert_eq!(orders.len(), 100);
    assert!(
        !orders.contains_key(&shop.oldest),
        "the oldest order is shown among the newest"
    );
    for (id, order) in orders {
        assert_eq!(order["orderId"], **id);
        assert_eq!(order["state"], "APPROVED");
        assert_eq!(order["version"], 2);
        time(&order["creationTime"]);
    }
    assert_eq!(busy.json["version"], 2 + SMALL_ORDERS);
    time(&busy.json["creationTime"]);
}

#[tokio::test]
async fn customers_are_listed_newest_first_without_their_orders() {
    let shop = SHOP.get(Shop::open).await;

    let listed = shop.customers(&[("limit", "2")]).await;

    let listed_ids: Vec<&str> = listed
        .iter()
        .filter_map(|customer| customer["customerId"].as_str())
        .collect();
    assert_eq!(
        listed_ids,
        [&shop.idle, &shop.cy, &shop.bea, &shop.busy, &shop.ada]
    );
    for customer in &listed {
        assert!(customer.get("orders").is_none(), "{customer}");
        assert!(
            customer["name"].is_string() && customer["version"].is_u64(),
            "{customer}"
        );
        cents(&customer["creditLimit"]);
        cents(&customer["availableCredit"]);
    }
}

#[tokio::test]
async fn customers_are_found_by_all_words_of_their_name_in_any_case() {
    let shop = SHOP.get(Shop::open).await;

    assert_eq!(
        shop.customer_ids(&[("name", "ada")]).await,
        set(&[&shop.ada, &shop.idle])
    );
    assert_eq!(
        shop.customer_ids(&[("name", "PARK ada")]).await,
        set(&[&shop.ada])
    );
    assert_eq!(shop.customer_ids(&[("name", "ada stone")]).await, set(&[]));
    assert_eq!(shop.customer_ids(&[("name", "100%")]).await, set(&[]));
    assert_eq!(
        shop.customer_ids(&[("name", "' OR 1=1 --")]).await,
        set(&[])
    );
}

#[tokio::test]
async fn customers_created_since_a_time_leave_out_the_older_ones() {
    let shop = SHOP.get(Shop::open).await;
    let bea = shop.node.api().customer(&shop.bea).await.is(200);

    let mut since = shop
        .customer_ids(&[("since", bea.str("creationTime"))])
        .await;

    // whether the boundary itself is "after" is not what this test is about
    since.remove(&shop.bea);
    assert_eq!(since, set(&[&shop.cy, &shop.idle]));
}

#[tokio::test]
async fn customers_are_found_by_any_of_their_orders_even_one_no_longer_shown() {
    let shop = SHOP.get(Shop::open).await;

    let valuable = shop.customer_ids(&[("minOrderTotal", "60.00")]).await;
    assert_eq!(valuable, set(&[&shop.ada, &shop.bea, &shop.cy, &shop.busy]));
    let precise = shop.customer_ids(&[("minOrderTotal", "77.78")]).await;
    assert_eq!(precise, set(&[&shop.ada]));
    let rejected = shop.customer_ids(&[("orderState", "REJECTED")]).await;
    assert_eq!(rejected, set(&[&shop.ada, &shop.cy]));
    assert_eq!(
        shop.customer_ids(&[("orderState", "SHIPPED")]).await,
        set(&[&shop.ada])
    );
}

#[tokio::test]
async fn total_and_state_must_be_met_by_one_order() {
    let shop = SHOP.get(Shop::open).await;

    // Bea has an approved order and one above 50.00, but not one order that is both
    let found = shop
        .customer_ids(&[("minOrderTotal", "50.00"), ("orderState", "APPROVED")])
        .await;
    assert_eq!(found, set(&[&shop.ada, &shop.busy]));
    let found = shop
        .customer_ids(&[
            ("minOrderTotal", "50"),
            ("orderState", "CANCELLED"),
            ("name", "bea"),
        ])
        .await;
    assert_eq!(found, set(&[&shop.bea]));
}

#[tokio::test]
async fn customers_are_counted() {
    let shop = SHOP.get(Shop::open).await;

    let counted = shop.node.api().get("/customers/count").await.is(200);

    assert_eq!(counted.json["count"], 5);
}

#[tokio::test]
async fn a_customers_orders_are_listed_newest_first() {
    let shop = SHOP.get(Shop::open).await;
    let api = shop.node.api();
    let path = format!("/customers/{}/orders", shop.busy);

    let all = api
        .walk(&path, &[("limit", "30")], "orders", "orderId")
        .await;
    assert_eq!(all.len(), 1 + SMALL_ORDERS);
    assert!(is_newest_first(&all));
    assert_eq!(
        all.last().map(|order| &order["orderId"]),
        Some(&Value::from(shop.oldest.clone()))
    );

    let path = format!("/customers/{}/orders", shop.ada);
    let approved = api
        .walk(&path, &[("state", "APPROVED")], "orders", "orderId")
        .await;
    assert_eq!(ids(&approved, "orderId"), set(&[&shop.ada_approved]));
    let path = format!("/customers/{}/orders", shop.idle);
    assert!(api.get(&path).await.is(200).items("orders").is_empty());
}

#[tokio::test]
async fn orders_of_an_unknown_customer_are_not_found() {
    let shop = SHOP.get(Shop::open).await;
    let unknown = uuid::Uuid::now_v7();

    shop.node
        .api()
        .get(&format!("/customers/{unknown}/orders"))
        .await
        .is_problem(404);
}

#[tokio::test]
async fn the_pages_of_all_orders_lose_and_repeat_nothing() {
    let shop = SHOP.get(Shop::open).await;

    for limit in ["7", "50", "200"] {
        let orders = shop.orders(&[("limit", limit)]).await;
        assert_eq!(orders.len(), 7 + SMALL_ORDERS);
        assert!(is_newest_first(&orders), "limit {limit}");
    }
    let first = shop.node.api().get("/orders").await.is(200);
    assert_eq!(first.items("orders").len(), 20);
    assert_eq!(first.json["total"], 7 + SMALL_ORDERS);
}

#[tokio::test]
async fn orders_are_sorted_by_total_across_pages() {
    let shop = SHOP.get(Shop::open).await;

    let orders = shop.orders(&[("sort", "total"), ("limit", "9")]).await;

    assert_eq!(orders.len(), 7 + SMALL_ORDERS);
    let totals: Vec<i64> = orders
        .iter()
        .map(|order| cents(&order["orderTotal"]))
        .collect();
    assert!(
        totals.is_sorted_by(|larger, smaller| larger >= smaller),
        "{totals:?}"
    );
}

#[tokio::test]
async fn orders_are_filtered_by_state_customer_and_total_with_inclusive_bounds() {
    let shop = SHOP.get(Shop::open).await;

    let cancelled = shop.orders(&[("state", "CANCELLED")]).await;
    assert_eq!(ids(&cancelled, "orderId"), set(&[&shop.bea_cancelled]));
    assert_eq!(shop.orders(&[("customerId", &shop.ada)]).await.len(), 3);
    let sixty = shop
        .orders(&[("minTotal", "60.00"), ("maxTotal", "60.00")])
        .await;
    assert_eq!(ids(&sixty, "customerId"), set(&[&shop.bea, &shop.cy]));
    assert_eq!(
        shop.orders(&[("maxTotal", "0.01")]).await.len(),
        SMALL_ORDERS
    );
    let found = shop
        .orders(&[
            ("minTotal", "60"),
            ("state", "APPROVED"),
            ("customerId", &shop.ada),
        ])
        .await;
    assert_eq!(ids(&found, "orderId"), set(&[&shop.ada_approved]));
    assert!(
        shop.orders(&[("minTotal", "61.00"), ("maxTotal", "60.00")])
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn orders_are_filtered_by_time_with_inclusive_bounds() {
    let shop = SHOP.get(Shop::open).await;
    let order = shop.node.api().order(&shop.bea_cancelled).await.is(200);
    let created = order.str("creationTime");

    let from = shop.orders(&[("since", created), ("limit", "200")]).await;
    let to = shop.orders(&[("until", created)]).await;

    assert!(
        from.iter()
            .all(|order| time(&order["creationTime"]) >= created.parse().expect("a time"))
    );
    assert!(
        to.iter()
            .all(|order| time(&order["creationTime"]) <= created.parse().expect("a time"))
    );
    let both: BTreeSet<String> = ids(&from, "orderId")
        .intersection(&ids(&to, "orderId"))
        .cloned()
        .collect();
    assert_eq!(both, set(&[&shop.bea_cancelled]));
    assert_eq!(from.len() + to.len(), 7 + SMALL_ORDERS + 1);
}

#[tokio::test]
async fn bad_parameters_are_refused() {
    let shop = SHOP.get(Shop::open).await;
    let api = shop.node.api();
    let anywhere = [
        ("limit", "0"),
        ("limit", "201"),
        ("limit", "-1"),
        ("limit", "many"),
        ("cursor", "nonsense"),
    ];
    let of_orders = [
        ("state", "FINE"),
        ("sort", "price"),
        ("customerId", "42"),
        ("minTotal", "much"),
        ("maxTotal", "1.234"),
        ("since", "yesterday"),
        ("until", "2026-13-01T00:00:00Z"),
    ];
    let of_customers = [
        ("orderState", "FINE"),
        ("minOrderTotal", "much"),
        ("since", "yesterday"),
    ];

    let customers_orders = format!("/customers/{}/orders", shop.ada);
    for (name, value) in anywhere {
        for path in ["/orders", "/customers", "/sagas", &customers_orders] {
            api.get(path).query(name, value).await.is_problem(400);
        }
    }
    for (name, value) in of_orders {
        api.get("/orders").query(name, value).await.is_problem(400);
    }
    for (name, value) in of_customers {
        api.get("/customers")
            .query(name, value)
            .await
            .is_problem(400);
    }
    api.get(&customers_orders)
        .query("state", "FINE")
        .await
        .is_problem(400);
    api.get("/orders")
        .query("text", &"x".repeat(1001))
        .await
        .is_problem(400);
    api.get("/orders")
        .query("text", &"x".repeat(1000))
        .await
        .is(200);
}
