//! Callers that wait, and go away: they keep nobody from being served, and leave nothing behind.
//!
//! The connections are raw sockets, because an HTTP client keeps its own when a call is dropped.

use futures_util::future::join_all;
use serde_json::json;
use tests::{Api, Node, Response, eventually};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const CALLERS: usize = 100;
/// A node of these tests works on this many at once.
const AT_ONCE: usize = 20;
const FEW_IN_FLIGHT: (&str, &str) = ("COUNTERFOIL_MAX_IN_FLIGHT", "20");

/// So many characters of a token tell its form and its deployment.
const OF_DEPLOYMENT: usize = 14;

/// How a caller goes away.
#[derive(Clone, Copy)]
enum Leave {
    Close,
    CloseTheSendingHalf,
    BreakOff,
}

const LEAVES: [Leave; 3] = [Leave::Close, Leave::CloseTheSendingHalf, Leave::BreakOff];

async fn send(node: &Node, request: &str) -> TcpStream {
    let address = node.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)
        .await
        .expect("the node accepts connections");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("the node takes the request");
    stream
}

/// An order that its caller waits for.
fn order(customer: &str) -> String {
    let body = json!({"customerId": customer, "orderTotal": {"amount": "1"}}).to_string();
    format!(
        "POST /orders HTTP/1.1\r\nhost: x\r\nprefer: wait=30\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A count of the node's own.
async fn count(api: &Api, metric: &str, what: &str) -> usize {
    let metrics = api.get("/metrics").await.is(200).text;
    let line = format!("counterfoil_http_{metric}{{what=\"{what}\"}} ");
    let count = metrics.lines().find_map(|each| each.strip_prefix(&line));
    count.map_or(0, |count| count.parse().expect("a count"))
}

/// Until this many callers wait, and nothing is worked on.
async fn wait(api: &Api, what: &str, callers: usize) {
    eventually(&format!("{callers} wait"), async || {
        let seen = [count(api, "waiting", what), count(api, "in_flight", what)];
        (join_all(seen).await == [callers, 0]).then_some(())
    })
    .await;
}

/// Makes the callers go away, and asserts that the node holds nothing for them.
async fn leave(api: &Api, what: &str, callers: Vec<TcpStream>, how: Leave) {
    // Those that have closed one half alone are kept, so that the other stays open.
    let mut half_open = Vec::new();
    for mut caller in callers {
        match how {
            Leave::Close => {}
            Leave::CloseTheSendingHalf => {
                caller.shutdown().await.expect("a half is closed");
                half_open.push(caller);
            }
            Leave::BreakOff => caller.set_zero_linger().expect("a socket option"),
        }
    }
    wait(api, what, 0).await;
}

#[tokio::test]
async fn callers_that_wait_for_sagas_and_go_away_keep_nobody_from_being_served() {
    let node = Node::start_with(&[
        FEW_IN_FLIGHT,
        ("COUNTERFOIL_FAULTS", "panic-customer=Poison"),
    ])
    .await;
    let api = node.api();
    let healthy = api.new_customer("Ada", "1000").await.is(201);
    let poison = api.new_customer("Poison", "1000").await.is(201);
    let request = order(poison.str("customerId"));

    for how in LEAVES {
        let mut callers = Vec::new();
        while callers.len() < CALLERS {
            callers.extend(join_all((0..AT_ONCE).map(|_| send(&node, &request))).await);
            wait(&api, "commands", callers.len()).await;
        }

        let order = api.new_order(healthy.str("customerId"), "1").wait(20).await;
        assert_eq!(order.is(201).str("state"), "APPROVED");

        leave(&api, "commands", callers, how).await;
    }
}

#[tokio::test]
async fn readers_that_wait_for_what_will_never_be_keep_nobody_from_being_served() {
    let node = Node::start_with(&[FEW_IN_FLIGHT]).await;
    let api = node.api();
    let customer = api.new_customer("Ada", "1000").await.is(201);
    let shown = |token: &str| {
        let path = format!("/customers/{}", customer.str("customerId"));
        api.get(&path).token(token)
    };

    // This node will never have what another has; a token of the other as it stands would be
    // refused at once.
    let elsewhere = Node::start().await;
    let foreign = elsewhere.api().new_customer("Bea", "1").await.token();
    let own = customer.token();
    let never = format!("{}{}", &own[..OF_DEPLOYMENT], &foreign[OF_DEPLOYMENT..]);
    let request = format!(
        "GET /customers/count HTTP/1.1\r\nhost: x\r\nprefer: wait=30\r\n\
         consistency-token: {never}\r\n\r\n"
    );

    for how in LEAVES {
        let callers = join_all((0..CALLERS).map(|_| send(&node, &request))).await;
        wait(&api, "queries", CALLERS).await;
        shown(&customer.token()).await.is(200);
        leave(&api, "queries", callers, how).await;
    }
}

#[tokio::test]
async fn beyond_the_places_for_one_customer_only_that_customers_callers_are_refused() {
    let node = Node::start_with(&[
        ("COUNTERFOIL_MAX_WAITING", "8"),
        ("COUNTERFOIL_FAULTS", "panic-customer=Poison"),
    ])
    .await;
    let api = node.api();
    let healthy = api.new_customer("Ada", "1000").await.is(201);
    let poison = api.new_customer("Poison", "1000").await.is(201);

    let order = |customer: &Response| api.new_order(customer.str("customerId"), "1");
    // A quarter of eight.
    let in_vain = self::order(poison.str("customerId"));
    let _callers = join_all((0..2).map(|_| send(&node, &in_vain))).await;
    wait(&api, "commands", 2).await;

    let refused = order(&poison).wait(30).await;
    refused.is_problem(503);
    assert_eq!(refused.header("retry-after"), "1");
    order(&poison).await.is(201);
    let served = order(&healthy).wait(20).await.is(201);
    assert_eq!(served.str("state"), "APPROVED");
}
