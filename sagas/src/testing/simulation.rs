//! A saga in its world, where everything goes wrong that can.

mod events;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use uuid::Uuid;

use super::World;
use super::chance::Chance;
use crate::nested::Outgoing;
use crate::{
    Address, Attempt, Beginning, Definition, Incoming, Run, SagaData, SagaId, SagaPolicy,
    SagaState, Timestamp,
};

pub(super) use events::refusals_of;

/// A saga that has not ended after this many events never ends.
const EVENTS: usize = 10_000;
/// The first events of a random run are random; after this many, everything goes well.
const EVENTS_BY_CHANCE: usize = 60;

/// Who stops a saga.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    Operator,
    Deadline,
}

/// What goes wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// Every reply comes twice, the process restarts before everything that happens, and each
    /// attempt is repeated before its reply comes.
    pub stress: bool,
    /// The n-th command is refused, with its n-th refusal.
    pub refuse_command: Option<usize>,
    pub refusal: usize,
    /// The n-th local effect is refused.
    pub refuse_local: Option<usize>,
    /// The saga is stopped at this moment.
    pub stop: Option<(usize, Stop)>,
    /// From this moment on nothing arrives any more, and an operator gives the saga up as soon as
    /// it is stuck. Everything arrives after its end.
    pub give_up: Option<usize>,
}

struct Sent<D: SagaData> {
    to: Address,
    command: Outgoing<D>,
    attempt: Attempt,
}

/// One saga, and how far it has come.
pub(super) struct Simulation<D: SagaData, W> {
    run: Run<D>,
    world: W,
    plan: Plan,
    policy: SagaPolicy,
    now: Timestamp,
    /// What is on its way to each participant, in order.
    to_participants: BTreeMap<Uuid, VecDeque<Sent<D>>>,
    to_saga: BTreeMap<Uuid, VecDeque<(Incoming<D>, Attempt)>>,
    arrived: Vec<(Incoming<D>, Attempt)>,
    /// The steps whose participants have done what they were asked.
    carried_out: BTreeSet<&'static str>,
    wake_ups: Vec<Timestamp>,
    story: Vec<String>,
    /// How many events there were; how many commands and local effects.
    pub moments: usize,
    pub commands: usize,
    pub locals: usize,
}

impl<D: SagaData, W: World<D>> Simulation<D, W> {
    pub(super) fn begin(
        definition: &'static Definition<D>,
        data: D,
        world: W,
        plan: &Plan,
    ) -> Self {
        let (entity, now) = (Uuid::from_u128(1), Timestamp::from_micros(1_000_000));
        let policy = SagaPolicy {
            attempts: 3,
            ..SagaPolicy::default()
        };

        let beginning = Beginning {
            id: SagaId::derive(definition.name, entity, 1),
            entity,
            data,
            not_before: now,
            parent: None,
        };
        let (run, effects) = Run::begin(definition, beginning, &policy, now);

        let mut simulation = Simulation {
            run,
            world,
            plan: plan.clone(),
            policy,
            now,
            to_participants: BTreeMap::new(),
            to_saga: BTreeMap::new(),
            arrived: Vec::new(),
            carried_out: BTreeSet::new(),
            wake_ups: Vec::new(),
            story: vec![format!("{plan:?}")],
            moments: 0,
            commands: 0,
            locals: 0,
        };
        simulation.carry_out(effects);
        simulation
    }

    /// Everything happens as soon as it can, except what the plan makes go wrong.
    pub(super) fn run_to_the_end(mut self) -> Self {
        while !self.run.state.has_ended() {
            self.stop_as_planned();
            self.next_event();
        }
        self.has_ended();
        self
    }

    /// Everything happens at random for a while, and then as soon as it can.
    pub(super) fn run_by_chance(mut self, mut chance: Chance) {
        for _ in 0..EVENTS_BY_CHANCE {
            if self.run.state.has_ended() {
                break;
            }
            self.event_by_chance(&mut chance);
        }

        while !self.run.state.has_ended() {
            self.next_event();
        }
        self.has_ended();
    }

