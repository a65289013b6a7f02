//! Connections end, whatever their clients leave out, and there are only so many of them.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{follow_a_saga, listening_with};
use crate::http::testing::Node;

/// A server that waits for nobody for long.
fn serve_impatiently(flags: &[&str]) -> (Node, SocketAddr) {
    let impatient = ["--receive-timeout", "2s", "--keep-alive", "1s"];
    let flags = [&impatient[..], flags].concat();
    let node = Node::with(&flags);
    let listening = listening_with(&node, &flags);
    actix_rt::spawn(listening.server);
    (node, listening.addresses[0])
}

const COUNT: &str = "GET /customers/count HTTP/1.1\r\nhost: localhost\r\n";

/// Sends `first`, then `again` as long as the connection is open; gives what came until it closed.
async fn until_closed(address: SocketAddr, first: &str, again: &'static str) -> String {
    let client = TcpStream::connect(address).await.unwrap();
    let (mut answers, mut requests) = client.into_split();
    requests.write_all(first.as_bytes()).await.unwrap();
    let sends = actix_rt::spawn(async move {
        let mut pace = tokio::time::interval(Duration::from_millis(50));
        while requests.write_all(again.as_bytes()).await.is_ok() {
            pace.tick().await;
        }
    });

    let mut got = Vec::new();
    // One that still sends may find the connection reset instead of closed.
    let closed = tokio::time::timeout(Duration::from_secs(20), answers.read_to_end(&mut got));
    let _ = closed.await.expect("the connection closes");
    sends.abort();
    String::from_utf8(got).unwrap()
}

#[actix_web::test]
async fn no_connection_is_open_for_ever_whatever_its_client_leaves_out() {
    let (_node, address) = serve_impatiently(&[]);
    let post = "POST /customers HTTP/1.1\r\nhost: localhost\r\n\
                content-type: application/json\r\n";
    let chunked = "transfer-encoding: chunked\r\n\r\nffff\r\n{\"nam";

    let cases = [
        // A chunked body that stops, and one that does not, where one is wanted and where none is.
        (format!("{post}{chunked}"), "", "408"),
        (format!("{post}{chunked}"), "e", "408"),
        (format!("{COUNT}{chunked}"), "", "200"),
        (
            format!("{COUNT}transfer-encoding: chunked\r\n\r\n"),
            "1\r\nx\r\n",
            "200",
        ),
        (format!("{COUNT}content-length: 9999\r\n\r\nx"), "", "200"),
        (format!("{COUNT}content-length: 9999\r\n\r\nx"), "x", "200"),
        // The head of a second request.
        (format!("{COUNT}\r\nGET /"), "x", "200"),
        // The head of the first, and nothing at all.
        ("GET /".to_owned(), "x", "408"),
        (String::new(), "", "408"),
        (format!("{COUNT}\r\n"), "", "200"),
    ];

    let closed = cases.map(|(first, again, answers)| async move {
        let got = until_closed(address, &first, again).await;
        let begin = format!("HTTP/1.1 {answers}");
        assert!(got.starts_with(&begin), "{first:?} {again:?}: {got}");
        assert_eq!(got.matches("HTTP/1.1").count(), 1, "{got}");
    });
    join_all(closed).await;
}

#[actix_web::test]
async fn whoever_does_not_take_an_answer_is_not_waited_for() {
    let (node, address) = serve_impatiently(&[]);
    let mut client = TcpStream::connect(address).await.unwrap();
    // More answers than the buffers of two sockets hold.
    let asks = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(16);
    client.write_all(asks.as_bytes()).await.unwrap();

    // The server lets go of all of them, so it can end.
    let gone = async {
        while client.write_all(b"\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone)
        .await
        .expect("the server closes the connection");
    drop(node);
}

#[actix_web::test]
async fn a_request_that_takes_longer_than_any_client_may_is_worked_on_all_the_same() {
    let (node, address) = serve_impatiently(&[]);
    *node.double.goes_on.lock().unwrap() = true;
    let (mut client, end) = follow_a_saga(&node, address).await;

    // Past all that a client has time for.
    let early = tokio::time::timeout(Duration::from_secs(5), client.read_u8());
    assert!(early.await.is_err(), "the connection is still there");
    drop(end);
    let mut answer = [0; 12];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 201");
}

/// Asks on a connection that it leaves open.
async fn ask(address: SocketAddr, request: &str) -> (TcpStream, String) {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let answered = tokio::time::timeout(Duration::from_secs(20), client.read(&mut answer));
    let length = answered.await.expect("an answer comes").unwrap();
    answer.truncate(length);
    (client, String::from_utf8(answer).unwrap())
}

#[actix_web::test]
async fn a_newcomer_takes_the_place_of_the_connection_that_was_idle_longest() {
    let flags = ["--max-connections", "16"];
    let node = Node::with(&flags);
    let listening = listening_with(&node, &flags);
    actix_rt::spawn(listening.server);
    let address = listening.addresses[0];

    let request = format!("{COUNT}\r\n");
    let mut held = Vec::new();
    for number in 0..40 {
        let (client, answer) = ask(address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{number}: {answer}");
        held.push(client);
    }

    // The oldest have gone, and the newest are there.
    let newest = held.last_mut().unwrap();
    newest.write_all(request.as_bytes()).await.unwrap();
    assert!(newest.read(&mut [0; 512]).await.unwrap() > 0);
    for oldest in &mut held[..40 - 18] {
        assert_eq!(oldest.read(&mut [0; 512]).await.unwrap(), 0);
    }
}

#[actix_web::test]
async fn silent_and_slow_connections_keep_no_health_check_out() {
    let flags = ["--max-connections", "16"];
    let node = Node::with(&flags);
    let listening = listening_with(&node, &flags);
    actix_rt::spawn(listening.server);
    let address = listening.addresses[0];

    let mut silent = Vec::new();
    let slow_body = "POST /customers HTTP/1.1\r\nhost: localhost\r\n\
                     content-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    for half in ["", "GET /heal", slow_body].repeat(40) {
        let mut client = TcpStream::connect(address).await.unwrap();
        // It may have been closed already, to make room.
        let _ = client.write_all(half.as_bytes()).await;
        silent.push(client);
    }
    let health = "GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let (_, answer) = ask(address, health).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[actix_web::test]
async fn while_all_connections_are_at_work_a_few_more_are_let_in_for_one_request() {
    let flags = ["--max-connections", "16"];
    let node = Node::with(&flags);
    *node.double.goes_on.lock().unwrap() = true;
    let listening = listening_with(&node, &flags);
    actix_rt::spawn(listening.server);
    let address = listening.addresses[0];

    let mut at_work = Vec::new();
    for _ in 0..16 {
        at_work.push(follow_a_saga(&node, address).await);
    }
    let health = "GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let (_, answer) = ask(address, health).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");

    // The reserve is of two.
    for _ in 0..2 {
        at_work.push(follow_a_saga(&node, address).await);
    }
    let mut refused = TcpStream::connect(address).await.unwrap();
    let mut answer = String::new();
    refused.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(
        head.contains(&format!("content-length: {}", body.len())),
        "{answer}"
    );
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["type"], "urn:counterfoil:problem:overloaded");
}
