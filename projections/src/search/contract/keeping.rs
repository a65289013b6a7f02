//! What a store keeps besides the orders: its catalog, its generations apart from each other, who
//! is in quarantine; and how all of it is read by an auditor.

use domain::{OrderState, Timestamp};
use store::Positions;
use store::snapshot::IdRange;
use uuid::Uuid;

use super::{SHARD, Sample, Shop, approved};
use crate::generations::{BuildFrom, Catalog, Found, Generation, Stage};
use crate::search::SearchQuery;
use crate::testing::DEPLOYMENT;
use crate::{QuarantinedEntity, ViewError};

fn generation(number: u32) -> Generation {
    let begun_at = Timestamp::from_micros(i64::from(number));
    Generation {
        number,
        definition: 1,
        from: BuildFrom::History,
        stage: Stage::Ready,
        begun_at,
        replaced_at: None,
    }
}

/// An empty one of this deployment.
fn catalog() -> Catalog {
    Catalog {
        deployment: Some(DEPLOYMENT),
        ..Catalog::default()
    }
}

pub(crate) fn the_catalog_saved_last_is_read_back(shop: &mut Shop) {
    assert_eq!(
        shop.runtime.block_on(shop.store.catalog()).unwrap(),
        Catalog::default()
    );

    let catalogs = [
        Catalog {
            live: None,
            generations: vec![generation(1)],
            newest: 1,
            ..catalog()
        },
        Catalog {
            live: Some(1),
            generations: vec![generation(1)],
            newest: 1,
            ..catalog()
        },
        Catalog {
            live: Some(1),
            generations: vec![generation(1), generation(2)],
            newest: 2,
            ..catalog()
        },
        Catalog {
            live: Some(2),
            generations: vec![generation(1), generation(2)],
            newest: 2,
            ..catalog()
        },
        Catalog {
            live: Some(2),
            generations: vec![generation(2)],
            newest: 2,
            ..catalog()
        },
    ];

    drop(shop.open_generation(2));

    for catalog in catalogs {
        shop.runtime.block_on(shop.store.save(&catalog)).unwrap();
        assert_eq!(
            shop.runtime.block_on(shop.store.catalog()).unwrap(),
            catalog
        );
        shop.crash();
        assert_eq!(
            shop.runtime.block_on(shop.store.catalog()).unwrap(),
            catalog
        );
    }
}

/// A node that was stopped while it saved goes on when another one looks after the view.
pub(crate) fn a_catalog_does_not_take_the_place_of_a_newer_one(shop: &mut Shop) {
    if !shop.store.is_shared() {
        return;
    }
    let numbered = |revision, newest| Catalog {
        revision,
        newest,
        ..catalog()
    };
    let save = |catalog| shop.runtime.block_on(shop.store.save(&catalog));
    save(numbered(1, 1)).unwrap();
    save(numbered(2, 2)).unwrap();

    for late in [1, 2] {
        let refused = save(numbered(late, 7));
        assert!(matches!(refused, Err(ViewError::Unavailable { .. })));
        let stored = shop.runtime.block_on(shop.store.catalog()).unwrap();
        assert_eq!(stored, numbered(2, 2));
    }
    save(numbered(3, 3)).unwrap();
}

/// What another deployment has in a store that both may use is left alone.
pub(crate) fn what_is_another_deployments_is_neither_written_nor_deleted(shop: &mut Shop) {
    if !shop.store.is_shared() {
        return;
    }
    let other = Uuid::from_u128(0xbad);
    let is_refused = |what: &str, result: Result<(), ViewError>| {
        let is_refused = matches!(result, Err(ViewError::Foreign { .. }));
        assert!(is_refused, "{what}: {result:?}");
    };

    let ours = Catalog {
        newest: 7,
        ..catalog()
    };
    shop.runtime.block_on(shop.store.save(&ours)).unwrap();
    let theirs = Catalog {
        deployment: Some(other),
        ..catalog()
    };
    is_refused("save", shop.runtime.block_on(shop.store.save(&theirs)));
    assert_eq!(shop.runtime.block_on(shop.store.catalog()).unwrap(), ours);

    shop.sell(&Sample::new(1).line("1", "tea"), "Ada Park");
    shop.commit();
    let opened = shop.runtime.block_on(shop.store.open(1, other));
    is_refused("open", opened.map(drop));
    is_refused("check", shop.runtime.block_on(shop.store.check(1, other)));
    is_refused(
        "discard",
        shop.runtime.block_on(shop.store.discard(1, other)),
    );
    assert_eq!(shop.find("tea"), [1]);

    let found = shop.runtime.block_on(shop.store.generations()).unwrap();
    let deployment = Some(DEPLOYMENT);
    assert_eq!(
        found,
        [Found {
            number: 1,
            deployment
        }]
    );
}

