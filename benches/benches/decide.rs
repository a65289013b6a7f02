//! Decisions per second, and messages written and read: the pure part of every unit.
//!
//! There is no actor, no database and no thread here, so these figures bound what everything around
//! them can reach.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot go on ends with a message"
)]

mod support {
    pub mod allocator;
    pub mod basket;
}

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use domain::countermeasures::RereadValue;
use domain::customer::CustomerCreated;
use domain::messages::{CreditRequest, CustomerAnswer, CustomerCommand, CustomerReply};
use domain::order::OrderCreated;
use domain::saga::{self, CREATE_ORDER, Effect, Incoming, Saga, SagaPolicy, SagaState};
use domain::{Customer, CustomerEvent, CustomerId, Money, Order, OrderEvent, OrderId, Timestamp};
use sagas::Outgoing;
use support::basket::basket;
use uuid::Uuid;

const NOW: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

fn customer() -> Customer {
    let created = CustomerCreated {
        name: "Ada Park".to_owned(),
        credit_limit: Money::from_cents(1_000_000_000),
    };
    Customer::created(CustomerId(Uuid::now_v7()), &created, NOW)
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    group.throughput(Throughput::Elements(1));
    let customer = customer();
    let created = basket(customer.id);
    let order = Order::created(OrderId(Uuid::now_v7()), &created, NOW);

    group.bench_function("customer-reserve", |bencher| {
        bencher.iter(|| {
            black_box(&customer).reserve(black_box(order.id), black_box(order.total), None)
        });
    });

    let reread = RereadValue {
        expected_version: 1,
    };

    let name = Some(customer.name.clone());
    group.bench_function("order-approve", |bencher| {
        bencher.iter(|| black_box(&order).approve(black_box(reread), name.clone()));
    });

    let policy = SagaPolicy::default();

    group.bench_function("create-order-saga", |bencher| {
        let mut customer = customer.clone();
        bencher.iter(|| create_order(&mut customer, black_box(&created), &policy));
    });

    group.finish();
}

/// A create-order saga from its first step to its end, with all that its three participants decide.
fn create_order(
    customer: &mut Customer,
    created: &OrderCreated,
    policy: &SagaPolicy,
) -> (Saga, Order) {
    let mut order = Order::created(OrderId(Uuid::now_v7()), created, NOW);

    let (mut saga, effects) = saga::begin(&CREATE_ORDER, &order, policy, NOW);
    for effect in effects {
        let Effect::Send {
            command: Outgoing::Own(CustomerCommand::ReserveCredit(request)),
            attempt,
            ..
        } = effect
        else {
            continue;
        };
        let event = customer
            .reserve(request.order_id, request.amount, None)
            .expect("the limit is high");
        // The credit is given back behind the saga's back, so that the next one finds as much.
        if let Some(event) = event {
            customer.apply(&event, NOW).expect("it is no creation");
            let released = customer
                .release(request.order_id, Some(request.amount))
                .expect("it was reserved");
            customer.apply(&released, NOW).expect("it is no creation");
        }
        let answer = CustomerAnswer {
            customer_name: customer.name.clone(),
            customer_version: customer.version,
        };
        let reply = Incoming::Own(CustomerReply::CreditReserved(answer));
        for effect in saga.replied(&reply, Some(&attempt), policy, NOW) {
            debug_assert!(matches!(effect, Effect::Local { .. }), "{effect:?}");
            let reread = RereadValue {
                expected_version: saga.data.order_version,
            };
            let approved = order
                .approve(reread, saga.data.customer_name.clone())
                .expect("it is pending");
            order.apply(&approved, NOW).expect("it is no creation");
        }
    }

    assert_eq!(saga.state, SagaState::Completed);

    (saga, order)
}

macro_rules! written_and_read {
    ($group:expr, $type:ty, $message:expr) => {
        let message: $type = $message;
        let (name, version) = message.wire_name();
        let body = message.encode().expect("it has a JSON form");
        $group.bench_function(format!("encode/{name}"), |bencher| {
            bencher.iter(|| black_box(&message).encode())
        });
        $group.bench_function(format!("decode/{name}"), |bencher| {
            bencher.iter(|| <$type>::decode(black_box(name), version, black_box(body.get())));
        });
    };
}

fn messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("message");
    group.throughput(Throughput::Elements(1));
    let customer = customer();
    let created = basket(customer.id);
    let (order_id, amount) = (OrderId(Uuid::now_v7()), created.order_total);

    let reserved = customer
        .reserve(order_id, amount, None)
        .ok()
        .flatten()
        .expect("the limit is high");

    written_and_read!(group, OrderEvent, OrderEvent::Created(created));

    let request = CreditRequest {
        order_id,
        amount,
        saga_id: None,
        announced: false,
    };

    written_and_read!(
        group,
        CustomerCommand,
        CustomerCommand::ReserveCredit(request)
    );

    written_and_read!(group, CustomerEvent, reserved);

    let answer = CustomerAnswer {
        customer_name: customer.name.clone(),
        customer_version: 2,
    };
    written_and_read!(group, CustomerReply, CustomerReply::CreditReserved(answer));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = decisions, messages
}
criterion_main!(benches);
