//! Traces: what a collector gets of the requests to a node, and that neither their absence nor
//! that of the collector is felt.

use tests::{Collector, Node, Response, TlsProxy, eventually, has_sagas};
use tokio::net::TcpListener;

const ENDPOINT: &str = "COUNTERFOIL_OTLP_ENDPOINT";

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

async fn traced(collector: &str) -> Node {
    let more = ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test");
    Node::start_with(&[(ENDPOINT, collector), more]).await
}

/// The parts of the answer's `traceparent`: trace, span, flags.
fn told(answer: &Response) -> (String, String, String) {
    let parts: Vec<&str> = answer.header("traceparent").split('-').collect();
    let [version, trace, span, flags] = parts[..] else {
        panic!("{parts:?}")
    };
    assert_eq!((version, trace.len(), span.len()), ("00", 32, 16));
    (trace.to_owned(), span.to_owned(), flags.to_owned())
}

#[tokio::test]
async fn a_request_goes_on_with_the_trace_of_its_caller() {
    let collector = Collector::start().await;
    let mut node = traced(collector.url()).await;

    let answer = node
        .api()
        .new_customer("Ada", "15.00")
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .header("x-request-id", "shop-17")
        .await
        .is(201);
    let (trace, span, flags) = told(&answer);
    assert_eq!((trace.as_str(), flags.as_str()), (TRACE, "01"));

    // A node that ends sends what it has.
    node.terminate().await;
    let mut sent = collector.trace(TRACE);
    // What happens below it has it for a parent.
    sent.retain(|span| span.parent() == CALLER);
    let [sent] = &sent[..] else {
        panic!("{sent:?}")
    };
    assert_eq!((sent.id(), sent.parent()), (span, CALLER.to_owned()));
    assert_eq!(sent.span.name, "POST /customers");
    assert!(sent.span.end_time_unix_nano > sent.span.start_time_unix_nano);

    for (key, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/customers"),
        ("url.path", "/customers"),
        ("http.response.status_code", "201"),
        ("http.request_id", "shop-17"),
    ] {
        assert_eq!(sent.attribute(key).as_deref(), Some(value), "{key}");
    }
    for (key, value) in [
        ("service.name", "counterfoil"),
        ("service.instance.id", "node-1"),
        ("deployment.environment", "test"),
    ] {
        assert_eq!(sent.of_process(key).as_deref(), Some(value), "{key}");
    }
}

#[tokio::test]
async fn what_happens_below_a_request_is_part_of_its_trace() {
    let collector = Collector::start().await;
    let mut node = traced(collector.url()).await;
    let api = node.api();
    let ada = api.create_customer("Ada", "15.00").await;

    let placed = api
        .new_order(&ada.id, "12.34")
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .header("prefer", "wait=10")
        .await
        .is(201);
    let (_, request, _) = told(&placed);
    // The views have it by then.
    api.order(placed.str("orderId"))
        .token(&placed.token())
        .wait(10)
        .await
        .is(200);
    api.get("/orders")
        .token(&placed.token())
        .wait(10)
        .await
        .is(200);
    node.terminate().await;

    let sent = collector.trace(TRACE);
    let mut below: Vec<&str> = sent
        .iter()
        .filter(|span| span.parent() == request)
        .map(|span| span.span.name.as_str())
        .collect();
    below.sort_unstable();
    below.dedup();
    let by_saga = [
        "commit customers",
        "commit orders",
        "message customer.credit-reserved-reply",
        "message customer.reserve-credit",
        "saga create-order",
        "view documents",
        "view search",
    ];
    let by_choreography = [
        "commit customers",
        "commit orders",
        "message customer.credit-reserved",
        "message customer.reserve-credit",
        "message order.approve",
        "message order.created",
        "view documents",
        "view search",
    ];
    let expected = if has_sagas() {
        &by_saga[..]
    } else {
        &by_choreography
    };
    assert_eq!(below, expected, "{sent:?}");
}

#[tokio::test]
async fn what_a_rebuild_reads_anew_is_not_traced_anew() {
    let collector = Collector::start().await;
    let mut node = traced(collector.url()).await;
    let api = node.api();
    let ada = api.create_customer("Ada", "15.00").await;

    let placed = api
        .new_order(&ada.id, "12.34")
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .header("prefer", "wait=10")
        .await
        .is(201);
    let order = placed.str("orderId");
    let shown = async || {
        let read = api.order(order).token(&placed.token()).wait(10).await;
        read.is(200);
    };
    shown().await;
    let rebuild = [
        "views",
        "rebuild",
        "documents",
        "--wait",
        "--url",
        node.url(),
    ];
    node.cli().run(&rebuild).await.succeeded();
    shown().await;
    node.terminate().await;

    let sent = collector.trace(TRACE);
    let view = sent
        .iter()
        .filter(|span| span.span.name == "view documents");
    let generations: Vec<_> = view
        .map(|span| span.attribute("counterfoil.generation"))
        .collect();
    // The order has two events, and its customer one.
    let first = Some("1".to_owned());
    assert_eq!(
        generations,
        [first.clone(), first.clone(), first],
        "{sent:?}"
    );
}

