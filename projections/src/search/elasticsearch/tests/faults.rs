//! A server that is down, hangs, breaks off, or loses an index to somebody else.

use domain::order::{NoDetails, OrderApproved, OrderCreated};
use domain::{CustomerId, Money, OrderEvent, OrderState, ShardId, Timestamp};
use elasticsearch::http::Method;
use serde_json::Value;
use store::{Message, Positions};
use uuid::Uuid;

use super::proxy::{Cut, Fault, Proxy};
use super::{Place, address};
use crate::generations::{Catalog, Opened, ViewStore as _};
use crate::search::elasticsearch::client::READ_TIMEOUT;
use crate::search::elasticsearch::index::describe;
use crate::search::{Search, SearchQuery};
use crate::shop::{Event, OrderDocument, Payload};
use crate::testing::{DEPLOYMENT, message_of};
use crate::{Applied, ViewError, ViewWriter};

const SHARD: ShardId = ShardId::new(domain::ORDERS, 3);

pub(super) fn event(sequence: u64, order: u128, version: u64, change: OrderEvent) -> Message {
    let (entity, time) = (Uuid::from_u128(order), Timestamp::from_micros(1_000));
    message_of(&Event {
        source: SHARD,
        sequence,
        entity,
        version,
        time,
        payload: Payload::Order(change),
    })
}

pub(super) fn created() -> OrderEvent {
    noted("green teas")
}

pub(super) fn noted(note: &str) -> OrderEvent {
    OrderEvent::Created(OrderCreated {
        customer_id: CustomerId(Uuid::from_u128(1)),
        order_total: Money::from_cents(100),
        lines: Vec::new(),
        note: Some(note.to_owned()),
        coordination: domain::Coordination::default(),
    })
}

/// What happened to two orders.
fn history() -> Vec<Message> {
    let approved = || {
        OrderEvent::Approved(OrderApproved {
            customer_name: Some("Ada Park".to_owned()),
            customer_version: None,
        })
    };

    let shipped = OrderEvent::Shipped(NoDetails {});

    vec![
        event(1, 1, 1, created()),
        event(2, 2, 1, created()),
        event(3, 1, 2, approved()),
        event(4, 2, 2, approved()),
        event(5, 1, 3, shipped),
    ]
}

pub(super) fn up_to(sequence: u64) -> Positions {
    Positions::from([(SHARD, sequence)])
}

fn feed(writer: &mut dyn ViewWriter<OrderDocument>, events: &[Message]) {
    for event in events {
        assert_eq!(writer.apply(event).unwrap(), Applied::Taken, "{event:?}");
    }
}

/// A commit with its last step, which otherwise comes with the next one.
fn commit(
    writer: &mut dyn ViewWriter<OrderDocument>,
    positions: &Positions,
) -> Result<(), ViewError> {
    writer.commit(positions)?;
    writer.finish()
}

/// All of the history, as it must be shown after whatever has happened.
fn assert_complete(place: &Place, opened: &Opened<Search>) {
    let query = SearchQuery {
        text: Some("tea ada".to_owned()),
        ..SearchQuery::default()
    };
    let page = place.runtime.block_on(opened.reader.search(query)).unwrap();
    let mut found: Vec<_> = page.hits.iter().map(|hit| &hit.document).collect();
    found.sort_by_key(|document| document.order_id);

    let found: Vec<_> = found
        .iter()
        .map(|order| (order.order_id.0.as_u128(), order.version, order.state))
        .collect();

    assert_eq!(
        found,
        [(1, 3, OrderState::Shipped), (2, 2, OrderState::Approved)]
    );

    assert_eq!((page.total, &page.positions), (2, &up_to(5)));

    assert_eq!(
        place.runtime.block_on(opened.reader.positions()).unwrap(),
        up_to(5)
    );
}

#[test]
#[ignore = "needs Elasticsearch: COUNTERFOIL_TEST_ELASTICSEARCH_URL"]
fn a_crash_at_any_step_of_a_commit_followed_by_everything_again_changes_nothing() {
    let steps = [
        ("PUT", "/_doc/", 0),
        ("POST", "/_bulk", 0),
        ("POST", "/_refresh", 0),
        ("PUT", "/_doc/", 1),
    ];
    let cuts = [Cut::Before, Cut::After];
    for (method, path, passed) in steps {
        for cut in cuts {
            let fault = Fault {
                method,
                path,
                passed,
                cut,
            };
            let place = Place::new();
            let proxy = Proxy::new(&address());
            let mut opened = place.open(&place.store_at(&proxy.address), 1).unwrap();
            let history = history();
            let (first, rest) = history.split_at(2);
            feed(opened.writer.as_mut(), first);
            commit(opened.writer.as_mut(), &up_to(2)).unwrap();
            feed(opened.writer.as_mut(), rest);
            proxy.arm(fault);
            let error = commit(opened.writer.as_mut(), &up_to(5)).unwrap_err();
            assert!(
                proxy.has_struck() && matches!(error, ViewError::Unavailable { .. }),
                "{fault:?}: {error}"
            );
            assert!(
                opened.writer.apply(&history[4]).is_err(),
                "it must begin again first"
            );
            drop(opened);

            let mut opened = place.open(&place.store(), 1).unwrap();
            let positions = opened.writer.positions().unwrap();
            let was_stored = (path, passed, cut) == ("/_doc/", 1, Cut::After);
            assert_eq!(
                positions,
                up_to(if was_stored { 5 } else { 2 }),
                "{fault:?}"
            );
            for event in &history {
                assert!(
                    matches!(
                        opened.writer.apply(event).unwrap(),
                        Applied::Taken | Applied::Duplicate
                    ),
                    "{fault:?}"
                );
            }
            commit(opened.writer.as_mut(), &up_to(5)).unwrap();
            assert_complete(&place, &opened);
        }
    }
}

