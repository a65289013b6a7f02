//! Views in a store that several nodes share: one feeds them, the others follow, and each may
//! become the one that feeds.

use std::sync::Arc;
use std::time::Duration;

use sagas::{ShardId, Timestamp};
use store::lease::Grants;
use store::{Lease, Message};
use tokio::time::Instant;

use super::*;
use crate::NoRows;
use crate::generations::Catalog;
use crate::projector::{CommitPolicy, ViewDefinition};
use crate::simulated::{MemoryViews, Traces, ViewCall, ViewFate, ViewTrouble};
use crate::testing::{Shop, surroundings};

const VIEW: ViewDefinition = ViewDefinition {
    name: "traces",
    number: 1,
    uses: &domain::SERVICES,
    commit: CommitPolicy {
        linger: Duration::from_millis(1),
        rush: None,
        max_events: 100,
    },
};

#[derive(Debug)]
struct NoTrouble;

impl ViewTrouble for NoTrouble {
    fn call(&self, _: ViewCall) -> ViewFate {
        ViewFate::Done
    }

    fn takes(&self) -> Duration {
        Duration::ZERO
    }
}

fn parts(store: &MemoryViews, shop: &Shop, lease: Lease) -> Parts<Traces> {
    Parts {
        definition: VIEW,
        store: Arc::new(store.clone()),
        lease,
        surroundings: surroundings(&shop.log),
        rows: Arc::new(NoRows),
        keep: Duration::from_secs(3_600),
        look_every: Duration::from_millis(20),
        examine_every: Duration::from_millis(200),
        deployment: DEPLOYMENT,
    }
}

/// A view on one of several nodes that share its store.
struct OnNode {
    view: View<Traces>,
    grants: Grants,
}

impl OnNode {
    fn start(store: &MemoryViews, shop: &Shop) -> Self {
        Self::start_with(|lease| parts(store, shop, lease))
    }

    fn start_with(parts: impl FnOnce(Lease) -> Parts<Traces>) -> Self {
        let (grants, lease) = Lease::granted();
        OnNode {
            view: View::start(parts(lease), std::future::ready(())),
            grants,
        }
    }

    fn is_to_feed(&self) {
        self.grants.until(Instant::now() + Duration::from_secs(60));
    }

    async fn answers(&self, generation: u32) {
        eventually("it answers", || async {
            let current = self.view.current();
            current.is_ok_and(|current| current.number() == generation)
        })
        .await;
    }

    fn follows(&self) -> bool {
        let current = self.view.current();
        current.is_ok_and(|current| current.is_followed())
    }
}

