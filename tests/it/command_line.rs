//! The command line as people and scripts use it: pipes that close early, everything that is wrong
//! at once, and what it tells of itself.

use serde_json::Value;
use tests::{Cli, Node};

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_failure_of_any_command() {
    let mut node = Node::start().await;
    let cli = node.cli().env("COUNTERFOIL_URL", node.url());
    let ada = node.api().create_customer("Ada", "15.00").await;
    let order = node.api().place(&ada.id, "1.00", "APPROVED").await;

    let backup = node.data().join("../backup");
    let commands: [&[&str]; 10] = [
        &["sagas", "list"],
        &["quarantine", "list"],
        &["views", "status"],
        &["explain", &order.id],
        &["health"],
        &["verify"],
        &["verify", "--json"],
        &["config", "show"],
        &["man"],
        &["backup", "--to", backup.to_str().expect("UTF-8")],
    ];
    for command in commands {
        let outcome = cli.run_unread(command).await.succeeded();
        let said = outcome.stderr.to_lowercase();
        assert!(
            !said.contains("pipe") && !said.contains("panic"),
            "{command:?}: {said}"
        );
    }

    node.terminate().await;
}

#[tokio::test]
async fn a_check_tells_everything_that_is_wrong_and_a_start_warns_of_a_variable_it_does_not_know() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cli = Cli::new(folder.path())
        .env("COUNTERFOIL_SHARDS", "99")
        .env("COUNTERFOIL_MAX_WAIT", "never")
        .env("COUNTERFOIL_MAX_WATI", "5s");

    let told = cli.run(&["config", "check"]).await.failed().stderr;
    assert_eq!(told.lines().count(), 3, "{told}");
    for word in [
        "COUNTERFOIL_SHARDS",
        "never",
        "did you mean COUNTERFOIL_MAX_WAIT?",
    ] {
        assert!(told.contains(word), "{word}: {told}");
    }

    let json = cli
        .run(&["config", "check", "--json"])
        .await
        .failed()
        .stdout;
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["valid"], false);
    assert_eq!(json["errors"].as_array().map(Vec::len), Some(3), "{json}");

    let node = Node::start_with(&[("COUNTERFOIL_MAX_WATI", "5s")]).await;
    assert!(
        node.log().contains("COUNTERFOIL_MAX_WATI"),
        "{}",
        node.log()
    );
}

#[tokio::test]
async fn a_script_reads_health_and_settings_as_json() {
    let mut node = Node::start().await;
    let cli = node.cli().env("COUNTERFOIL_URL", node.url());
    let json = |text: String| serde_json::from_str::<Value>(&text).expect("JSON");

    let ready = cli.run(&["health", "--json"]).await.succeeded();
    assert_eq!(json(ready.stdout)["status"], "ready");
    let settings = cli.run(&["config", "show", "--json"]).await.succeeded();
    assert_eq!(json(settings.stdout)["shards"]["origin"], "default");

    node.kill();
    let gone = cli.run(&["health", "--json"]).await.failed();
    assert_eq!(json(gone.stdout)["status"], "unknown");
}
