//! How events become visible: versions, commits, crashes.

use domain::{OrderState, Timestamp};
use store::Positions;
use uuid::Uuid;

use super::{SHARD, Sample, Shop, approved, customer_created, rejected, shipped};
use crate::search::SearchQuery;
use crate::shop::Payload;
use crate::{Applied, QuarantinedEntity, ViewError};

pub(crate) fn an_order_is_one_hit_in_its_newest_state(shop: &mut Shop) {
    for commit_between in [false, true] {
        let id = if commit_between { 1 } else { 2 };
        shop.create(&Sample::new(id).line("1", "tea"));
        for (version, change) in [(2, approved(Some("Ada Park"))), (3, shipped())] {
            if commit_between {
                shop.commit();
                assert_eq!(shop.version_of(id), Some(version - 1));
            }
            assert_eq!(shop.change(id, version, change), Applied::Taken);
        }
        shop.commit();
    }

    let page = shop.search(SearchQuery {
        text: Some("tea ada".to_owned()),
        ..SearchQuery::default()
    });
    assert_eq!((page.total, page.hits.len()), (2, 2));

    for hit in page.hits {
        assert_eq!(
            (hit.document.state, hit.document.version),
            (OrderState::Shipped, 3)
        );
        assert_eq!(hit.document.customer_name.as_deref(), Some("Ada Park"));
        assert_eq!(hit.document.lines.len(), 1);
    }

    assert_eq!(
        shop.ids(SearchQuery {
            state: Some(OrderState::Pending),
            ..SearchQuery::default()
        }),
        [0; 0]
    );

    assert_eq!(
        (shop.version_of(1), shop.version_of(2), shop.version_of(3)),
        (Some(3), Some(3), None)
    );
}

pub(crate) fn nothing_is_visible_before_its_commit(shop: &mut Shop) {
    shop.create(&Sample::new(1));
    assert_eq!(shop.ids(SearchQuery::default()), [0; 0]);
    assert_eq!(shop.version_of(1), None);

    assert_eq!(
        shop.runtime.block_on(shop.reader().positions()).unwrap(),
        Positions::new()
    );

    shop.commit();
    assert_eq!(shop.ids(SearchQuery::default()), [1]);
    shop.approve(1, "Ada Park");
    assert_eq!(shop.find("ada"), [0; 0]);
    assert_eq!(shop.version_of(1), Some(1));
    shop.commit();
    let page = shop.search(SearchQuery::default());
    assert_eq!(page.positions, shop.reached());

    assert_eq!(
        shop.runtime.block_on(shop.reader().positions()).unwrap(),
        shop.reached()
    );

    assert_eq!(shop.find("ada"), [1]);
}

pub(crate) fn redelivered_events_are_duplicates(shop: &mut Shop) {
    let sample = Sample::new(1).line("1", "tea");

    for committed in [false, true] {
        if committed {
            shop.commit();
        } else {
            shop.sell(&sample, "Ada Park");
        }
        assert_eq!(shop.change(1, 1, sample.created()), Applied::Duplicate);
        assert_eq!(
            shop.change(1, 2, approved(Some("Somebody Else"))),
            Applied::Duplicate
        );
        assert_eq!(shop.change(1, 2, rejected()), Applied::Duplicate);
    }

    shop.commit();

    assert_eq!(
        (shop.find("tea ada"), shop.find("somebody")),
        (vec![1], vec![])
    );
}

pub(crate) fn a_gap_names_the_version_it_begins_at(shop: &mut Shop) {
    let sample = Sample::new(1);

    assert_eq!(
        shop.change(1, 2, approved(None)),
        Applied::Missing { from_version: 1 }
    );

    shop.create(&sample);

    assert_eq!(
        shop.change(1, 3, shipped()),
        Applied::Missing { from_version: 2 }
    );

    shop.commit();

    assert_eq!(
        shop.change(1, 4, shipped()),
        Applied::Missing { from_version: 2 }
    );

    assert_eq!(shop.change(1, 2, approved(None)), Applied::Taken);
    assert_eq!(shop.change(1, 3, shipped()), Applied::Taken);
    shop.commit();
    assert_eq!(shop.version_of(1), Some(3));
}

