//! The saga control plane: what a saga did and has yet to do, and what an operator may do about it.

use serde_json::{Value, json};
use tests::{Api, Node, ORCHESTRATED, Response, Shared, eventually, time};
use uuid::Uuid;

use crate::quarantine;

static NODE: Shared<Node> = Shared::new();

/// A node that has sagas, whatever the run is about.
async fn start() -> Node {
    Node::start_with(&[ORCHESTRATED]).await
}

#[tokio::test]
async fn the_saga_of_an_approved_order_is_shown_completed() {
    let node = NODE.get(start).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "15.00").await;
    let order = api.place(&customer.id, "12.34", "APPROVED").await;

    let saga = ended(&api, &order.saga, "COMPLETED").await;

    assert_eq!(saga.str("sagaId"), order.saga);
    assert_eq!(saga.str("orderId"), order.id);
    assert!(
        saga.json["type"].is_string() && saga.json["attempts"].is_u64(),
        "{}",
        saga.text
    );
    assert!(
        time(&saga.json["startedAt"]) <= time(&saga.json["endedAt"]),
        "{}",
        saga.text
    );
    time(&saga.json["updatedAt"]);
    let steps = saga.items("steps");
    assert!(!steps.is_empty());
    for step in steps {
        assert!(
            step["name"].is_string() && step["kind"].is_string(),
            "{step}"
        );
        assert_eq!(step["state"], "DONE", "{step}");
    }

    let attempts = &steps[1]["attempts"];
    assert_eq!(attempts.as_array().map(Vec::len), Some(1), "{}", saga.text);
    let attempt = &attempts[0];
    assert_eq!(attempt["number"], 1);
    assert_eq!(attempt["sent"], "customer.reserve-credit");
    assert_eq!(attempt["answer"], "customer.credit-reserved-reply");
    assert_eq!(attempt["outcome"], "DONE");
    assert!(time(&saga.json["startedAt"]) <= time(&attempt["at"]));
    assert!(time(&attempt["at"]) <= time(&attempt["answeredAt"]));
}

#[tokio::test]
async fn the_saga_of_a_rejected_order_is_shown_compensated() {
    let node = NODE.get(start).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "15.00").await;
    let order = api.place(&customer.id, "123.40", "REJECTED").await;

    let saga = ended(&api, &order.saga, "COMPENSATED").await;

    assert_eq!(saga.str("orderId"), order.id);
    time(&saga.json["endedAt"]);
    let known = ["REMAINING", "RUNNING", "DONE", "COMPENSATED", "FAILED"];
    for step in saga.items("steps") {
        assert!(
            step["state"]
                .as_str()
                .is_some_and(|state| known.contains(&state)),
            "{step}"
        );
    }
}

#[tokio::test]
async fn the_saga_of_a_cancelled_order_is_another_one_and_completes() {
    let node = NODE.get(start).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "15.00").await;
    let order = api.place(&customer.id, "12.34", "APPROVED").await;
    let cancelled = api.cancel(&order.id).wait(30).await.is(200);
    let cancel_saga = cancelled.str("sagaId");

    let cancel = ended(&api, cancel_saga, "COMPLETED").await;
    let create = ended(&api, &order.saga, "COMPLETED").await;

    assert_ne!(cancel_saga, order.saga);
    assert_eq!(cancel.str("orderId"), order.id);
    assert_ne!(cancel.str("type"), create.str("type"));
}

