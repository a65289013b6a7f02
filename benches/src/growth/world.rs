//! The simulation: lanes that commit, callers who wait, and what goes on beside that each second.

#![expect(
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "lanes, orders and processors are numbered by whoever made them, and counts are small"
)]

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use hdrhistogram::Histogram;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::processors::Processors;
use super::{Cluster, Costs};

const SECOND: u64 = 1_000_000;
/// Of an order.
const UNITS: u8 = 3;
/// Bytes of a noted head.
const HEAD: u64 = 20;

/// What came of it, after the first second.
#[derive(Debug)]
pub struct Figures {
    pub orders_per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub units_per_commit: f64,
    /// For each order; so the two below.
    pub database_us: f64,
    pub notes_us: f64,
    pub broker_us: f64,
    /// What has least left, and how much of a hundred it was at work.
    pub busiest: String,
}

/// What there is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The next unit of a caller's order comes to its node.
    Arrives(usize),
    /// The node has decided what it writes.
    Decided(usize),
    /// The batch of a lane is committed and on disk.
    Committed(usize),
    /// Heads are noted and read, and nodes tell each other.
    Second,
}

/// The order that a caller waits for; the callers are numbered.
#[derive(Clone, Copy, Debug, Default)]
struct Order {
    began: u64,
    /// The partitions of its two shards, which are the numbers of their owners too.
    at: usize,
    of_customer: usize,
    /// Units that are done.
    done: u8,
}

/// What a node commits to one service's database.
#[derive(Clone, Debug, Default)]
struct Lane {
    waiting: Vec<usize>,
    committing: Vec<usize>,
}

/// What is counted from the second second on.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    orders: u64,
    units: u64,
    commits: u64,
    database: u64,
    notes: u64,
    broker: u64,
    nodes: u64,
}

/// A cluster at work.
pub struct World {
    cluster: Cluster,
    costs: Costs,
    notes_by_change: bool,
    /// Nodes that own shards, each a partition of either service.
    owners: usize,
    /// Those of the nodes, of the database's server and of the broker; or of the one machine.
    processors: Vec<Processors>,
    lanes: Vec<Lane>,
    orders: Vec<Order>,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    random: SmallRng,
    counts: Counts,
    /// Messages, since heads were noted last.
    sent: u64,
    latencies: Histogram<u64>,
}

impl World {
    pub fn new(cluster: Cluster, costs: Costs, notes_by_change: bool) -> Self {
        let owners = cluster.nodes.min(costs.partitions).min(cluster.shards);
        let processors = match costs.machine {
            Some(cores) => vec![Processors::new(cores)],
            None => {
                let nodes = (0..cluster.nodes).map(|_| Processors::new(costs.node_cores));
                let servers = [costs.database_cores, costs.broker_cores];
                nodes.chain(servers.map(Processors::new)).collect()
            }
        };

        World {
            cluster,
            costs,
            notes_by_change,
            owners: owners.max(1),
            processors,
            lanes: vec![Lane::default(); 2 * owners.max(1)],
            orders: vec![Order::default(); cluster.callers],
            events: BinaryHeap::new(),
            random: SmallRng::seed_from_u64(1),
            counts: Counts::default(),
            sent: 0,
            latencies: Histogram::new(3).unwrap_or_else(|_| unreachable!("three digits are few")),
        }
    }

    /// Goes on for so many seconds.
    pub fn run(mut self, seconds: u64) -> Figures {
        for caller in 0..self.orders.len() {
            self.begin(0, caller);
        }
        for second in 0..seconds {
            self.at(second * SECOND, Event::Second);
        }

        let mut warm = false;
        while let Some(Reverse((now, event))) = self.events.pop() {
            if now >= seconds * SECOND {
                break;
            }
            if now >= SECOND && !warm {
                warm = true;
                self.counts = Counts::default();
                self.latencies.reset();
            }
            self.happen(now, event);
        }
        self.figures(seconds.saturating_sub(1).max(1))
    }

    fn happen(&mut self, now: u64, event: Event) {
        match event {
            Event::Arrives(caller) => {
                let node = self.lane_of(caller) / 2;
                let work = self.costs.node_unit;
                self.counts.nodes += work;
                let decided = self.of_node(node).done(now, work);
                self.at(decided, Event::Decided(caller));
            }
            Event::Decided(caller) => {
                let lane = self.lane_of(caller);
                self.lanes[lane].waiting.push(caller);
                self.commit(now, lane);
            }
            Event::Committed(lane) => self.committed(now, lane),
            Event::Second => self.beside(now),
        }
    }

    /// The caller orders, at any node. One that owns no shards asks one that does.
    fn begin(&mut self, now: u64, caller: usize) {
        let (nodes, owners) = (self.cluster.nodes, self.owners);
        let node = self.random.random_range(0..nodes);
        let owner = self.random.random_range(0..owners);
        self.orders[caller] = Order {
            began: now,
            at: if node < owners { node } else { owner },
            of_customer: self.random.random_range(0..owners),
            done: 0,
        };

        let arrives = match node < owners {
            true => now,
            false => self.carried(now, 1, 1),
        };
        self.at(arrives, Event::Arrives(caller));
    }