pub(crate) fn events_of_customers_are_taken_and_positions_advance(shop: &mut Shop) {
    let mut event = shop.event(7, 1, shipped());
    event.source = domain::ShardId::new(domain::CUSTOMERS, 3);
    event.payload = Payload::Customer(customer_created());
    assert_eq!(shop.apply(&event), Applied::Taken);
    shop.commit();
    assert_eq!(shop.ids(SearchQuery::default()), [0; 0]);
    let reached = shop.reached();
    assert_eq!(shop.writer().positions().unwrap(), reached);
    shop.crash();
    assert_eq!(shop.writer().positions().unwrap(), reached);

    assert_eq!(
        shop.runtime.block_on(shop.reader().positions()).unwrap(),
        reached
    );
}

pub(crate) fn a_crash_loses_what_was_not_committed_and_nothing_else(shop: &mut Shop) {
    assert_eq!(shop.writer().positions().unwrap(), Positions::new());
    shop.sell(&Sample::new(1).line("1", "tea"), "Ada Park");
    shop.create(&Sample::new(2).line("1", "tea"));
    shop.commit();
    let committed = shop.reached();
    shop.approve(2, "Grace Hopper");
    shop.change(1, 3, shipped());
    shop.create(&Sample::new(3).line("1", "tea"));
    shop.crash();
    assert_eq!(shop.writer().positions().unwrap(), committed);
    assert_eq!((shop.find("tea"), shop.find("grace")), (vec![1, 2], vec![]));

    assert_eq!(
        (shop.version_of(1), shop.version_of(2), shop.version_of(3)),
        (Some(2), Some(1), None)
    );
    // The same events come again.
    shop.approve(2, "Grace Hopper");

    shop.change(1, 3, shipped());
    shop.create(&Sample::new(3).line("1", "tea"));
    shop.commit();
    shop.crash();

    assert_eq!(
        (shop.find("tea"), shop.find("grace")),
        (vec![1, 2, 3], vec![2])
    );

    assert_eq!(
        (shop.version_of(1), shop.version_of(2), shop.version_of(3)),
        (Some(3), Some(2), Some(1))
    );

    let reached = shop.reached();
    assert_eq!(shop.writer().positions().unwrap(), reached);
}

pub(crate) fn the_positions_of_a_commit_may_follow_with_the_next(shop: &mut Shop) {
    shop.create(&Sample::new(1).line("1", "tea"));
    shop.commit();
    let finished = shop.reached();
    shop.approve(1, "Ada Park");
    shop.commit_unfinished();
    assert_eq!(shop.find("ada"), [1]);
    let before_the_last = shop.reached();
    shop.create(&Sample::new(2).line("1", "tea"));
    shop.commit_unfinished();
    assert_eq!(shop.find("tea"), [1, 2]);

    shop.crash();
    let stored = shop.writer().positions().unwrap();
    assert!(
        [&before_the_last, &shop.reached()].contains(&&stored),
        "{stored:?}, and {finished:?} was finished"
    );

    assert_eq!((shop.find("tea"), shop.find("ada")), (vec![1, 2], vec![1]));
    // The same events come again.
    assert_eq!(
        shop.change(1, 2, approved(Some("Ada Park"))),
        Applied::Duplicate
    );

    assert_eq!(
        shop.change(2, 1, Sample::new(2).created()),
        Applied::Duplicate
    );

    shop.commit();
    let reached = shop.reached();
    assert_eq!(shop.writer().positions().unwrap(), reached);

    assert_eq!(
        (shop.find("tea"), shop.version_of(1), shop.version_of(2)),
        (vec![1, 2], Some(2), Some(1))
    );
}

