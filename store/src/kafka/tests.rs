//! On a real Kafka: what one node sends arrives at another, shards move, and whoever was thrown out
//! is told so.
//!
//! Each test has topics of its own, which it deletes. Nodes that are to be killed or to stand still
//! are processes of their own ([`processes`]). What is measured is printed.

mod brokers;
mod coordinator;
pub(super) mod leaderless;
mod log;
mod losses;
mod processes;
mod republishing;
mod support;

use std::time::Instant;

use support::{
    BOOKINGS, Deployment, ROOMS, SHARDS, Taken, command, event, eventually, in_touch, owned, shard,
};

use super::*;
use crate::log::Destination;

const NEEDS: Duration = Duration::from_secs(20);

#[tokio::test]
#[ignore = "needs Kafka: COUNTERFOIL_TEST_KAFKA_URL"]
async fn messages_arrive_at_the_owner_of_their_receiver_in_the_order_of_their_source() {
    let deployment = Deployment::new();
    let (rooms, at_rooms) = deployment.node("a", &[ROOMS]).await;
    let (bookings, at_bookings) = deployment.node("b", &[BOOKINGS]).await;
    owned(&rooms, usize::from(SHARDS)).await;
    owned(&bookings, usize::from(SHARDS)).await;

    // Each shard of one service sends to each of the other, in turns.
    let mut sequence = 0;
    for _ in 0..20 {
        let mut messages = Vec::new();
        for source in 0..SHARDS {
            for receiver in 0..SHARDS {
                sequence += 1;
                let message = command(shard(BOOKINGS, source), sequence, shard(ROOMS, receiver));
                messages.push(Arc::new(message));
            }
        }
        bookings.carry(messages);
    }

    let count = usize::try_from(sequence).unwrap();
    eventually(NEEDS, || at_rooms.messages().len() >= count).await;
    for source in 0..SHARDS {
        for receiver in 0..SHARDS {
            let (source, receiver) = (shard(BOOKINGS, source), shard(ROOMS, receiver));
            let came = at_rooms.sequences(source, Destination::Shard(receiver));
            assert_eq!(came.len(), 20);
            assert!(came.is_sorted(), "{came:?}");
        }
    }
    assert!(at_bookings.messages().is_empty(), "they are for others");
    rooms.leave(NEEDS).await;
    bookings.leave(NEEDS).await;
}

#[tokio::test]
#[ignore = "needs Kafka: COUNTERFOIL_TEST_KAFKA_URL"]
async fn events_arrive_at_whoever_follows_them_and_nowhere_else() {
    let deployment = Deployment::new();
    let (follower, at_follower) = deployment.node("views", &[]).await;
    let (other, at_other) = deployment.quiet_node("other", &[]).await;

    let messages: Vec<_> = (1..=100)
        .map(|sequence| event(shard(ROOMS, u16::try_from(sequence % 8).unwrap()), sequence))
        .collect();
    other.carry(messages.into_iter().map(Arc::new).collect());

    eventually(NEEDS, || at_follower.messages().len() == 100).await;
    for number in 0..SHARDS {
        let came = at_follower.sequences(shard(ROOMS, number), Destination::Events);
        assert!(came.is_sorted() && came.len() >= 12, "{came:?}");
    }
    assert!(at_other.messages().is_empty());
    follower.leave(NEEDS).await;
    other.leave(NEEDS).await;
}

#[tokio::test]
#[ignore = "needs Kafka: COUNTERFOIL_TEST_KAFKA_URL"]
async fn a_node_without_views_reads_the_events_that_its_shards_hear_of_others() {
    let deployment = Deployment::new();
    let (rooms, at_rooms) = deployment.quiet_node("rooms", &[ROOMS]).await;
    let (bookings, at_bookings) = deployment.quiet_node("bookings", &[BOOKINGS]).await;
    owned(&rooms, usize::from(SHARDS)).await;
    owned(&bookings, usize::from(SHARDS)).await;

    // Where reading begins is not known; what is sent once it has begun arrives.
    let mut sequence = 0;
    let mut tell_until = async |from: &Kafka, of: Service, taken: &Taken, shards: u16| {
        eventually(NEEDS, || {
            let heard = |number| {
                !taken
                    .sequences(shard(of, number), Destination::Events)
                    .is_empty()
            };
            sequence += 1;
            let told = (0..SHARDS).map(|number| Arc::new(event(shard(of, number), sequence)));
            from.carry(told.collect());
            (0..SHARDS).filter(|number| heard(*number)).count() == usize::from(shards)
        })
        .await;
    };
    tell_until(&rooms, ROOMS, &at_bookings, SHARDS).await;
    tell_until(&bookings, BOOKINGS, &at_rooms, SHARDS).await;
    assert!(
        at_rooms
            .messages()
            .iter()
            .all(|message| message.source.service == BOOKINGS)
    );

    // One who owns both halves of a pair has the events of its own from its commits.
    rooms.leave(NEEDS).await;
    bookings.leave(NEEDS).await;
    let (both, at_both) = deployment.quiet_node("both", &[ROOMS, BOOKINGS]).await;
    let (half, _) = deployment.quiet_node("half", &[BOOKINGS]).await;
    owned(&both, usize::from(SHARDS + SHARDS / 2)).await;
    tell_until(&half, BOOKINGS, &at_both, SHARDS / 2).await;
    let own = both.assigned().borrow().clone();
    assert!(
        at_both
            .messages()
            .iter()
            .all(|message| !own.contains_key(&message.source))
    );
    both.leave(NEEDS).await;
    half.leave(NEEDS).await;
}

