//! How events become visible: versions, repeats, the two topics against each other, crashes, whole
//! documents.

use domain::{Money, OrderState};
use store::{Log as _, Message, Positions};
use uuid::Uuid;

use super::reading::orders_of_one_shard;
use super::{Case, decode, order_document, plain};
use crate::ViewError;
use crate::documents::CustomersQuery;
use crate::port::Applied;
use crate::shop::Document;
use crate::shop::Payload;
use crate::testing::message_of;

pub(crate) fn nothing_is_visible_before_the_commit_and_the_rest_is_dropped(case: &mut Case) {
    let message = case.shop.create_order(10, 1, 100);
    case.apply(&message);
    assert!(case.order(10).is_none());
    assert_eq!(case.versions(&[(domain::ORDERS, 10)]), [0]);
    assert!(case.writer().positions().unwrap().is_empty());
    case.writer().commit(&Positions::new()).unwrap();
    assert!(case.order(10).is_none());
    case.project();
    case.assert_shows_the_shop();
}

/// An order's first events, one after the other.
fn life_of(case: &mut Case, order: u128) -> Vec<Message> {
    let created = case.shop.create_order(order, 1, 100);
    let later: Vec<_> = (1..4).filter_map(|_| case.shop.advance(order, 1)).collect();
    plain(std::iter::once(created).chain(later))
}

pub(crate) fn repeats_and_gaps_are_told(case: &mut Case) {
    let events = life_of(case, 10);
    assert_eq!(case.apply(&events[1]), Applied::Missing { from_version: 1 });
    assert_eq!(case.apply(&events[0]), Applied::Taken);
    assert_eq!(case.apply(&events[2]), Applied::Missing { from_version: 2 });
    case.commit();
    assert_eq!(case.apply(&events[2]), Applied::Missing { from_version: 2 });

    for event in &events[1..] {
        assert_eq!(case.apply(event), Applied::Taken);
        assert_eq!(case.apply(event), Applied::Duplicate);
    }

    case.commit();
    case.crash();
    assert_eq!(case.apply(&events[3]), Applied::Duplicate);
    case.assert_shows_the_shop();
}

pub(crate) fn an_old_state_replaces_no_newer_one(case: &mut Case) {
    case.shop.create_customer(1, "Ada");
    case.shop.reserve(1, 10, 5);
    let events = life_of(case, 10);

    case.project();
    // A writer that has forgotten everything takes the first event again; the store does not.
    case.crash();

    let first = case
        .shop
        .log
        .history(events[0].source, events[0].entity, 1, 1);
    let first = case.runtime.block_on(first).unwrap().remove(0);
    assert_eq!(case.apply(&first), Applied::Taken);

    let source = domain::ShardId::of(
        domain::CUSTOMERS,
        Uuid::from_u128(1),
        crate::testing::SHARDS,
    );
    let history = case.shop.log.history(source, Uuid::from_u128(1), 1, 1);
    let first = case.runtime.block_on(history).unwrap().remove(0);
    assert_eq!(case.apply(&first), Applied::Taken);
    case.commit();
    case.assert_shows_the_shop();
}

pub(crate) fn an_order_of_an_unknown_customer_makes_no_customer(case: &mut Case) {
    case.shop.create_order(10, 1, 100);
    case.shop.advance(10, 1);
    case.project();
    assert!(case.customer(1).is_none());

    assert_eq!(
        (case.count(), case.names(CustomersQuery::default())),
        (0, vec![])
    );

    let query = CustomersQuery {
        order_state: Some(OrderState::Approved),
        ..CustomersQuery::default()
    };
    assert!(case.names(query).is_empty());

    let orders = case
        .reader()
        .customer_orders(super::customer_id(1), Default::default());
    assert!(case.runtime.block_on(orders).unwrap().value.is_none());

    assert_eq!(
        case.versions(&[(domain::CUSTOMERS, 1), (domain::ORDERS, 10)]),
        [0, 2]
    );

    assert_eq!(case.order(10).unwrap().state, OrderState::Approved);
}