pub(crate) fn an_event_after_a_restart_continues_the_stored_document(shop: &mut Shop) {
    shop.create(&Sample::new(1).line("ab-12", "tea").note("ring twice"));
    shop.commit();
    shop.crash();
    shop.approve(1, "Ada Park");
    shop.commit();
    shop.crash();
    assert_eq!(shop.change(1, 3, shipped()), Applied::Taken);
    shop.commit();
    assert_eq!(shop.find("ab-12 twice ada"), [1]);

    assert_eq!(
        shop.ids(SearchQuery {
            state: Some(OrderState::Shipped),
            ..SearchQuery::default()
        }),
        [1]
    );
}

pub(crate) fn a_full_buffer_loses_nothing(shop: &mut Shop) {
    let note = "word ".repeat(400);

    let many: u128 = 12_000;
    for id in 1..=many {
        shop.create(&Sample::new(id).note(&note));
    }

    for id in 1..=many {
        shop.approve(id, "Ada Park");
    }
    // The writer's own positions would begin again from them.
    let visible = shop.runtime.block_on(shop.reader().positions()).unwrap();

    assert_eq!(visible, Positions::new(), "nobody has asked for a commit");
    shop.commit();

    let query = SearchQuery {
        text: Some("ada".to_owned()),
        limit: 1,
        ..SearchQuery::default()
    };
    assert_eq!(shop.search(query).total, u64::try_from(many).unwrap());

    assert_eq!(
        shop.search(SearchQuery::default()).total,
        u64::try_from(many).unwrap()
    );
}

pub(crate) fn beginning_again_from_the_positions_drops_what_was_not_committed(shop: &mut Shop) {
    shop.create(&Sample::new(1).line("1", "tea"));
    shop.commit();
    let committed = shop.reached();
    shop.approve(1, "Ada Park");
    shop.create(&Sample::new(2).line("1", "tea"));
    put(shop, &Sample::new(3).line("1", "tea"));

    let in_quarantine = QuarantinedEntity {
        source: SHARD,
        entity: Uuid::from_u128(9),
        version: 1,
        sequence: 1,
        cause: "bad".to_owned(),
        time: Timestamp::from_micros(5),
        since: Some(Timestamp::from_micros(9)),
    };
    shop.writer().quarantine(&in_quarantine).unwrap();
    assert_eq!(shop.writer().positions().unwrap(), committed);
    assert_eq!(shop.writer().quarantined(10).unwrap(), []);
    shop.commit();

    assert_eq!((shop.find("tea"), shop.find("ada")), (vec![1], vec![]));
    // The same events come again.
    shop.approve(1, "Ada Park");

    shop.create(&Sample::new(2).line("1", "tea"));
    shop.commit();
    assert_eq!((shop.find("tea"), shop.find("ada")), (vec![1, 2], vec![1]));
}

fn put(shop: &mut Shop, sample: &Sample) {
    shop.writer()
        .put(&sample.document(1, OrderState::Pending))
        .unwrap();
}

pub(crate) fn an_event_out_of_place_is_damage_and_changes_nothing(shop: &mut Shop) {
    shop.create(&Sample::new(1).line("1", "tea"));

    let sample = Sample::new(1);
    let mut again = shop.event(1, 2, sample.created());
    assert!(matches!(
        shop.try_apply(&again),
        Err(ViewError::Refused { .. })
    ));

    again.version = 1;
    again.entity = Uuid::from_u128(2);
    again.payload = Payload::Order(shipped());

    assert!(matches!(
        shop.try_apply(&again),
        Err(ViewError::Refused { .. })
    ));

    assert_eq!(again.source, SHARD);
    shop.approve(1, "Ada Park");
    shop.commit();
    assert_eq!(shop.ids(SearchQuery::default()), [1]);
    assert_eq!(shop.find("tea ada"), [1]);
}
