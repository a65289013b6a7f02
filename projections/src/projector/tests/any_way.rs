//! Any events on any way, with a restart in between: the view is their fold.

use proptest::prelude::*;
use store::Message;

use super::*;

/// What the log does with a message besides committing it.
#[derive(Clone, Copy, Debug)]
enum Way {
    Deliver,
    Lose,
    Twice,
    /// Together with the message after it, which is delivered first when it comes from another
    /// source.
    Swap,
}

fn steps() -> impl Strategy<Value = Vec<(u8, u8, u8, Way)>> {
    let way = prop_oneof![4 => Just(Way::Deliver), 1 => Just(Way::Lose), 1 => Just(Way::Twice), 1 => Just(Way::Swap)];
    prop::collection::vec((0u8..6, 0u8..12, any::<u8>(), way), 1..120)
}

fn run_step(shop: &mut Shop, (kind, which, choice, _): (u8, u8, u8, Way)) -> Option<Arc<Message>> {
    let (order, customer) = (u128::from(which) + 100, u128::from(which % 4) + 1);
    match kind {
        0 if !shop.customers.contains_key(&Uuid::from_u128(customer)) => {
            Some(shop.create_customer(customer, &format!("Customer {customer}")))
        }
        1 if !shop.orders.contains_key(&Uuid::from_u128(order)) => {
            Some(shop.create_order(order, customer, i64::from(choice) + 1))
        }
        2 => shop.reserve(customer, order, i64::from(choice)),
        _ => shop.advance(order, choice),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_view_is_the_fold_of_the_events_whatever_the_way_they_came(
        steps in steps(),
        max_events in 1usize..20,
        restart_at in any::<prop::sample::Index>(),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let mut bench = Bench::start(CommitPolicy { max_events, ..QUICK }).await;
            eventually("it is live", || async { bench.view.feeding() == Feeding::Following }).await;
            let restart_at = restart_at.index(steps.len());
            let mut held = Vec::new();

            for (number, step) in steps.into_iter().enumerate() {
                if number == restart_at {
                    bench.faults.lock().unwrap().commits = 1;
                    bench = bench.restart().await;
                    bench.faults.lock().unwrap().commits = 0;
                    bench.view.wait_until(&bench.all_versions(), SOON).await.unwrap();
                }
                let Some(message) = run_step(&mut bench.shop, step) else { continue };
                let token = ConsistencyToken::of(message.source.service, message.entity, message.version);
                match step.3 {
                    Way::Deliver => {
                        bench.shop.log.deliver(std::iter::once(message).chain(held.drain(..)));
                        // Without a pause now and then all would be read at the end and nothing
                        // taken live.
                        if step.2.is_multiple_of(3) {
                            bench.view.wait_until(&token, SOON).await.unwrap();
                        }
                    }
                    Way::Lose => {}
                    Way::Twice => bench.shop.log.deliver([Arc::clone(&message), message]),
                    Way::Swap => held.push(message),
                }
            }

            bench.shows_the_shop().await;
            bench.view.stop().await;
        });
    }
}
