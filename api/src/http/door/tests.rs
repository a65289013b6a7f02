//! Which requests come in, by where they come from, and what every answer tells browsers.

use actix_web::http::Method;
use actix_web::test::TestRequest;

use crate::http::testing::{ID, Node};

/// A request to ship an order, with these headers.
fn ship(headers: &[(&'static str, &str)]) -> TestRequest {
    let request = TestRequest::post().uri(&format!("/orders/{ID}/ship"));
    headers.iter().fold(request, |request, (name, value)| {
        request.append_header((*name, *value))
    })
}

#[actix_web::test]
async fn a_page_from_elsewhere_changes_nothing() {
    let node = Node::new();
    let host = ("host", "localhost:8080");
    for foreign in [
        &[host, ("origin", "http://evil.example")][..],
        &[host, ("origin", "null")],
        &[host, ("origin", "http://localhost:3000")],
        &[
            host,
            ("origin", "http://localhost:8080"),
            ("origin", "http://evil.example"),
        ],
        &[host, ("sec-fetch-site", "cross-site")],
        &[host, ("sec-fetch-site", "same-site")],
        // Whoever is here by another name is not here.
        &[
            ("host", "127.0.0.1:8080"),
            ("origin", "http://localhost:8080"),
        ],
    ] {
        let answer = node.call(ship(foreign)).await;
        answer.is_problem(403);
        assert_eq!(
            answer.json["type"], "urn:counterfoil:problem:origin-not-allowed",
            "{foreign:?}"
        );
    }
    assert_eq!(node.double.asked(), 0);

    for own in [
        &[][..],
        &[host, ("origin", "http://localhost:8080")],
        &[
            host,
            ("origin", "http://localhost:8080"),
            ("sec-fetch-site", "same-origin"),
        ],
        &[host, ("sec-fetch-site", "none")],
        // A proxy has taken the encryption off.
        &[("host", "localhost"), ("origin", "https://localhost")],
        &[("host", "LOCALHOST:80"), ("origin", "http://localhost")],
    ] {
        assert_eq!(node.call(ship(own)).await.status, 200, "{own:?}");
    }
}

#[actix_web::test]
async fn a_node_on_this_machine_is_not_called_by_a_name_that_anybody_could_own() {
    let node = Node::new();
    for host in [
        "evil.example",
        "evil.example:8080",
        "evil.example.",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8080",
        "[::1].evil.example",
    ] {
        let answer = node
            .call(
                TestRequest::get()
                    .uri("/customers/count")
                    .insert_header(("host", host)),
            )
            .await;
        answer.is_problem(403);
        assert_eq!(
            answer.json["type"],
            "urn:counterfoil:problem:host-not-allowed"
        );
    }

    for host in [
        "127.0.0.1:8080",
        "127.0.0.1",
        "192.168.1.20:8080",
        "[::1]:8080",
        "[::1]",
        "localhost:8080",
        "Localhost",
        "shop.localhost:8080",
        "counterfoil:8080",
        "",
    ] {
        let request = TestRequest::get().uri("/customers/count");
        let answer = node.call(request.insert_header(("host", host))).await;
        assert_eq!(answer.status, 200, "{host:?}");
    }
}

#[actix_web::test]
async fn the_target_of_a_request_and_every_host_header_count() {
    let node = Node::new();
    let absolute = TestRequest::get().uri("http://evil.example/customers/count");
    node.call(absolute.insert_header(("host", "localhost")))
        .await
        .is_problem(403);

    let twice = TestRequest::get()
        .uri("/customers/count")
        .append_header(("host", "localhost"))
        .append_header(("host", "evil.example"));
    node.call(twice).await.is_problem(403);
}

#[actix_web::test]
async fn names_are_those_of_the_settings_and_on_a_public_address_all_by_default() {
    for (flags, host, status) in [
        (
            &["--allowed-hosts", "shop.example"][..],
            "shop.example:8080",
            200,
        ),
        (&["--allowed-hosts", "shop.example"], "Shop.Example.", 200),
        (
            &["--allowed-hosts", "shop.example"],
            "www.shop.example",
            403,
        ),
        (&["--allowed-hosts", "*"], "evil.example", 200),
        (&["--listen", "0.0.0.0:8080"], "shop.example", 200),
        (&["--listen", "[::1]:8080"], "shop.example", 403),
        (
            &[
                "--listen",
                "0.0.0.0:8080",
                "--allowed-hosts",
                "shop.example",
            ],
            "evil.example",
            403,
        ),
    ] {
        let node = Node::with(flags);
        let request = TestRequest::get().uri("/health/live");
        let answer = node.call(request.insert_header(("host", host))).await;
        assert_eq!(answer.status, status, "{flags:?} {host}");
    }
}

#[actix_web::test]
async fn pages_from_allowed_origins_may_ask_and_read() {
    let node = Node::with(&["--allowed-origins", "https://shop.example"]);
    let from = |origin| [("host", "localhost"), ("origin", origin)];

    let answer = node.call(ship(&from("https://shop.example"))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://shop.example"
    );
    assert!(
        answer
            .header("access-control-expose-headers")
            .contains("consistency-token")
    );
    assert_eq!(answer.header("vary"), "origin");

    let refused = node.call(ship(&from("https://evil.example"))).await;
    refused.is_problem(403);
    assert_eq!(refused.header("access-control-allow-origin"), "");
    assert_eq!(refused.header("vary"), "origin");
}

#[actix_web::test]
async fn a_browser_that_asks_first_is_told_what_the_page_may_send() {
    let ask = |origin: &str| {
        TestRequest::default()
            .method(Method::OPTIONS)
            .uri("/orders")
            .insert_header(("origin", origin))
            .insert_header(("access-control-request-method", "POST"))
    };

    let node = Node::with(&["--allowed-origins", "https://shop.example"]);
    let answer = node.call(ask("https://shop.example")).await;
    assert_eq!(answer.status, 204);
    assert!(
        answer
            .header("access-control-allow-methods")
            .contains("POST")
    );
    assert!(
        answer
            .header("access-control-allow-headers")
            .contains("idempotency-key")
    );
    node.call(ask("https://evil.example")).await.is_problem(403);

    let usual = Node::new();
    let answer = usual.call(ask("https://shop.example")).await;
    answer.is_problem(403);
    let plain = TestRequest::default()
        .method(Method::OPTIONS)
        .uri("/orders");
    usual.call(plain).await.is_problem(405);
}

#[actix_web::test]
async fn a_body_that_is_no_json_is_refused_even_when_it_is_empty() {
    let node = Node::new();
    for media_type in [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "",
    ] {
        let answer = node.call(ship(&[("content-type", media_type)])).await;
        answer.is_problem(415);
    }
    assert_eq!(node.double.asked(), 0);

    assert_eq!(node.call(ship(&[])).await.status, 200);
    let json = ship(&[("content-type", "Application/JSON; charset=utf-8")]);
    assert_eq!(node.call(json).await.status, 200);
}

#[actix_web::test]
async fn every_answer_tells_browsers_what_they_must_not_do_with_it() {
    let node = Node::new();
    for (uri, page) in [
        ("/", true),
        ("/docs/", true),
        ("/docs/swagger-ui.css", true),
        ("/docs/none", true),
        ("/customers/count", false),
        ("/orders/42", false),
        ("/nowhere", false),
        ("/health/live", false),
        ("/openapi.json", false),
    ] {
        let answer = node.get(uri).await;
        let policy = answer.header("content-security-policy");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{uri}");
        assert!(policy.contains("frame-ancestors 'none'"), "{uri}");
        assert_eq!(policy.contains("script-src 'self'"), page, "{uri}");
        // The document says itself how long a copy is good.
        let may_be_kept = page || uri == "/openapi.json";
        assert_eq!(
            answer.header("cache-control") != "no-store",
            may_be_kept,
            "{uri}"
        );
    }
}