    /// Where the next unit of the caller's order is committed.
    fn lane_of(&self, caller: usize) -> usize {
        let order = self.orders[caller];
        match order.done {
            1 => 2 * order.of_customer + 1,
            _ => 2 * order.at,
        }
    }

    /// Takes what waits, unless the batch before is under way.
    fn commit(&mut self, now: u64, lane: usize) {
        let Lane {
            waiting,
            committing,
        } = &mut self.lanes[lane];
        if waiting.is_empty() || !committing.is_empty() {
            return;
        }
        std::mem::swap(waiting, committing);

        let work = self.costs.commit + committing.len() as u64 * self.costs.unit;
        self.counts.database += work;
        let done = self.of_database().done(now, work);
        self.at(done + self.costs.disk, Event::Committed(lane));
    }

    fn committed(&mut self, now: u64, lane: usize) {
        let batch = std::mem::take(&mut self.lanes[lane].committing);
        self.counts.commits += 1;
        self.counts.units += batch.len() as u64;

        let mut elsewhere = Vec::new();
        for caller in batch {
            self.orders[caller].done += 1;
            if self.orders[caller].done == UNITS {
                self.ended(now, caller);
                continue;
            }
            self.sent += 1;
            match self.lane_of(caller) / 2 == lane / 2 {
                true => self.at(now, Event::Arrives(caller)),
                false => elsewhere.push(caller),
            }
        }

        let partitions: BTreeSet<_> = elsewhere.iter().map(|&to| self.lane_of(to)).collect();
        if !elsewhere.is_empty() {
            let arrive = self.carried(now, partitions.len() as u64, elsewhere.len() as u64);
            for caller in elsewhere {
                self.at(arrive, Event::Arrives(caller));
            }
        }
        self.commit(now, lane);
    }

    fn ended(&mut self, now: u64, caller: usize) {
        self.counts.orders += 1;
        let waited = now - self.orders[caller].began;
        self.latencies += waited;
        self.begin(now, caller);
    }

    /// When records arrive that the broker takes in so many requests.
    fn carried(&mut self, now: u64, requests: u64, records: u64) -> u64 {
        let work = requests * self.costs.request + records * self.costs.record;
        self.counts.broker += work;
        self.of_broker().done(now, work) + self.costs.hop
    }

    /// Heads are noted by each owner and read by each node; each node tells all nodes of itself,
    /// every other second.
    fn beside(&mut self, now: u64) {
        let pairs = 2 * (self.cluster.shards * self.cluster.shards) as u64;
        let noted = match self.notes_by_change {
            true => pairs.min(self.sent),
            false => pairs,
        };
        self.sent = 0;
        let once = noted * HEAD * self.costs.note_kilobyte / 1_000;
        for _ in 0..=self.cluster.nodes {
            self.counts.database += once;
            self.counts.notes += once;
            self.of_database().done(now, once);
        }

        let nodes = self.cluster.nodes as u64;
        let told = nodes / 2 * (self.costs.request + nodes * self.costs.record);
        self.counts.broker += told;
        self.of_broker().done(now, told);
    }

    fn at(&mut self, time: u64, event: Event) {
        self.events.push(Reverse((time, event)));
    }

    fn of_node(&mut self, node: usize) -> &mut Processors {
        let last = self.processors.len() - 1;
        &mut self.processors[node.min(last)]
    }

    fn of_database(&mut self) -> &mut Processors {
        let place = self.cluster.nodes;
        self.of_node(place)
    }

    fn of_broker(&mut self) -> &mut Processors {
        let place = self.cluster.nodes + 1;
        self.of_node(place)
    }

    fn figures(&self, seconds: u64) -> Figures {
        let counts = self.counts;
        let each = |all: u64| all as f64 / counts.orders.max(1) as f64;
        let latency = |quantile| self.latencies.value_at_quantile(quantile) as f64 / 1_000.0;

        Figures {
            orders_per_second: counts.orders as f64 / seconds as f64,
            p50_ms: latency(0.5),
            p99_ms: latency(0.99),
            units_per_commit: counts.units as f64 / counts.commits.max(1) as f64,
            database_us: each(counts.database),
            notes_us: each(counts.notes),
            broker_us: each(counts.broker),
            busiest: self.busiest(seconds * SECOND),
        }
    }

    fn busiest(&self, time: u64) -> String {
        let Counts {
            database,
            broker,
            nodes,
            ..
        } = self.counts;
        let costs = self.costs;
        if let Some(cores) = costs.machine {
            let busy = share(database + broker + nodes, time, cores);
            return format!("all {busy} %");
        }

        let each = [
            ("database", share(database, time, costs.database_cores)),
            ("broker", share(broker, time, costs.broker_cores)),
            ("nodes", share(nodes, time, costs.node_cores * self.owners)),
        ];
        let (name, busy) = each
            .into_iter()
            .max_by_key(|(_, busy)| *busy)
            .unwrap_or(("none", 0));
        format!("{name} {busy} %")
    }
}

/// Of a hundred, how much so much work is of the time of so many cores.
fn share(work: u64, time: u64, cores: usize) -> u64 {
    100 * work / (time * cores.max(1) as u64)
}