pub(crate) fn the_customer_that_comes_after_its_orders_shows_them(case: &mut Case) {
    case.shop.create_customer(1, "Ada");
    case.shop.create_order(10, 1, 100);
    case.shop.advance(10, 1);
    for service in [domain::ORDERS, domain::CUSTOMERS] {
        case.take(&case.waiting(&[service]));
        case.commit();
        case.crash();
    }
    case.assert_shows_the_shop();
}

pub(crate) fn a_late_event_does_not_bring_back_an_order_that_is_shown_no_longer(case: &mut Case) {
    case.shop.create_customer(1, "Ada");
    let numbers = orders_of_one_shard(105);
    case.shop.create_order(numbers[0], 1, 100);
    case.project();

    for number in &numbers[1..] {
        case.shop.create_order(*number, 1, 100);
    }

    case.project();
    case.assert_shows_the_shop();
    case.shop.advance(numbers[0], 1);
    case.shop.advance(numbers[104], 1);
    case.crash();
    case.project();
    case.assert_shows_the_shop();
    assert_eq!(case.order(numbers[0]).unwrap().state, OrderState::Approved);
}

/// A shop with a bit of everything.
fn busy(case: &mut Case) {
    for number in 1..=3 {
        case.shop.create_customer(number, "Ada");
    }
    for number in 10..150 {
        let customer = if number < 130 { 1 } else { 1 + number % 4 };
        case.shop
            .create_order(number, customer, 100 + i64::try_from(number).unwrap());
        case.shop.reserve(customer, number, 1);

        for step in 0..number % 4 {
            case.shop
                .advance(number, u8::try_from((number + step) % 3).unwrap());
        }
    }
}

pub(crate) fn whatever_the_order_of_the_topics_and_wherever_it_crashes_the_end_is_the_same(
    case: &mut Case,
) {
    busy(case);
    let orders = case.waiting(&[domain::ORDERS]);

    let customers = case.waiting(&[domain::CUSTOMERS]);
    // Orders run ahead, then customers do; batches are cut anywhere, and some are written without
    // their positions.
    let mut rest = (&orders[..], &customers[..]);

    let mut step = 0;
    while !rest.0.is_empty() || !rest.1.is_empty() {
        let (of_orders, of_customers) = if step % 2 == 0 { (60, 7) } else { (9, 40) };
        let batch: Vec<_> = rest
            .0
            .iter()
            .take(of_orders)
            .chain(rest.1.iter().take(of_customers))
            .cloned()
            .collect();
        let before = case.positions.clone();
        case.take(&batch);
        if step % 3 == 0 {
            let after = std::mem::replace(&mut case.positions, before.clone());
            case.commit();
            case.crash();
            assert_eq!(case.positions, before);
            case.take(&batch);
            assert_eq!(case.positions, after);
        }
        case.commit();
        if step % 3 == 1 {
            case.crash();
        }
        rest = (
            &rest.0[of_orders.min(rest.0.len())..],
            &rest.1[of_customers.min(rest.1.len())..],
        );
        step += 1;
    }

    case.assert_shows_the_shop();
}

pub(crate) fn a_batch_written_whose_positions_are_not_stored_is_written_again_without_effect(
    case: &mut Case,
) {
    busy(case);

    for _ in 0..2 {
        case.take(&case.waiting(&domain::SERVICES));
        case.writer().commit(&Positions::new()).unwrap();
        case.assert_shows_the_shop();
        case.crash();
        assert!(case.positions.is_empty());
    }

    case.project();
    case.assert_shows_the_shop();
    case.crash();
    assert!(case.waiting(&domain::SERVICES).is_empty());
}

