//! The queries of the public contract.

use std::collections::HashMap;

use domain::{Money, OrderId, OrderState};
use uuid::Uuid;

use super::{Case, customer_id};
use crate::ViewError;
use crate::documents::{CustomerOrdersQuery, CustomersQuery};

pub(crate) fn a_customer_shows_its_newest_orders_bounded_and_in_order(case: &mut Case) {
    case.shop.create_customer(1, "Ada");

    for number in 10..160 {
        case.shop.create_order(number, 1, 100);
        case.shop.advance(number, u8::try_from(number % 3).unwrap());
    }

    case.project();
    case.assert_shows_the_shop();

    let few = case
        .runtime
        .block_on(case.reader().customer(customer_id(1), 7))
        .unwrap()
        .value
        .unwrap();
    assert_eq!(few.orders, case.customer(1).unwrap().orders[..7]);
}

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

fn with_order(cents: Option<i64>, order_state: Option<OrderState>) -> CustomersQuery {
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

/// Numbers of orders that lie in one shard, so that their times are in their order.
pub(super) fn orders_of_one_shard(count: usize) -> Vec<u128> {
    let shard = |number: &u128| {
        domain::ShardId::of(
            domain::ORDERS,
            Uuid::from_u128(*number),
            crate::testing::SHARDS,
        )
    };
    let first = shard(&1_000);
    (1_000..)
        .filter(|number| shard(number) == first)
        .take(count)
        .collect()
}

pub(crate) fn pages_of_customers_lose_and_repeat_nothing(case: &mut Case) {
    for number in 1..=45 {
        case.shop.create_customer(number, "Ada");
        case.shop.create_order(100 + number, number, 500);
    }

    case.project();

    for query in [
        CustomersQuery::default(),
        with_order(Some(500), None),
        with_order(None, Some(OrderState::Pending)),
    ] {
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let query = CustomersQuery {
                limit: 7,
                cursor,
                ..query.clone()
            };
            let page = case
                .runtime
                .block_on(case.reader().customers(query))
                .unwrap()
                .value;
            seen.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
            case.shop.reserve(seen.len() as u128, 1, 5);
            case.project();
        }
        assert_eq!(seen.len(), 45);
        assert!(seen.is_sorted_by(
            |a, b| (a.creation_time, a.customer_id) > (b.creation_time, b.customer_id)
        ));
    }
}

pub(crate) fn pages_of_orders_lose_and_repeat_nothing_while_orders_are_added_and_changed(
    case: &mut Case,
) {
    case.shop.create_customer(1, "Ada");
    case.shop.create_customer(2, "Idle");

    for number in 10..60 {
        case.shop.create_order(number, 1, 100);
        case.shop.advance(number, u8::try_from(number % 3).unwrap());
    }

    case.project();

    let page = |case: &Case, customer: u128, query: CustomerOrdersQuery| {
        case.runtime
            .block_on(case.reader().customer_orders(customer_id(customer), query))
            .unwrap()
            .value
    };

    let mut seen = HashMap::new();
    let mut places = Vec::new();
    let mut cursor = None;

    loop {
        let query = CustomerOrdersQuery {
            state: None,
            limit: 7,
            cursor,
        };
        let found = page(case, 1, query).unwrap();
        for order in found.items {
            places.push((order.creation_time, order.order_id));
            seen.insert(order.order_id, order);
        }
        cursor = found.next;
        if cursor.is_none() {
            break;
        }
        case.shop.advance(10 + places.len() as u128 % 50, 1);
        case.project();
    }

    assert_eq!((seen.len(), places.len()), (50, 50));
    assert!(places.is_sorted_by(|newer, older| newer > older));

    for state in OrderState::ALL {
        let query = CustomerOrdersQuery {
            state: Some(state),
            limit: 200,
            cursor: None,
        };
        let expected = case
            .shop
            .orders
            .values()
            .filter(|(order, _)| order.state == state)
            .count();
        let found = page(case, 1, query).unwrap().items;
        assert_eq!(found.len(), expected);
        assert!(found.iter().all(|order| order.state == state));
    }

    let all = CustomerOrdersQuery {
        limit: 5,
        ..CustomerOrdersQuery::default()
    };
    assert!(page(case, 2, all.clone()).unwrap().items.is_empty());
    assert!(page(case, 3, all).is_none());
}

pub(crate) fn a_cursor_of_another_list_is_refused(case: &mut Case) {
    case.shop.create_customer(1, "Ada");
    case.shop.create_customer(2, "Bo");
    case.project();

    let query = CustomersQuery {
        limit: 1,
        ..CustomersQuery::default()
    };

    let cursor = case
        .runtime
        .block_on(case.reader().customers(query))
        .unwrap()
        .value
        .next;
    assert!(cursor.is_some());

    for cursor in [cursor, Some("AAAA".to_owned())] {
        let query = CustomerOrdersQuery {
            limit: 5,
            state: None,
            cursor,
        };
        let error = case
            .runtime
            .block_on(case.reader().customer_orders(customer_id(1), query))
            .unwrap_err();
        assert!(
            matches!(
                error,
                ViewError::InvalidQuery {
                    field: "cursor",
                    ..
                }
            ),
            "{error}"
        );
    }
}

pub(crate) fn what_is_not_there_is_none_and_its_version_zero(case: &mut Case) {
    assert!(case.customer(1).is_none() && case.order(1).is_none());
    assert_eq!(case.count(), 0);
    case.shop.create_customer(1, "Ada");
    case.project();
    assert!(case.customer(2).is_none());

    let asked = [
        (domain::CUSTOMERS, 2),
        (domain::CUSTOMERS, 1),
        (domain::ORDERS, 1),
        (domain::CUSTOMERS, 1),
    ];
    assert_eq!(case.versions(&asked), [0, 1, 0, 1]);
    assert_eq!(case.versions(&[]), [0_u64; 0]);
}

pub(crate) fn an_answer_asks_for_no_less_than_it_shows(case: &mut Case) {
    assert!(
        case.runtime
            .block_on(case.reader().count_customers())
            .unwrap()
            .positions
            .is_empty()
    );

    case.shop.create_customer(1, "Ada Park");
    case.shop.create_order(10, 1, 500);

    case.project();
    let (reader, runtime) = (case.reader(), &case.runtime);
    let positions = [
        runtime
            .block_on(reader.customer(customer_id(1), 100))
            .unwrap()
            .positions,
        runtime
            .block_on(reader.customers(CustomersQuery::default()))
            .unwrap()
            .positions,
        runtime
            .block_on(reader.count_customers())
            .unwrap()
            .positions,
        runtime
            .block_on(reader.customer_orders(customer_id(1), CustomerOrdersQuery::default()))
            .unwrap()
            .positions,
        runtime
            .block_on(reader.order(OrderId(Uuid::from_u128(10))))
            .unwrap()
            .positions,
    ];

    for positions in positions {
        assert_eq!(positions, case.positions);
    }

    let expected = case.positions.clone();
    assert_eq!(case.writer().positions().unwrap(), expected);
}