#[tokio::test]
async fn what_a_failed_commit_has_undone_is_not_traced_before_it_is_durable() {
    let collector = Collector::start().await;
    let faults = ("COUNTERFOIL_FAULTS", "fail-commit=3");
    let mut node = Node::start_with(&[(ENDPOINT, collector.url()), faults]).await;
    let api = node.api();
    let ada = api.create_customer("Ada", "1000.00").await;

    let traces: Vec<String> = (1..=12).map(|trace| format!("{trace:032x}")).collect();
    for trace in &traces {
        let placed = api
            .new_order(&ada.id, "1.00")
            .header("traceparent", format!("00-{trace}-{CALLER}-01"))
            .header("prefer", "wait=20")
            .await
            .is(201);
        assert_eq!(placed.str("state"), "APPROVED");
    }
    node.terminate().await;

    for trace in &traces {
        let sent = collector.trace(trace);
        let count = |name| sent.iter().filter(|span| span.span.name == name).count();
        let by_saga = [
            "saga create-order",
            "message customer.credit-reserved-reply",
        ];
        let by_choreography = ["message customer.credit-reserved", "message order.approve"];
        let told = if has_sagas() {
            by_saga
        } else {
            by_choreography
        };
        for name in told.into_iter().chain(["message customer.reserve-credit"]) {
            assert_eq!(count(name), 1, "{name}: {sent:?}");
        }
    }
}

#[tokio::test]
async fn a_request_without_a_trace_begins_one_and_a_caller_may_want_none() {
    let collector = Collector::start().await;
    let mut node = traced(collector.url()).await;
    let api = node.api();

    let alone = api.get("/orders").await.is(200);
    let nonsense = api.get("/nowhere").header("traceparent", "00-1-2-3").await;
    let unwanted = api
        .get("/orders")
        .header("traceparent", format!("00-{TRACE}-{CALLER}-00"))
        .await;
    node.terminate().await;

    for (answer, name, status) in [(alone, "GET /orders", "200"), (nonsense, "GET", "404")] {
        let (trace, span, _) = told(&answer);
        let sent = collector.trace(&trace);
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert_eq!((sent[0].id(), sent[0].parent()), (span, String::new()));
        assert_eq!(sent[0].span.name, name);
        let got = sent[0].attribute("http.response.status_code");
        assert_eq!(got.as_deref(), Some(status));
    }
    assert_eq!(told(&unwanted).2, "00");
    assert!(collector.trace(TRACE).is_empty());
}

#[tokio::test]
async fn a_node_that_is_not_told_to_traces_nothing() {
    let collector = Collector::start().await;
    let standard = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url());
    let mut node = Node::start_with(&[standard]).await;

    let answer = node
        .api()
        .get("/orders")
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .await
        .is(200);
    assert!(!answer.headers.contains_key("traceparent"));
    node.terminate().await;
    assert!(collector.received().is_empty());
}

#[tokio::test]
async fn a_collector_may_ask_for_tls_and_credentials() {
    let collector = Collector::start().await;
    let proxy = TlsProxy::start(collector.url(), "Basic YWRhOmh1c2g=").await;
    let authority = proxy.authority();
    let trusted = authority.to_str().expect("a path in UTF-8");
    let endpoint = proxy.url("ada:hush@");
    let mut node = Node::start_with(&[(ENDPOINT, &endpoint), ("SSL_CERT_FILE", trusted)]).await;

    node.api().get("/orders").await.is(200);
    node.terminate().await;
    assert_eq!(collector.received().len(), 1, "{}", node.log());
}

#[tokio::test]
async fn a_collector_that_takes_nothing_is_told_of_once() {
    let collector = Collector::refusing().await;
    let at_once = ("OTEL_BSP_SCHEDULE_DELAY", "10");
    let node = Node::start_with(&[(ENDPOINT, collector.url()), at_once]).await;

    // Each has been sent before the next one begins, so all are refused one by one.
    for _ in 0..4 {
        let (trace, ..) = told(&node.api().get("/orders").await.is(200));
        eventually("the span is sent", async || {
            (!collector.trace(&trace).is_empty()).then_some(())
        })
        .await;
    }
    let log = node.log();
    assert_eq!(log.matches("traces are not taken").count(), 1, "{log}");
    assert!(log.contains("it answers 503"), "{log}");
}

/// Nobody takes its connections, so that each attempt takes as long as it may.
#[tokio::test]
async fn a_collector_that_never_answers_holds_nothing_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = silent.local_addr().expect("its address");
    let mut node = traced(&format!("http://ada:hush@{address}")).await;

    let api = node.api();
    let customer = api.create_customer("Ada", "1000000.00").await;
    let warned = eventually("the log tells of the collector", async || {
        api.place(&customer.id, "1.00", "APPROVED").await;
        node.log().contains("traces are not taken").then_some(())
    });
    warned.await;

    node.terminate().await;
    let log = node.log();
    assert!(log.contains(&format!("http://ada:***@{address}")), "{log}");
    assert!(!log.contains("hush"), "{log}");
    assert!(!log.contains("not everything has ended in time"), "{log}");
}
