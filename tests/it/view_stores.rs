//! View stores that crash, stall and are away: commands go on, only queries of that view are
//! refused, and nothing is missing when the store is back.
//!
//! Each test has servers of its own, because it does to them what no other test could bear. Only
//! one of them runs at a time ([`OwnServers`] sees to that); beside other tests they may run.

mod load;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tests::{Api, Call, Node, OwnServers, Response, Server, eventually_within};

use crate::{books, kills};
use load::Load;

/// Above what a node needs to notice that a server is gone, or back, and to take in what it has
/// missed.
const NOTICED: Duration = Duration::from_secs(60);
/// What a query may take beyond the wait it asks for: the 5 seconds that a store is given to
/// answer, and what is lost to a busy machine.
const GRACE: Duration = Duration::from_secs(7);

/// The name of the view that lies on a server.
fn view_on(server: Server) -> &'static str {
    match server {
        Server::MongoDb => "documents",
        Server::Elasticsearch => "search",
    }
}

/// A query of that view.
fn query(api: &Api, server: Server) -> Call {
    match server {
        Server::MongoDb => api.get("/customers?limit=1"),
        Server::Elasticsearch => api.get("/orders?text=anything"),
    }
}

fn other(server: Server) -> Server {
    match server {
        Server::MongoDb => Server::Elasticsearch,
        Server::Elasticsearch => Server::MongoDb,
    }
}

/// Asserts that a query was refused in the way that tells its caller to come again.
#[track_caller]
fn is_refused(answer: &Response) {
    answer.is_problem(503);
    assert!(
        !answer.header("retry-after").is_empty(),
        "{}: no Retry-After: {}",
        answer.call,
        answer.text
    );
}

/// Waits until queries of the view are refused; asserts that the node takes commands all the same
/// and says what is missing, and that the other view answers.
async fn only_that_view_is_away(api: &Api, server: Server) {
    let refused = eventually_within(NOTICED, "queries of the view are refused", async || {
        Some(query(api, server).wait(1).await).filter(|answer| answer.status != 200)
    })
    .await;
    is_refused(&refused);

    eventually_within(
        NOTICED,
        "the node names the view that is away",
        async || {
            let ready = api.get("/health/ready").await.is(200);
            ready.text.contains(view_on(server)).then_some(())
        },
    )
    .await;

    let views = api.get("/views").await.is(200);
    let view = views
        .items("views")
        .iter()
        .find(|view| view["name"] == view_on(server))
        .expect("the view is listed");
    assert_eq!(view["state"], "FAILED", "{view}");

    assert!(
        view["lag"].as_u64() > Some(0) && view["error"].is_string(),
        "{view}"
    );

    query(api, other(server)).await.is(200);
}

async fn answers_again(api: &Api, server: Server) {
    eventually_within(NOTICED, "the view answers again", async || {
        Some(query(api, server).wait(5).await).filter(|answer| answer.status == 200)
    })
    .await;
}

async fn survives_the_crash_of(server: Server) {
    let servers = OwnServers::start().await;
    let node = Node::start_on(servers.stores(), &[]).await;
    let api = node.api();
    let load = Load::begin(&api).await;

    load.goes_on().await;
    servers.kill(server).await;
    load.goes_on().await;
    only_that_view_is_away(&api, server).await;
    load.goes_on().await;
    servers.up(server).await;

    answers_again(&api, server).await;
    let (customers, tokens) = load.end().await;
    eventually_within(NOTICED, "the view has caught up", async || {
        let reads = tokens
            .iter()
            .map(|token| query(&api, server).token(token).wait(10));
        join_all(reads.map(IntoFuture::into_future))
            .await
            .iter()
            .all(|read| read.status == 200)
            .then_some(())
    })
    .await;
    books::balance(&api, &customers).await;
    api.views_cover(&tokens).await;
    books::audit(node).await;
}

#[tokio::test]
#[ignore = "needs MongoDB and Elasticsearch: servers of its own, by .ci/services"]
async fn a_mongodb_that_is_killed_under_load_stops_nothing_but_its_queries() {
    survives_the_crash_of(Server::MongoDb).await;
}

#[tokio::test]
#[ignore = "needs MongoDB and Elasticsearch: servers of its own, by .ci/services"]
async fn an_elasticsearch_that_is_killed_under_load_stops_nothing_but_its_queries() {
    survives_the_crash_of(Server::Elasticsearch).await;
}

async fn no_query_hangs_on_a_stalled(server: Server) {
    let servers = OwnServers::start().await;
    let node = Node::start_on(servers.stores(), &[]).await;
    let api = node.api();
    let customer = api.create_customer("Ada Park", "100.00").await;
    let before = api.place(&customer.id, "1.00", "APPROVED").await;
    api.views_cover(&[before.token]).await;

    servers.pause(server).await;
    let written = api.place(&customer.id, "1.00", "APPROVED").await;
    // with and without a token, and enough of them that connections run short
    let queries = (0..40u32).map(|number| {
        let wait = number % 3;
        let asked = query(&api, server).wait(wait);
        let asked = if number % 2 == 0 {
            asked.token(&written.token)
        } else {
            asked
        };
        async move {
            let started = Instant::now();
            (
                asked.await,
                started.elapsed(),
                Duration::from_secs(wait.into()) + GRACE,
            )
        }
    });
    for (answer, took, bound) in join_all(queries).await {
        is_refused(&answer);
        assert!(
            took < bound,
            "{}: {took:?} instead of at most {bound:?}",
            answer.call
        );
    }
    only_that_view_is_away(&api, server).await;

    servers.resume(server).await;
    answers_again(&api, server).await;
    eventually_within(NOTICED, "the view has caught up", async || {
        Some(query(&api, server).token(&written.token).wait(10).await)
            .filter(|answer| answer.status == 200)
    })
    .await;
    books::audit(node).await;
}

#[tokio::test]
#[ignore = "needs MongoDB and Elasticsearch: servers of its own, by .ci/services"]
async fn no_query_hangs_on_a_stalled_mongodb() {
    no_query_hangs_on_a_stalled(Server::MongoDb).await;
}

#[tokio::test]
#[ignore = "needs MongoDB and Elasticsearch: servers of its own, by .ci/services"]
async fn no_query_hangs_on_a_stalled_elasticsearch() {
    no_query_hangs_on_a_stalled(Server::Elasticsearch).await;
}

#[tokio::test]
#[ignore = "needs MongoDB and Elasticsearch: servers of its own, by .ci/services"]
async fn a_node_starts_without_its_view_stores_and_fills_them_when_they_come() {
    let servers = OwnServers::start().await;
    for server in [Server::MongoDb, Server::Elasticsearch] {
        servers.kill(server).await;
        // ready, though the view cannot even be made
        let node = Node::start_on(servers.stores(), &[]).await;
        let api = node.api();
        let customer = api.create_customer("Ada Park", "100.00").await;
        let order = api.place(&customer.id, "1.00", "APPROVED").await;
        // Its first generation is built on a server that has just started.
        answers_again(&api, other(server)).await;
        only_that_view_is_away(&api, server).await;

        servers.up(server).await;
        answers_again(&api, server).await;
        api.views_cover(&[order.token]).await;
        books::audit(node).await;
    }
}

#[tokio::test]
#[ignore = "needs MongoDB and Elasticsearch: servers of its own, by .ci/services"]
async fn a_node_that_is_killed_under_load_finds_its_views_on_the_servers_whole() {
    let servers = OwnServers::start().await;
    kills::survives(Node::start_on(servers.stores(), &[]).await, 3).await;
}
