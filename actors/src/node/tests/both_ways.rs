//! The same histories by sagas and by choreography: whatever is delivered twice, lost, dropped and
//! done again on the way, and in whatever order the customers' orders meet, both end in the same
//! states.

use std::collections::BTreeMap;

use domain::{Coordination, CustomerId, Order, OrderId, Timestamp};
use futures_util::future::join_all;
use proptest::collection::vec;
use proptest::prelude::*;
use store::services::{customers, orders};

use super::*;
use crate::requests::Accepted;

/// What a caller does next; it waits for the end of each step.
#[derive(Clone, Debug)]
enum Step {
    /// Orders for so much.
    Order(i64),
    /// Cancels one of its orders, the place counted round.
    Cancel(usize),
    /// Ships one of them.
    Ship(usize),
}

/// What one customer does, by its limit. Without one there is no such customer.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    limit: Option<i64>,
    steps: Vec<Step>,
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1i64..600).prop_map(Step::Order),
        2 => (0usize..8).prop_map(Step::Cancel),
        1 => (0usize..8).prop_map(Step::Ship),
    ]
}

pub(super) fn callers() -> impl Strategy<Value = Vec<Caller>> {
    let caller = (
        proptest::option::weighted(0.85, 0i64..1500),
        vec(steps(), 1..8),
    );
    vec(
        caller.prop_map(|(limit, steps)| Caller { limit, steps }),
        1..6,
    )
}

/// Each brings about other repeats, gaps and reloads.
pub(super) const FAULTS: [&str; 4] = [
    "",
    "deliver-twice",
    "lose-message=13",
    "deliver-twice,fail-commit=5,panic-turn=17",
];

/// How everything is in the end, without times, and without what only one way knows.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Ends {
    orders: BTreeMap<OrderId, Order>,
    /// The credit reserved, and the version.
    customers: BTreeMap<CustomerId, (i64, u64)>,
    reservations: BTreeMap<OrderId, i64>,
}

fn binding(what: &str, caller: usize, step: usize) -> RequestBinding {
    let key = format!("{caller}/{step}");
    RequestBinding::new(what, &key, key.as_bytes())
}

/// Repeats a command with its key until it has an answer. A refusal is one, too.
async fn insistently<T>(command: impl AsyncFn() -> Result<T, CommandError>) -> Option<T> {
    loop {
        match command().await {
            Ok(answer) => return Some(answer),
            Err(CommandError::Unavailable | CommandError::Overloaded | CommandError::Failed) => {
                tokio::task::yield_now().await;
            }
            Err(_) => return None,
        }
    }
}

async fn ended(
    accepted: Result<Accepted<Order>, CommandError>,
) -> Result<OrderAnswer, CommandError> {
    let answer = accepted?.ended_within(PATIENCE).await?;
    assert!(answer.awaited().is_none(), "it has ended: {answer:?}");
    Ok(answer)
}

/// Does what a caller does, from one step up to another. Every caller has its own customer, so
/// whatever order they meet in, each of them has the outcome of its steps in their order.
async fn act(
    shop: &Fixture,
    number: usize,
    caller: &Caller,
    from: usize,
    orders: &mut Vec<OrderId>,
) {
    let gateway = &shop.gateway;
    let id = binding("customer", number, 0);
    if let Some(limit) = caller.limit.filter(|_| from == 0) {
        let new = || NewCustomer {
            name: format!("customer {number}"),
            credit_limit: Money::from_cents(limit),
        };
        let created = insistently(|| gateway.create_customer(new(), Some(id))).await;
        assert_eq!(created.unwrap().entity.id.0, id.key.as_uuid());
    }

    let half = caller.steps.len() / 2;
    let part = match from {
        0 => &caller.steps[..half],
        _ => &caller.steps[half..],
    };
    for (place, step) in part.iter().enumerate() {
        let key = binding("step", number, from + place);
        let one_of = |place: usize| (!orders.is_empty()).then(|| orders[place % orders.len()]);

        match step {
            Step::Order(cents) => {
                let new = || NewOrder {
                    customer_id: CustomerId(id.key.as_uuid()),
                    total: Money::from_cents(*cents),
                    lines: Vec::new(),
                    note: None,
                };
                let create = async || {
                    let accepted = gateway.create_order(new(), Some(key), Follow::saga());
                    ended(accepted.await).await
                };
                let order = insistently(create).await.unwrap();
                orders.push(order.entity.id);
            }
            Step::Cancel(place) => {
                if let Some(order) = one_of(*place) {
                    let cancel = async || {
                        let accepted = gateway.cancel_order(order, Some(key), Follow::saga());
                        ended(accepted.await).await
                    };
                    insistently(cancel).await;
                }
            }
            Step::Ship(place) => {
                if let Some(order) = one_of(*place) {
                    insistently(|| gateway.ship_order(order, Some(key))).await;
                }
            }
        }
    }
}

