//! What operators do with views is kept with who and why, as what they do to sagas is: once for
//! each request, whatever is repeated, and nothing of what a view has refused.

use serde_json::{Value, json};
use tests::{Api, Node, Response, eventually};
use uuid::Uuid;

async fn actions(api: &Api, view: &str) -> Response {
    api.get("/actions").query("view", view).await.is(200)
}

/// Waits until a generation of the view answers, and nothing is built.
async fn answers(api: &Api, name: &str, generation: u64) {
    eventually("the generation answers", async || {
        let views = api.get("/views").await.is(200);
        let mut views = views.items("views").iter();
        let view = views.find(|view| view["name"] == name)?;
        (view["generation"] == generation && view["state"] == "LIVE").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_rebuild_a_way_back_and_a_healing_are_kept_once_with_who_and_why() {
    let mut node = Node::start().await;
    let api = node.api();
    let customer = api.create_customer("Ada", "100.00").await;
    let order = api.place(&customer.id, "1.00", "APPROVED").await.id;
    answers(&api, "documents", 1).await;

    let rebuild = |api: &Api, reason: &str| {
        api.post("/views/documents/rebuild")
            .key("rebuild")
            .json(json!({ "reason": reason }))
    };
    let begun = rebuild(&api, "it looks odd").await.is(202);
    assert_eq!(rebuild(&api, "it looks odd").await.is(202).json, begun.json);
    rebuild(&api, "for no reason").await.is_problem(422);
    answers(&api, "documents", 2).await;

    let revert = json!({"reason": "it was right"});
    let reverted = api.post("/views/documents/revert").key("back").json(revert);
    let reverted = reverted.answer().await.expect("an answer");
    assert_eq!(reverted.json["generation"], 1, "{}", reverted.text);
    answers(&api, "documents", 1).await;

    let heal = |api: &Api| {
        api.post(&format!("/views/documents/heal/{order}"))
            .key("heal")
            .json(json!({"reason": "a customer has called"}))
    };
    let healed = heal(&api).await.is(200);
    assert_eq!(healed.json["version"], 2, "{}", healed.text);

    let kept = actions(&api, "documents").await;
    let all: Vec<_> = kept.items("actions").iter().collect();
    let shown = |one: &Value| {
        (
            one["action"].clone(),
            one["by"].clone(),
            one["reason"].clone(),
        )
    };
    assert_eq!(
        all.iter().map(|one| shown(one)).collect::<Vec<_>>(),
        [
            (
                json!("view.healed"),
                json!("anonymous"),
                json!("a customer has called")
            ),
            (
                all[1]["action"].clone(),
                json!("anonymous"),
                json!("it was right")
            ),
            (
                json!("view.rebuild-begun"),
                json!("anonymous"),
                json!("it looks odd")
            ),
        ],
        "{}",
        kept.text
    );
    let name = all[1]["action"].as_str().expect("a name");
    assert!(
        ["view.reverted", "view.revert-begun"].contains(&name),
        "{name}"
    );
    assert_eq!(
        all[2]["detail"],
        json!({
            "view": "documents",
            "before": {"generation": 1},
            "after": {"generation": 2, "answers": false},
        })
    );
    assert_eq!(
        all[1]["detail"]["before"],
        json!({"generation": 2, "kept": 1})
    );
    assert_eq!(
        (&all[0]["view"], &all[0]["entityId"], &all[0]["subjectId"]),
        (&json!("documents"), &json!(order), &Value::Null)
    );
    let about = api.get("/actions").query("about", &order).await.is(200);
    assert_eq!(about.each("actions", "action"), ["view.healed"]);
    assert!(actions(&api, "search").await.items("actions").is_empty());

    // The same after a crash: neither a second effect nor a second record.
    node.kill();
    node.restart().await;
    let api = node.api();
    assert_eq!(rebuild(&api, "it looks odd").await.is(202).json, begun.json);
    assert_eq!(heal(&api).await.is(200).json, healed.json);
    assert_eq!(actions(&api, "documents").await.json, kept.json);
    answers(&api, "documents", 1).await;

    let line = [
        "actions",
        "list",
        "--view",
        "documents",
        "--url",
        node.url(),
    ];
    let told = node.cli().run(&line).await.succeeded().stdout;
    for part in [
        "view.healed",
        "view.rebuild-begun",
        "it looks odd",
        order.as_str(),
    ] {
        assert!(told.contains(part), "{part} in\n{told}");
    }
    node.cli().run(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn what_a_view_has_refused_leaves_no_record_and_binds_no_key() {
    let node = Node::start().await;
    let api = node.api();
    answers(&api, "search", 1).await;

    let back = || api.post("/views/search/revert").key("back");
    back()
        .json(json!({"reason": "none is kept"}))
        .await
        .is_problem(409);
    api.post("/views/odd/rebuild").await.is_problem(404);
    let nobody = format!("/views/search/heal/{}", Uuid::now_v7());
    api.post(&nobody).key("heal").await.is_problem(404);
    let wrong = json!({"reason": " "});
    api.post("/views/search/rebuild")
        .json(wrong)
        .await
        .is_problem(400);
    let none = api.get("/actions").await.is(200);
    assert!(none.items("actions").is_empty(), "{}", none.text);
    api.get("/actions")
        .query("view", "odd")
        .await
        .is_problem(400);

    api.post("/views/search/rebuild").await.is(202);
    answers(&api, "search", 2).await;
    // For another reason: nothing has happened under this key.
    let back = back().json(json!({"reason": "one is kept"})).await;
    assert!([200, 202].contains(&back.status), "{}", back.text);
    assert_eq!(actions(&api, "search").await.items("actions").len(), 2);
}

#[tokio::test]
async fn the_command_line_says_why() {
    let node = Node::start().await;
    let api = node.api();
    let customer = api.create_customer("Ada", "100.00").await;
    let url = node.url();
    for line in [
        &["views", "heal", "search", &customer.id, "--reason", "first"][..],
        &["views", "rebuild", "search", "--wait", "--reason", "second"][..],
        &["views", "revert", "search", "--reason", "third"][..],
    ] {
        let line = [line, &["--url", url]].concat();
        // The search view has no customers.
        let outcome = node.cli().run(&line).await;
        assert_eq!(
            outcome.code == Some(0),
            line[1] != "heal",
            "{}",
            outcome.stderr
        );
    }
    let kept = actions(&api, "search").await;
    assert_eq!(kept.each("actions", "reason"), ["third", "second"]);
}
