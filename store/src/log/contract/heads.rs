//! How far a source has come: what is acknowledged, and what of it is for whom.

use super::*;
use crate::journal::commit_store::Batch;
use crate::journal::testing;
use crate::testing::ROOMS;

pub async fn nothing_is_known_of_a_source_that_nobody_has_taken_over(mut place: Place) {
    let node = place.start("").await;
    let elsewhere = ShardId::new(ROOMS, 1);
    assert!(node.log.heads(elsewhere).is_none());
    assert_eq!(node.log.published(elsewhere), 0);

    // To be empty is something else.
    let heads = node.log.heads(ONE).unwrap();
    assert_eq!((heads.published(), heads.receivers().count()), (0, 0));
    node.close().await;
    place.end().await;
}

pub async fn a_head_is_the_newest_message_to_its_destination(mut place: Place) {
    let mut node = place.start("").await;
    node.commit(ONE, &[TWO, THREE]).await;
    node.commit(ONE, &[TWO]).await;
    node.commit(THREE, &[TWO]).await;
    node.arrived().await;

    let head = |from, to| node.log.head(from, to);
    assert_eq!(
        (head(ONE, EVENTS), head(ONE, TO_TWO), head(ONE, TO_THREE)),
        (4, 5, 3)
    );
    assert_eq!((head(THREE, TO_TWO), head(THREE, TO_THREE)), (2, 0));

    let heads = node.log.heads(ONE).unwrap();
    let receivers: Vec<ShardId> = heads.receivers().collect();
    assert_eq!(receivers, [TWO, THREE]);
    assert!(node.log.head_time(ONE).is_some());
    node.close().await;
    place.end().await;
}

pub async fn everything_up_to_what_is_acknowledged_can_be_read(mut place: Place) {
    let mut node = place.start("fail-commit=3").await;

    for _ in 0..12 {
        node.commit(ONE, &[TWO]).await;
        let heads = node.log.heads(ONE).unwrap();
        let published = heads.published();
        assert!(node.log.published(ONE) >= published);

        // Each unit has an event and a command, and nothing lies between them.
        let mut sequences = Vec::new();
        for to in [EVENTS, TO_TWO] {
            let read = node.read(ONE, to, 0, 1000).await;
            sequences.extend(read.iter().map(|message| message.sequence));
        }
        sequences.sort_unstable();
        let acknowledged: Vec<u64> = (1..=published).collect();
        assert!(sequences.starts_with(&acknowledged), "{published}");
    }

    node.arrived().await;
    let published = node.log.heads(ONE).unwrap().published();
    assert_eq!(node.log.published(ONE), published);
    assert_eq!(
        node.read(ONE, TO_TWO, 0, 1000)
            .await
            .pop()
            .unwrap()
            .sequence,
        published
    );
    node.close().await;
    place.end().await;
}

pub async fn a_backlog_is_what_each_receiver_has_not_applied(mut place: Place) {
    let mut node = place.start("").await;
    for to in [&[TWO, TWO][..], &[], &[THREE, TWO], &[TWO]] {
        node.commit(ONE, to).await;
    }
    let to_two: Vec<u64> = chain(&node.read(ONE, TO_TWO, 0, 100).await)
        .iter()
        .map(|(sequence, _)| *sequence)
        .collect();
    assert_eq!(to_two, [2, 3, 7, 9]);

    for position in 0..=10 {
        let positions = [(TWO, position), (THREE, 0)].into();
        let backlog = node.log.backlog(ONE, &positions).await.unwrap();
        let waiting = to_two.iter().filter(|sequence| **sequence > position);
        let waiting = u64::try_from(waiting.count()).unwrap();
        assert_eq!(backlog.get(&TWO).copied().unwrap_or(0), waiting);
        assert_eq!(backlog[&THREE], 1);
    }
    assert!(
        node.log
            .backlog(ONE, &Default::default())
            .await
            .unwrap()
            .is_empty()
    );
    node.close().await;
    place.end().await;
}

pub async fn what_was_acknowledged_stays_so_after_a_restart_or_a_death(mut place: Place) {
    for dies in [false, true] {
        let mut node = place.start("").await;
        node.commit(ONE, &[TWO]).await;
        node.commit(ONE, &[THREE]).await;
        node.arrived().await;
        let before = node.log.heads(ONE).unwrap();
        if !dies {
            node.close().await;
        }

        // Whoever died is still there, and does nothing any more.
        let node = place.start("").await;
        let after = node.log.heads(ONE).unwrap();
        assert_eq!(after.published(), before.published());
        for to in [EVENTS, TO_TWO, TO_THREE] {
            assert_eq!(after.newest(to), before.newest(to));
            let last = node.read(ONE, to, 0, 100).await.pop().unwrap();
            assert_eq!(last.sequence, after.newest(to));
        }
        node.close().await;
    }
}

pub async fn what_a_node_committed_and_did_not_publish_before_it_died_arrives(mut place: Place) {
    let mut node = place.start("").await;
    node.commit(ONE, &[TWO]).await;
    let database = node.database.clone();

    // One that dies between its commit and the log.
    {
        let mut store = database.commit_store(Faults::default()).unwrap();
        let patience = testing::patience();
        let claim = store.claim(ONE, "dies", None, &patience).await.unwrap();
        let mut unit = testing::unit(ONE, claim.epoch, 1);
        unit.outgoing = Some(testing::outgoing(claim.next_sequence, 2, &[TWO, THREE]));
        let batch = Batch {
            units: &[unit],
            published: &[],
        };
        store.write(&batch, &patience).await.unwrap();
    }

    let mut next = place.start("").await;
    let mut to_two = next.log.subscribe(TO_TWO);
    assert_eq!(next.log.head(ONE, TO_TWO), 4);
    assert_eq!(chain(&next.read(ONE, TO_TWO, 2, 10).await), [(4, 2)]);
    assert_eq!(chain(&next.read(ONE, TO_THREE, 0, 10).await), [(5, 0)]);

    // What comes next follows on it.
    next.arrived().await;
    next.commit(ONE, &[TWO]).await;
    let received = receive(&mut to_two, 1).await;
    assert_eq!(chain(&received[received.len() - 1..]), [(7, 4)]);
    next.close().await;
    node.close().await;
    place.end().await;
}
