//! What answers show: a customer's orders, pages, cursors, what is not there.

use std::collections::HashMap;

use domain::{OrderId, OrderState};
use uuid::Uuid;

use super::finding::with_order;
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
