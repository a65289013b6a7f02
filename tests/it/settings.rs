//! Settings: where they come from, and that a wrong one stops the start with one line that helps.

use tests::{Cli, Node, Ran};

/// What `serve` says to one wrong setting on an empty data folder.
async fn refused(name: &str, value: &str) -> Ran {
    let folder = tempfile::tempdir().expect("a temporary folder");
    Cli::new(folder.path())
        .env("COUNTERFOIL_LISTEN", "127.0.0.1:0")
        .env(name, value)
        .serve_is_refused(&[])
        .await
}

/// Asserts that one line names the setting, the value and what is allowed. A setting may be named
/// as in the environment, the file or on the command line.
#[track_caller]
fn names(line: &str, setting: &str, words: &[&str]) {
    let spelled_alike = line.to_lowercase().replace(['-', '.', ' '], "_");
    assert!(
        spelled_alike.contains(setting),
        "`{setting}` is not named: {line}"
    );
    for word in words {
        assert!(line.contains(word), "`{word}` is not named: {line}");
    }
}

#[tokio::test]
async fn an_unknown_coordination_stops_the_start() {
    let outcome = refused("COUNTERFOIL_COORDINATION", "foo").await;

    names(
        outcome.only_line(),
        "coordination",
        &["foo", "orchestration"],
    );
}

#[tokio::test]
async fn a_loading_that_is_none_stops_the_start() {
    for wrong in ["rows", "replay:", "replay:0", "replay:+5", "replay:1000001"] {
        let outcome = refused("COUNTERFOIL_ORDERS_LOADING", wrong).await;

        names(
            outcome.only_line(),
            "orders_loading",
            &[wrong, "row", "replay:N"],
        );
    }
}

#[tokio::test]
async fn brokers_that_nobody_could_find_stop_the_start() {
    let outcome = refused("COUNTERFOIL_LOG_URL", "kafka://x").await;

    names(outcome.only_line(), "log_url", &["kafka", "embedded"]);
}

#[tokio::test]
async fn a_log_between_nodes_on_databases_of_one_node_stops_the_start() {
    let outcome = refused("COUNTERFOIL_LOG_URL", "kafka://127.0.0.1:9").await;

    names(
        outcome.only_line(),
        "customers_database_url",
        &["kafka", "embedded", "postgres://"],
    );
}

#[tokio::test]
async fn a_node_that_is_alone_and_would_leave_work_to_others_does_not_start() {
    let outcome = refused("COUNTERFOIL_ROLES", "api").await;

    names(
        outcome.only_line(),
        "roles",
        &["log_url", "embedded", "api,actors", "kafka://"],
    );
}

#[tokio::test]
async fn no_shards_at_all_stop_the_start() {
    let outcome = refused("COUNTERFOIL_SHARDS", "0").await;

    names(outcome.only_line(), "shards", &["0"]);
}

#[tokio::test]
async fn values_of_the_wrong_kind_stop_the_start() {
    names(
        refused("COUNTERFOIL_SHARDS", "many").await.only_line(),
        "shards",
        &["many"],
    );

    names(
        refused("COUNTERFOIL_LISTEN", "nowhere").await.only_line(),
        "listen",
        &["nowhere"],
    );

    names(
        refused("COUNTERFOIL_ROLES", "api,king").await.only_line(),
        "roles",
        &["king"],
    );

    names(
        refused("COUNTERFOIL_SERVICES", "customers,parcels")
            .await
            .only_line(),
        "services",
        &["parcels"],
    );

    names(
        refused("COUNTERFOIL_DOCUMENTS_URL", "ftp://x")
            .await
            .only_line(),
        "documents_url",
        &["ftp"],
    );

    names(
        refused("COUNTERFOIL_SEARCH_URL", "ftp://x")
            .await
            .only_line(),
        "search_url",
        &["ftp"],
    );

    let database = refused("COUNTERFOIL_ORDERS_DATABASE_URL", "mysql://x").await;
    names(database.only_line(), "orders_database_url", &["mysql"]);
}

