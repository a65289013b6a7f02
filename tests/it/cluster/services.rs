//! Customers and orders on nodes of their own: each writes to its own database alone, and all that
//! one has of the other goes from node to node.

use tests::{Cluster, eventually_within};

use super::callers::{Callers, GOES_ON_WITHIN};
use crate::books;

/// By their places in the cluster.
const CUSTOMERS: usize = 0;
const ORDERS: usize = 1;

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka"]
async fn each_node_owns_its_service_and_asks_the_other_for_the_rest() {
    let cluster = Cluster::with_services(&["customers", "orders"]).await;
    let customer = cluster[ORDERS]
        .api()
        .create_customer("Ada Park", "10.00")
        .await;

    for (place, state) in [(CUSTOMERS, "APPROVED"), (ORDERS, "REJECTED")] {
        let order = cluster[place]
            .api()
            .new_order(&customer.id, "6.00")
            .wait(30);
        let order = order.await.is(201);
        assert_eq!(order.str("state"), state, "{}", order.text);
        let id = order.str("orderId");
        for api in cluster.apis() {
            let shown = api.order(id).token(&order.token()).wait(30).await.is(200);
            assert_eq!(shown.str("state"), state, "{}", shown.text);
            let history = api.get(&format!("/orders/{id}/history")).await.is(200);
            assert_eq!(history.items("events").len(), 2, "{}", history.text);
        }
    }
    for api in cluster.apis() {
        books::balance(&api, std::slice::from_ref(&customer.id)).await;
        let shards = api.get("/cluster").await.is(200);
        for shard in shards.items("shards") {
            let owner = match shard["service"].as_str() {
                Some("customers") => "node-1",
                _ => "node-2",
            };
            assert_eq!(shard["owner"], owner, "{shard}");
        }
    }
    cluster[ORDERS].cli().run(&["verify"]).await.succeeded();
}

#[tokio::test]
#[ignore = "needs PostgreSQL and Kafka"]
async fn whichever_of_them_is_killed_what_waits_for_it_goes_on_when_it_is_back() {
    let mut cluster = Cluster::with_services(&["customers", "orders"]).await;
    let callers = Callers::begin(&cluster).await;
    callers.go_on().await;

    for place in [CUSTOMERS, ORDERS] {
        cluster[place].kill();
        // It cannot do without the other one, and says so.
        let api = cluster[1 - place].api();
        eventually_within(GOES_ON_WITHIN, "it is not ready", async || {
            let ready = api.get("/health/ready").answer().await.ok()?;
            (ready.status == 503 && ready.text.contains("is there")).then_some(())
        })
        .await;
        cluster[place].restart().await;
        callers.ask_at(&cluster);
        callers.go_on().await;
    }
    callers.end(&cluster).await;
}
