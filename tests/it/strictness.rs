//! What is read to the letter: money, tokens, cursors, conditions; and who may look into the data
//! folder.

use std::os::unix::fs::PermissionsExt;

use tests::{Node, Shared};

static NODE: Shared<Node> = Shared::new();

#[tokio::test]
async fn digits_beyond_cents_are_refused_in_every_form() {
    let node = NODE.get(Node::start).await;
    let api = node.api();

    for amount in [
        "\"4.350000000000000000001\"",
        "4.350000000000000000001",
        "9999999999999.9999",
        "435.0000000000000000001e-2",
        "1e-3",
    ] {
        let body = format!(r#"{{"name":"Ada","creditLimit":{{"amount":{amount}}}}}"#);
        api.post("/customers")
            .text("application/json", &body)
            .await
            .is_invalid("creditLimit");
    }
}

#[tokio::test]
async fn a_token_of_another_deployment_is_refused_by_name_and_not_waited_for() {
    let node = NODE.get(Node::start).await;
    let another = Node::start().await;
    let ours = node.api().create_customer("Ada Park", "500.00").await;
    let theirs = another.api().create_customer("Bea Lund", "500.00").await;

    let shown = node.api().customer(&ours.id).token(&ours.token).await;
    shown.is(200);

    for list in ["/customers", "/orders", "/customers/count"] {
        let answer = node.api().get(list).token(&theirs.token).wait(20).await;
        answer.is_problem(400);
        assert_eq!(answer.str("type"), "urn:counterfoil:problem:foreign-token");
    }
}

#[tokio::test]
async fn a_cursor_leads_on_in_its_own_query_alone() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    for _ in 0..3 {
        let token = api.create_customer("Cy Marten", "5.00").await.token;
        api.get("/customers").token(&token).await.is(200);
    }

    let list = |name| api.get("/customers").query("name", name);
    let first = list("marten").query("limit", "1").await.is(200);
    let cursor = first.next().expect("a second page");

    let second = list("marten").query("cursor", cursor).await.is(200);
    assert!(!second.items("customers").is_empty());
    for other in ["cy", "nobody"] {
        let refused = list(other).query("cursor", cursor).await;
        refused.is_invalid("cursor");
    }
}

#[tokio::test]
async fn an_answer_that_has_not_changed_is_not_sent_again() {
    let node = NODE.get(Node::start).await;
    let api = node.api();
    let customer = api.create_customer("Dan Moss", "500.00").await;

    let shown = api.customer(&customer.id).token(&customer.token).await;
    let tag = shown.header("etag").to_owned();
    let again = api
        .customer(&customer.id)
        .header("if-none-match", &tag)
        .await;
    assert_eq!(again.is(304).text, "");

    let order = api.place(&customer.id, "5.00", "APPROVED").await;
    let changed = api
        .customer(&customer.id)
        .token(&order.token)
        .header("if-none-match", &tag)
        .await
        .is(200);
    assert_ne!(changed.header("etag"), tag);

    // A command decides by the state it finds, and says so instead of leaving the condition out.
    let conditional = api.ship(&order.id).header("if-match", "\"2\"").await;
    conditional.is_invalid("If-Match");
}

#[tokio::test]
async fn the_data_folder_is_its_owners_alone() {
    let node = NODE.get(Node::start).await;
    let metadata = std::fs::metadata(node.data()).expect("the data folder");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o700);
}