pub(crate) fn generations_are_apart(shop: &mut Shop) {
    shop.sell(&Sample::new(1).line("1", "tea"), "Ada Park");
    shop.commit();
    let mut second = shop.open_generation(2);
    assert_eq!(second.writer.positions().unwrap(), Positions::new());
    let sample = Sample::new(2).line("1", "tea");

    second
        .writer
        .put(&sample.document(1, OrderState::Pending))
        .unwrap();

    let reached = Positions::from([(SHARD, 77)]);
    second.writer.commit(&reached).unwrap();
    second.writer.finish().unwrap();

    let page = shop
        .runtime
        .block_on(second.reader.search(SearchQuery::default()))
        .unwrap();
    assert_eq!((page.total, page.positions), (1, reached.clone()));
    assert_eq!(page.hits[0].document.order_id.0.as_u128(), 2);
    assert_eq!(shop.find("tea"), [1]);

    assert_eq!(
        shop.search(SearchQuery::default()).positions,
        shop.reached()
    );

    drop(second);
    shop.crash();
    assert_eq!(shop.open_generation(2).writer.positions().unwrap(), reached);
    let committed = shop.reached();
    assert_eq!(shop.writer().positions().unwrap(), committed);
}

pub(crate) fn a_discarded_generation_begins_empty(shop: &mut Shop) {
    let mut second = shop.open_generation(2);
    let sample = Sample::new(2).line("1", "tea");

    second
        .writer
        .put(&sample.document(1, OrderState::Pending))
        .unwrap();

    second
        .writer
        .commit(&Positions::from([(SHARD, 77)]))
        .unwrap();

    drop(second);

    for _ in 0..2 {
        shop.runtime
            .block_on(shop.store.discard(2, DEPLOYMENT))
            .unwrap();
        assert!(
            shop.runtime
                .block_on(shop.store.audit(2))
                .unwrap()
                .is_none()
        );
    }

    let mut second = shop.open_generation(2);
    assert_eq!(second.writer.positions().unwrap(), Positions::new());

    let page = shop
        .runtime
        .block_on(second.reader.search(SearchQuery::default()))
        .unwrap();
    assert_eq!((page.total, page.positions), (0, Positions::new()));
}

pub(crate) fn what_is_in_quarantine_is_kept_and_let_go(shop: &mut Shop) {
    let in_quarantine = |number: u128, cause: &str| QuarantinedEntity {
        source: SHARD,
        entity: Uuid::from_u128(number),
        version: 2,
        sequence: 9,
        cause: cause.to_owned(),
        time: Timestamp::from_micros(5),
        since: Some(Timestamp::from_micros(9)),
    };
    shop.writer()
        .quarantine(&in_quarantine(1, "first"))
        .unwrap();
    shop.crash();

    assert_eq!(
        shop.writer().quarantined(10).unwrap(),
        [],
        "it was not committed"
    );

    for (number, cause) in [(1, "first"), (2, "other"), (1, "second")] {
        shop.writer()
            .quarantine(&in_quarantine(number, cause))
            .unwrap();
    }

    shop.commit();
    shop.crash();

    let mut causes: Vec<_> = shop
        .writer()
        .quarantined(10)
        .unwrap()
        .into_iter()
        .map(|entity| entity.cause)
        .collect();
    causes.sort();
    assert_eq!(causes, ["other", "second"]);
    assert_eq!(shop.writer().quarantined(1).unwrap().len(), 1);

    shop.writer()
        .release(SHARD.service, Uuid::from_u128(1))
        .unwrap();
    // The positions are those of the last commit.
    shop.commit();

    shop.crash();
    assert_eq!(
        shop.writer().quarantined(10).unwrap(),
        [in_quarantine(2, "other")]
    );
}

pub(crate) fn an_audit_reads_every_order_of_a_range_once(shop: &mut Shop) {
    let step = u128::MAX / 6;

    for number in 1..=5 {
        shop.create(&Sample {
            total: 7,
            ..Sample::new(number * step).line("1", "tea")
        });
    }

    shop.commit();
    let id = |number: u128| Some(Uuid::from_u128(number * step));
    let audit = shop.runtime.block_on(shop.store.audit(1)).unwrap().unwrap();
    shop.change(2 * step, 2, approved(None));

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
    shop.commit();

    for (range, expected) in [
        (
            IdRange {
                after: None,
                up_to: None,
            },
            vec![1, 2, 3, 4, 5],
        ),
        (
            IdRange {
                after: id(1),
                up_to: id(3),
            },
            vec![2, 3],
        ),
        (
            IdRange {
                after: id(5),
                up_to: None,
            },
            vec![],
        ),
        (
            IdRange {
                after: Some(Uuid::max()),
                up_to: None,
            },
            vec![],
        ),
        (
            IdRange {
                after: None,
                up_to: id(2),
            },
            vec![1, 2],
        ),
    ] {
        let reading = audit.slice(domain::ORDERS, range);
        let slice = shop.runtime.block_on(reading).unwrap();
        let found: Vec<u128> = slice
            .entities
            .iter()
            .map(|order| order.id.as_u128() / step)
            .collect();
        assert_eq!(found, expected);
        assert_eq!(
            (slice.positions, slice.quarantined.len()),
            (shop.reached(), 1)
        );

        for stored in slice.entities {
            let document = stored.entity.unwrap();
            let version = if Some(stored.id) == id(2) { 2 } else { 1 };
            assert_eq!((stored.hits, document.order_id.0), (1, stored.id));
            assert_eq!(
                (document.version, document.order_total.cents()),
                (version, 7)
            );
            // So the version and the total beside it are the same.
            assert_eq!(stored.disagreements, []);
        }
    }
}
