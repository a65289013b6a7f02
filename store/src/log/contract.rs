//! The contract of every log, as tests. A log joins with one line:
//!
//! ```ignore
//! log_contract!(embedded, ground, make); // makes the log of a node on a database, and its writing side
//! ```
//!
//! It is written to by a real journal on a real database, as a node does. One that needs a server
//! says so as a last argument, an attribute that leaves its tests out: `#[ignore = "needs …"]`.

use std::sync::Arc;

use sagas::ShardId;

use crate::ServiceDatabase;
use crate::faults::Faults;
use crate::journal::testing::{Logs, Store, shard};
use crate::log::{Destination, Message, Subscription};
use crate::testing::Ground;
use crate::unit::Fate;

pub(crate) mod delivering;
pub(crate) mod heads;
pub(crate) mod reading;

/// Makes the log of a node, as a process does that starts.
pub(crate) type Make = fn(&ServiceDatabase, Faults) -> Logs;

macro_rules! log_contract {
    ($log:ident, $ground:expr, $make:expr $(, #[$attribute:meta])*) => {
        mod $log {
            $crate::log::contract::rules! { ($ground, $make); [$(#[$attribute])*];
                delivering: messages_come_in_the_order_of_their_commit,
                delivering: each_message_names_the_one_before_it_from_its_source_to_its_destination,
                delivering: a_shard_hears_what_is_sent_to_it_and_a_follower_of_events_all_events,
                delivering: a_listener_hears_what_is_sent_to_it_and_the_events_of_its_sources_alone,
                delivering: what_a_listener_has_no_use_for_is_kept_back_and_it_learns_how_far_that_goes,
                delivering: nothing_is_delivered_that_is_not_durable,
                delivering: a_message_that_comes_twice_is_the_same,
                delivering: a_message_that_is_lost_is_seen_by_the_next_one_or_by_the_head,
                delivering: whoever_does_not_keep_up_sees_that_and_can_read_the_rest,
                reading: what_lies_behind_any_position_is_read_in_order_and_without_a_hole,
                reading: a_read_is_bounded_and_the_next_one_goes_on,
                reading: what_is_read_is_what_was_delivered,
                reading: nothing_is_read_that_was_not_committed,
                reading: a_notice_is_sent_as_an_event_and_is_in_no_history,
                reading: the_history_of_an_entity_is_its_events_from_any_version_on,
                heads: nothing_is_known_of_a_source_that_nobody_has_taken_over,
                heads: a_head_is_the_newest_message_to_its_destination,
                heads: everything_up_to_what_is_acknowledged_can_be_read,
                heads: a_backlog_is_what_each_receiver_has_not_applied,
                heads: what_was_acknowledged_stays_so_after_a_restart_or_a_death,
                heads: what_a_node_committed_and_did_not_publish_before_it_died_arrives,
            }
        }
    };
}

macro_rules! rules {
    ($place:tt; $attributes:tt; $($area:ident: $rule:ident,)*) => {
        $($crate::log::contract::rule! { $place; $attributes; $area $rule })*
    };
}

macro_rules! rule {
    (($ground:expr, $make:expr); [$(#[$attribute:meta])*]; $area:ident $rule:ident) => {
        #[tokio::test]
        $(#[$attribute])*
        async fn $rule() {
            let place = $crate::log::contract::Place::new($ground, $make);
            $crate::log::contract::$area::$rule(place).await;
        }
    };
}

pub(crate) use {rule, rules};

log_contract!(
    embedded,
    crate::testing::Ground::folder(),
    crate::journal::testing::embedded
);
log_contract!(
    embedded_on_postgres,
    crate::testing::Ground::postgres(),
    crate::journal::testing::embedded,
    #[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
);

/// Where the shards of a test are.
const ONE: ShardId = shard(1);
const TWO: ShardId = shard(2);
const THREE: ShardId = shard(3);
const EVENTS: Destination = Destination::Events;
const TO_TWO: Destination = Destination::Shard(TWO);
const TO_THREE: Destination = Destination::Shard(THREE);

/// A database, on which nodes with a log start and end.
pub(crate) struct Place {
    make: Make,
    ground: Arc<Ground>,
}

impl Place {
    pub(crate) fn new(ground: Arc<Ground>, make: Make) -> Self {
        Place { make, ground }
    }

    /// Starts a node that has taken all shards over.
    async fn start(&self, faults: &str) -> Store {
        Store::open_on(
            Arc::clone(&self.ground),
            faults,
            |store| store,
            |database, faults| (self.make)(database, faults),
        )
        .await
    }
}

impl Store {
    /// Commits a unit with an event and a command to each of the shards; false when it was dropped,
    /// and its shard has been taken over anew.
    async fn commit(&mut self, from: ShardId, to: &[ShardId]) -> bool {
        let version = self.claims[&from].next_sequence;
        let unit = self.sending(from, version, to);
        let is_durable = matches!(self.fate(unit).await, Fate::Durable);
        if !is_durable {
            self.claim(from).await;
        }
        is_durable
    }

    async fn read(&self, from: ShardId, to: Destination, after: u64, limit: usize) -> Vec<Message> {
        self.log.read(from, to, after, limit).await.unwrap()
    }
}

/// The next messages of a subscription.
async fn receive(subscription: &mut Subscription, count: usize) -> Vec<Arc<Message>> {
    let mut received = Vec::new();
    while received.len() < count {
        received.extend(subscription.deliveries.recv().await.unwrap());
    }
    received
}

/// Of each message, its sequence and that of the one before it.
fn chain<'m, M: AsRef<Message> + 'm>(messages: impl IntoIterator<Item = &'m M>) -> Vec<(u64, u64)> {
    let of = |message: &Message| (message.sequence, message.previous);
    messages
        .into_iter()
        .map(|message| of(message.as_ref()))
        .collect()
}

impl AsRef<Message> for Message {
    fn as_ref(&self) -> &Message {
        self
    }
}