#[tokio::test]
#[ignore = "needs Kafka: COUNTERFOIL_TEST_KAFKA_URL"]
async fn a_question_reaches_the_owner_and_its_answer_the_node_that_asked() {
    let deployment = Deployment::new();
    let (owner, at_owner) = deployment.node("owner", &[ROOMS]).await;
    let (asker, at_asker) = deployment.node("asker", &[]).await;
    let (other, at_other) = deployment.node("other", &[]).await;
    owned(&owner, usize::from(SHARDS)).await;
    in_touch(&asker).await;

    let began = Instant::now();
    for number in 0..SHARDS {
        assert!(asker.ask(
            shard(ROOMS, number),
            vec![0, 255, u8::try_from(number).unwrap()]
        ));
    }
    eventually(NEEDS, || at_owner.questions().len() == usize::from(SHARDS)).await;
    for (shard, question) in at_owner.questions() {
        assert_eq!(question, vec![0, 255, u8::try_from(shard.number).unwrap()]);
        owner.answer("asker", shard.service, question);
    }
    eventually(NEEDS, || at_asker.answers().len() == usize::from(SHARDS)).await;
    eprintln!("{SHARDS} questions and answers: {:?}", began.elapsed());

    let (service, answer) = at_asker.answers().remove(0);
    assert_eq!((service, answer.len()), (ROOMS, 3));
    assert!(at_other.answers().is_empty() && at_other.questions().is_empty());
    for node in [owner, asker, other] {
        node.leave(NEEDS).await;
    }
}

#[tokio::test]
#[ignore = "needs Kafka: COUNTERFOIL_TEST_KAFKA_URL"]
async fn what_a_node_tells_of_itself_all_hear_until_it_leaves_and_a_word_only_one() {
    let deployment = Deployment::new();
    let (teller, at_teller) = deployment.node("teller", &[ROOMS]).await;
    let (hearer, at_hearer) = deployment.quiet_node("hearer", &[]).await;
    assert_eq!(hearer.participation(), Participation::OutOfTouch);
    assert!(!hearer.ask(shard(ROOMS, 0), vec![1]), "it may be cut off");

    in_touch(&hearer).await;
    teller.tell_all(b"well");
    for node in [&teller, &hearer] {
        eventually(NEEDS, || {
            node.roll().has("teller") && node.roll().has("hearer")
        })
        .await;
        assert_eq!(&*node.roll().nodes()[1].note, b"well");
    }

    teller.tell("hearer", b"psst");
    eventually(NEEDS, || at_hearer.words() == [b"psst".to_vec()]).await;
    assert!(at_teller.words().is_empty() && at_hearer.answers().is_empty());

    teller.leave(NEEDS).await;
    eventually(NEEDS, || !hearer.roll().has("teller")).await;
    assert_eq!(hearer.roll().nodes().len(), 1);
    hearer.leave(NEEDS).await;
}

#[tokio::test]
#[ignore = "needs Kafka: COUNTERFOIL_TEST_KAFKA_URL"]
async fn the_next_owner_hears_what_was_asked_before_and_does_not_take_it_for_its_own() {
    let deployment = Deployment::new();
    let (asker, _) = deployment.node("asker", &[]).await;
    in_touch(&asker).await;
    for number in 0..SHARDS {
        assert!(asker.ask(shard(ROOMS, number), vec![1]));
    }

    let (owner, at_owner) = deployment.node("owner", &[ROOMS]).await;
    eventually(NEEDS, || at_owner.earlier().len() == usize::from(SHARDS)).await;
    assert!(at_owner.questions().is_empty());

    for number in 0..SHARDS {
        assert!(asker.ask(shard(ROOMS, number), vec![2]));
    }
    eventually(NEEDS, || at_owner.questions().len() == usize::from(SHARDS)).await;
    assert_eq!(at_owner.earlier().len(), usize::from(SHARDS));
    asker.leave(NEEDS).await;
    owner.leave(NEEDS).await;
}

