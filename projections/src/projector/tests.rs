//! The projector with the real document store on a log that repeats, loses and reorders.

mod any_way;
mod bench;
mod quarantine;

use std::sync::atomic::Ordering;

use bench::{Bench, LAZY, QUICK, SOON};

use super::*;
use crate::documents::DocumentReader;
use crate::testing::{Shop, eventually};
use crate::token::ConsistencyToken;
use domain::{CustomerId, OrderState};

fn order(number: u128, version: u64) -> ConsistencyToken {
    ConsistencyToken::of(domain::ORDERS, Uuid::from_u128(number), version)
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_were_there_before_the_start_are_read() {
    let mut shop = Shop::new();
    shop.create_customer(1, "Ada");

    for number in 10..1_300 {
        shop.create_order(number, 1, 100);
        shop.advance(number, 1);
    }

    let bench = Bench::with_shop(shop, QUICK).await;
    bench.view.wait_until(&order(1_299, 2), SOON).await.unwrap();

    bench
        .view
        .wait_until(&bench.all_versions(), SOON)
        .await
        .unwrap();

    eventually("the view is live", || async {
        bench.view.feeding() == Feeding::Following
    })
    .await;

    let lag = bench.view.lag(&*bench.shop.log).await.unwrap();
    assert_eq!((lag.events, lag.age), (0, Duration::ZERO));
}

#[tokio::test(flavor = "multi_thread")]
async fn catching_up_ends_although_more_is_committed_all_the_time() {
    let mut shop = Shop::new();
    for number in 10..1_300 {
        shop.create_order(number, 1, 100);
    }
    shop.log.busy.store(true, Ordering::Relaxed);
    let bench = Bench::with_shop(shop, QUICK).await;
    eventually("the view is live", || async {
        bench.view.feeding() == Feeding::Following
    })
    .await;
    bench.shows_the_shop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_delivered_again_changes_nothing() {
    let mut bench = Bench::start(QUICK).await;
    let messages = [
        bench.shop.create_order(10, 1, 100),
        bench.shop.advance(10, 1).unwrap(),
    ];
    bench.shop.log.deliver(messages.clone());
    bench.shop.log.deliver(messages.clone());
    bench.shows_the_shop().await;
    bench.shop.log.deliver(messages);
    let message = bench.shop.create_order(11, 1, 100);
    bench.shop.log.deliver([message]);
    bench.shows_the_shop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_message_is_read_when_the_next_one_shows_the_gap() {
    let mut bench = Bench::start(QUICK).await;
    bench.shop.create_order(10, 1, 100);
    bench.shop.advance(10, 1);
    let shown = bench.shop.advance(10, 0).unwrap();
    bench.shop.log.deliver([shown]);
    bench.shows_the_shop().await;
    assert_eq!(bench.state(10).await, Some(OrderState::Shipped));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_message_is_read_when_another_entity_shows_the_gap() {
    let mut bench = Bench::start(QUICK).await;
    eventually("it is live", || async {
        bench.view.feeding() == Feeding::Following
    })
    .await;
    // Enough that every shard has lost some and delivers one.
    for number in 10..60 {
        bench.shop.create_order(number, 1, 100);
    }

    let shown: Vec<_> = (60..110)
        .map(|number| bench.shop.create_order(number, 1, 100))
        .collect();
    bench.shop.log.deliver(shown);
    bench.shows_the_shop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_last_message_is_found_by_the_check() {
    let mut bench = Bench::start(QUICK).await;
    eventually("it is live", || async {
        bench.view.feeding() == Feeding::Following
    })
    .await;
    bench.shop.create_order(10, 1, 100);
    bench.view.wait_until(&order(10, 1), SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_an_unknown_customer_makes_no_customer() {
    let mut bench = Bench::start(QUICK).await;
    let message = bench.shop.create_order(10, 99, 100);
    bench.shop.log.deliver([message]);
    bench.shows_the_shop().await;

    assert!(
        bench
            .reader
            .customer(CustomerId(Uuid::from_u128(99)), 100)
            .await
            .unwrap()
            .value
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_gets_its_commit_at_once_and_need_not_wait_for_the_batch() {
    let mut bench = Bench::start(LAZY).await;
    eventually("it is live", || async {
        bench.view.feeding() == Feeding::Following
    })
    .await;

    let message = bench.shop.create_order(10, 1, 100);
    bench.shop.log.deliver([message]);

    bench.view.wait_until(&order(10, 1), SOON).await.unwrap();
    // A reader that comes first is woken as well.
    let token = order(10, 2);

    let early = bench.view.wait_until(&token, SOON);

    let late = async {
        tokio::task::yield_now().await;
        let message = bench.shop.advance(10, 1).unwrap();
        bench.shop.log.deliver([message]);
    };
    let (waited, ()) = tokio::join!(early, late);
    waited.unwrap();
    assert_eq!(bench.state(10).await, Some(OrderState::Approved));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_applied_and_not_committed_is_read_again_after_a_restart() {
    let mut bench = Bench::start(QUICK).await;
    let message = bench.shop.create_order(10, 1, 100);
    bench.shop.log.deliver([message]);
    bench.shows_the_shop().await;
    bench.faults.lock().unwrap().commits = 3;
    let message = bench.shop.advance(10, 1).unwrap();
    bench.shop.log.deliver([message]);

    eventually("the view has failed", || async {
        bench.view.feeding() == Feeding::Failed
    })
    .await;

    assert_eq!(bench.state(10).await, Some(OrderState::Pending));
    bench.shows_the_shop().await;
    let bench = bench.restart().await;
    bench.shows_the_shop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_finished_when_nothing_follows_and_at_the_end() {
    let mut bench = Bench::start(QUICK).await;
    let message = bench.shop.create_order(10, 1, 100);
    let (source, sequence) = (message.source, message.sequence);
    bench.shop.log.deliver([message]);

    let finished = || bench.faults.lock().unwrap().finished.clone();
    eventually("it is finished", || async {
        finished().get(&source) == Some(&sequence)
    })
    .await;

    let mut bench = Bench::start(LAZY).await;
    eventually("it is live", || async {
        bench.view.feeding() == Feeding::Following
    })
    .await;

    let message = bench.shop.create_order(10, 1, 100);
    let (source, sequence) = (message.source, message.sequence);
    bench.shop.log.deliver([message]);

    eventually("it was taken in", || async {
        bench.faults.lock().unwrap().largest_batch > 0
    })
    .await;

    bench.view.stop().await;

    assert_eq!(
        bench.faults.lock().unwrap().finished.get(&source),
        Some(&sequence)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_view_does_not_end_it() {
    let mut bench = Bench::start(QUICK).await;
    bench.faults.lock().unwrap().panics = 1;
    let message = bench.shop.create_order(10, 1, 100);
    bench.shop.log.deliver([message]);
    bench.shows_the_shop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_does_not_answer_is_tried_again() {
    let mut bench = Bench::start(QUICK).await;
    bench
        .shop
        .log
        .failing
        .store(true, std::sync::atomic::Ordering::Relaxed);

    bench.shop.create_order(10, 1, 100);
    let message = bench.shop.advance(10, 1).unwrap();
    bench.shop.log.deliver([message]);

    eventually("the view has failed", || async {
        bench.view.feeding() == Feeding::Failed
    })
    .await;

    bench
        .shop
        .log
        .failing
        .store(false, std::sync::atomic::Ordering::Relaxed);

    bench.shows_the_shop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_bounded() {
    let mut shop = Shop::new();
    for number in 10..400 {
        shop.create_order(number, 1, 100);
    }

    let bench = Bench::with_shop(
        shop,
        CommitPolicy {
            max_events: 16,
            ..LAZY
        },
    )
    .await;

    bench
        .view
        .wait_until(&bench.all_versions(), SOON)
        .await
        .unwrap();

    assert!(bench.faults.lock().unwrap().largest_batch <= 16);
}
