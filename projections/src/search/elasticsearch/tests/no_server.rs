//! Servers that are not there, or never answer.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use domain::OrderId;
use futures_util::future::{BoxFuture, join_all};

use super::faults::{created, event, up_to};
use super::*;
use crate::generations::Catalog;
use crate::search::SearchReader as _;
use crate::search::elasticsearch::client::READ_TIMEOUT;
use crate::search::elasticsearch::reader::ElasticsearchReader;
use crate::search::elasticsearch::writer::ElasticsearchWriter;
use crate::{VersionReader as _, ViewWriter as _};

/// What a writer is asked to do.
type Write = fn(&mut ElasticsearchWriter) -> Result<(), ViewError>;
/// What the store is asked for.
type Read<'a> = BoxFuture<'a, Result<(), ViewError>>;

/// Nothing listens there.
const NOBODY: &str = "http://127.0.0.1:1";

/// Runs all that a store, a reader and a writer do against a server, at once; each must fail within
/// its time.
fn assert_unavailable(address: &str) {
    let place = Place::without_server();
    let (store, names, handle) = (
        place.store_at(address),
        place.names(),
        place.runtime.handle(),
    );

    let client = || super::Client::new(address).unwrap();
    let reader = ElasticsearchReader::new(client(), names.clone(), 1, handle.clone());
    let writer =
        || ElasticsearchWriter::new(client(), names.clone(), 1, DEPLOYMENT, handle.clone());

    let live = Catalog {
        live: Some(1),
        ..Catalog::default()
    };

    let order = (domain::ORDERS, Uuid::from_u128(1));
    let orders = [order];
    let begun = Instant::now();

    let assert_failed = |what: &str, result: Result<(), ViewError>, bound: Duration| {
        assert!(
            matches!(result, Err(ViewError::Unavailable { .. })),
            "{what}: {result:?}"
        );
        // Others of this machine's processes want to run as well.
        let bound = bound + Duration::from_secs(3);
        assert!(
            begun.elapsed() < bound,
            "{what} has taken {:?}",
            begun.elapsed()
        );
    };

    std::thread::scope(|scope| {
        let writing: [(&str, Write); 6] = [
            ("positions", |writer| writer.positions().map(drop)),
            ("prepare", |writer| {
                writer.prepare(&[(domain::ORDERS, Uuid::from_u128(1), 2)])
            }),
            ("apply", |writer| {
                writer.apply(&event(1, 1, 1, created())).map(drop)
            }),
            ("commit", |writer| writer.commit(&up_to(1))),
            ("quarantined", |writer| writer.quarantined(1).map(drop)),
            ("release", |writer| {
                writer.release(domain::ORDERS, Uuid::from_u128(1))
            }),
        ];
        for (what, write) in writing {
            let mut writer = writer();
            scope.spawn(move || assert_failed(what, write(&mut writer), READ_TIMEOUT));
        }
        let reading: Vec<(&str, Read<'_>, Duration)> = vec![
            (
                "search",
                Box::pin(async { reader.search(SearchQuery::default()).await.map(drop) }),
                READ_TIMEOUT,
            ),
            (
                "version_of",
                Box::pin(async { reader.version_of(OrderId(order.1)).await.map(drop) }),
                READ_TIMEOUT,
            ),
            (
                "versions_of",
                Box::pin(async { reader.versions_of(&orders).await.map(drop) }),
                READ_TIMEOUT,
            ),
            (
                "the reader's positions",
                Box::pin(async { reader.positions().await.map(drop) }),
                READ_TIMEOUT,
            ),
            (
                "catalog",
                Box::pin(async { store.catalog().await.map(drop) }),
                READ_TIMEOUT,
            ),
            (
                "save",
                Box::pin(async { store.save(&live).await }),
                READ_TIMEOUT,
            ),
            (
                "open",
                Box::pin(async { store.open(1, DEPLOYMENT).await.map(drop) }),
                READ_TIMEOUT,
            ),
            (
                "audit",
                Box::pin(async { store.audit(1).await.map(drop) }),
                READ_TIMEOUT,
            ),
            (
                "discard",
                Box::pin(async { store.discard(1, DEPLOYMENT).await }),
                WRITE_TIMEOUT,
            ),
        ];
        let reading = reading
            .into_iter()
            .map(|(what, read, bound)| async move { assert_failed(what, read.await, bound) });
        place.runtime.block_on(join_all(reading));
    });
}

#[test]
fn a_server_that_is_down_is_unavailable_and_no_store_needs_it_to_be_made() {
    assert_unavailable(NOBODY);
}

/// The connections are made, by the system, and nobody ever reads from them.
#[test]
fn a_server_that_never_answers_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_unavailable(&format!("http://{}", listener.local_addr().unwrap()));
}
