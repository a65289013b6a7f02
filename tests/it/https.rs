//! The command line through a proxy that speaks TLS and asks for credentials.

use tests::{Cli, Node, Ran, TlsProxy, data_file};

/// `ada`, whose password is `p@s:s`.
const BASIC: &str = "Basic YWRhOnBAczpz";
const ADA: &str = "ada:p%40s%3As@";
const URL: &str = "COUNTERFOIL_URL";
const TOKEN: &str = "COUNTERFOIL_TOKEN";

/// A command line that trusts the proxy's authority.
fn trusting(node: &Node, proxy: &TlsProxy) -> Cli {
    let authority = proxy.authority();
    let authority = authority.to_str().expect("a path in UTF-8");
    node.cli().env("SSL_CERT_FILE", authority)
}

/// A command line on a machine that has none.
fn without_certificates(node: &Node) -> Cli {
    let cli = node.cli().env("SSL_CERT_FILE", "/nowhere/ca.pem");
    cli.env("SSL_CERT_DIR", "")
}

/// Asserts that a command has failed with one line, which tells this and no secret.
#[track_caller]
fn tells(outcome: Ran, told: &str) {
    let outcome = outcome.failed();
    let line = outcome.only_line();
    assert!(line.contains(told), "{line}");
    for secret in ["p%40s", "p@s:s", "hush", "YWRh"] {
        assert!(!line.contains(secret), "{line}");
    }
}

#[tokio::test]
async fn credentials_in_the_address_lead_through_a_proxy() {
    let node = Node::start().await;
    let proxy = TlsProxy::start(node.url(), BASIC).await;
    let cli = trusting(&node, &proxy).env(URL, &proxy.url(ADA));

    cli.run(&["health"]).await.succeeded();
    let file = data_file("groceries-small.jsonl");
    let file = file.to_str().expect("a path in UTF-8");
    cli.run(&["import", file, "--json"]).await.succeeded();
    cli.run(&["sagas", "list"]).await.succeeded();
    cli.run(&["views", "status", "--json"]).await.succeeded();

    let help = cli.run(&["sagas", "--help"]).await.succeeded();
    assert!(!help.stdout.contains("p%40s"), "{}", help.stdout);
}

#[tokio::test]
async fn a_token_leads_through_a_proxy() {
    let node = Node::start().await;
    let proxy = TlsProxy::start(node.url(), "Bearer hush.1").await;
    let cli = trusting(&node, &proxy).env(URL, &proxy.url(""));

    cli.clone()
        .env(TOKEN, "hush.1")
        .run(&["health"])
        .await
        .succeeded();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "hush.1\n").expect("the file can be written");
    let path = file.path().to_str().expect("a path in UTF-8");
    cli.run(&["sagas", "list", "--token-file", path])
        .await
        .succeeded();

    let missing = cli.run(&["health", "--token-file", "/nowhere/token"]).await;
    tells(missing, "the token of /nowhere/token cannot be used");
    let two_words = cli.clone().env(TOKEN, "hush 1").run(&["health"]).await;
    tells(two_words, "the token of COUNTERFOIL_TOKEN cannot be used");
    let both = cli.env(TOKEN, "hush.1").env(URL, &proxy.url(ADA));
    tells(both.run(&["health"]).await, "only one of both");
}

#[tokio::test]
async fn wrong_credentials_are_told_in_one_line() {
    let node = Node::start().await;
    let proxy = TlsProxy::start(node.url(), BASIC).await;
    let cli = trusting(&node, &proxy);
    let file = data_file("groceries-small.jsonl");
    let file = file.to_str().expect("a path in UTF-8");

    for command in [
        &["health"][..],
        &["sagas", "list"],
        &["views", "rebuild", "search"],
        &["import", file, "--keep-going"],
    ] {
        let none = cli.clone().env(URL, &proxy.url("")).run(command).await;
        tells(none, "asks for credentials");
        let wrong = cli.clone().env(URL, &proxy.url("ada:hush@"));
        tells(wrong.run(command).await, "refuses these credentials");
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_no_credentials() {
    let node = Node::start().await;
    let proxy = TlsProxy::start(node.url(), BASIC).await;

    let cli = node.cli().env(URL, &proxy.url(ADA));
    for command in [&["health"][..], &["sagas", "list"]] {
        tells(cli.run(command).await, "nobody whom this machine trusts");
    }

    let cli = trusting(&node, &proxy);
    let other_name = proxy.url(ADA).replace("localhost", "127.0.0.1");
    let outcome = cli.clone().env(URL, &other_name).run(&["health"]).await;
    tells(outcome, "no safe connection to https://127.0.0.1:");

    let plain = node.url().replace("http://", &format!("https://{ADA}"));
    let outcome = cli.env(URL, &plain).run(&["sagas", "list"]).await;
    tells(outcome, "it does not speak TLS");

    let cli = without_certificates(&node).env(URL, &proxy.url(ADA));
    tells(cli.run(&["health"]).await, "No CA certificates were loaded");
}

/// A container may have no certificates at all, and a health check every few seconds.
#[tokio::test]
async fn what_is_not_encrypted_needs_no_certificates() {
    let node = Node::start().await;
    let cli = without_certificates(&node);
    cli.run(&["health", "--url", node.url()]).await.succeeded();
}
