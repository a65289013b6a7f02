//! A cluster under test: real nodes on one PostgreSQL, with one Kafka between them.
//!
//! The servers are those that `COUNTERFOIL_TEST_POSTGRES_URL` and `COUNTERFOIL_TEST_KAFKA_URL`
//! name. Each cluster has databases and topics of its own.

use std::ops::{Index, IndexMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::databases::Databases;
use crate::{Api, Node, NodeServer, OwnServers, ViewStores, Wire, eventually_within};

/// From the death of a node to its shards served by others: the session that Kafka allows, and what
/// is lost to a busy machine.
const MOVES_WITHIN: Duration = Duration::from_secs(60);
/// However many tests run, this many clusters are up at once: more of them on two cores take longer
/// to answer than their callers wait.
const AT_ONCE: usize = 2;

static ROOM: Semaphore = Semaphore::const_new(AT_ONCE);

/// Nodes that share their databases.
pub struct Cluster {
    nodes: Vec<Node>,
    /// Which of them take requests.
    take_requests: Vec<bool>,
    asked: AtomicUsize,
    /// What leads out of the networks of the nodes, where they have their own.
    _wire: Option<Wire>,
    _room: SemaphorePermit<'static>,
}

impl Cluster {
    /// So many nodes, which start all at once on empty databases, ready.
    pub async fn start(nodes: u32) -> Self {
        Self::with_settings(nodes, &[]).await
    }

    /// The same, each with these settings.
    pub async fn with_settings(nodes: u32, settings: &[(&str, &str)]) -> Self {
        let databases = Arc::new(Databases::on_server().await);
        let stores = ViewStores::of_this_run();
        let prepared = Node::prepared_together(&databases, stores, nodes).await;
        Self::begun(prepared, |_| settings.to_vec()).await
    }

    /// So many nodes on servers that are the test's own.
    pub async fn on(servers: &OwnServers<NodeServer>, nodes: u32) -> Self {
        Self::at(servers.postgres(), servers.kafka(), nodes).await
    }

    /// So many nodes on the PostgreSQL and the Kafka at these URLs.
    pub async fn at(postgres: String, kafka: String, nodes: u32) -> Self {
        let databases = Arc::new(Databases::at(postgres).await);
        let stores = ViewStores::of_this_run();
        let prepared = Node::prepared_together(&databases, stores, nodes).await;
        Self::begun(prepared, |_| vec![("COUNTERFOIL_LOG_URL", &kafka)]).await
    }

    /// A node for each of these roles, which share their views, whatever the run is about.
    pub async fn with_roles(roles: &[&str]) -> Self {
        let databases = Arc::new(Databases::on_server().await);
        let nodes = u32::try_from(roles.len()).expect("a few");
        let prepared = Node::prepared_together(&databases, ViewStores::on_servers(), nodes).await;
        // Who owns no shards has no right to write, either.
        let read = databases.read_settings().await;
        let settings = |node: usize| {
            let owns = roles[node].contains("actors");
            let read = read.iter().filter(|_| !owns);
            let mut settings: Vec<_> = read.map(|(name, url)| (&**name, &**url)).collect();
            settings.push(("COUNTERFOIL_ROLES", roles[node]));
            settings
        };
        let mut cluster = Self::begun(prepared, settings).await;
        cluster.take_requests = roles.iter().map(|roles| roles.contains("api")).collect();
        cluster
    }

    /// A node for each of these services, which may write to its database and to no other.
    pub async fn with_services(services: &[&str]) -> Self {
        let databases = Arc::new(Databases::on_server().await);
        let nodes = u32::try_from(services.len()).expect("a few");
        let stores = ViewStores::of_this_run();
        let prepared = Node::prepared_together(&databases, stores, nodes).await;

        let read = databases.read_settings().await;
        let settings = |node: usize| {
            let own = services[node].to_uppercase();
            let others = read.iter().filter(|(name, _)| !name.contains(&own));
            let mut settings: Vec<_> = others.map(|(name, url)| (&**name, &**url)).collect();
            settings.push(("COUNTERFOIL_SERVICES", services[node]));
            settings
        };
        Self::begun(prepared, settings).await
    }

    /// Nodes that share their views, each with a wire of its own to the server of the search view.
    pub async fn with_wires(nodes: u32) -> (Self, Vec<Wire>) {
        let databases = Arc::new(Databases::on_server().await);
        let stores = ViewStores::on_servers();
        let ViewStores::Servers { elasticsearch, .. } = &stores else {
            unreachable!("they are on servers")
        };
        let mut wires = Vec::new();
        for _ in 0..nodes {
            wires.push(Wire::to(elasticsearch).await);
        }

        let prepared = Node::prepared_together(&databases, stores, nodes).await;
        let urls: Vec<_> = wires.iter().map(Wire::url).collect();
        let search = |node: usize| ("COUNTERFOIL_SEARCH_URL", urls[node].as_str());
        let cluster = Self::begun(prepared, |node| vec![search(node)]).await;
        (cluster, wires)
    }

    /// Nodes that can be cut off, each in a network of its own.
    pub async fn with_networks(nodes: u32) -> Self {
        let databases = Arc::new(Databases::on_server().await);
        let stores = ViewStores::of_this_run();
        let mut prepared = Node::prepared_together(&databases, stores, nodes).await;
        prepared.iter_mut().for_each(Node::take_network);

        // The server lets in whoever comes from the machine itself: this wire does.
        let (server, settings) = (databases.server(), databases.settings());
        let wire = Wire::to(&server).await;
        let through = wire.url().replace("http://", "");
        let settings = settings.into_iter();
        let settings = settings.map(|(name, url)| (name, url.replace(&server, &through)));
        let settings: Vec<_> = settings.collect();
        let own = |_| {
            let own = settings.iter();
            own.map(|(name, url)| (&**name, &**url)).collect()
        };
        let mut cluster = Self::begun(prepared, own).await;
        cluster._wire = Some(wire);
        cluster
    }

    /// The same, and a node with the same databases that does not know of them, and has not
    /// started.
    pub async fn start_beside_a_stranger(nodes: u32) -> (Self, Node) {
        let databases = Arc::new(Databases::on_server().await);
        let stores = ViewStores::of_this_run();
        let mut prepared = Node::prepared_together(&databases, stores, nodes + 1).await;
        let stranger = prepared.pop().expect("it is one more");
        (Self::begun(prepared, |_| Vec::new()).await, stranger)
    }

    /// Each with settings of its own beside those of the cluster.
    async fn begun<'a>(nodes: Vec<Node>, own: impl Fn(usize) -> Vec<(&'a str, &'a str)>) -> Self {
        let room = ROOM.acquire().await.expect("nobody closes it");
        let kafka = std::env::var("COUNTERFOIL_TEST_KAFKA_URL")
            .expect("COUNTERFOIL_TEST_KAFKA_URL is not set; see CONTRIBUTING.md");
        let namespace = nodes[0].namespace().to_owned();

        let mut cluster = Self {
            take_requests: vec![true; nodes.len()],
            nodes,
            asked: AtomicUsize::new(0),
            _wire: None,
            _room: room,
        };
        for (number, node) in cluster.nodes.iter_mut().enumerate() {
            let name = format!("node-{}", number + 1);
            let mut environment = vec![
                ("COUNTERFOIL_LOG_URL", kafka.as_str()),
                ("COUNTERFOIL_NAMESPACE", &namespace),
                ("COUNTERFOIL_NODE_ID", &name),
            ];
            environment.extend(own(number));
            node.set_environment(&environment);
            node.begin_restart();
        }
        for node in &mut cluster.nodes {
            node.is_ready().await;
        }
        cluster
    }

    /// A client of a node that runs: another one each time.
    pub fn any(&self) -> Api {
        let running = self.taking_requests().filter(|node| node.is_running());
        let running: Vec<_> = running.collect();
        let turn = self.asked.fetch_add(1, Ordering::Relaxed);
        running[turn % running.len()].api()
    }

    /// Clients of all nodes that take requests.
    pub fn apis(&self) -> Vec<Api> {
        self.taking_requests().map(Node::api).collect()
    }

    fn taking_requests(&self) -> impl Iterator<Item = &Node> {
        let nodes = self.nodes.iter().zip(&self.take_requests);
        nodes.filter(|(_, takes)| **takes).map(|(node, _)| node)
    }

    /// Who owns how many shards, as a node that is asked knows.
    pub async fn owners(api: &Api) -> Vec<String> {
        let cluster = api.get("/cluster").await.is(200);
        cluster.each("shards", "owner")
    }

    /// How the nodes are, as one of them tells: by their names, in order.
    pub async fn nodes(api: &Api) -> Vec<Value> {
        let cluster = api.get("/cluster").await.is(200);
        cluster.items("nodes").to_vec()
    }

    /// Waits until a node owns no shard any more, as another one sees it.
    pub async fn has_lost_its_shards(&self, node: usize, seen_by: usize) {
        let (name, api) = (format!("node-{}", node + 1), self.nodes[seen_by].api());
        eventually_within(
            MOVES_WITHIN,
            "its shards are served by others",
            async || {
                let owners = Self::owners(&api).await;
                (!owners.contains(&name)).then_some(())
            },
        )
        .await;
    }

    /// Waits until a node owns shards.
    pub async fn has_shards(&self, node: usize) {
        let (name, api) = (format!("node-{}", node + 1), self.nodes[node].api());
        eventually_within(MOVES_WITHIN, "it is given shards", async || {
            let owners = Self::owners(&api).await;
            owners.contains(&name).then_some(())
        })
        .await;
    }
}

impl Index<usize> for Cluster {
    type Output = Node;

    fn index(&self, number: usize) -> &Node {
        &self.nodes[number]
    }
}

impl IndexMut<usize> for Cluster {
    fn index_mut(&mut self, number: usize) -> &mut Node {
        &mut self.nodes[number]
    }
}
