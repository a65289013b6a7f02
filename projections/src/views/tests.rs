//! The life of a view's generations, with everything going wrong that may.

mod bench;
mod damage;
mod faulty_store;
mod following;
mod going_back;
mod replacing;

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bench::{Bench, SOON};
use sagas::Fingerprint;
use uuid::Uuid;

use super::*;
use crate::ViewError;
use crate::generations::{Binding, BuildFrom};
use crate::testing::{DEPLOYMENT, eventually};

fn order(number: u128, version: u64) -> ConsistencyToken {
    ConsistencyToken::of(domain::ORDERS, Uuid::from_u128(number), version)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_down_at_the_start_is_tried_again_and_the_view_says_so_meanwhile() {
    let bench = Bench::start(SOON, |faults| faults.down.store(true, Ordering::SeqCst));
    bench.view.settled().await;

    assert!(matches!(
        bench.view.current(),
        Err(ViewError::Unavailable { .. })
    ));

    assert_eq!(bench.view.state(), ViewState::Failed);

    let refused = bench
        .view
        .rebuild(BuildFrom::History, None)
        .await
        .unwrap_err();

    assert!(
        matches!(refused, ViewError::Unavailable { .. }),
        "{refused}"
    );

    bench.faults.down.store(false, Ordering::SeqCst);
    bench.answers(1).await;
    bench.shows_the_shop().await;
    assert_eq!(bench.view.state(), ViewState::Live);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_does_nothing_before_the_log_knows_its_heads() {
    let (open, opened) = tokio::sync::oneshot::channel::<()>();
    let known = opened.map(drop);
    let bench = Bench::live().await.restart_when(known, 1, |_| {}).await;

    let refused = bench.view.rebuild(BuildFrom::History, None).await;
    assert!(matches!(refused, Err(ViewError::Unavailable { .. })));
    let current = bench.view.current();
    assert!(matches!(current, Err(ViewError::NotReady { .. })));

    open.send(()).unwrap();
    bench.answers(1).await;
    bench.shows_the_shop().await;

    // One that never begins ends all the same.
    let never = std::future::pending();
    let bench = bench.restart_when(never, 1, |_| {}).await;
    bench.view.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_generation_does_not_answer_before_it_has_what_was_there() {
    let bench = Bench::start(SOON, |faults| *faults.holds.lock().unwrap() = Some(1));
    eventually("it is built", || async {
        bench.view.status().await.progress.is_some()
    })
    .await;
    assert!(bench.view.current().is_err());
    *bench.faults.holds.lock().unwrap() = None;
    bench.answers(1).await;
    bench.shows_the_shop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_generation_answers_until_the_new_one_is_level_and_a_reader_that_waits_is_not_lost()
{
    let bench = Bench::live().await;
    *bench.faults.holds.lock().unwrap() = Some(2);
    let begun = bench.view.rebuild(BuildFrom::History, None).await.unwrap();
    assert_eq!(begun, 2);
    let message = bench.shop().create_order(50, 1, 100);
    bench.shop().log.deliver([message]);
    bench.view.wait_until(&order(50, 1), SOON).await.unwrap();
    assert_eq!(bench.view.current().unwrap().number(), 1);

    assert_eq!(bench.view.state(), ViewState::Rebuilding);
    // This one waits on the old generation, over the swap.
    let before = bench.view.current().unwrap();

    let token = order(51, 1);
    let waiting = before.wait_until(&token, SOON);
    *bench.faults.holds.lock().unwrap() = None;

    let write = async {
        bench.answers(2).await;
        let message = bench.shop().create_order(51, 1, 100);
        bench.shop().log.deliver([message]);
    };
    let (waited, ()) = tokio::join!(waiting, write);
    waited.unwrap();
    bench.shows_the_shop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_generation_is_compared_its_progress_says_so_and_both_are_fed() {
    let bench = Bench::live().await;
    let held = bench.faults.audits.lock().await;
    bench.view.rebuild(BuildFrom::History, None).await.unwrap();

    eventually("it is compared", || async {
        let progress = bench.view.status().await.progress;
        progress
            .is_some_and(|progress| progress.stage == BuildStage::Comparing && progress.total == 20)
    })
    .await;

    let message = bench.shop().create_order(50, 1, 100);
    bench.shop().log.deliver([message]);
    bench.view.wait_until(&order(50, 1), SOON).await.unwrap();
    assert_eq!(bench.view.current().unwrap().number(), 1);
    drop(held);
    bench.answers(2).await;
    bench.shows_the_shop().await;
}

/// A generation whose commits take longer than the other's is always a little behind it.
#[tokio::test(flavor = "multi_thread")]
async fn a_swap_comes_although_the_old_generation_is_always_ahead() {
    let bench = Bench::live().await;
    *bench.faults.slow.lock().unwrap() = Some(2);

    let rush = async {
        for number in 100_u128.. {
            let message = bench.shop().create_order(number, 1, 100);
            bench.shop().log.deliver([message]);
            // Whoever waits has it committed at once.
            bench
                .view
                .wait_until(&order(number, 1), SOON)
                .await
                .unwrap();
        }
    };

    let swap = async {
        bench.view.rebuild(BuildFrom::History, None).await.unwrap();
        bench.answers(2).await;
    };

    tokio::select! {
        () = rush => {}
        () = swap => {}
    }

    bench.shows_the_shop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_again_with_its_key_is_done_once_also_after_a_restart() {
    let by = |key, what: &[u8]| {
        Some(Binding {
            key: Uuid::from_u128(key),
            fingerprint: Fingerprint::of(what),
        })
    };

    let bench = Bench::live().await;
    assert_eq!(
        bench
            .view
            .rebuild(BuildFrom::History, by(1, b"history"))
            .await
            .unwrap(),
        2
    );

    bench.answers(2).await;

    assert_eq!(
        bench
            .view
            .rebuild(BuildFrom::History, by(1, b"history"))
            .await
            .unwrap(),
        2
    );

    let other = bench
        .view
        .rebuild(BuildFrom::Entities, by(1, b"entities"))
        .await
        .unwrap_err();
    assert!(matches!(other, ViewError::KeyReused { .. }), "{other}");

    let back = Reverted {
        generation: 1,
        done: true,
    };
    assert_eq!(bench.view.revert(SOON, by(2, b"")).await.unwrap(), back);
    assert_eq!(bench.view.revert(SOON, by(2, b"")).await.unwrap(), back);
    let bench = bench.restart(1).await;
    bench.answers(1).await;
    assert_eq!(bench.view.revert(SOON, by(2, b"")).await.unwrap(), back);

    assert_eq!(
        bench
            .view
            .rebuild(BuildFrom::History, by(1, b"history"))
            .await
            .unwrap(),
        2
    );

    bench.answers(1).await;

    assert_eq!(
        bench
            .view
            .rebuild(BuildFrom::History, by(3, b"history"))
            .await
            .unwrap(),
        3
    );

    bench.answers(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_rebuilds_at_once_one_is_refused() {
    let bench = Bench::live().await;
    *bench.faults.holds.lock().unwrap() = Some(2);
    let (one, other) = tokio::join!(
        bench.view.rebuild(BuildFrom::History, None),
        bench.view.rebuild(BuildFrom::Entities, None)
    );
    assert!(
        matches!((&one, &other), (Ok(_), Err(ViewError::Conflict { .. }))),
        "{one:?} {other:?}"
    );
    *bench.faults.holds.lock().unwrap() = None;
    bench.answers(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_that_has_lost_an_order_does_not_answer_and_makes_room_for_the_next() {
    let bench = Bench::live().await;
    *bench.faults.loses.lock().unwrap() = Some((2, Uuid::from_u128(12)));
    bench.view.rebuild(BuildFrom::History, None).await.unwrap();

    eventually("it is stopped", || async {
        bench
            .view
            .status()
            .await
            .progress
            .is_some_and(|built| built.stopped)
    })
    .await;

    let status = bench.view.status().await;
    assert_eq!(
        (status.state, status.generation),
        (ViewState::Failed, Some(1))
    );

    assert!(
        status
            .error
            .unwrap()
            .contains(&Uuid::from_u128(12).to_string())
    );

    bench.shows_the_shop().await;
    bench.view.rebuild(BuildFrom::History, None).await.unwrap();
    bench.answers(3).await;
    assert_eq!(bench.view.state(), ViewState::Live);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_old_generation_lacks_is_repaired_by_a_new_one() {
    let bench = Bench::start(SOON, |faults| {
        *faults.loses.lock().unwrap() = Some((1, Uuid::from_u128(12)))
    });
    bench.answers(1).await;
    bench.view.rebuild(BuildFrom::History, None).await.unwrap();
    bench.answers(2).await;
    bench.shows_the_shop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_come_while_rows_are_copied_are_not_missed() {
    let bench = Bench::live().await;
    bench.comes_late(60);
    bench.view.rebuild(BuildFrom::Entities, None).await.unwrap();
    bench.answers(2).await;
    assert!(bench.shop().orders.contains_key(&Uuid::from_u128(60)));
    bench.shows_the_shop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_definition_starts_a_rebuild_by_itself_and_the_old_one_answers() {
    let bench = Bench::live().await;
    *bench.faults.holds.lock().unwrap() = Some(2);
    let bench = bench.restart(2).await;
    bench.view.settled().await;
    assert_eq!(bench.view.current().unwrap().number(), 1);
    *bench.faults.holds.lock().unwrap() = None;
    bench.answers(2).await;
    bench.shows_the_shop().await;
    let bench = bench.restart(2).await;
    bench.answers(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_any_saved_catalog_of_a_rebuild_goes_on_after_the_next_start() {
    for from in [BuildFrom::History, BuildFrom::Entities] {
        for saves in 0..4 {
            let bench = Bench::live().await;
            bench.faults.saves_left.store(saves, Ordering::SeqCst);
            let begun = bench.view.rebuild(from, None).await;
            assert_eq!(begun.is_ok(), saves > 0);

            eventually("it has crashed or is done", || async {
                bench.faults.down.load(Ordering::SeqCst)
                    || bench.view.status().await.generation == Some(2)
            })
            .await;

            let bench = bench.restart(1).await;
            bench.answers(if saves == 0 { 1 } else { 2 }).await;
            bench.shows_the_shop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_is_healed_from_its_history_and_one_without_is_not_there() {
    let bench = Bench::start(SOON, |faults| {
        *faults.loses.lock().unwrap() = Some((1, Uuid::from_u128(12)))
    });
    bench.answers(1).await;
    let reader = bench.view.current().unwrap();
    let lost = domain::OrderId(Uuid::from_u128(12));
    assert_eq!(reader.reader().version_of(lost).await.unwrap(), None);
    *bench.faults.loses.lock().unwrap() = None;
    assert_eq!(bench.view.heal(lost.0).await.unwrap(), Some(2));

    bench.shows_the_shop().await;
    // Later events go on from it.
    let message = bench.shop().advance(12, 0).unwrap();

    bench.shop().log.deliver([message]);
    bench.shows_the_shop().await;
    assert_eq!(bench.view.heal(Uuid::from_u128(999)).await.unwrap(), None);
}