fn shop() -> Shop {
    let mut shop = Shop::new();
    shop.create_customer(1, "Ada Park");
    shop.create_order(10, 1, 100);
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_feeds_the_others_show_and_wait_for() {
    let (store, mut shop) = (MemoryViews::new(VIEW.name, Arc::new(NoTrouble)), shop());
    let (feeds, follows) = (OnNode::start(&store, &shop), OnNode::start(&store, &shop));
    feeds.is_to_feed();
    feeds.answers(1).await;
    follows.answers(1).await;
    assert!(follows.follows() && !feeds.follows());
    follows.view.wait_until(&order(10, 1), SOON).await.unwrap();

    // A reader that waits here hears of what is written there.
    let message = shop.create_order(11, 1, 100);
    let token = order(11, 1);
    let waits = follows.view.wait_until(&token, SOON);
    let write = async { shop.log.deliver([message]) };
    let (waited, ()) = tokio::join!(waits, write);
    waited.unwrap();

    // What only the other can do is refused, and what it does is followed.
    let refused = follows.view.rebuild(BuildFrom::History, None).await;
    assert!(matches!(refused, Err(ViewError::Unavailable { .. })));
    let healed = follows.view.heal(Uuid::from_u128(10)).await;
    assert!(matches!(healed, Err(ViewError::Unavailable { .. })));
    assert_eq!(
        feeds.view.rebuild(BuildFrom::History, None).await.unwrap(),
        2
    );
    follows.answers(2).await;
    follows.view.wait_until(&token, SOON).await.unwrap();

    // A version that will never be is waited for no longer than was asked.
    let never = order(11, 9);
    let waited = follows.view.wait_until(&never, Duration::ZERO).await;
    assert!(matches!(waited, Err(ViewError::Behind { .. })));

    feeds.view.stop().await;
    follows.view.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_node_feeds_no_more_another_one_does_and_it_follows() {
    let (store, mut shop) = (MemoryViews::new(VIEW.name, Arc::new(NoTrouble)), shop());
    let (first, second) = (OnNode::start(&store, &shop), OnNode::start(&store, &shop));
    first.is_to_feed();
    first.answers(1).await;
    second.answers(1).await;

    for number in 20..26_u128 {
        let (before, next) = match number % 2 {
            0 => (&first, &second),
            _ => (&second, &first),
        };
        before.grants.end();
        let message = shop.create_order(number, 1, 100);
        next.is_to_feed();
        shop.log.deliver([message]);

        let token = order(number, 1);
        for node in [next, before] {
            eventually("it shows the order", || async {
                node.view.wait_until(&token, SOON).await.is_ok()
            })
            .await;
        }
        eventually("they have changed places", || async {
            before.follows() && !next.follows()
        })
        .await;
    }

    first.view.stop().await;
    second.view.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_node_before_saves_late_does_not_count() {
    let (store, shop) = (MemoryViews::new(VIEW.name, Arc::new(NoTrouble)), shop());
    let (before, next) = (OnNode::start(&store, &shop), OnNode::start(&store, &shop));
    before.is_to_feed();
    before.answers(1).await;
    next.answers(1).await;

    // It stands still while this is on its way.
    let known = store.catalog().await.unwrap();
    let late = Catalog {
        revision: known.revision + 1,
        ..known
    };
    before.grants.end();
    next.is_to_feed();
    eventually("the next one feeds", || async { !next.follows() }).await;

    assert!(store.save(&late).await.is_err());

    before.view.stop().await;
    next.view.stop().await;
}

/// A generation more, which answers; what has answered before is kept.
fn beside_another(catalog: &Catalog) -> Catalog {
    let time = Timestamp::from_micros(1);
    let next = catalog.with_new(VIEW.number, BuildFrom::History, time);
    let number = next.newest;
    Catalog {
        deployment: Some(DEPLOYMENT),
        revision: catalog.revision + 1,
        ..next.with_live(number, time)
    }
}

/// A generation more, which answers; what has answered before is given up.
fn with_another(catalog: &Catalog) -> Catalog {
    let next = beside_another(catalog);
    catalog
        .live
        .map_or(next.clone(), |former| next.without(former))
}

/// What a node has taken in of some messages into a generation.
async fn takes_in(store: &MemoryViews, generation: u32, messages: &[Arc<Message>]) {
    let mut opened = store.open(generation, DEPLOYMENT).await.unwrap();
    let mut positions = opened.writer.positions().unwrap();
    for message in messages {
        opened.writer.apply(message).unwrap();
        positions.insert(message.source, message.sequence);
    }
    opened.writer.commit(&positions).unwrap();
}

/// A node that reads from the first generation of a view, which shows an order. The second one has
/// not come so far.
struct Ahead {
    store: MemoryViews,
    shop: Shop,
    node: OnNode,
    first: Catalog,
    newer: [Arc<Message>; 1],
}

impl Ahead {
    /// The node feeds the first generation, and does not know of the order that another one has
    /// taken in.
    async fn fed() -> Self {
        let (store, mut shop) = (
            MemoryViews::new(VIEW.name, Arc::new(NoTrouble)),
            Shop::new(),
        );
        let older = [shop.create_customer(1, "Ada Park")];
        // It looks at its catalog once.
        let node = OnNode::start_with(|lease| Parts {
            look_every: Duration::from_secs(3_600),
            ..parts(&store, &shop, lease)
        });
        node.is_to_feed();
        node.answers(1).await;

        takes_in(&store, 2, &older).await;
        let newer = [shop.create_order(10, 1, 100)];
        takes_in(&store, 1, &newer).await;
        let first = store.catalog().await.unwrap();
        Ahead {
            store,
            shop,
            node,
            first,
            newer,
        }
    }

    /// The node follows the first generation.
    async fn new() -> Self {
        let (store, mut shop) = (
            MemoryViews::new(VIEW.name, Arc::new(NoTrouble)),
            Shop::new(),
        );
        let older = [shop.create_customer(1, "Ada Park")];
        let newer = [shop.create_order(10, 1, 100)];

        let first = with_another(&Catalog::default());
        takes_in(&store, 1, &older).await;
        takes_in(&store, 1, &newer).await;
        takes_in(&store, 2, &older).await;
        store.save(&first).await.unwrap();
        let node = OnNode::start(&store, &shop);
        node.answers(1).await;
        Ahead {
            store,
            shop,
            node,
            first,
            newer,
        }
    }

    /// Another node has the second generation answer, and gives the first one up.
    async fn second_is_to_answer(&self) {
        let next = with_another(&self.first);
        self.store.save(&next).await.unwrap();
    }

    /// The node waits for the second generation, and turns to it when that has the order.
    async fn turns_when_the_second_has_it(self) {
        eventually("it waits for the next one", || async {
            let error = self.node.view.status().await.error;
            error.is_some_and(|error| error.contains("less than the one before"))
        })
        .await;
        assert!(!self.shows_less());

        takes_in(&self.store, 2, &self.newer).await;
        self.node.answers(2).await;
        assert!(!self.shows_less());
        self.node.view.stop().await;
    }

    /// Whether readers at the node have gone back behind the order.
    fn shows_less(&self) -> bool {
        self.node.view.current().is_ok_and(|current| {
            let (shown, _) = current.reader().shown(Uuid::from_u128(10)).unwrap();
            shown.is_none()
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_does_not_go_back_to_a_generation_that_has_less() {
    let ahead = Ahead::new().await;
    ahead.second_is_to_answer().await;
    ahead.turns_when_the_second_has_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_fed_a_generation_does_not_go_back_to_one_that_has_less() {
    let ahead = Ahead::fed().await;
    let next = beside_another(&ahead.first);
    ahead.store.save(&next).await.unwrap();
    ahead.node.grants.end();

    eventually("it follows", || async { ahead.node.follows() }).await;
    assert!(!ahead.shows_less());
    ahead.turns_when_the_second_has_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_was_is_not_waited_for() {
    let store = MemoryViews::new(VIEW.name, Arc::new(NoTrouble));
    let mut shop = Shop::new();
    let events = [
        shop.create_customer(1, "Ada Park"),
        shop.create_order(10, 1, 100),
    ];
    let first = with_another(&Catalog::default());
    takes_in(&store, 1, &events).await;
    store.save(&first).await.unwrap();

    // The databases are put back to a time before.
    let put_back = Shop::new();
    let follows = OnNode::start(&store, &put_back);
    follows.answers(1).await;
    takes_in(&store, 2, &[]).await;
    store.save(&with_another(&first)).await.unwrap();
    follows.answers(2).await;
    follows.view.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_looks_after_the_view_once_more_feeds_it_once() {
    let (store, shop) = (MemoryViews::new(VIEW.name, Arc::new(NoTrouble)), shop());
    let node = OnNode::start(&store, &shop);
    node.is_to_feed();
    node.answers(1).await;
    let before = node.view.current().unwrap();

    // Nobody looks in between.
    node.grants.end();
    node.is_to_feed();
    eventually("what is fed now answers", || async {
        let current = node.view.current();
        current.is_ok_and(|current| !Arc::ptr_eq(&current, &before))
    })
    .await;
    eventually("the one before is fed no more", || async {
        let healed = before.heal(
            ShardId::of(domain::ORDERS, Uuid::from_u128(10), 4),
            Uuid::from_u128(10),
        );
        matches!(healed.await, Err(ViewError::Closed { .. }))
    })
    .await;
    node.view.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_alone_does_not_tell_which_generation_is_meant() {
    let store = MemoryViews::new(VIEW.name, Arc::new(NoTrouble));
    let (grants, lease) = Lease::granted();
    let (shared, _alarms) =
        crate::views::shared::Shared::new(parts(&store, &shop(), lease.clone()));
    let is_sure = || matches!(shared.current(), Err(ViewError::NotReady { .. }));

    tokio::time::advance(Duration::from_secs(11)).await;
    grants.until(Instant::now() + Duration::from_secs(60));
    assert!(!is_sure());

    // Its catalog is read.
    let mut taken = lease;
    assert!(taken.take());
    shared.change(|stand| stand.tenure = Some(taken));
    assert!(is_sure());
    grants.end();
    tokio::time::advance(Duration::from_secs(11)).await;
    grants.until(Instant::now() + Duration::from_secs(60));
    assert!(!is_sure());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_to_look_after_the_view_does_not_go_back_behind_what_it_followed() {
    let ahead = Ahead::new().await;
    let node = &ahead.node;
    node.view.wait_until(&order(10, 1), SOON).await.unwrap();

    // What answers next cannot read the log for now.
    ahead.second_is_to_answer().await;
    ahead.shop.log.failing.store(true, Ordering::SeqCst);
    node.is_to_feed();
    eventually("it looks after the view", || async { !node.follows() }).await;
    assert!(!ahead.shows_less());

    ahead.shop.log.failing.store(false, Ordering::SeqCst);
    node.answers(2).await;
    assert!(!ahead.shows_less());
    node.view.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_looks_after_the_view_once_more_does_not_go_back_behind_what_others_fed() {
    let ahead = Ahead::fed().await;
    let node = &ahead.node;

    // What answers next cannot read the log for now, and nobody looks in between.
    ahead.second_is_to_answer().await;
    ahead.shop.log.failing.store(true, Ordering::SeqCst);
    node.grants.end();
    node.is_to_feed();
    eventually("the first one is given up", || async {
        let current = node.view.current();
        !current.is_ok_and(|current| current.number() == 1)
    })
    .await;
    eventually("it cannot read the log", || async {
        node.view.status().await.error.is_some()
    })
    .await;
    assert!(!ahead.shows_less());

    ahead.shop.log.failing.store(false, Ordering::SeqCst);
    node.answers(2).await;
    assert!(!ahead.shows_less());
    node.view.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_its_tenure_is_over_a_node_writes_nothing_more() {
    let (store, shop) = (MemoryViews::new(VIEW.name, Arc::new(NoTrouble)), shop());
    let node = OnNode::start(&store, &shop);
    node.is_to_feed();
    node.answers(1).await;
    let generation = node.view.current().unwrap();
    let entity = Uuid::from_u128(10);
    let source = ShardId::of(domain::ORDERS, entity, 4);
    assert_eq!(generation.heal(source, entity).await.unwrap(), 1);

    node.grants.end();
    assert!(generation.heal(source, entity).await.is_err());
    node.view.stop().await;
}
