//! Which customers a query finds.

use domain::{Money, OrderState};

use super::Case;
use super::reading::orders_of_one_shard;
use crate::documents::CustomersQuery;

pub(crate) fn customers_are_found_by_name_and_time(case: &mut Case) {
    for (number, name) in [
        (1, "Ada Park"),
        (2, "ÉMILE Zola"),
        (3, "Ada O'Neil 100% $5 (a|b).*\u{1}"),
    ] {
        case.shop.create_customer(number, name);
    }

    case.project();

    let named = |name: &str| CustomersQuery {
        name: Some(name.to_owned()),
        ..CustomersQuery::default()
    };

    for (name, count) in [
        ("ada", 2),
        ("PARK ada", 1),
        ("émile", 1),
        ("100%", 1),
        ("%", 1),
        ("o'neil", 1),
        ("zz", 0),
        (".", 1),
        (".*", 1),
        ("(A|B)", 1),
        ("$5", 1),
        ("^ada", 0),
        ("\u{1}", 1),
        ("ada\u{0}", 0),
        ("\\", 0),
        ("", 3),
    ] {
        assert_eq!(case.names(named(name)).len(), count, "{name:?}");
    }

    let newest = case.found(CustomersQuery::default());
    assert!(
        newest.is_sorted_by(
            |a, b| (a.creation_time, a.customer_id) > (b.creation_time, b.customer_id)
        )
    );

    let since = Some(newest[0].creation_time);

    assert!(
        case.names(CustomersQuery {
            since,
            ..CustomersQuery::default()
        })
        .is_empty()
    );

    let before_all = newest
        .iter()
        .map(|customer| customer.creation_time.micros())
        .min()
        .unwrap()
        - 1;
    let since = Some(domain::Timestamp::from_micros(before_all));

    assert_eq!(
        case.names(CustomersQuery {
            since,
            ..CustomersQuery::default()
        })
        .len(),
        3
    );

    assert_eq!(case.count(), 3);
}

pub(crate) fn customers_are_found_however_their_names_are_written(case: &mut Case) {
    let writings: [&[&str]; 6] = [
        &[
            "José Straße",
            "jose\u{301}",
            "JOSE",
            "strasse",
            "JOSÉ STRASSE",
        ],
        &["ΝΙΚΟΣ", "νίκος", "νικοσ"],
        &["İlker", "ILKER", "ılker", "ilker"],
        &["山田太郎", "太郎", "山田"],
        &["Łukasz Øye", "lukasz oye"],
        &[
            "김민수",
            "\u{1100}\u{1175}\u{11b7}\u{1106}\u{1175}\u{11ab}\u{1109}\u{116e}",
        ],
    ];
    for (number, writings) in (1..).zip(writings) {
        case.shop.create_customer(number, writings[0]);
    }
    case.project();

    for writings in writings {
        for name in writings {
            let found = case.names(CustomersQuery {
                name: Some((*name).to_owned()),
                ..CustomersQuery::default()
            });
            assert_eq!(found, [writings[0]], "{name}");
        }
    }
}

pub(super) fn with_order(cents: Option<i64>, order_state: Option<OrderState>) -> CustomersQuery {
    CustomersQuery {
        min_order_total: cents.map(Money::from_cents),
        order_state,
        ..CustomersQuery::default()
    }
}

pub(crate) fn customers_are_found_by_one_order_that_is_all_that_is_asked_for(case: &mut Case) {
    for (number, name) in [(1, "Ada Park"), (2, "Zola"), (3, "Idle")] {
        case.shop.create_customer(number, name);
    }

    case.shop.create_order(10, 1, 5_000);
    case.shop.create_order(11, 1, 9_000);
    case.shop.advance(11, 0);

    case.shop.create_order(12, 2, 7_000);
    // Of nobody the view knows.
    case.shop.create_order(13, 4, 99_000);

    case.project();
    assert_eq!(case.names(with_order(Some(9_000), None)), ["Ada Park"]);
    assert_eq!(case.names(with_order(Some(7_000), None)).len(), 2);
    assert_eq!(case.names(with_order(Some(9_001), None)).len(), 0);

    assert_eq!(
        case.names(with_order(None, Some(OrderState::Rejected))),
        ["Ada Park"]
    );

    assert_eq!(
        case.names(with_order(None, Some(OrderState::Pending)))
            .len(),
        2
    );

    assert_eq!(
        case.names(with_order(Some(6_000), Some(OrderState::Pending))),
        ["Zola"]
    );

    assert_eq!(
        case.names(with_order(None, Some(OrderState::Shipped)))
            .len(),
        0
    );
}

