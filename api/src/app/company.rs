//! What a node does because it has others beside it: it tells them of itself, looks which servers
//! it reaches, and has done at them what it cannot do.

use std::sync::Arc;

use actors::Node;
use actors::cluster::NodeArrivals;
use projections::{ViewStores, Views};
use store::cluster::roll::Roll;
use store::{Lease, Striving};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::announcing::Identity;
use super::databases::Neighbours;
use super::io::IoRuntime;
use super::operated_views::OperatedViews;
use super::reaching;
use super::views_anywhere::ViewsAnywhere;
use crate::config::{Config, Role};

/// Words of other nodes that may wait: operators send few.
const WORDS: usize = 64;

/// The words of other nodes, as they come.
pub(super) type Words = mpsc::Receiver<Vec<u8>>;

/// The right to feed the views that all nodes share, and what strives for it.
pub(super) struct Feeding {
    /// The right, as this node sees it.
    pub lease: Lease,
    /// Absent on a node that does not strive for it.
    pub striving: Option<Arc<Striving>>,
}

/// A node's place among others.
pub(super) struct Company {
    /// Which nodes there are.
    pub roll: Arc<Roll>,
    /// What this node does with views for others, and asks others to do.
    pub views: Arc<ViewsAnywhere>,
    /// Tasks that go on until the node ends.
    pub upkeep: Vec<JoinHandle<()>>,
}

/// Begins to take in what the others send.
pub(super) fn receive(config: &Config, node: &Node, others: &Neighbours) -> Words {
    let (words, heard) = mpsc::channel(WORDS);
    let arrivals = NodeArrivals {
        log: Arc::clone(&others.log),
        doors: node.doors(),
        transport: others.kafka.clone(),
        words,
    };
    let follows_events = config.has(Role::Projections);
    others.kafka.begin(Arc::new(arrivals), follows_events);
    heard
}

impl Company {
    /// Begins to keep company with the others.
    pub(super) fn begin(
        (config, identity): (&Config, &Arc<Identity>),
        (others, words): (&Neighbours, Words),
        (views, stores): (&Arc<Views>, &ViewStores),
        Feeding { lease, striving }: Feeding,
        io: &IoRuntime,
    ) -> Self {
        let (kafka, roll) = (&others.kafka, others.kafka.roll());
        let here = OperatedViews::new(Arc::clone(views));
        let anywhere = ViewsAnywhere::new(config, here, Arc::clone(kafka), lease.clone());
        let anywhere = Arc::new(anywhere);

        let feeding = striving.map(|striving| (striving, lease));
        let looking =
            reaching::keep_looking(identity.reach(), stores.clone(), Arc::clone(&roll), feeding);
        let telling = Arc::clone(identity).keep_telling(Arc::clone(kafka));
        Company {
            roll,
            upkeep: vec![
                io.handle().spawn(telling),
                io.handle().spawn(looking),
                actix_rt::spawn(Arc::clone(&anywhere).listen(words)),
            ],
            views: anywhere,
        }
    }
}
