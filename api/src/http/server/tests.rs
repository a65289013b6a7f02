//! The server as a whole: a real socket, and an orderly end.

mod connections;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actors::OrderAnswer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::{Listening, bind, listen};
use crate::http::testing::{ID, Node, config};
use crate::shutdown::Phase;

#[actix_web::test]
async fn readers_that_wait_are_answered_with_the_state_so_far_when_the_node_ends() {
    let node = Node::new();
    let listening = listening(&node);
    let address = listening.addresses[0];
    let server = actix_rt::spawn(listening.server);
    assert_eq!(
        http()
            .get(format!("http://{address}/health/live"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );

    *node.double.hangs.lock().unwrap() = true;
    let mut answers = Vec::new();
    for handling in ["strict", "lenient"] {
        let request = http().get(format!("http://{address}/orders/{ID}"));
        let request = request
            .header("consistency-token", "t")
            .header("prefer", format!("wait=25, handling={handling}"));
        let waiting = actix_rt::spawn(request.send());
        while node.double.freshness.lock().unwrap().take().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        answers.push(waiting);
    }
    node.shutdown.send_replace(Phase::Ending);

    let [strict, lenient] = answers.try_into().unwrap();
    let strict = strict.await.unwrap().unwrap();
    assert_eq!(
        (strict.status().as_u16(), &strict.headers()["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    assert!(strict.text().await.unwrap().contains("view-behind"));
    let lenient = lenient.await.unwrap().unwrap();
    assert_eq!(
        (lenient.status().as_u16(), &lenient.headers()["consistency"]),
        (200, &"stale".parse().unwrap())
    );
    tokio::time::timeout(Duration::from_secs(15), server)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[actix_web::test]
async fn an_address_in_use_is_told_in_one_line_when_it_is_taken_and_also_later() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let told = format!(
        "listen (COUNTERFOIL_LISTEN) is \"{address}\" and cannot be listened on: \
         Address already in use; \
         allowed: an address and port of this machine that is free"
    );
    let config = config(&["--listen", &address.to_string()]);
    let Err(error) = bind(&config) else {
        panic!("it is in use")
    };
    assert_eq!(format!("{error:#}"), told);
    drop(taken);

    // Two nodes that start at the same time.
    let node = Node::new();
    let (first, second) = (bind(&config).unwrap(), bind(&config).unwrap());
    let first = listen(node.api.clone(), first, &config, node.shutdown.subscribe()).unwrap();
    assert_eq!(first.addresses, [address]);
    let Err(error) = listen(node.api.clone(), second, &config, node.shutdown.subscribe()) else {
        panic!("in use")
    };
    assert_eq!(format!("{error:#}"), told);
}

#[actix_web::test]
async fn nobody_can_connect_before_the_node_is_ready() {
    let bound = bind(&config(&["--listen", "127.0.0.1:0"])).unwrap();
    let address = bound.socket.local_addr().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[actix_web::test]
async fn a_body_that_is_too_large_is_answered_and_not_cut_off() {
    let node = Node::new();
    let url = format!("http://{}/customers", serve(&node));

    let client = http();
    for length in [65 * 1024, 70 * 1024, 200 * 1024, 900 * 1024].repeat(25) {
        let request = client
            .post(&url)
            .header("content-type", "application/json")
            .body("x".repeat(length));
        assert_eq!(
            request.send().await.unwrap().status(),
            413,
            "{length} bytes"
        );
    }
}

#[actix_web::test]
async fn a_body_that_is_still_coming_in_keeps_nobody_from_working() {
    let node = Node::with(&["--max-in-flight", "1"]);
    let address = serve(&node);

    let body = r#"{"name":"Ada","creditLimit":{"amount":"1"}}"#;
    let head = format!(
        "POST /customers HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\
         expect: 100-continue\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 12];
    slow.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100");

    let request = http()
        .post(format!("http://{address}/customers"))
        .body(body);
    let other = request
        .header("content-type", "application/json")
        .send()
        .await
        .unwrap();
    assert_eq!(other.status(), 201);
    slow.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("HTTP/1.1 201"), "{answer}");
}

/// A server over the double that listens and does not run yet.
fn http() -> reqwest::Client {
    let plain = "http://127.0.0.1".parse().unwrap();
    client::http::builder(&plain).build().unwrap()
}

fn listening(node: &Node) -> Listening {
    listening_with(node, &[])
}

fn listening_with(node: &Node, flags: &[&str]) -> Listening {
    let own = ["--listen", "127.0.0.1:0", "--http-workers", "1"];
    let config = config(&[&own[..], flags].concat());
    listen(
        node.api.clone(),
        bind(&config).unwrap(),
        &config,
        node.shutdown.subscribe(),
    )
    .unwrap()
}

/// A server over the double, and where it listens.
fn serve(node: &Node) -> SocketAddr {
    let listening = listening(node);
    actix_rt::spawn(listening.server);
    listening.addresses[0]
}

/// Sends a command that waits for its saga, and gives the sender that tells the server of that
/// saga's end.
async fn follow_a_saga(
    node: &Node,
    address: SocketAddr,
) -> (TcpStream, oneshot::Sender<OrderAnswer>) {
    let body = format!(r#"{{"customerId":"{ID}","orderTotal":{{"amount":"1"}}}}"#);
    let head = format!(
        "POST /orders HTTP/1.1\r\nhost: x\r\nprefer: wait=25\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );

    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all((head + &body).as_bytes()).await.unwrap();

    let end = loop {
        let followed = node.double.followed.lock().unwrap().pop();
        match followed {
            Some(end) => break end,
            None => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    };
    (client, end)
}

#[actix_web::test]
async fn whoever_hangs_up_holds_nothing_any_more() {
    let node = Node::new();
    *node.double.goes_on.lock().unwrap() = true;
    let address = serve(&node);
    let bound = Duration::from_secs(10);

    // By closing its connection, which half-closes it at first.
    let (client, mut end) = follow_a_saga(&node, address).await;
    drop(client);
    tokio::time::timeout(bound, end.closed()).await.unwrap();

    // By closing the half it sends on.
    let (mut client, mut end) = follow_a_saga(&node, address).await;
    client.shutdown().await.unwrap();
    tokio::time::timeout(bound, end.closed()).await.unwrap();

    // By breaking the connection off.
    let (client, mut end) = follow_a_saga(&node, address).await;
    client.set_zero_linger().unwrap();
    drop(client);
    tokio::time::timeout(bound, end.closed()).await.unwrap();
}

#[actix_web::test]
async fn a_reader_that_hangs_up_holds_nothing_any_more() {
    let node = Node::new();
    *node.double.hangs.lock().unwrap() = true;
    let address = serve(&node);

    let mut client = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /orders/{ID} HTTP/1.1\r\nhost: x\r\nprefer: wait=25\r\nconsistency-token: t\r\n\r\n"
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let under_way = &node.double.reads_under_way;
    while Arc::strong_count(under_way) == 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(client);

    let let_go = async {
        while Arc::strong_count(under_way) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), let_go)
        .await
        .unwrap();
}

#[actix_web::test]
async fn a_body_that_is_still_coming_in_when_the_node_ends_is_not_waited_for() {
    let node = Node::new();
    let address = serve(&node);
    let mut client = TcpStream::connect(address).await.unwrap();
    // The server says this as soon as the command has begun.
    let head = "POST /customers HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                content-length: 100\r\nexpect: 100-continue\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    client.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");

    node.shutdown.send_replace(Phase::Ending);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("retry-after: 1"), "{answer}");
}

#[actix_web::test]
async fn whoever_sends_what_is_no_request_hears_a_problem() {
    let node = Node::new();
    let address = serve(&node);
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(200_000));

    for (request, status) in [
        ("nonsense\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n", "400"),
        (&long, "431"),
    ] {
        let mut client = TcpStream::connect(address).await.unwrap();
        // The server may close while the rest is on its way.
        let _ = client.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer).await;

        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
}
