//! What can be read of a source, long after it was delivered, or instead.

use uuid::Uuid;

use super::*;

/// Units of one source to two shards, in turns.
async fn with_units(place: &mut Place, units: u64) -> Node {
    let mut node = place.start("").await;
    for number in 0..units {
        let to: &[ShardId] = match number % 3 {
            0 => &[TWO],
            1 => &[THREE, TWO, TWO],
            _ => &[],
        };
        node.commit(ONE, to).await;
    }
    node
}

pub async fn what_lies_behind_any_position_is_read_in_order_and_without_a_hole(mut place: Place) {
    let node = with_units(&mut place, 20).await;

    for to in [EVENTS, TO_TWO, TO_THREE] {
        let all = chain(&node.read(ONE, to, 0, 1000).await);
        let last = all.last().unwrap().0;
        node.arrived().await;
        assert_eq!(node.log.head(ONE, to), last);

        for after in 0..=last + 1 {
            let read = chain(&node.read(ONE, to, after, 1000).await);
            let expected: Vec<u64> = all.iter().map(|(s, _)| *s).filter(|s| *s > after).collect();
            let sequences: Vec<u64> = read.iter().map(|(sequence, _)| *sequence).collect();
            assert_eq!(sequences, expected, "{to:?} after {after}");

            // As seen from there, each follows on the one before.
            let before = std::iter::once(&after).chain(&sequences);
            assert!(
                read.iter()
                    .map(|(_, previous)| previous)
                    .eq(before.take(read.len()))
            );
        }
    }
    node.close().await;
    place.end().await;
}

pub async fn a_read_is_bounded_and_the_next_one_goes_on(mut place: Place) {
    let node = with_units(&mut place, 20).await;

    for to in [EVENTS, TO_TWO] {
        let all = chain(&node.read(ONE, to, 0, 1000).await);
        for limit in [1, 2, 3, 7] {
            let mut read: Vec<(u64, u64)> = Vec::new();
            loop {
                let after = read.last().map_or(0, |(sequence, _)| *sequence);
                let next = chain(&node.read(ONE, to, after, limit).await);
                assert!(next.len() <= limit);
                let is_last = next.len() < limit;
                read.extend(next);
                if is_last {
                    break;
                }
            }
            assert_eq!(read, all);
        }
    }
    node.close().await;
    place.end().await;
}

pub async fn what_is_read_is_what_was_delivered(mut place: Place) {
    let mut node = place.start("").await;
    for to in [EVENTS, TO_TWO] {
        node.arrived().await;
        let mut subscription = node.log.subscribe(to);
        let before = node.log.head(ONE, to);
        node.commit(ONE, &[TWO]).await;

        let delivered = receive(&mut subscription, 1).await;
        let read = node.read(ONE, to, before, 10).await;
        assert_eq!(format!("{:?}", delivered[0]), format!("{:?}", read[0]));
    }
    node.close().await;
    place.end().await;
}

pub async fn nothing_is_read_that_was_not_committed(mut place: Place) {
    let mut node = place.start("fail-commit=1").await;
    assert!(!node.commit(ONE, &[TWO]).await);
    node.arrived().await;

    for to in [EVENTS, TO_TWO] {
        assert!(node.read(ONE, to, 0, 10).await.is_empty());
        assert_eq!(node.log.head(ONE, to), 0);
    }
    node.close().await;
    place.end().await;
}

pub async fn the_history_of_an_entity_is_its_events_from_any_version_on(mut place: Place) {
    let mut node = place.start("").await;
    for version in 1..=9 {
        let unit = node.sending(ONE, version, &[TWO]);
        assert!(matches!(node.fate(unit).await, Fate::Durable));
    }

    let entity = Uuid::from_u128(7);
    for (from, limit) in [(1, 100), (1, 3), (4, 2), (9, 5), (10, 5)] {
        let events = node.log.history(ONE, entity, from, limit).await.unwrap();
        let versions: Vec<u64> = events.iter().map(|event| event.version).collect();
        let expected: Vec<u64> = (from..=9).take(limit).collect();
        assert_eq!(versions, expected);
    }
    let other = Uuid::from_u128(8);
    assert!(
        node.log
            .history(ONE, other, 1, 10)
            .await
            .unwrap()
            .is_empty()
    );
    node.close().await;
    place.end().await;
}

pub async fn a_notice_is_sent_as_an_event_and_is_in_no_history(mut place: Place) {
    let mut node = place.start("").await;
    let mut live = node.log.subscribe(EVENTS);
    node.commit(ONE, &[]).await;
    let notice = node.sending(ONE, 0, &[TWO]);
    let entity = notice.outgoing.as_ref().unwrap().entity;
    assert!(matches!(node.fate(notice).await, Fate::Durable));

    let delivered = receive(&mut live, 2).await;
    let read = node.read(ONE, EVENTS, 0, 10).await;
    assert_eq!(chain(&delivered), chain(&read));
    for notice in [&*delivered[1], &read[1]] {
        assert!(notice.is_notice() && notice.entity == entity, "{notice:?}");
    }

    let history = node.log.history(ONE, entity, 0, 10).await.unwrap();
    let versions: Vec<_> = history.iter().map(|event| event.version).collect();
    assert_eq!(versions, [1]);
    node.close().await;
    place.end().await;
}
