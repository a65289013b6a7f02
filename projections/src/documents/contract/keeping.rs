//! What a store keeps besides the documents: its catalog, its generations apart from each other,
//! who is in quarantine; and how all of it is read by an auditor.

use domain::{ShardId, Timestamp};
use store::Positions;
use store::snapshot::IdRange;
use uuid::Uuid;

use super::Case;
use crate::generations::{BuildFrom, Catalog, Found, Generation, Stage};
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

pub(crate) fn the_catalog_saved_last_is_read_back(case: &mut Case) {
    assert_eq!(
        case.runtime.block_on(case.store.catalog()).unwrap(),
        Catalog::default()
    );

    drop(
        case.runtime
            .block_on(case.store.open(2, DEPLOYMENT))
            .unwrap(),
    );

    for catalog in [
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
            live: Some(2),
            generations: vec![generation(1), generation(2)],
            newest: 2,
            ..catalog()
        },
        Catalog {
            live: Some(1),
            generations: vec![generation(1), generation(2)],
            newest: 2,
            ..catalog()
        },
        Catalog {
            live: None,
            generations: vec![generation(2)],
            newest: 2,
            ..catalog()
        },
    ] {
        case.runtime.block_on(case.store.save(&catalog)).unwrap();
        case.crash();
        assert_eq!(
            case.runtime.block_on(case.store.catalog()).unwrap(),
            catalog
        );
    }
}

/// A node that was stopped while it saved goes on when another one looks after the view.
pub(crate) fn a_catalog_does_not_take_the_place_of_a_newer_one(case: &mut Case) {
    if !case.store.is_shared() {
        return;
    }
    let numbered = |revision, newest| Catalog {
        revision,
        newest,
        ..catalog()
    };
    let save = |catalog| case.runtime.block_on(case.store.save(&catalog));
    save(numbered(1, 1)).unwrap();
    save(numbered(2, 2)).unwrap();

    for late in [1, 2] {
        let refused = save(numbered(late, 7));
        assert!(matches!(refused, Err(ViewError::Unavailable { .. })));
        let stored = case.runtime.block_on(case.store.catalog()).unwrap();
        assert_eq!(stored, numbered(2, 2));
    }
    save(numbered(3, 3)).unwrap();
}