async fn play(callers: &[Caller], faults: &'static str, coordination: Coordination) -> Ends {
    let setup = Setup {
        faults,
        ..Setup::default()
    };
    let (ends, _) = play_as(callers, &setup, coordination).await;
    ends
}

/// How everything is in the end, and the folder that it is in.
pub(super) async fn play_as(
    callers: &[Caller],
    setup: &Setup,
    coordination: Coordination,
) -> (Ends, TempDir) {
    let mut made = vec![Vec::new(); callers.len()];
    let mut kept = folder();

    // In two halves, with another life of the node for the second.
    for second in [false, true] {
        let mut shop = Fixture::start_as(kept, setup).await;
        shop.gateway = shop.gateway.coordinated_by(coordination);
        let acts = callers.iter().zip(&mut made).enumerate();
        let acts = acts.map(|(number, (caller, orders))| {
            let from = if second {
                caller.steps.len() / 2 + 1
            } else {
                0
            };
            act(&shop, number, caller, from, orders)
        });
        join_all(acts).await;
        kept = shop.stop().await;
    }

    let shop = Fixture::start(kept, "").await;
    let numbers = 0..callers.len();
    let ids = numbers.map(|number| binding("customer", number, 0).key.as_uuid());
    let ends = ends(&shop, &ids.collect::<Vec<_>>(), &made.concat()).await;
    (ends, shop.stop().await)
}

async fn ends(shop: &Fixture, callers: &[Uuid], made: &[OrderId]) -> Ends {
    let made: Vec<_> = made.iter().map(|order| order.0).collect();
    let [of_customers, of_orders] = &shop.parts.databases[..] else {
        panic!("there are two services");
    };
    let mut ends = Ends::default();

    for (id, stored) in orders::load(of_orders, &made).await.unwrap() {
        let order = Order {
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            choreography: domain::choreography::Choreography::default(),
            ..stored.unwrap().entity
        };
        ends.orders.insert(OrderId(id), order);
    }
    for (id, stored) in customers::load(of_customers, callers).await.unwrap() {
        let customer = stored.unwrap().entity;
        let end = (customer.reserved.cents(), customer.version);
        ends.customers.insert(CustomerId(id), end);
    }
    for (id, amount) in customers::load_reservations(of_customers, &made)
        .await
        .unwrap()
    {
        ends.reservations
            .insert(OrderId(id), amount.unwrap().cents());
    }
    ends
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, max_shrink_iters: 32, ..ProptestConfig::default() })]

    #[test]
    fn sagas_and_choreography_end_in_the_same_states(
        callers in callers(),
        by_sagas in proptest::sample::select(&FAULTS[..]),
        by_choreography in proptest::sample::select(&FAULTS[..]),
    ) {
        run(async {
            let sagas = play(&callers, by_sagas, Coordination::Orchestration).await;
            let choreography = play(&callers, by_choreography, Coordination::Choreography).await;
            assert_eq!(sagas, choreography);
        });
    }
}
