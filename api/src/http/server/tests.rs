//! The server as a whole: a real socket, and an orderly end.

use std::time::Duration;

use super::listen;
use crate::http::testing::{ID, Node, config};

#[actix_web::test]
async fn a_reader_that_waits_is_answered_when_the_node_ends() {
    let node = Node::new();
    let config = config(&["--listen", "127.0.0.1:0", "--http-workers", "1"]);
    let listening = listen(node.api.clone(), &config, node.shutdown.subscribe()).unwrap();
    let address = listening.addresses[0];
    let server = actix_rt::spawn(listening.server);
    assert_eq!(reqwest::get(format!("http://{address}/health/live")).await.unwrap().status(), 200);

    *node.double.hangs.lock().unwrap() = true;
    let request = reqwest::Client::new().get(format!("http://{address}/orders/{ID}")).header("consistency-token", "t");
    let waiting = actix_rt::spawn(request.send());
    while node.double.freshness.lock().unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    node.shutdown.send_replace(true);

    let answer = waiting.await.unwrap().unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
    tokio::time::timeout(Duration::from_secs(15), server).await.unwrap().unwrap().unwrap();
}

#[actix_web::test]
async fn an_address_in_use_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let node = Node::new();
    let config = config(&["--listen", &taken.local_addr().unwrap().to_string()]);
    let Err(error) = listen(node.api.clone(), &config, node.shutdown.subscribe()) else { panic!("it is in use") };
    assert!(error.to_string().contains("in use") && error.to_string().contains("127.0.0.1"), "{error}");
}

#[actix_web::test]
async fn a_body_that_is_too_large_is_answered_and_not_cut_off() {
    let node = Node::new();
    let config = config(&["--listen", "127.0.0.1:0", "--http-workers", "1"]);
    let listening = listen(node.api.clone(), &config, node.shutdown.subscribe()).unwrap();
    let url = format!("http://{}/orders", listening.addresses[0]);
    actix_rt::spawn(listening.server);
    let client = reqwest::Client::new();
    for length in [65 * 1024, 70 * 1024, 200 * 1024, 900 * 1024].repeat(25) {
        let request = client.post(&url).header("content-type", "application/json").body("x".repeat(length));
        assert_eq!(request.send().await.unwrap().status(), 413, "{length} bytes");
    }
}
