//! The generation that has answered before: how long it is kept, and the way back to it.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn going_back_is_refused_without_an_earlier_generation_and_loses_nothing_with_one() {
    let bench = Bench::live().await;
    assert!(matches!(
        bench.view.revert(SOON, None).await,
        Err(ViewError::Conflict { .. })
    ));

    bench.view.rebuild(BuildFrom::History, None).await.unwrap();
    bench.answers(2).await;
    let message = bench.shop().create_order(50, 1, 100);
    bench.shop().log.deliver([message]);
    bench.shows_the_shop().await;

    assert_eq!(
        bench.view.revert(SOON, None).await.unwrap(),
        Reverted {
            generation: 1,
            done: true
        }
    );

    assert_eq!(bench.view.status().await.kept, Some(2));
    bench.shows_the_shop().await;
    bench.view.revert(SOON, None).await.unwrap();
    bench.answers(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_generation_is_let_go_of_when_its_time_is_over() {
    let bench = Bench::start(Duration::ZERO, |_| {});
    bench.answers(1).await;
    bench.view.rebuild(BuildFrom::History, None).await.unwrap();
    bench.answers(2).await;

    eventually("it is let go of", || async {
        bench.view.status().await.kept.is_none()
    })
    .await;

    assert!(matches!(
        bench.view.revert(SOON, None).await,
        Err(ViewError::Conflict { .. })
    ));

    bench.shows_the_shop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_on_a_generation_that_makes_room_waits_on_for_the_one_that_answers() {
    let bench = Bench::live().await;
    let version = bench.shop().orders[&Uuid::from_u128(10)].0.version;
    let next = order(10, version + 1);

    let rebuilds = async {
        let first = bench.view.current().unwrap();
        eventually("it waits", || async { first.waiting_readers() == 1 }).await;
        bench.view.rebuild(BuildFrom::History, None).await.unwrap();
        bench.answers(2).await;

        // The first one makes room for the third.
        let second = bench.view.current().unwrap();
        bench.view.rebuild(BuildFrom::History, None).await.unwrap();
        eventually("it waits on", || async { second.waiting_readers() == 1 }).await;
        bench.shop().advance(10, 1);
    };
    let (awaited, ()) = tokio::join!(bench.view.await_token(&next, SOON), rebuilds);

    let awaited = awaited.unwrap();
    awaited.outcome.unwrap();
    assert_eq!(awaited.generation.number(), 2);
}

/// A generation that answers no more is still waited on by those who have begun to.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_on_a_generation_that_is_kept_and_fails_waits_on_for_the_one_that_answers() {
    let bench = Bench::live().await;
    let next = order(50, 1);

    let fails = async {
        let first = bench.view.current().unwrap();
        eventually("it waits", || async { first.waiting_readers() == 1 }).await;
        bench.view.rebuild(BuildFrom::History, None).await.unwrap();
        bench.answers(2).await;

        *bench.faults.holds.lock().unwrap() = Some(1);
        let message = bench.shop().create_order(50, 1, 100);
        bench.shop().log.deliver([message]);
    };
    let (awaited, ()) = tokio::join!(bench.view.await_token(&next, SOON), fails);

    let awaited = awaited.unwrap();
    awaited.outcome.unwrap();
    assert_eq!(awaited.generation.number(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_on_a_generation_that_is_damaged_waits_on_for_the_one_that_was_kept() {
    let bench = Bench::live().await;
    bench.view.rebuild(BuildFrom::History, None).await.unwrap();
    bench.answers(2).await;
    let next = order(50, 1);

    let breaks = async {
        let second = bench.view.current().unwrap();
        eventually("it waits", || async { second.waiting_readers() == 1 }).await;
        *bench.faults.damaged.lock().unwrap() = Some(2);
        let message = bench.shop().create_order(50, 1, 100);
        bench.shop().log.deliver([message]);
    };
    let (awaited, ()) = tokio::join!(bench.view.await_token(&next, SOON), breaks);

    let awaited = awaited.unwrap();
    awaited.outcome.unwrap();
    assert_eq!(awaited.generation.number(), 1);
}

/// Without another one there is nothing to wait for.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_on_the_only_generation_hears_at_once_that_it_is_damaged() {
    let bench = Bench::live().await;
    *bench.faults.holds.lock().unwrap() = Some(2);
    let next = order(50, 1);
    let begun = Instant::now();

    let breaks = async {
        let first = bench.view.current().unwrap();
        eventually("it waits", || async { first.waiting_readers() == 1 }).await;
        *bench.faults.damaged.lock().unwrap() = Some(1);
        let message = bench.shop().create_order(50, 1, 100);
        bench.shop().log.deliver([message]);
    };
    let (awaited, ()) = tokio::join!(bench.view.await_token(&next, 6 * SOON), breaks);

    let told = awaited.err().unwrap();
    assert!(matches!(told, ViewError::Damaged { .. }), "{told}");
    assert!(begun.elapsed() < 3 * SOON);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_a_generation_is_kept_counts_on_over_a_restart() {
    let keep = Duration::from_secs(5);
    let bench = Bench::start(keep, |_| {});
    bench.answers(1).await;
    bench.view.rebuild(BuildFrom::History, None).await.unwrap();

    bench.answers(2).await;
    let replaced = Instant::now();
    eventually("half its time is over", || async {
        replaced.elapsed() > keep / 2
    })
    .await;

    let bench = bench.restart(1).await;
    bench.answers(2).await;

    eventually("it is let go of", || async {
        bench.view.status().await.kept.is_none()
    })
    .await;

    assert!(
        replaced.elapsed() < keep + keep / 2,
        "it was kept for {:?}",
        replaced.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_while_the_store_is_down_is_done_when_it_answers_again() {
    let bench = Bench::live().await;
    bench.view.rebuild(BuildFrom::History, None).await.unwrap();
    bench.answers(2).await;
    bench.faults.down.store(true, Ordering::SeqCst);

    assert_eq!(
        bench.view.revert(Duration::ZERO, None).await.unwrap(),
        Reverted {
            generation: 1,
            done: false
        }
    );

    eventually("it was tried", || async {
        bench.view.status().await.error.is_some()
    })
    .await;

    assert_eq!(bench.view.status().await.generation, Some(2));
    bench.faults.down.store(false, Ordering::SeqCst);
    bench.answers(1).await;
    bench.shows_the_shop().await;
}
