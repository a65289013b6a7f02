//! Brings the faults of a plan about, and ends each when its time is over; looks after the node all
//! the while.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tests::{OwnServers, Server};
use tokio::sync::{Mutex, oneshot, watch};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{Instant, MissedTickBehavior};

use crate::asking::answered;
use crate::machine::{BETWEEN_LOOKS, Machine};
use crate::plan::{Fault, Wrong};
use crate::world::World;

/// A lock is had when the node has ended its transaction.
const LOCKED_WITHIN: Duration = Duration::from_secs(2);

/// An operator without an answer asks so many times.
const ASKS: u32 = 20;
const BETWEEN_ASKS: Duration = Duration::from_millis(200);

/// What brings the faults about.
pub struct Director {
    world: Arc<World>,
    machine: Machine,
    /// The locks held on the node's databases, by fault.
    locks: Vec<(usize, Connection)>,
    servers: Option<Arc<Servers>>,
    /// What is done to servers, and what operators do, while everything goes on.
    errands: JoinSet<()>,
}

/// Servers of the soak's own; one thing at a time is done to each.
pub struct Servers {
    own: OwnServers,
    mongodb: Mutex<()>,
    elasticsearch: Mutex<()>,
}

impl Servers {
    pub async fn start() -> Self {
        Servers {
            own: OwnServers::start().await,
            mongodb: Mutex::default(),
            elasticsearch: Mutex::default(),
        }
    }

    pub fn own(&self) -> &OwnServers {
        &self.own
    }

    async fn befalls(&self, what: &Wrong, lasts: Duration) {
        let (Wrong::ServerKilled(server) | Wrong::ServerStopped(server)) = what else {
            return;
        };
        let server_alone = match server {
            Server::MongoDb => self.mongodb.try_lock(),
            Server::Elasticsearch => self.elasticsearch.try_lock(),
        };
        // Something is wrong with it already.
        let Ok(_alone) = server_alone else { return };
        if matches!(what, Wrong::ServerKilled(_)) {
            self.own.kill(*server).await;
            tokio::time::sleep(lasts).await;
            self.own.up(*server).await;
        } else {
            self.own.pause(*server).await;
            tokio::time::sleep(lasts).await;
            self.own.resume(*server).await;
        }
    }
}

/// A moment in which a fault begins, or is over.
#[derive(Clone, Copy, Debug)]
struct Moment {
    at: Duration,
    fault: usize,
    is_end: bool,
}

fn moments(faults: &[Fault]) -> Vec<Moment> {
    let both = faults.iter().enumerate().flat_map(|(fault, what)| {
        let moment = |at, is_end| Moment { at, fault, is_end };
        [moment(what.at, false), moment(what.at + what.lasts, true)]
    });
    let mut moments: Vec<_> = both.collect();
    moments.sort_by_key(|moment| moment.at);
    moments
}

impl Director {
    pub fn new(world: Arc<World>, machine: Machine, servers: Option<Arc<Servers>>) -> Self {
        Director {
            world,
            machine,
            locks: Vec::new(),
            servers,
            errands: JoinSet::new(),
        }
    }