pub(crate) fn customers_are_found_by_orders_that_they_show_no_longer(case: &mut Case) {
    case.shop.create_customer(1, "Ada Park");
    // Orders of one shard, so that the first ones are the oldest.
    let numbers: Vec<u128> = orders_of_one_shard(130);

    case.shop.create_order(numbers[0], 1, 9_000);
    case.shop.advance(numbers[0], 0);

    for number in &numbers[1..] {
        case.shop.create_order(*number, 1, 100);
    }

    case.project();

    let shown = case.customer(1).unwrap().orders;
    assert!(
        shown.len() == 100
            && shown
                .iter()
                .all(|order| order.order_id.0.as_u128() != numbers[0])
    );

    assert_eq!(case.names(with_order(Some(9_000), None)), ["Ada Park"]);

    assert_eq!(
        case.names(with_order(Some(9_000), Some(OrderState::Rejected))),
        ["Ada Park"]
    );

    assert!(
        case.names(with_order(Some(101), Some(OrderState::Pending)))
            .is_empty()
    );

    assert_eq!(
        case.versions(&[(domain::ORDERS, numbers[0]), (domain::ORDERS, 7)]),
        [2, 0]
    );
}

pub(crate) fn customers_with_a_rare_or_a_common_order_are_found_among_many(case: &mut Case) {
    for number in 1..=1_100 {
        case.shop.create_customer(number, "Ada");
        case.shop.create_order(10_000 + number, number, 500);
    }
    // Of two customers, one of whom has two.
    for (order, customer, cents) in [(20_001, 7, 800), (20_002, 900, 900), (20_003, 900, 700)] {
        case.shop.create_order(order, customer, cents);
        case.shop.advance(order, 0);
    }

    case.project();
    let rejected = Some(OrderState::Rejected);
    assert_eq!(found_by(case, with_order(None, rejected)), [7, 900]);
    assert_eq!(found_by(case, with_order(Some(801), rejected)), [900]);
    assert_eq!(found_by(case, with_order(Some(901), rejected)), [0; 0]);

    assert_eq!(
        found_by(case, with_order(None, Some(OrderState::Shipped))),
        [0; 0]
    );

    let one = CustomersQuery {
        limit: 1,
        ..with_order(None, rejected)
    };

    let page = case
        .runtime
        .block_on(case.reader().customers(one.clone()))
        .unwrap()
        .value;

    let next = case
        .runtime
        .block_on(case.reader().customers(CustomersQuery {
            cursor: page.next,
            ..one
        }))
        .unwrap()
        .value;

    let mut both = [
        page.items[0].customer_id.0.as_u128(),
        next.items[0].customer_id.0.as_u128(),
    ];
    both.sort_unstable();
    assert_eq!((both, next.next), ([7, 900], None));

    let pending = case.reader().customers(CustomersQuery {
        limit: 200,
        ..with_order(None, Some(OrderState::Pending))
    });

    let newest = case.runtime.block_on(pending).unwrap().value;
    assert_eq!((newest.items.len(), newest.next.is_some()), (200, true));
    // Many orders of one old customer.
    for order in 30_001..=31_010 {
        case.shop.create_order(order, 3, 500);
        case.shop.advance(order, 0);
    }

    case.project();
    assert_eq!(found_by(case, with_order(None, rejected)), [3, 7, 900]);
}

fn found_by(case: &Case, query: CustomersQuery) -> Vec<u128> {
    let mut found: Vec<u128> = case
        .found(query)
        .iter()
        .map(|found| found.customer_id.0.as_u128())
        .collect();
    found.sort_unstable();
    found
}