#[tokio::test]
async fn sagas_are_listed_filtered_and_paged() {
    let node = start().await;
    let api = node.api();
    let customer = api.create_customer("Ada", "100.00").await;
    for _ in 0..5 {
        api.place(&customer.id, "1.00", "APPROVED").await;
    }
    let rejected = api.place(&customer.id, "1000.00", "REJECTED").await;
    let cancelled = api.place(&customer.id, "2.00", "APPROVED").await;
    let cancel = api.cancel(&cancelled.id).wait(30).await.is(200);
    let cancel = ended(&api, cancel.str("sagaId"), "COMPLETED").await;
    ended(&api, &rejected.saga, "COMPENSATED").await;

    assert_eq!(
        api.walk("/sagas", &[("limit", "3")], "sagas", "sagaId")
            .await
            .len(),
        8
    );
    let compensated = api
        .walk("/sagas", &[("state", "COMPENSATED")], "sagas", "sagaId")
        .await;
    assert_eq!(ids(&compensated), [rejected.saga.as_str()]);
    let of_type = [("type", cancel.str("type")), ("state", "COMPLETED")];
    let cancels = api.walk("/sagas", &of_type, "sagas", "sagaId").await;
    assert_eq!(ids(&cancels), [cancel.str("sagaId")]);
    assert!(
        api.walk("/sagas", &[("state", "STUCK")], "sagas", "sagaId")
            .await
            .is_empty()
    );
    api.get("/sagas")
        .query("state", "FINE")
        .await
        .is_problem(400);
}

#[tokio::test]
async fn sagas_are_found_by_age_entity_and_cause() {
    let node = NODE.get(start).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "15.00").await;
    let kept = api.place(&customer.id, "1.00", "APPROVED").await;
    let rejected = api.place(&customer.id, "1000.00", "REJECTED").await;
    let gone = api.place(&customer.id, "2.00", "APPROVED").await;
    let cancel = api.cancel(&gone.id).wait(30).await.is(200);
    let cancel = cancel.str("sagaId");

    let of = async |entity: &str, more: (&str, &str)| {
        let found = api
            .walk("/sagas", &[("entity", entity), more], "sagas", "sagaId")
            .await;
        let mut found: Vec<String> = ids(&found).into_iter().map(str::to_owned).collect();
        found.sort();
        found
    };
    let any = ("olderThan", "0s");
    let mut both = [gone.saga.clone(), cancel.to_owned()];
    both.sort();

    assert_eq!(of(&kept.id, any).await, std::slice::from_ref(&kept.saga));
    assert_eq!(of(&gone.id, any).await, both);
    assert_eq!(of(&gone.id, ("type", "cancel-order")).await, [cancel]);
    assert_eq!(
        of(&rejected.id, ("cause", "insufficient")).await,
        std::slice::from_ref(&rejected.saga)
    );
    assert!(of(&rejected.id, ("cause", "reserve")).await.is_empty());
    assert!(of(&kept.id, ("cause", "insufficient")).await.is_empty());
    assert!(of(&kept.id, ("olderThan", "1h")).await.is_empty());
    let nobody = Uuid::now_v7().to_string();
    assert!(of(&nobody, any).await.is_empty());

    let line = [
        "--entity",
        &rejected.id,
        "--cause",
        "INSUFFICIENT",
        "--older-than",
        "0s",
    ];
    let listed = node
        .cli()
        .run(&[&["sagas", "list", "--url", node.url()][..], &line].concat())
        .await
        .succeeded();
    assert!(listed.stdout.contains(&rejected.saga), "{}", listed.stdout);
    assert!(!listed.stdout.contains(&kept.saga), "{}", listed.stdout);
}

#[tokio::test]
async fn an_ended_saga_can_neither_be_cancelled_nor_retried() {
    let node = NODE.get(start).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "15.00").await;
    let approved = api.place(&customer.id, "12.34", "APPROVED").await;
    let rejected = api.place(&customer.id, "123.40", "REJECTED").await;

    for saga in [&approved.saga, &rejected.saga] {
        steer(&api, saga, "cancel").await.is_problem(409);
        steer(&api, saga, "retry").await.is_problem(409);
    }
    assert_eq!(
        api.order(&approved.id)
            .token(&approved.token)
            .await
            .is(200)
            .str("state"),
        "APPROVED"
    );
}

#[tokio::test]
async fn an_unknown_saga_is_not_found() {
    let node = NODE.get(start).await;
    let api = node.api();
    let unknown = Uuid::now_v7().to_string();

    api.saga(&unknown).await.is_problem(404);
    steer(&api, &unknown, "cancel").await.is_problem(404);
    steer(&api, &unknown, "retry").await.is_problem(404);
}

