//! What subscribers hear, and what they see of what they do not hear.

use super::*;

pub async fn messages_come_in_the_order_of_their_commit(mut place: Place) {
    let mut node = place.start("").await;
    let mut to_two = node.log.subscribe(TO_TWO);
    let mut units = Vec::new();
    for _ in 0..50 {
        units.push(node.sending(ONE, 1, &[TWO]));
        units.push(node.sending(THREE, 1, &[TWO]));
    }
    node.in_one_batch(units).await;

    let received = receive(&mut to_two, 100).await;
    for source in [ONE, THREE] {
        let of_source = received.iter().filter(|message| message.source == source);
        let sequences: Vec<u64> = of_source.map(|message| message.sequence).collect();
        assert!(
            sequences.is_sorted() && sequences.len() == 50,
            "{sequences:?}"
        );
    }
    node.close().await;
    place.end().await;
}

pub async fn each_message_names_the_one_before_it_from_its_source_to_its_destination(
    mut place: Place,
) {
    let mut node = place.start("").await;
    let mut to_two = node.log.subscribe(TO_TWO);
    let mut to_three = node.log.subscribe(TO_THREE);
    let mut events = node.log.subscribe(EVENTS);

    node.commit(ONE, &[TWO, THREE]).await;
    node.commit(ONE, &[THREE]).await;
    node.commit(ONE, &[TWO]).await;

    assert_eq!(chain(&receive(&mut to_two, 2).await), [(2, 0), (7, 2)]);
    assert_eq!(chain(&receive(&mut to_three, 2).await), [(3, 0), (5, 3)]);
    assert_eq!(
        chain(&receive(&mut events, 3).await),
        [(1, 0), (4, 1), (6, 4)]
    );
    node.close().await;
    place.end().await;
}

pub async fn a_shard_hears_what_is_sent_to_it_and_a_follower_of_events_all_events(
    mut place: Place,
) {
    let mut node = place.start("").await;
    let mut to_two = node.log.subscribe(TO_TWO);
    let mut first = node.log.subscribe(EVENTS);
    let mut second = node.log.subscribe(EVENTS);

    node.commit(ONE, &[THREE]).await;
    node.commit(THREE, &[TWO]).await;

    let received = receive(&mut to_two, 1).await;
    assert_eq!((received[0].source, received[0].sequence), (THREE, 2));
    for follower in [&mut first, &mut second] {
        let received = receive(follower, 2).await;
        let mut sources: Vec<_> = received.iter().map(|event| event.source).collect();
        sources.sort();
        assert_eq!(sources, [ONE, THREE]);
    }
    node.close().await;
    place.end().await;
}

pub async fn a_listener_hears_what_is_sent_to_it_and_the_events_of_its_sources_alone(
    mut place: Place,
) {
    let mut node = place.start("").await;
    let mut listener = node.log.listen(TWO, &[ONE], |_| true);

    node.commit(THREE, &[TWO]).await;
    node.commit(THREE, &[ONE]).await;
    node.commit(ONE, &[THREE]).await;
    node.commit(ONE, &[TWO]).await;

    let mut heard: Vec<_> = receive(&mut listener, 4)
        .await
        .iter()
        .map(|message| (message.source, message.sequence, message.destination))
        .collect();
    heard.sort();
    let expected = [
        (ONE, 1, EVENTS),
        (ONE, 3, EVENTS),
        (ONE, 4, TO_TWO),
        (THREE, 2, TO_TWO),
    ];
    assert_eq!(heard, expected);
    node.close().await;
    place.end().await;
}

pub async fn what_a_listener_has_no_use_for_is_kept_back_and_it_learns_how_far_that_goes(
    mut place: Place,
) {
    let mut node = place.start("").await;
    let wants = |event: &Message| event.sequence == 5;
    let mut listener = node.log.listen(TWO, &[ONE], wants);
    let passed = Arc::clone(&listener.passed);

    // Each is an event, and a message behind it.
    for _ in 0..4 {
        node.commit(ONE, &[THREE]).await;
    }
    node.commit(ONE, &[TWO]).await;

    let mut heard: Vec<_> = receive(&mut listener, 2)
        .await
        .iter()
        .map(|message| (message.sequence, message.destination))
        .collect();
    heard.sort();
    assert_eq!(heard, [(5, EVENTS), (10, TO_TWO)]);

    // What lies behind the event that it wants is passed over behind that one.
    node.arrived().await;
    assert_eq!(passed.after(ONE, 0), 3);
    assert_eq!(passed.after(ONE, 3), 3);
    assert_eq!(passed.after(ONE, 5), 9);
    node.close().await;
    place.end().await;
}

pub async fn nothing_is_delivered_that_is_not_durable(mut place: Place) {
    let mut node = place.start("fail-commit=2").await;
    let mut to_two = node.log.subscribe(TO_TWO);

    let mut durable = 0;
    for _ in 0..6 {
        durable += usize::from(node.commit(ONE, &[TWO]).await);
    }
    assert_eq!(durable, 3);

    // What was dropped has left neither a message nor a place.
    let received = receive(&mut to_two, 3).await;
    assert_eq!(chain(&received), [(2, 0), (4, 2), (6, 4)]);
    node.arrived().await;
    assert_eq!(node.log.head(ONE, TO_TWO), 6);
    node.close().await;
    place.end().await;
}

pub async fn a_message_that_comes_twice_is_the_same(mut place: Place) {
    let mut node = place.start("deliver-twice").await;
    let mut to_two = node.log.subscribe(TO_TWO);
    for message in [(2, 0), (4, 2)] {
        // One that has arrived is in no delivery with the next one.
        node.commit(ONE, &[TWO]).await;
        let received = receive(&mut to_two, 2).await;
        assert_eq!(chain(&received), [message, message]);
    }
    node.close().await;
    place.end().await;
}

pub async fn a_message_that_is_lost_is_seen_by_the_next_one_or_by_the_head(mut place: Place) {
    let mut node = place.start("lose-message=2").await;
    let mut to_two = node.log.subscribe(TO_TWO);
    for _ in 0..4 {
        node.commit(ONE, &[TWO]).await;
        // Each is a delivery of its own.
        node.arrived().await;
    }

    let received = receive(&mut to_two, 2).await;
    let sequences = chain(&received);
    // The second is seen to be missing by the third, the fourth by the head.
    assert_eq!(sequences, [(2, 0), (6, 4)]);
    assert_eq!(node.log.head(ONE, TO_TWO), 8);
    assert_eq!(
        chain(&node.read(ONE, TO_TWO, 2, 10).await),
        [(4, 2), (6, 4), (8, 6)]
    );
    node.close().await;
    place.end().await;
}

pub async fn whoever_does_not_keep_up_sees_that_and_can_read_the_rest(mut place: Place) {
    const UNITS: u64 = 300;
    let mut node = place.start("").await;
    let mut to_two = node.log.subscribe(TO_TWO);
    for _ in 0..UNITS {
        node.commit(ONE, &[TWO]).await;
    }

    // What is there has no hole that does not show; behind it the head says that there is more.
    node.arrived().await;
    let mut position = 0;
    while let Ok(delivery) = to_two.deliveries.try_recv() {
        for message in &delivery {
            assert_eq!(message.previous, position);
            position = message.sequence;
        }
    }
    assert_eq!(node.log.head(ONE, TO_TWO), 2 * UNITS);

    let rest = node.read(ONE, TO_TWO, position, 2000).await;
    let all = position / 2 + u64::try_from(rest.len()).unwrap();
    assert_eq!(all, UNITS);
    node.close().await;
    place.end().await;
}
