//! How whole orders take the place of what a view has.

use domain::OrderState;
use uuid::Uuid;

use super::{Sample, Shop, approved, shipped};
use crate::Applied;
use crate::search::SearchQuery;
use crate::shop::Payload;

fn put(shop: &mut Shop, sample: &Sample, version: u64, state: OrderState) {
    shop.writer().put(&sample.document(version, state)).unwrap();
}

pub(crate) fn a_whole_order_replaces_what_there_is_whatever_its_version(shop: &mut Shop) {
    let wrong = Sample::new(1).line("1", "coffee");

    let right = Sample::new(1).line("1", "tea");
    // Over nothing, the same version, an older and a newer one; over one that is committed, and one
    // that is not.
    for version in [5, 5, 7, 3] {
        for committed in [true, false] {
            put(shop, &wrong, version, OrderState::Approved);
            if committed {
                shop.commit();
            }
            put(shop, &right, 4, OrderState::CancelPending);
            shop.commit();
            assert_eq!(
                (shop.find("tea"), shop.find("coffee")),
                (vec![1], vec![]),
                "over {version}, {committed}"
            );
            let hit = shop.search(SearchQuery::default()).hits.remove(0);
            assert_eq!(
                (hit.document.version, hit.document.state),
                (4, OrderState::CancelPending)
            );
            assert_eq!(
                (shop.version_of(1), shop.versions_of(&[9, 1])),
                (Some(4), vec![0, 4])
            );
        }
    }

    shop.crash();
    assert_eq!((shop.find("tea"), shop.find("coffee")), (vec![1], vec![]));
}

pub(crate) fn events_go_on_from_a_whole_order(shop: &mut Shop) {
    for (id, committed) in [(1, false), (2, true)] {
        let sample = Sample::new(id).line("1", "tea");
        put(shop, &sample, 2, OrderState::Approved);
        if committed {
            shop.commit();
        }
        assert_eq!(shop.change(id, 1, sample.created()), Applied::Duplicate);
        assert_eq!(
            shop.change(id, 4, shipped()),
            Applied::Missing { from_version: 3 }
        );
        assert_eq!(shop.change(id, 3, shipped()), Applied::Taken);
        // What is put back to an older version takes the events after that again.
        put(shop, &sample, 2, OrderState::Approved);
        if committed {
            shop.commit();
        }
        let mut unknown = shop.event(id, 3, shipped());
        unknown.payload = Payload::Unknown;
        assert_eq!(unknown.source.service, domain::ORDERS);
        assert_eq!(shop.apply(&unknown), Applied::Unknown);
        shop.commit();
        assert_eq!(shop.version_of(id), Some(3));
    }

    let approved = SearchQuery {
        state: Some(OrderState::Approved),
        ..SearchQuery::default()
    };
    assert_eq!(shop.ids(approved), [1, 2]);
}

pub(crate) fn a_whole_order_is_invisible_before_its_commit_and_lost_by_a_crash(shop: &mut Shop) {
    put(
        shop,
        &Sample::new(1).line("1", "tea"),
        2,
        OrderState::Approved,
    );
    assert_eq!((shop.find("tea"), shop.version_of(1)), (vec![], None));
    shop.crash();
    shop.commit();
    assert_eq!((shop.find("tea"), shop.version_of(1)), (vec![], None));
}

pub(crate) fn a_creation_that_is_announced_and_repeated_undoes_no_whole_order(shop: &mut Shop) {
    let sample = Sample::new(1).line("1", "tea");
    put(shop, &sample, 2, OrderState::Approved);
    shop.commit();

    for (last, expected) in [(1, 2), (2, 2), (3, 3), (3, 3)] {
        let order = Uuid::from_u128(1);
        shop.writer()
            .prepare(&[(domain::ORDERS, order, 1)])
            .unwrap();
        for (version, change) in [
            (1, sample.created()),
            (2, approved(Some("Ada Park"))),
            (3, shipped()),
        ] {
            if version <= last {
                let applied = shop.change(1, version, change);
                assert!(
                    matches!(applied, Applied::Taken | Applied::Duplicate),
                    "{applied:?}"
                );
            }
        }
        shop.commit();
        assert_eq!(
            (shop.version_of(1), shop.find("tea ada")),
            (Some(expected), vec![1]),
            "after version {last}"
        );
    }

    assert_eq!(shop.change(1, 3, shipped()), Applied::Duplicate);
}