/// What another deployment has in a store that both may use is left alone.
pub(crate) fn what_is_another_deployments_is_neither_written_nor_deleted(case: &mut Case) {
    if !case.store.is_shared() {
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
    case.runtime.block_on(case.store.save(&ours)).unwrap();
    let theirs = Catalog {
        deployment: Some(other),
        ..catalog()
    };
    is_refused("save", case.runtime.block_on(case.store.save(&theirs)));
    assert_eq!(case.runtime.block_on(case.store.catalog()).unwrap(), ours);

    case.shop.create_customer(1, "Ada");
    case.project();
    let opened = case.runtime.block_on(case.store.open(1, other));
    is_refused("open", opened.map(drop));
    is_refused("check", case.runtime.block_on(case.store.check(1, other)));
    is_refused(
        "discard",
        case.runtime.block_on(case.store.discard(1, other)),
    );
    assert_eq!(case.count(), 1);

    let found = case.runtime.block_on(case.store.generations()).unwrap();
    let deployment = Some(DEPLOYMENT);
    assert_eq!(
        found,
        [Found {
            number: 1,
            deployment
        }]
    );
}

pub(crate) fn generations_are_apart_and_a_discarded_one_begins_empty(case: &mut Case) {
    let customer = case.shop.create_customer(1, "Ada");
    case.project();
    let mut second = case
        .runtime
        .block_on(case.store.open(2, DEPLOYMENT))
        .unwrap();
    assert!(second.writer.positions().unwrap().is_empty());
    let order = case.shop.create_order(10, 1, 100);
    second.writer.apply(&order).unwrap();
    second.writer.quarantine(&in_quarantine(1, "bad")).unwrap();
    let reached = Positions::from([(order.source, 77)]);
    second.writer.commit(&reached).unwrap();
    second.writer.finish().unwrap();

    let seen = case
        .runtime
        .block_on(second.reader.count_customers())
        .unwrap();
    assert_eq!((seen.value, seen.positions), (0, reached.clone()));
    assert_eq!((case.count(), case.order(10)), (1, None));
    assert!(case.writer().quarantined(10).unwrap().is_empty());

    assert_eq!(
        case.versions(&[(domain::CUSTOMERS, 1), (domain::ORDERS, 10)]),
        [1, 0]
    );

    drop(second);
    let mut second = case
        .runtime
        .block_on(case.store.open(2, DEPLOYMENT))
        .unwrap();
    assert_eq!(second.writer.positions().unwrap(), reached);
    drop(second);

    for _ in 0..2 {
        case.runtime
            .block_on(case.store.discard(2, DEPLOYMENT))
            .unwrap();
        assert!(
            case.runtime
                .block_on(case.store.audit(2))
                .unwrap()
                .is_none()
        );
    }

    let mut second = case
        .runtime
        .block_on(case.store.open(2, DEPLOYMENT))
        .unwrap();
    assert!(second.writer.positions().unwrap().is_empty());
    assert!(second.writer.quarantined(10).unwrap().is_empty());

    let asked = [
        (domain::ORDERS, order.entity),
        (domain::CUSTOMERS, customer.entity),
    ];

    assert_eq!(
        case.runtime
            .block_on(second.versions.versions_of(&asked))
            .unwrap(),
        [0, 0]
    );

    case.assert_shows_the_customers();
}

fn in_quarantine(number: u128, cause: &str) -> QuarantinedEntity {
    QuarantinedEntity {
        source: ShardId::new(domain::ORDERS, 3),
        entity: Uuid::from_u128(number),
        version: 2,
        sequence: 9,
        cause: cause.to_owned(),
        time: Timestamp::from_micros(5),
        since: Some(Timestamp::from_micros(9)),
    }
}

pub(crate) fn what_is_in_quarantine_is_kept_and_let_go(case: &mut Case) {
    case.writer()
        .quarantine(&in_quarantine(1, "first"))
        .unwrap();
    case.crash();

    assert!(
        case.writer().quarantined(10).unwrap().is_empty(),
        "it was not committed"
    );

    for (number, cause) in [(1, "first"), (2, "other"), (1, "second")] {
        case.writer()
            .quarantine(&in_quarantine(number, cause))
            .unwrap();
    }

    let customer = QuarantinedEntity {
        source: ShardId::new(domain::CUSTOMERS, 0),
        ..in_quarantine(1, "a customer")
    };
    case.writer().quarantine(&customer).unwrap();
    case.commit();
    case.crash();

    let mut causes: Vec<_> = case
        .writer()
        .quarantined(10)
        .unwrap()
        .into_iter()
        .map(|entity| entity.cause)
        .collect();
    causes.sort();
    assert_eq!(causes, ["a customer", "other", "second"]);

    assert_eq!(case.writer().quarantined(1).unwrap().len(), 1);
    // Taken out and put in again before the commit: the last word counts.
    case.writer()
        .release(domain::ORDERS, Uuid::from_u128(2))
        .unwrap();

    case.writer()
        .quarantine(&in_quarantine(2, "again"))
        .unwrap();

    case.writer()
        .release(domain::ORDERS, Uuid::from_u128(1))
        .unwrap();

    case.writer()
        .release(domain::CUSTOMERS, Uuid::from_u128(1))
        .unwrap();

    case.commit();
    case.crash();
    assert_eq!(
        case.writer().quarantined(10).unwrap(),
        [in_quarantine(2, "again")]
    );
}

pub(crate) fn an_audit_reads_every_document_of_a_range_once(case: &mut Case) {
    let step = u128::MAX / 6;
    for number in 1..=5 {
        case.shop.create_customer(number * step, "Ada");
        case.shop
            .create_order(number * step + 1, number * step, 700);
    }
    // Of nobody the view knows.
    case.shop.create_order(7, 8, 700);

    case.project();
    let audit = case.runtime.block_on(case.store.audit(1)).unwrap().unwrap();
    case.shop.advance(2 * step + 1, 1);
    case.writer().quarantine(&in_quarantine(1, "bad")).unwrap();
    case.project();
    let id = |number: u128| Some(Uuid::from_u128(number * step));

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
        let reading = audit.slice(domain::CUSTOMERS, range);
        let slice = case.runtime.block_on(reading).unwrap();
        let found: Vec<u128> = slice
            .entities
            .iter()
            .map(|customer| customer.id.as_u128() / step)
            .collect();
        assert_eq!(found, expected);
        assert_eq!(
            (slice.positions, slice.quarantined.len()),
            (case.positions.clone(), 1)
        );
        for stored in slice.entities {
            let customer = stored.entity.unwrap().customer().unwrap();
            assert_eq!((stored.hits, customer.customer_id.0), (1, stored.id));
        }
    }

    let range = IdRange {
        after: id(1),
        up_to: Some(Uuid::from_u128(3 * step + 1)),
    };

    let reading = audit.slice(domain::ORDERS, range);
    let slice = case.runtime.block_on(reading).unwrap();

    assert_eq!(
        (slice.positions, slice.quarantined),
        (case.positions.clone(), vec![in_quarantine(1, "bad")])
    );

    let mut found = Vec::new();
    for stored in slice.entities {
        let order = stored.entity.unwrap().order().unwrap();
        assert_eq!((stored.hits, order.order_id.0), (1, stored.id));
        assert_eq!(stored.disagreements, []);
        found.push((stored.id.as_u128(), order.version));
    }
    assert_eq!(found, [(step + 1, 1), (2 * step + 1, 2), (3 * step + 1, 1)]);

    let everything = audit.slice(domain::ORDERS, IdRange::default());
    let everything = case.runtime.block_on(everything).unwrap();
    assert_eq!(everything.entities.len(), 6);
}