#[tokio::test]
#[ignore = "needs Kafka: COUNTERFOIL_TEST_KAFKA_URL"]
async fn each_service_is_shared_by_the_nodes_that_own_it_and_moves_at_once_when_one_leaves() {
    let deployment = Deployment::new();
    let began = Instant::now();
    let (first, at_first) = deployment.node("first", &[ROOMS, BOOKINGS]).await;
    owned(&first, 2 * usize::from(SHARDS)).await;
    eprintln!("connected and alone in the groups: {:?}", began.elapsed());

    let (second, at_second) = deployment.node("second", &[ROOMS, BOOKINGS]).await;
    let (third, _) = deployment.node("third", &[ROOMS]).await;
    let joined = Instant::now();
    let of = |node: &Kafka, service: Service| {
        let assigned = node.assigned().borrow().clone();
        assigned
            .keys()
            .filter(|shard| shard.service == service)
            .count()
    };
    // Four partitions of two shards each: rooms are shared by three nodes, bookings by two.
    eventually(NEEDS, || {
        let mut rooms = [&first, &second, &third].map(|node| of(node, ROOMS));
        rooms.sort_unstable();
        rooms == [2, 2, 4] && of(&first, BOOKINGS) == 4 && of(&second, BOOKINGS) == 4
    })
    .await;
    eprintln!("two more have joined: {:?}", joined.elapsed());
    third.leave(NEEDS).await;
    owned(&first, usize::from(SHARDS)).await;
    owned(&second, usize::from(SHARDS)).await;

    // Messages go on arriving wherever the shards are.
    for number in 0..SHARDS {
        let to = shard(ROOMS, number);
        first.carry(vec![Arc::new(command(
            shard(BOOKINGS, 0),
            u64::from(number) + 1,
            to,
        ))]);
    }
    let arrived = |taken: &Taken| taken.messages().len();
    eventually(NEEDS, || {
        arrived(&at_first) + arrived(&at_second) == usize::from(SHARDS)
    })
    .await;
    assert_eq!((arrived(&at_first), arrived(&at_second)), (4, 4));

    let left = Instant::now();
    second.leave(NEEDS).await;
    assert!(second.assigned().borrow().is_empty());
    eprintln!("leaving took {:?}", left.elapsed());
    owned(&first, 2 * usize::from(SHARDS)).await;
    eprintln!("its shards were assigned after {:?}", left.elapsed());
    assert!(left.elapsed() < Duration::from_secs(3));

    second.leave(NEEDS).await;
    first.leave(NEEDS).await;
}

#[tokio::test]
#[ignore = "needs Kafka: COUNTERFOIL_TEST_KAFKA_URL"]
async fn an_owner_is_confirmed_for_its_shards_alone_and_not_once_it_has_left() {
    let deployment = Deployment::new();
    let (first, _) = deployment.node("first", &[ROOMS]).await;
    assert!(
        !first.confirm(shard(ROOMS, 0)).await,
        "it is not assigned yet"
    );
    owned(&first, usize::from(SHARDS)).await;

    let began = Instant::now();
    let all = (0..SHARDS).map(|number| first.confirm(shard(ROOMS, number)));
    let all = futures_util::future::join_all(all).await;
    assert_eq!(all, vec![true; usize::from(SHARDS)]);
    eprintln!(
        "{SHARDS} shards at once were confirmed after {:?}",
        began.elapsed()
    );
    let began = Instant::now();
    assert!(first.confirm(shard(ROOMS, 0)).await);
    eprintln!("one shard was confirmed after {:?}", began.elapsed());
    assert!(
        !first.confirm(shard(BOOKINGS, 0)).await,
        "it is not to own those"
    );

    let (second, _) = deployment.node("second", &[ROOMS]).await;
    owned(&second, usize::from(SHARDS) / 2).await;
    owned(&first, usize::from(SHARDS) / 2).await;
    for number in 0..SHARDS {
        let confirmed = [&first, &second].map(|node| node.confirm(shard(ROOMS, number)));
        let [first, second] = confirmed;
        assert_eq!(
            u8::from(first.await) + u8::from(second.await),
            1,
            "shard {number}"
        );
    }

    first.leave(NEEDS).await;
    assert!(!first.confirm(shard(ROOMS, 0)).await);
    second.leave(NEEDS).await;
}

#[tokio::test]
#[ignore = "needs Kafka: COUNTERFOIL_TEST_KAFKA_URL"]
async fn topics_with_another_number_of_partitions_are_refused() {
    let deployment = Deployment::new();
    let (node, _) = deployment.node("a", &[]).await;
    node.leave(NEEDS).await;

    let mut settings = deployment.settings("a", &[ROOMS]);
    settings.partitions = 3;
    let error = Kafka::connect(settings).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&deployment.namespace), "{text}");
    assert!(
        text.contains("has 4 partitions, but COUNTERFOIL_KAFKA_PARTITIONS is 3"),
        "{text}"
    );
    assert!(!error.is_transient());
}

#[tokio::test]
#[ignore = "needs Kafka: COUNTERFOIL_TEST_KAFKA_URL"]
async fn nodes_that_create_the_topics_at_the_same_time_do_not_disturb_each_other() {
    let deployment = Deployment::new();
    let names = ["a", "b", "c", "d"];
    let all = names.map(|name| Kafka::connect(deployment.settings(name, &[])));
    for node in futures_util::future::join_all(all).await {
        node.unwrap().leave(NEEDS).await;
    }
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);

    let mut settings = Deployment::settings_at(&address, "nobody", "a", &[]);
    settings.brokers.clone_from(&address);
    let began = Instant::now();
    let error = Kafka::connect(settings).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(11));
    assert!(error.to_string().contains(&address), "{error}");
    assert!(error.is_transient());
}