#[test]
#[ignore = "needs Elasticsearch: COUNTERFOIL_TEST_ELASTICSEARCH_URL"]
fn an_order_that_was_put_meanwhile_by_another_writer_is_taken_further() {
    let place = Place::new();
    let history = history();
    let mut opened = place.open(&place.store(), 1).unwrap();
    feed(opened.writer.as_mut(), &history[..2]);
    commit(opened.writer.as_mut(), &up_to(2)).unwrap();

    // A heal that comes late: nothing that this writer asks for tells of it.
    let mut late = place.open(&place.store(), 1).unwrap();
    assert_eq!(late.writer.positions().unwrap(), up_to(2));
    let query = SearchQuery::default();
    let page = place.runtime.block_on(late.reader.search(query)).unwrap();
    for hit in &page.hits {
        late.writer.put(&hit.document).unwrap();
    }
    late.writer.commit(&up_to(2)).unwrap();

    feed(opened.writer.as_mut(), &history[2..]);
    commit(opened.writer.as_mut(), &up_to(5)).unwrap();
    assert_complete(&place, &opened);
}

#[test]
#[ignore = "needs Elasticsearch: COUNTERFOIL_TEST_ELASTICSEARCH_URL"]
fn the_alias_follows_the_catalog_that_is_saved() {
    let place = Place::new();
    let (store, names) = (place.store(), place.names());
    let path = format!("/_alias/{}", names.live());

    let stands_for = || -> Vec<String> {
        let found = place
            .client
            .send::<Value>(Method::Get, &path, &[], None::<()>, READ_TIMEOUT);
        match place.runtime.block_on(found) {
            Ok(found) => found.as_object().unwrap().keys().cloned().collect(),
            Err(failure) => {
                assert!(failure.is(404), "{failure}");
                Vec::new()
            }
        }
    };

    for generation in [1, 2] {
        drop(place.open(&store, generation).unwrap());
    }

    for (live, expected) in [
        (None, vec![]),
        (Some(1), vec![1]),
        (Some(2), vec![2]),
        (Some(2), vec![2]),
        (Some(1), vec![1]),
    ] {
        place
            .runtime
            .block_on(store.save(&Catalog {
                live,
                ..Catalog::default()
            }))
            .unwrap();
        let expected: Vec<String> = expected
            .into_iter()
            .map(|generation| names.orders(generation))
            .collect();
        assert_eq!(stands_for(), expected, "{live:?}");
    }
    // The swap is the catalog; that the alias has nothing to stand for does not undo it.
    let missing = Catalog {
        live: Some(7),
        ..Catalog::default()
    };

    place.runtime.block_on(store.save(&missing)).unwrap();
    assert_eq!(place.runtime.block_on(store.catalog()).unwrap(), missing);
}

#[test]
#[ignore = "needs Elasticsearch: COUNTERFOIL_TEST_ELASTICSEARCH_URL"]
fn an_index_that_somebody_deletes_is_an_error_and_never_made_by_writing_to_it() {
    for views in [false, true] {
        let place = Place::new();
        let index = if views {
            place.names().views()
        } else {
            place.names().orders(1)
        };

        let mut opened = place.open(&place.store(), 1).unwrap();
        let history = history();
        feed(opened.writer.as_mut(), &history[..2]);
        commit(opened.writer.as_mut(), &up_to(2)).unwrap();
        feed(opened.writer.as_mut(), &history[2..]);

        place
            .runtime
            .block_on(place.client.delete(&format!("/{index}")))
            .unwrap();

        let is_damage = |what: &str, result: Result<(), ViewError>| {
            let is_damage = matches!(result, Err(ViewError::Damaged { .. }));
            assert!(is_damage, "{what} without {index}: {result:?}");
        };
        is_damage("a commit", commit(opened.writer.as_mut(), &up_to(5)));

        let search = opened.reader.search(SearchQuery::default());
        is_damage("a search", place.runtime.block_on(search).map(drop));

        let found = place
            .runtime
            .block_on(describe(&place.client, &index))
            .unwrap();
        assert!(found.is_none(), "{index} is back");

        is_damage("the projector", opened.writer.positions().map(drop));
        let store = place.store();
        let check = place.runtime.block_on(store.check(1, DEPLOYMENT));
        is_damage("a look after it", check);

        // Another generation is none the worse for it.
        let mut opened = place.open(&place.store(), 2).unwrap();
        feed(opened.writer.as_mut(), &history);
        commit(opened.writer.as_mut(), &up_to(5)).unwrap();
        assert_complete(&place, &opened);
    }
}
