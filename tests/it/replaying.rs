//! Nodes whose customers and orders come from their events instead of their rows. Callers see the
//! same; the whole suite runs on it, too (`COUNTERFOIL_TEST_LOADING`).

use tests::{Node, replaying};

use crate::kills;

#[tokio::test]
async fn nothing_is_lost_on_a_node_that_replays_when_it_is_killed() {
    let node = Node::start_with(&replaying("replay")).await;
    kills::survives(node, 2).await;
}

#[tokio::test]
async fn nothing_is_lost_on_a_node_with_snapshots_when_it_is_killed() {
    let node = Node::start_with(&replaying("replay:3")).await;
    kills::survives(node, 2).await;
}

/// The choice may change with each start: what is written is the same.
#[tokio::test]
async fn states_are_the_same_whatever_they_are_loaded_from() {
    let mut node = Node::start().await;
    let api = node.api();
    let ada = api.create_customer("Ada Park", "30.00").await;
    let shipped = api.place(&ada.id, "12.34", "APPROVED").await;
    let cancelled = api.place(&ada.id, "2.50", "APPROVED").await;
    api.ship(&shipped.id).await.is(200);

    for (round, loading) in ["replay:2", "row", "replay", "replay:1"]
        .into_iter()
        .enumerate()
    {
        node.kill();
        node.restart_with(&replaying(loading)).await;
        let api = node.api();

        // Both are loaded, and tell what they have come to.
        let again = api.ship(&shipped.id).await.is(200);
        assert_eq!(
            (again.str("state"), &again.json["version"]),
            ("SHIPPED", &3.into())
        );
        let cancel = api.cancel(&cancelled.id).wait(30).await.is(200);
        assert_eq!(
            (cancel.str("state"), &cancel.json["version"]),
            ("CANCELLED", &4.into())
        );

        // Ada is loaded to decide on each.
        let refused = api.place(&ada.id, "20.00", "REJECTED").await;
        let approved = api.place(&ada.id, "0.01", "APPROVED").await;
        let round = i64::try_from(round).expect("a few");
        let available = api.available_cents(&ada.id, &approved.token).await;
        assert_eq!(available, 3000 - 1234 - 1 - round, "{loading}");
        assert_ne!(refused.id, approved.id);
        node.cli().run(&["verify"]).await.succeeded();
    }
}
