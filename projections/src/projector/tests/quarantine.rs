//! Events that cannot be applied, decoded or committed: each stops its entity alone.

use super::*;

async fn one_is_in_quarantine(bench: &mut Bench) {
    let bad = Uuid::from_u128(10);

    let created: Vec<_> = (10..20)
        .map(|number| bench.shop.create_order(number, 1, 100))
        .collect();
    bench.shop.log.deliver(created);

    let approved: Vec<_> = (10..20)
        .filter_map(|number| bench.shop.advance(number, 1))
        .collect();
    bench.shop.log.deliver(approved);

    for number in 11..20 {
        bench
            .view
            .wait_until(&order(number, 2), SOON)
            .await
            .unwrap();
    }

    eventually("it is in quarantine", || async {
        !bench.view.shown().quarantined.is_empty()
    })
    .await;

    let status = bench.view.shown();
    assert_eq!(
        status
            .quarantined
            .iter()
            .map(|quarantined| quarantined.entity)
            .collect::<Vec<_>>(),
        [bad]
    );
    // A later event of the same entity changes nothing, and no reader hears that it has been
    // reached.
    let message = bench.shop.advance(10, 1).unwrap();

    bench.shop.log.deliver([message]);

    let error = bench
        .view
        .wait_until(&order(10, 3), Duration::from_millis(50))
        .await
        .unwrap_err();
    assert!(matches!(error, ViewError::Behind { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_applied_stops_its_entity_alone_until_it_is_replayed() {
    let mut bench = Bench::start(QUICK).await;
    bench
        .faults
        .lock()
        .unwrap()
        .poisoned
        .insert(Uuid::from_u128(10));

    one_is_in_quarantine(&mut bench).await;

    assert_eq!(bench.state(10).await, Some(OrderState::Pending));
    let bench = bench.restart().await;
    eventually("the quarantine is kept", || async {
        bench.view.shown().quarantined.len() == 1
    })
    .await;

    assert!(
        !bench
            .view
            .replay(domain::ORDERS, Uuid::from_u128(10))
            .await
            .unwrap()
    );

    assert!(
        !bench
            .view
            .replay(domain::ORDERS, Uuid::from_u128(11))
            .await
            .unwrap()
    );

    bench.faults.lock().unwrap().poisoned.clear();

    assert!(
        bench
            .view
            .replay(domain::ORDERS, Uuid::from_u128(10))
            .await
            .unwrap()
    );

    bench.shows_the_shop().await;
    let bench = bench.restart().await;
    bench.shows_the_shop().await;
    assert!(bench.view.shown().quarantined.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_culprit_of_a_refused_commit_is_found_and_the_others_go_on() {
    let mut bench = Bench::start(QUICK).await;
    bench
        .faults
        .lock()
        .unwrap()
        .refused
        .insert(Uuid::from_u128(10));

    one_is_in_quarantine(&mut bench).await;
    assert_eq!(bench.state(10).await, None);
    bench.faults.lock().unwrap().refused.clear();

    assert!(
        bench
            .view
            .replay(domain::ORDERS, Uuid::from_u128(10))
            .await
            .unwrap()
    );

    bench.shows_the_shop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_event_stops_its_entity_and_one_of_an_unknown_type_only_counts() {
    let mut bench = Bench::start(QUICK).await;
    let (good, bad) = (Uuid::from_u128(10), Uuid::from_u128(11));

    let log = Arc::clone(&bench.shop.log);
    log.deliver([
        bench.shop.create_order(10, 1, 100),
        bench.shop.create_order(11, 1, 100),
    ]);

    log.deliver([log.commit(domain::ORDERS, good, 2, "order.praised", "{}")]);
    log.deliver([log.commit(domain::ORDERS, bad, 2, "order.approved", "[7]")]);
    log.deliver([log.commit(domain::ORDERS, good, 3, "order.shipped", "{}")]);
    bench.view.wait_until(&order(10, 3), SOON).await.unwrap();
    assert_eq!(bench.state(10).await, Some(OrderState::Shipped));

    eventually("it is in quarantine", || async {
        bench.view.shown().quarantined.len() == 1
    })
    .await;
}
