//! Who follows what here, and the queues in which deliveries wait for them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use metrics::Counter;
use sagas::ShardId;
use tokio::sync::mpsc;

use crate::faults::Faults;
use crate::log::delivery::{Delivery, Room};
use crate::log::passed::{self, PassedOver, Wants};
use crate::log::{Destination, Message, Subscription};

/// At most this many deliveries wait for a shard; what comes then is left out, and read from the
/// outbox.
const SHARD_QUEUE: usize = 256;
/// The same for a follower of events. It receives each commit of all shards, and a view stands
/// still while it commits.
const EVENTS_QUEUE: usize = 4096;
/// The bodies of the messages that wait for a shard take up at most this many bytes.
const SHARD_QUEUE_BYTES: u32 = 4 << 20;
/// The same for a follower of events.
const EVENTS_QUEUE_BYTES: u32 = 32 << 20;

/// All that follow anything.
pub(super) struct Subscribers {
    followers: RwLock<HashMap<Followed, Vec<Subscriber>>>,
    faults: Faults,
    /// Counts the deliveries that were left out.
    overflows: Counter,
}

/// What a subscriber follows.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Followed {
    /// What is sent there, by all sources.
    To(Destination),
    /// The events of one source.
    EventsOf(ShardId),
}

/// The queue of one subscriber, as the log sees it.
#[derive(Clone)]
struct Subscriber {
    queue: mpsc::Sender<Delivery>,
    room: Room,
    /// Of the events that do not concern it, what it wants, and where the others are noted.
    choice: Option<(Wants, Arc<PassedOver>)>,
}

impl Subscriber {
    /// A queue of these bounds, and where its messages arrive.
    fn new(deliveries_at_most: usize, bytes_at_most: u32) -> (Self, Subscription) {
        let (queue, deliveries) = mpsc::channel(deliveries_at_most);
        let room = Room::of(bytes_at_most);
        let subscriber = Subscriber {
            queue,
            room,
            choice: None,
        };
        (subscriber, Subscription::whole(deliveries))
    }

    /// What of it is to be delivered.
    fn choose<'m>(&self, messages: &'m [Arc<Message>]) -> Cow<'m, [Arc<Message>]> {
        let Some((wants, passed)) = &self.choice else {
            return Cow::Borrowed(messages);
        };

        let mut wanted = Vec::new();
        for event in messages {
            if passed::is_wanted(*wants, event) {
                wanted.push(Arc::clone(event));
            } else {
                passed.note(event);
            }
        }
        Cow::Owned(wanted)
    }

    /// False when there is no room in its queue.
    fn deliver(&self, messages: &[Arc<Message>]) -> bool {
        // A delivery that the queue does not take gives its room back.
        self.room
            .take(messages)
            .is_some_and(|delivery| self.queue.try_send(delivery).is_ok())
    }
}

impl Subscribers {
    pub(super) fn new(faults: Faults, overflows: Counter) -> Self {
        Subscribers {
            followers: RwLock::default(),
            faults,
            overflows,
        }
    }

    /// One that follows what is sent there, by all sources.
    pub(super) fn subscribe(&self, destination: Destination) -> Subscription {
        let (deliveries_at_most, bytes_at_most) = match destination {
            Destination::Events => (EVENTS_QUEUE, EVENTS_QUEUE_BYTES),
            Destination::Shard(_) => (SHARD_QUEUE, SHARD_QUEUE_BYTES),
        };

        let (subscriber, subscription) = Subscriber::new(deliveries_at_most, bytes_at_most);
        self.enter(&subscriber, [Followed::To(destination)]);
        subscription
    }

    /// One that follows what is sent to a shard, and the events of these sources that it wants, in
    /// one queue.
    pub(super) fn listen(
        &self,
        shard: ShardId,
        events_of: &[ShardId],
        wants: Wants,
    ) -> Subscription {
        // What is sent to it must not be left out because of what others do.
        let deliveries_at_most = SHARD_QUEUE * (1 + events_of.len());
        let (subscriber, subscription) = Subscriber::new(deliveries_at_most, SHARD_QUEUE_BYTES);

        // Large events take up no room of its own messages.
        let to_events = Subscriber {
            room: Room::of(SHARD_QUEUE_BYTES),
            choice: Some((wants, Arc::clone(&subscription.passed))),
            ..subscriber.clone()
        };

        let events = events_of.iter().copied().map(Followed::EventsOf);
        self.enter(&to_events, events);
        self.enter(&subscriber, [Followed::To(Destination::Shard(shard))]);
        subscription
    }

    fn enter(&self, subscriber: &Subscriber, follows: impl IntoIterator<Item = Followed>) {
        let followers = self.followers.write();
        let mut followers = followers.unwrap_or_else(PoisonError::into_inner);

        for followed in follows {
            let followers = followers.entry(followed).or_default();
            followers.retain(|subscriber| !subscriber.queue.is_closed());
            followers.push(subscriber.clone());
        }
    }

    /// Hands messages to whoever follows this destination; false when nobody does.
    pub(super) fn deliver(&self, destination: Destination, delivery: &[Arc<Message>]) -> bool {
        if destination == Destination::Events {
            let mut by_source = BTreeMap::<ShardId, Vec<Arc<Message>>>::new();
            for event in delivery {
                let events = by_source.entry(event.source).or_default();
                events.push(Arc::clone(event));
            }
            for (source, events) in by_source {
                self.hand_over(Followed::EventsOf(source), &events);
            }
        }

        self.hand_over(Followed::To(destination), delivery)
    }

    fn hand_over(&self, followed: Followed, delivery: &[Arc<Message>]) -> bool {
        let followers = self.followers.read();
        let followers = followers.unwrap_or_else(PoisonError::into_inner);
        let followers = followers.get(&followed).into_iter().flatten();
        let mut is_followed = false;

        for subscriber in followers.filter(|subscriber| !subscriber.queue.is_closed()) {
            is_followed = true;
            for _ in 0..self.faults.arrivals() {
                let chosen = subscriber.choose(delivery);
                if !chosen.is_empty() && !subscriber.deliver(&chosen) {
                    self.overflows.increment(1);
                }
            }
        }

        is_followed
    }
}