pub(crate) fn an_unknown_event_advances_the_version_alone(case: &mut Case) {
    case.shop.create_customer(1, "Ada");
    let order = case.shop.create_order(10, 1, 100);
    case.project();

    for service in domain::SERVICES {
        let entity = Uuid::from_u128(if service == domain::ORDERS { 10 } else { 1 });
        let source = domain::ShardId::of(service, entity, crate::testing::SHARDS);
        let mut event = decode(&order);
        (event.source, event.entity, event.version, event.payload) =
            (source, entity, 2, Payload::Unknown);
        assert_eq!(case.apply(&message_of(&event)), Applied::Unknown);
    }

    case.commit();

    assert_eq!(
        case.versions(&[(domain::ORDERS, 10), (domain::CUSTOMERS, 1)]),
        [2, 2]
    );

    let shown = case.customer(1).unwrap();
    assert_eq!((shown.customer.version, shown.orders[0].version), (2, 2));

    assert_eq!(
        (shown.orders[0].state, case.order(10).unwrap().version),
        (OrderState::Pending, 2)
    );
}

pub(crate) fn an_event_out_of_place_is_damage_and_changes_nothing(case: &mut Case) {
    case.shop.create_customer(1, "Ada");
    let created = case.shop.create_order(10, 1, 100);
    case.project();
    let mut again = decode(&created);
    again.version = 2;

    assert!(matches!(
        case.writer().apply(&message_of(&again)),
        Err(ViewError::Refused { .. })
    ));

    let mut foreign = again.clone();
    foreign.entity = Uuid::from_u128(11);
    (foreign.version, foreign.payload) = (1, Payload::Unknown);

    assert!(matches!(
        case.writer().apply(&message_of(&foreign)),
        Err(ViewError::Refused { .. })
    ));

    case.commit();
    case.assert_shows_the_shop();
    assert!(case.order(11).is_none());
}

pub(crate) fn whole_documents_replace_what_there_is_and_events_go_on_from_them(case: &mut Case) {
    case.shop.create_customer(1, "Ada");
    case.shop.create_order(10, 1, 100);
    case.project();
    let order = order_document(&case.shop.orders[&Uuid::from_u128(10)]);

    let customer = crate::CustomerDocument::from(case.shop.customers[&Uuid::from_u128(1)].clone());
    // Over the same version, over a newer one, over what is committed and what is not, over
    // nothing.
    for (version, committed) in [(1, true), (9, true), (9, false)] {
        let wrong = crate::OrderDocument {
            version,
            state: OrderState::Shipped,
            note: None,
            ..order.clone()
        };
        case.writer().put(&Document::Order(wrong)).unwrap();
        let available_credit = Money::from_cents(1);
        let wrong = crate::CustomerDocument {
            version,
            available_credit,
            name: "Bo".into(),
            ..customer.clone()
        };
        case.writer().put(&Document::Customer(wrong)).unwrap();
        if committed {
            case.commit();
            assert_eq!(case.customer(1).unwrap().customer.name, "Bo");
            assert_eq!(
                case.customer(1).unwrap().orders[0].state,
                OrderState::Shipped
            );
            assert_eq!(case.order(10).unwrap().version, version);
        }
        case.writer()
            .put(&Document::Customer(customer.clone()))
            .unwrap();
        case.writer().put(&Document::Order(order.clone())).unwrap();
        case.commit();
        case.assert_shows_the_shop();
        assert_eq!(
            case.names(CustomersQuery {
                name: Some("ada".into()),
                ..Default::default()
            }),
            ["Ada"]
        );
    }
    // What was put and not committed is lost by a crash; events go on from what was put over
    // nothing.
    case.shop.create_order(20, 1, 100);

    let other = order_document(&case.shop.orders[&Uuid::from_u128(20)]);
    case.writer().put(&Document::Order(other.clone())).unwrap();
    case.crash();
    assert!(case.order(20).is_none());
    case.writer().put(&Document::Order(other)).unwrap();
    let next = case.shop.advance(20, 1).unwrap();
    assert_eq!(case.apply(&next), Applied::Taken);
    case.commit();
    case.assert_shows_the_shop();
}
