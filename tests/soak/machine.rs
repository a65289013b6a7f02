//! The machine that a node runs on: it starts the node again whenever that has ended, as a
//! supervisor does, and looks whether it ends as it may.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use tests::{Cli, Node, ViewStores};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::plan::Settings;
use crate::world::World;

/// What the contract grants a node between SIGTERM and its end.
const ENDS_WITHIN: Duration = Duration::from_secs(15);
/// A node that ends at once is not started again before this.
const BETWEEN_STARTS: Duration = Duration::from_millis(200);
/// How often it is looked whether a node has ended.
pub const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// After a store stood still, or a fault that is built in, a node may end by itself for so long.
const TROUBLE_LASTS: Duration = Duration::from_secs(30);
/// So much of the node's log a violation shows.
const LOG_LINES: usize = 12;

/// A node on its machine.
pub struct Machine {
    pub node: Node,
    pub clock: Clock,
    shards: u16,
    settings: Settings,
    /// Faults that are built into the node while they last.
    pub built_in: Vec<String>,
    /// So many faults keep it from running.
    pub down: u32,
    started: Instant,
    asked_to_end: Option<Instant>,
    /// Until then it may end by itself.
    troubled_until: Instant,
}

impl Machine {
    /// A machine with an empty disk.
    pub async fn new(stores: ViewStores, shards: u16, settings: Settings) -> Self {
        let node = Node::prepared(stores).await;
        let mut machine = Machine {
            clock: Clock::in_folder(node.folder()),
            node,
            shards,
            settings,
            built_in: Vec::new(),
            down: 0,
            started: Instant::now(),
            asked_to_end: None,
            troubled_until: Instant::now(),
        };
        machine.set(settings);
        machine
    }

    /// From its next start on the node has these settings; the command line has them at once.
    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
        self.prepare();
    }

    /// The command line on the node's data.
    pub fn cli(&self) -> Cli {
        self.node.cli()
    }

    /// The node may end by itself for a while.
    pub fn is_troubled(&mut self) {
        self.troubled_until = Instant::now() + TROUBLE_LASTS;
    }

    /// Starts the node, unless it runs or a fault keeps it from that; does not wait for it.
    pub fn start(&mut self, world: &World) {
        if self.down > 0 || self.node.is_running() {
            return;
        }
        self.prepare();
        self.node.begin_restart();
        self.started = Instant::now();
        self.asked_to_end = None;
        world.started(self.node.url());
        world.tell(&match self.built_in.is_empty() {
            true => "the node starts".to_owned(),
            false => format!("the node starts with {}", self.built_in.join(",")),
        });
    }

    fn prepare(&mut self) {
        let environment = self.environment();
        let environment: Vec<_> = environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        self.node.set_environment(&environment);
    }

    fn environment(&self) -> Vec<(String, String)> {
        let Settings {
            deadline,
            retention,
            actors,
            view_keep,
        } = self.settings;
        let seconds = |seconds: u64| format!("{seconds}s");
        let mut environment: Vec<_> = [
            ("SHARDS", self.shards.to_string()),
            ("SAGA_DEADLINE", seconds(deadline)),
            ("RETENTION", seconds(retention)),
            ("MAX_ACTORS", actors.to_string()),
            ("VIEW_KEEP", seconds(view_keep)),
        ]
        .map(|(name, value)| (format!("COUNTERFOIL_{name}"), value))
        .into();

        environment.extend(self.clock.variables());
        if !self.built_in.is_empty() {
            let faults = self.built_in.join(",");
            environment.push(("COUNTERFOIL_FAULTS".to_owned(), faults));
        }
        environment
    }

    /// `kill -9`.
    pub fn kill(&mut self, world: &World) {
        if self.node.is_running() {
            world.tell("the node is killed");
            self.node.kill();
            self.asked_to_end = None;
        }
    }

    /// SIGTERM.
    pub fn end(&mut self, world: &World) {
        if self.node.is_running() && self.asked_to_end.is_none() {
            world.tell("the node is told to end");
            self.node.ask_to_terminate();
            self.asked_to_end = Some(Instant::now());
        }
    }

    /// Ends the node in order, and looks whether it does.
    pub async fn end_for_good(&mut self, world: &World) {
        self.down += 1;
        self.end(world);
        while self.node.is_running() {
            self.look_after(world);
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        self.down -= 1;
    }

    /// Kills the node, and starts it with the faults that are to be built in now.
    pub fn start_anew(&mut self, world: &World) {
        self.kill(world);
        self.start(world);
    }

    /// Looks after the node: whether it has ended, and as it may; starts it again.
    pub fn look_after(&mut self, world: &World) {
        if let Some(ended) = self.node.has_ended() {
            self.judge(world, ended);
        }
        if let Some(asked) = self.asked_to_end {
            let took = asked.elapsed().saturating_sub(world.stood_since(asked));
            if took > ENDS_WITHIN {
                world.violated(&format!("the node has not ended {took:?} after SIGTERM"));
                self.kill(world);
            }
        }
        if self.started.elapsed() > BETWEEN_STARTS {
            self.start(world);
        }
    }

    fn judge(&mut self, world: &World, ended: ExitStatus) {
        let asked = self.asked_to_end.take().is_some();
        // Before it listens it may not know the signal yet.
        let by_the_signal = ended.signal() == Some(Signal::TERM.as_raw());
        let is_right = match asked {
            true => ended.success() || by_the_signal && !world.has_been_heard(),
            false => Instant::now() < self.troubled_until && ended.signal().is_none(),
        };

        if is_right {
            world.tell(&format!("the node has ended: {ended}"));
        } else {
            let why = if asked { "after SIGTERM" } else { "by itself" };
            let log = self.log_tail();
            world.violated(&format!("the node has ended {why}: {ended}\n{log}"));
        }
    }

    fn log_tail(&self) -> String {
        let log = self.node.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}
