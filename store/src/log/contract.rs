//! The contract of every log, as tests. A log joins with one line, in this crate or in another
//! (feature `testing`); `tests/contracts.rs` has one that is none of this crate's:
//!
//! ```ignore
//! store::log_contract!(mine, ground, make); // makes the log of a node on a database, and its writing side
//! ```
//!
//! It is written to by a real journal on a real database, as a node does. The log that is looked at
//! may be another node's ([`elsewhere`]): then what has been committed arrives there in its time.
//! One that needs a server says so as a last argument, an attribute that leaves its tests out:
//! `#[ignore = "needs …"]`.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use sagas::ShardId;

use crate::ServiceDatabase;
use crate::faults::Faults;
use crate::journal::testing::{Logs, SHARDS, Store, shard};
use crate::log::{Destination, Heads, Message, Publisher, Subscription};
use crate::testing::Ground;
use crate::unit::Fate;

#[allow(missing_docs, reason = "a rule says by its name what it asks")]
pub mod delivering;
pub mod elsewhere;
#[allow(missing_docs, reason = "a rule says by its name what it asks")]
pub mod heads;
#[allow(missing_docs, reason = "a rule says by its name what it asks")]
pub mod reading;

/// Makes the logs of nodes, one after the other, as processes do that start: the one that is looked
/// at, and the writing side of the one that commits.
pub trait Making: Send {
    /// A node is to start. Whoever has listened before does not any more.
    fn prepare(&mut self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }

    /// The logs on this database.
    fn make(&mut self, database: &ServiceDatabase, faults: Faults) -> Logs;

    /// Until whatever is sent from now on arrives.
    fn connected(&mut self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }

    /// How what was sent is on its way. `None` where a commit has arrived when it is durable.
    fn on_the_way(&self) -> Option<OnTheWay> {
        None
    }

    /// The node ends.
    fn end(&mut self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }
}

impl<F: FnMut(&ServiceDatabase, Faults) -> Logs + Send> Making for F {
    fn make(&mut self, database: &ServiceDatabase, faults: Faults) -> Logs {
        self(database, faults)
    }
}

/// Whether something is still on its way to the log that is looked at.
pub type OnTheWay = Arc<dyn Fn() -> bool + Send + Sync>;

/// Has a log keep the contract: a test for each rule.
#[macro_export]
macro_rules! log_contract {
    (@rules $place:tt; $attributes:tt; $($area:ident: $rule:ident,)*) => {
        $($crate::log_contract! { @rule $place; $attributes; $area $rule })*
    };
    (@rule ($ground:expr, $make:expr); [$(#[$attribute:meta])*]; $area:ident $rule:ident) => {
        #[test]
        $(#[$attribute])*
        fn $rule() {
            $crate::testing::run(async {
                let place = $crate::log::contract::Place::new($ground, $make);
                $crate::log::contract::$area::$rule(place).await;
            });
        }
    };
    ($log:ident, $ground:expr, $make:expr $(, #[$attribute:meta])*) => {
        mod $log {
            $crate::log_contract! { @rules ($ground, $make); [$(#[$attribute])*];
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

#[cfg(test)]
mod kept;

/// Where the shards of a test are.
const ONE: ShardId = shard(1);
const TWO: ShardId = shard(2);
const THREE: ShardId = shard(3);
const EVENTS: Destination = Destination::Events;
const TO_TWO: Destination = Destination::Shard(TWO);
const TO_THREE: Destination = Destination::Shard(THREE);

/// How long what was committed may be on its way.
const ON_THE_WAY: Duration = Duration::from_secs(20);

/// A database, on which nodes with a log start and end.
pub struct Place {
    making: Box<dyn Making>,
    ground: Arc<Ground>,
}

impl Place {
    /// On which no node has started yet.
    pub fn new(ground: Arc<Ground>, making: impl Making + 'static) -> Self {
        Place {
            making: Box::new(making),
            ground,
        }
    }

    /// Starts a node that has taken all shards over.
    async fn start(&mut self, faults: &str) -> Node {
        self.making.prepare().await;
        let mut publisher = None;
        let store = Store::open_on(
            Arc::clone(&self.ground),
            faults,
            |store| store,
            |database, faults| {
                let (log, writes) = self.making.make(database, faults);
                publisher = Some(Arc::clone(&writes));
                (log, writes)
            },
        )
        .await;
        self.making.connected().await;

        let node = Node {
            store,
            publisher: publisher.unwrap(),
            on_the_way: self.making.on_the_way(),
        };
        node.arrived().await;
        node
    }

    /// The last node has ended.
    async fn end(mut self) {
        self.making.end().await;
    }
}

/// A node that commits, and a log that is looked at: its own, or that of another one.
pub struct Node {
    store: Store,
    publisher: Arc<dyn Publisher>,
    on_the_way: Option<OnTheWay>,
}

impl Deref for Node {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl DerefMut for Node {
    fn deref_mut(&mut self) -> &mut Store {
        &mut self.store
    }
}

impl Node {
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

    /// The log that is looked at has come as far as its owner, and all that was sent has been
    /// delivered there, or was lost. An owner's own log has to be there already.
    async fn arrived(&self) {
        let behind = || {
            (0..SHARDS).map(shard).find_map(|source| {
                let (here, there) = (self.publisher.acknowledged(source), self.log.heads(source));
                (!is_as_far(here.as_ref(), there.as_ref())).then_some((source, here, there))
            })
        };
        let Some(on_the_way) = &self.on_the_way else {
            return assert!(behind().is_none(), "{:?}", behind());
        };

        let began = Instant::now();
        while on_the_way() || behind().is_some() {
            assert!(
                began.elapsed() < ON_THE_WAY,
                "something has not arrived in {ON_THE_WAY:?}: {:?}",
                behind()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn close(self) {
        self.store.close().await;
    }
}

/// Whether heads that were heard of tell the same as those of the owner; of when the newest event
/// happened only who has got it can know.
fn is_as_far(here: Option<&Heads>, there: Option<&Heads>) -> bool {
    let of = |heads: &Heads| {
        let receivers = heads.receivers().map(Destination::Shard);
        let newest = receivers.chain([EVENTS]).map(|to| (to, heads.newest(to)));
        (heads.published(), newest.collect::<BTreeMap<_, _>>())
    };
    here.is_some_and(|here| there.is_some_and(|there| of(here) == of(there)))
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