#[tokio::test]
async fn a_saga_under_way_is_shown_running_and_is_not_to_be_retried() {
    let (node, _customer, order) = pending_order().await;
    let api = node.api();

    let saga = api.saga(order.str("sagaId")).await.is(200);

    assert_eq!(saga.str("state"), "RUNNING");
    assert!(
        saga.json.get("endedAt").is_none_or(Value::is_null),
        "{}",
        saga.text
    );
    assert!(
        saga.items("steps")
            .iter()
            .any(|step| step["state"] == "RUNNING"),
        "{}",
        saga.text
    );
    steer(&api, order.str("sagaId"), "retry")
        .await
        .is_problem(409);
    let running = api.get("/sagas").query("state", "RUNNING").await.is(200);
    assert_eq!(running.each("sagas", "sagaId"), [order.str("sagaId")]);
}

#[tokio::test]
async fn a_pending_order_whose_saga_is_cancelled_ends_rejected_without_credit() {
    let (mut node, customer, order) = pending_order().await;
    let api = node.api();
    let saga = order.str("sagaId");

    steer(&api, saga, "cancel").await.is(202);
    eventually("the saga compensates", async || {
        (api.saga(saga).await.is(200).str("state") != "RUNNING").then_some(())
    })
    .await;
    // the customer works again, and whatever was parked for it is put back
    node.kill();
    node.restart_with(&[ORCHESTRATED]).await;
    let api = node.api();
    quarantine::replay_until_empty(&api).await;

    ended(&api, saga, "COMPENSATED").await;
    let id = order.str("orderId");
    quarantine::order_reaches(&api, id, "REJECTED").await;
    assert_eq!(
        api.order(id).await.is(200).str("rejectionReason"),
        "CANCELLED_BY_OPERATOR"
    );
    // a token of the customer's newest version: the order that follows is the only one that holds
    // credit
    let next = api.place(&customer, "15.00", "APPROVED").await;
    assert_eq!(api.available_cents(&customer, &next.token).await, 0);
    node.cli().run(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn the_command_line_lists_and_shows_sagas() {
    let node = NODE.get(start).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "15.00").await;
    let order = api.place(&customer.id, "12.34", "APPROVED").await;

    let listed = node
        .cli()
        .run(&["sagas", "list", "--url", node.url()])
        .await
        .succeeded();
    let shown = node
        .cli()
        .run(&["sagas", "show", &order.saga, "--url", node.url()])
        .await
        .succeeded();

    assert!(listed.stdout.contains(&order.saga), "{}", listed.stdout);
    assert!(
        shown.stdout.contains(&order.id) && shown.stdout.contains("COMPLETED"),
        "{}",
        shown.stdout
    );
    let unknown = Uuid::now_v7().to_string();
    node.cli()
        .run(&["sagas", "show", &unknown, "--url", node.url()])
        .await
        .failed();
}

/// A node with one order that stays `PENDING`, because its customer panics over every command.
async fn pending_order() -> (Node, String, Response) {
    let mut node = start().await;
    let customer = node.api().create_customer("Stuck", "15.00").await.id;
    node.terminate().await;
    node.restart_with(&[("COUNTERFOIL_FAULTS", "panic-customer=Stuck"), ORCHESTRATED])
        .await;
    let order = node.api().new_order(&customer, "12.34").await.is(201);
    (node, customer, order)
}

async fn steer(api: &Api, saga: &str, what: &str) -> Response {
    let call = api.post(&format!("/sagas/{saga}/{what}"));
    if what == "cancel" {
        call.json(json!({"reason": "the test says so"})).await
    } else {
        call.await
    }
}

/// The saga once it has reached its last state: a waiting caller may be told before the
/// compensation is confirmed.
async fn ended(api: &Api, saga: &str, state: &str) -> Response {
    eventually(&format!("saga {saga} is {state}"), async || {
        let shown = api.saga(saga).await.is(200);
        (shown.str("state") == state).then_some(shown)
    })
    .await
}

fn ids(sagas: &[Value]) -> Vec<&str> {
    sagas
        .iter()
        .filter_map(|saga| saga["sagaId"].as_str())
        .collect()
}
