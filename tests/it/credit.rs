//! Credit under competition: parallel orders never use more than the limit, and never leave any of
//! it unused.

use futures_util::future::join_all;
use tests::{Node, Shared};

static NODE: Shared<Node> = Shared::new();

#[tokio::test]
async fn of_parallel_orders_exactly_as_many_are_approved_as_the_limit_pays_for() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Hot", "100.00").await;

    let answers =
        join_all((0..30).map(|_| api.new_order(&customer.id, "7.00").wait(30).into_future())).await;

    let approved = answers
        .iter()
        .filter(|answer| answer.json["state"] == "APPROVED")
        .count();
    let rejected = answers
        .iter()
        .filter(|answer| answer.json["state"] == "REJECTED")
        .count();
    assert_eq!((approved, rejected), (14, 16));
    let tokens: Vec<String> = answers.iter().map(|answer| answer.token()).collect();
    api.views_cover(&tokens).await;
    assert_eq!(api.available_cents(&customer.id, &tokens[0]).await, 200);
}

#[tokio::test]
async fn parallel_cancels_of_one_order_give_its_credit_back_once() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Hesitant", "20.00").await;
    let order = api.place(&customer.id, "7.00", "APPROVED").await;
    api.place(&customer.id, "5.00", "APPROVED").await;

    let answers = join_all((0..10).map(|_| api.cancel(&order.id).wait(30).into_future())).await;

    // those who came while the first was under way may be told just that
    for answer in &answers {
        let known = [(200, "CANCELLED"), (202, "CANCEL_PENDING")];
        assert!(
            known.contains(&(answer.status, answer.str("state"))),
            "{}",
            answer.text
        );
    }
    let cancelled = answers
        .iter()
        .find(|answer| answer.status == 200)
        .expect("the first waited to the end");
    assert_eq!(cancelled.json["version"], 4);
    assert_eq!(
        api.available_cents(&customer.id, &cancelled.token()).await,
        1500
    );
    api.order(&order.id)
        .query("asOfVersion", "5")
        .await
        .is_problem(404);
}

#[tokio::test]
async fn of_a_shipment_and_a_cancel_at_once_exactly_one_wins() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Undecided", "1000.00").await;

    for _ in 0..10 {
        let order = api.place(&customer.id, "1.00", "APPROVED").await;
        let (shipped, cancelled) = tokio::join!(
            api.ship(&order.id).into_future(),
            api.cancel(&order.id).wait(30).into_future()
        );
        let statuses = (shipped.status, cancelled.status);
        assert!(
            [(200, 409), (409, 200)].contains(&statuses),
            "{statuses:?}: {} {}",
            shipped.text,
            cancelled.text
        );
        let winner = if shipped.status == 200 {
            "SHIPPED"
        } else {
            "CANCELLED"
        };
        let tokens = if shipped.status == 200 {
            shipped.token()
        } else {
            cancelled.token()
        };
        assert_eq!(
            api.order(&order.id)
                .token(&tokens)
                .await
                .is(200)
                .str("state"),
            winner
        );
    }
}

#[tokio::test]
async fn orders_of_many_customers_at_once_do_not_touch_each_other() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customers = join_all((0..20).map(|_| api.create_customer("One of many", "10.00"))).await;

    let placed = customers.iter().flat_map(|customer| {
        [("6.00", 0), ("6.00", 1)]
            .map(|(total, _)| api.new_order(&customer.id, total).wait(30).into_future())
    });
    let answers = join_all(placed).await;

    for pair in answers.chunks(2) {
        let mut states: Vec<&str> = pair.iter().map(|answer| answer.str("state")).collect();
        states.sort_unstable();
        assert_eq!(states, ["APPROVED", "REJECTED"]);
    }
}
