//! What a group gives a node and takes from it. On brokers inside this process, which tell where
//! partitions end.

use super::*;
use crate::kafka::KafkaSettings;
use crate::kafka::reader::Disturbed;
use crate::kafka::tests::leaderless::cluster;
use crate::kafka::topics::{Topic, Topics};
use crate::testing::ROOMS;

fn member(settings: &KafkaSettings) -> Arc<Member> {
    let complaints = Complaints::new();
    let topics = Arc::new(Topics::new(settings));
    let reader = Reader::new(settings, Arc::clone(&topics), &complaints).unwrap();
    let topic = topics.name(Topic::Inbox(ROOMS)).unwrap().to_owned();
    let assignments = Arc::new(Assignments::new(settings.shards, topics));
    let member = Member::new(ROOMS, topic, assignments, Arc::new(reader), &complaints);
    Arc::new(member)
}

#[test]
fn what_is_kept_is_served_on_and_begins_anew_when_the_group_gives_it_back() {
    let (_cluster, settings) = cluster();
    let member = member(&settings);
    let both = BTreeSet::from([1, 2]);
    member.gain(&both);
    let before = member.reader.tenure(ROOMS, 1);
    assert_eq!(member.participation(), Participation::Full);

    member.keep(&both);
    assert!(member.is_lost());
    assert_eq!(member.participation(), Participation::OutOfTouch);
    assert!(member.holds(1) && member.reader.reads(ROOMS, 1));

    member.gain(&BTreeSet::from([1]));
    assert!(!member.is_lost());
    assert!(member.holds(1) && member.reader.reads(ROOMS, 1));
    assert_ne!(
        member.reader.tenure(ROOMS, 1),
        before,
        "others may have had it"
    );
    assert!(!member.holds(2) && !member.reader.reads(ROOMS, 2));

    member.keep(&BTreeSet::from([1]));
    member.gain(&BTreeSet::new());
    assert!(!member.is_lost() && !member.holds(1) && !member.reader.reads(ROOMS, 1));
    assert_eq!(member.participation(), Participation::Full);
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
