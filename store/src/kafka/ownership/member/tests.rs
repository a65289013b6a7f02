//! What a group gives a node and takes from it, told by two threads at once. On brokers inside this
//! process, which tell where partitions end.

use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::kafka::KafkaSettings;
use crate::kafka::reader::Disturbed;
use crate::kafka::tests::leaderless::{Cluster, cluster};
use crate::kafka::topics::{Topic, Topics};
use crate::testing::ROOMS;

const NEEDS: Duration = Duration::from_secs(20);

fn member(settings: &KafkaSettings) -> Arc<Member> {
    let complaints = Complaints::new();
    let topics = Arc::new(Topics::new(settings));
    let reader = Reader::new(settings, Arc::clone(&topics), &complaints).unwrap();
    let topic = topics.name(Topic::Inbox(ROOMS)).unwrap().to_owned();
    let assignments = Arc::new(Assignments::new(settings.shards, topics));
    let member = Member::new(ROOMS, topic, assignments, Arc::new(reader), &complaints);
    Arc::new(member)
}

/// One that has a partition, and that the group has lost.
fn lost() -> (Cluster, Arc<Member>, BTreeSet<i32>) {
    let (cluster, settings) = cluster();
    let member = member(&settings);
    let partitions = BTreeSet::from([1]);
    member.gain(&partitions);
    assert!(member.holds(1) && member.reader.reads(ROOMS, 1));

    member.keep(&partitions);
    assert!(member.holds(1), "it keeps it");
    (cluster, member, partitions)
}

fn wait(until: impl Fn() -> bool) {
    let began = Instant::now();
    while !until() {
        assert!(began.elapsed() < NEEDS);
        thread::yield_now();
    }
}

#[test]
fn what_the_group_gives_back_is_not_let_go_of_by_whoever_heard_before_that_it_is_gone() {
    let (_cluster, member, partitions) = lost();
    let tenure = || member.reader.tenure(ROOMS, 1);
    let before = tenure();

    // While somebody looks at what is assigned nobody changes it: one is kept at the door there.
    let watched = member.assignments.watch();
    let looking = watched.borrow();
    thread::scope(|threads| {
        threads.spawn(|| member.let_go(&partitions, member.losses()));
        wait(|| lock(&member.place).kept.is_empty());
        let is_waited_for = member.changing.try_lock().is_err();
        threads.spawn(|| member.gain(&partitions));
        wait(|| is_waited_for || tenure() != before);
        drop(looking);
    });

    assert!(member.holds(1), "the group has given it");
    assert!(member.reader.reads(ROOMS, 1));
}

#[test]
fn an_answer_from_before_the_group_lost_the_node_again_lets_go_of_nothing() {
    let (_cluster, member, partitions) = lost();
    let asked_at = member.losses();
    member.gain(&partitions);
    member.keep(&partitions);
    member.let_go(&partitions, asked_at);
    assert!(member.holds(1) && member.reader.reads(ROOMS, 1));
    assert_eq!(member.participation(), Participation::OutOfTouch);

    member.let_go(&partitions, member.losses());
    assert!(!member.holds(1) && !member.reader.reads(ROOMS, 1));
    assert_eq!(member.participation(), Participation::Overtaken);
}

#[test]
fn what_the_client_reads_already_or_no_more_keeps_no_partition_from_beginning_or_ending() {
    let (_cluster, settings) = cluster();
    let member = member(&settings);
    let both = BTreeSet::from([1, 2]);

    // What somebody failed to end is in the way.
    member.reader.disturb(ROOMS, 1, Disturbed::Read);
    member.gain(&both);
    assert_eq!(member.not_begun(), 0);
    for partition in [1, 2] {
        assert!(member.holds(partition) && member.reader.reads(ROOMS, partition));
    }

    // Of two, one is gone.
    member.reader.disturb(ROOMS, 1, Disturbed::NotRead);
    member.give_up(&both);
    assert!(!member.reader.reads(ROOMS, 2));
    assert_eq!(member.reader.count(), 0, "the events beside them neither");

    member.gain(&both);
    for partition in [1, 2] {
        assert!(member.holds(partition) && member.reader.reads(ROOMS, partition));
    }
}