    fn next_event(&mut self) {
        if self.plan.stress {
            self.restart();
        }

        let full = |queues: &BTreeMap<Uuid, VecDeque<_>>| {
            let mut full = queues.iter().filter(|(_, queue)| !queue.is_empty());
            full.next().map(|(of, _)| *of)
        };
        if self.plan.give_up.is_some_and(|from| from <= self.moments) {
            match self.run.state {
                SagaState::Stuck => self.give_up(),
                _ => self.wake(),
            }
            return;
        }

        let command = {
            let mut full = self.to_participants.iter();
            full.find(|(_, queue)| !queue.is_empty()).map(|(of, _)| *of)
        };

        if let Some(of) = command {
            self.command_arrives(of);
        } else if let Some(of) = full(&self.to_saga) {
            let is_first = self.plan.stress && !self.run.can_be_stopped();
            if is_first && self.run.attempts == 1 {
                self.wake();
                return;
            }
            self.reply_arrives(of);
            if self.plan.stress {
                self.reply_again(self.arrived.len() - 1);
            }
        } else if self.run.state == SagaState::Stuck {
            self.retry();
        } else {
            self.wake();
        }
    }

    fn event_by_chance(&mut self, chance: &mut Chance) {
        let commands: Vec<Uuid> = self.to_participants.keys().copied().collect();
        let replies: Vec<Uuid> = self.to_saga.keys().copied().collect();

        match chance.below(16) {
            0..4 => {
                if let Some(of) = chance.of(&commands) {
                    self.command_arrives(of);
                }
            }
            4..8 => {
                if let Some(of) = chance.of(&replies) {
                    self.reply_arrives(of);
                }
            }
            8 => {
                let again = chance.below(8);
                self.reply_again(usize::try_from(again).unwrap_or(0));
            }
            9 | 10 => self.wake(),
            11 => {
                let stale = chance.of(&self.wake_ups);
                self.wake_for(stale);
            }
            12 => self.stop(Stop::Operator),
            13 => self.retry(),
            14 => self.restart(),
            _ => {
                let number = chance.number();
                self.happens(|| format!("disturbance {number}"));
                self.world.disturb(number);
            }
        }
    }

    fn happens(&mut self, what: impl FnOnce() -> String) {
        self.now = self.now.after(Duration::from_secs(1));
        self.moments += 1;
        self.story.push(what());
        if self.moments > EVENTS {
            self.fails("it does not end");
        }
    }

    /// Now, and when everything that was ever sent has arrived, all must be as the end says.
    fn has_ended(&mut self) {
        let end = self.run.clone();
        self.story
            .push(format!("{} {:?}", end.state.name(), end.reason));
        // What was given up is settled when its last word has arrived.
        if end.state != SagaState::Abandoned {
            self.world_is_as(&end);
        }

        for of in self.to_participants.keys().copied().collect::<Vec<_>>() {
            while self
                .to_participants
                .get(&of)
                .is_some_and(|queue| !queue.is_empty())
            {
                self.command_arrives(of);
            }
        }
        for of in self.to_saga.keys().copied().collect::<Vec<_>>() {
            while self.to_saga.get(&of).is_some_and(|queue| !queue.is_empty()) {
                self.reply_arrives(of);
            }
        }

        self.world_is_as(&end);
        if self.run != end {
            self.fails("it went on after its end");
        }
    }

    fn world_is_as(&self, end: &Run<D>) {
        let check = std::panic::AssertUnwindSafe(|| self.world.check(end));
        if let Err(cause) = std::panic::catch_unwind(check) {
            let story = self.story.join("\n");
            let text = cause
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| cause.downcast_ref::<&str>().copied());
            panic!(
                "{}\n\n{story}\n",
                text.unwrap_or("the world is not as it should be")
            );
        }
    }

    fn fails(&self, what: &str) -> ! {
        panic!("{what}\n\n{}\n", self.story.join("\n"));
    }
}