    /// Has all faults happen, says when they are over, and looks after the node until it is told to
    /// stop; gives the machine back.
    pub async fn direct(
        mut self,
        over: watch::Sender<bool>,
        mut stop: oneshot::Receiver<()>,
    ) -> Machine {
        let world = Arc::clone(&self.world);
        let mut moments = moments(&world.plan.faults).into_iter().peekable();
        let mut looks = tokio::time::interval(BETWEEN_LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.machine.start(&world);

        loop {
            let next = moments.peek().map(|moment| world.at(moment.at));
            tokio::select! {
                biased;
                _ = &mut stop => return self.machine,
                () = at(next) => {
                    if let Some(moment) = moments.next() {
                        self.reach(moment).await;
                    }
                }
                _ = looks.tick() => self.machine.look_after(&world),
            }

            while self.errands.try_join_next().is_some() {}
            if moments.peek().is_none() && self.errands.is_empty() {
                over.send_replace(true);
            }
        }
    }

    async fn reach(&mut self, moment: Moment) {
        let world = Arc::clone(&self.world);
        let Some(fault) = world.plan.faults.get(moment.fault) else {
            return;
        };
        if moment.is_end {
            world.tell(&format!("over: {:?}", fault.what));
            self.end(moment.fault, fault);
        } else {
            world.tell(&format!("begins: {:?} for {:?}", fault.what, fault.lasts));
            self.begin(moment.fault, fault).await;
        }
    }

    async fn begin(&mut self, number: usize, fault: &Fault) {
        let world = Arc::clone(&self.world);
        let machine = &mut self.machine;
        match &fault.what {
            Wrong::Killed => {
                machine.down += 1;
                machine.kill(&world);
            }
            Wrong::KilledAtStart(millis) => {
                machine.start_anew(&world);
                tokio::time::sleep(Duration::from_millis(*millis)).await;
                machine.down += 1;
                machine.kill(&world);
            }
            Wrong::Ended => machine.end(&world),
            Wrong::KilledWhileEnding(millis) => {
                machine.end(&world);
                tokio::time::sleep(Duration::from_millis(*millis)).await;
                machine.kill(&world);
            }
            Wrong::Stopped if machine.node.is_running() => {
                world.stopped();
                machine.node.pause();
            }
            Wrong::Locked(service) => self.lock(number, service),
            Wrong::DiskFull(room) if machine.node.is_running() => {
                machine.is_troubled();
                machine.node.fill_the_disk(*room);
            }
            Wrong::BuiltIn(faults) => {
                machine.is_troubled();
                machine.built_in.push(faults.clone());
                machine.start_anew(&world);
            }
            Wrong::ClockSteps(seconds) => machine.clock.step(*seconds),
            Wrong::Rebuild(view, from) => {
                self.operate(format!("/views/{view}/rebuild?from={from}"));
            }
            Wrong::Revert(view) => self.operate(format!("/views/{view}/rebuild")),
            Wrong::Discards => world.set_discards(true),
            Wrong::ServerKilled(_) | Wrong::ServerStopped(_) => {
                if let Some(servers) = self.servers.clone() {
                    let (what, lasts) = (fault.what.clone(), fault.lasts);
                    self.errands
                        .spawn(async move { servers.befalls(&what, lasts).await });
                }
            }
            Wrong::Stopped | Wrong::DiskFull(_) => {}
        }
    }

    fn end(&mut self, number: usize, fault: &Fault) {
        let world = Arc::clone(&self.world);
        let machine = &mut self.machine;
        match &fault.what {
            Wrong::Killed | Wrong::KilledAtStart(_) => {
                machine.down -= 1;
                machine.start(&world);
            }
            Wrong::Stopped => {
                world.goes_on();
                if machine.node.is_running() {
                    machine.node.resume();
                }
            }
            Wrong::Locked(_) => {
                machine.is_troubled();
                self.locks.retain(|(of, _)| *of != number);
            }
            Wrong::DiskFull(_) if machine.node.is_running() => {
                machine.is_troubled();
                machine.node.make_room_on_the_disk();
            }
            Wrong::BuiltIn(faults) => {
                machine.is_troubled();
                if let Some(place) = machine.built_in.iter().position(|built| built == faults) {
                    machine.built_in.remove(place);
                }
                machine.start_anew(&world);
            }
            Wrong::ClockSteps(_) => machine.clock.step(0),
            Wrong::Revert(view) => self.operate(format!("/views/{view}/revert")),
            Wrong::Discards => world.set_discards(false),
            _ => {}
        }
    }

    fn lock(&mut self, number: usize, service: &str) {
        self.machine.is_troubled();
        let file = self.machine.node.data().join(format!("{service}.db"));
        let locked = block_in_place(|| {
            // Whoever opens a file that is not there yet must not make it.
            let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            connection.busy_timeout(LOCKED_WITHIN)?;
            connection.execute_batch("BEGIN IMMEDIATE")?;
            Ok::<_, rusqlite::Error>(connection)
        });
        match locked {
            Ok(connection) => self.locks.push((number, connection)),
            Err(error) => self
                .world
                .tell(&format!("{service} is not locked: {error}")),
        }
    }

    /// An operator asks for something until there is an answer, whatever it is.
    fn operate(&mut self, path: String) {
        let world = Arc::clone(&self.world);
        self.errands.spawn(async move {
            for _ in 0..ASKS {
                if let Some(api) = world.api()
                    && let Some(answer) = answered(&world, &path, api.post(&path)).await
                {
                    return world.tell(&format!("an operator asks for {path}: {}", answer.status));
                }
                tokio::time::sleep(BETWEEN_ASKS).await;
            }
        });
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