#[tokio::test]
async fn an_unknown_key_in_the_file_stops_the_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("counterfoil.toml");
    std::fs::write(&file, "shardz = 8\n").expect("the file can be written");
    let file = file.to_str().expect("a path in UTF-8");

    let cli = Cli::new(folder.path()).env("COUNTERFOIL_LISTEN", "127.0.0.1:0");
    let outcome = cli.serve_is_refused(&["--config", file]).await;

    names(outcome.only_line(), "shardz", &[]);
}

#[tokio::test]
async fn a_file_that_is_missing_stops_the_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cli = Cli::new(folder.path()).env("COUNTERFOIL_LISTEN", "127.0.0.1:0");

    let outcome = cli.serve_is_refused(&["--config", "missing.toml"]).await;

    names(outcome.only_line(), "config", &["missing.toml"]);
}

#[tokio::test]
async fn a_secret_from_an_unreadable_file_stops_the_start() {
    let outcome = refused(
        "COUNTERFOIL_ORDERS_DATABASE_URL_FILE",
        "/nonexistent/secret",
    )
    .await;

    names(
        outcome.only_line(),
        "orders_database_url",
        &["/nonexistent/secret"],
    );
}

#[tokio::test]
async fn a_second_node_on_the_same_data_is_refused() {
    let node = Node::start().await;

    let second = node
        .cli()
        .env("COUNTERFOIL_LISTEN", "127.0.0.1:0")
        .serve_is_refused(&[])
        .await;

    names(&second.said(), "data_dir", &[]);
    // the first one goes on
    node.api().create_customer("Ada", "15.00").await;
}

#[tokio::test]
async fn the_number_of_shards_cannot_change_after_the_first_start() {
    let mut node = Node::start_with(&[("COUNTERFOIL_SHARDS", "4")]).await;
    let customer = node.api().create_customer("Ada", "15.00").await;
    node.terminate().await;

    let other = node
        .cli()
        .env("COUNTERFOIL_SHARDS", "8")
        .env("COUNTERFOIL_LISTEN", "127.0.0.1:0");
    let refused = other.serve_is_refused(&[]).await;

    let said = refused.said();
    let line = said
        .lines()
        .find(|line| line.to_lowercase().contains("shards"))
        .unwrap_or_default();
    names(line, "shards", &["8", "4"]);
    node.restart().await;
    let order = node.api().place(&customer.id, "12.34", "APPROVED").await;
    assert_eq!(
        node.api().available_cents(&customer.id, &order.token).await,
        266
    );
}

#[tokio::test]
async fn one_shard_is_enough() {
    let node = Node::start_with(&[("COUNTERFOIL_SHARDS", "1")]).await;
    let api = node.api();
    let customer = api.create_customer("Ada", "15.00").await;

    api.place(&customer.id, "12.34", "APPROVED").await;
    node.cli().run(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn the_environment_stands_over_the_file_and_the_flag_over_both() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("counterfoil.toml");
    std::fs::write(&file, "namespace = \"fromthefile\"\n").expect("the file can be written");
    let file = file.to_str().expect("a path in UTF-8");
    let cli = Cli::new(folder.path());

    let shown = cli
        .run(&["config", "show", "--config", file])
        .await
        .succeeded();
    assert!(shown.stdout.contains("fromthefile"), "{}", shown.stdout);
    let cli = cli.env("COUNTERFOIL_NAMESPACE", "fromtheenv");
    let shown = cli
        .run(&["config", "show", "--config", file])
        .await
        .succeeded();
    assert!(
        shown.stdout.contains("fromtheenv") && !shown.stdout.contains("fromthefile"),
        "{}",
        shown.stdout
    );
    let shown = cli
        .run(&[
            "config",
            "show",
            "--config",
            file,
            "--namespace",
            "fromtheflag",
        ])
        .await
        .succeeded();
    assert!(
        shown.stdout.contains("fromtheflag") && !shown.stdout.contains("fromtheenv"),
        "{}",
        shown.stdout
    );
}

#[tokio::test]
async fn a_check_tells_good_settings_from_bad_ones() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cli = Cli::new(folder.path());

    cli.run(&["config", "check"]).await.succeeded();
    let bad = cli
        .env("COUNTERFOIL_SHARDS", "0")
        .run(&["config", "check"])
        .await
        .failed();
    names(bad.only_line(), "shards", &["0"]);
}
