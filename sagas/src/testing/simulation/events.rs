//! What happens in a simulation: messages arrive, the saga is woken, stopped and restarted.

use std::collections::VecDeque;

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{Sent, Simulation, Stop};
use crate::testing::World;
use crate::{
    Action, Attempt, Effect, Incoming, Meaning, Outgoing, Reason, SagaData, StepRecord, Timestamp,
    WireMessage,
};

impl<D: SagaData, W: World<D>> Simulation<D, W> {
    pub(super) fn command_arrives(&mut self, of: Uuid) {
        let queue = self.to_participants.get_mut(&of);
        let Some(Sent {
            to,
            command,
            attempt,
        }) = queue.and_then(VecDeque::pop_front)
        else {
            return;
        };
        self.happens(|| format!("{} arrives, {attempt}", command.wire_name().0));

        let reply = match &command {
            Outgoing::Own(command) => match self.planned_refusal(command, &attempt) {
                Some(refusal) => {
                    self.story.push(format!("  refused: {refusal}"));
                    Some(Incoming::Own(self.world.refuse(to, command, refusal)))
                }
                None => self.world.command(to, command).map(Incoming::Own),
            },
            Outgoing::Nested(command) => Some(Incoming::Nested(self.world.nested(to, command))),
        };

        self.commands += 1;
        if let Some(reply) = reply {
            let queue = self.to_saga.entry(of).or_default();
            queue.push_back((reply, attempt));
        }
    }

    /// The wire name of the reply that refuses the arriving command. A command that was carried out
    /// before is not refused: a participant answers its repeat as it did the first time.
    pub(super) fn planned_refusal(
        &mut self,
        command: &D::Command,
        attempt: &Attempt,
    ) -> Option<&'static str> {
        let (_, step) = self.run.definition.step(&attempt.step)?;
        let is_planned = self.plan.refuse_command == Some(self.commands);

        let asks = match step.action {
            Action::Ask { command, .. } => Some(command(&self.run.data)),
            _ => None,
        };
        if asks.is_none_or(|asked| asked.wire_name() != command.wire_name()) {
            self.carried_out.remove(step.name);
            return None;
        }

        let refusal = refusals_of(step.action).nth(self.plan.refusal);
        let refusal = refusal.filter(|_| is_planned && !self.carried_out.contains(step.name));
        if refusal.is_none() {
            self.carried_out.insert(step.name);
        }
        refusal
    }

    pub(super) fn reply_arrives(&mut self, of: Uuid) {
        let queue = self.to_saga.get_mut(&of);
        if let Some(reply) = queue.and_then(VecDeque::pop_front) {
            self.arrived.push(reply);
            self.reply_again(self.arrived.len() - 1);
        }
    }

    pub(super) fn reply_again(&mut self, index: usize) {
        if let Some((reply, attempt)) = self.arrived.get(index).cloned() {
            self.happens(|| format!("{reply:?} to {attempt}"));
            let (policy, now) = (self.policy, self.now);
            let effects = self.run.replied(&reply, Some(&attempt), &policy, now);
            self.carry_out(effects);
        }
    }

    pub(super) fn wake(&mut self) {
        self.wake_for(self.run.wake_at);
    }

    pub(super) fn wake_for(&mut self, set_for: Option<Timestamp>) {
        if let Some(set_for) = set_for {
            self.happens(|| format!("woken for {set_for}"));
            let effects = self.run.woken(set_for, &self.policy, self.now);
            self.carry_out(effects);
        }
    }

    pub(super) fn retry(&mut self) {
        self.happens(|| "an operator has it tried again".to_owned());
        let effects = self.run.retried(&self.policy, self.now);
        self.carry_out(effects);
    }

    /// The second time says the same again, as when somebody has discarded the first.
    pub(super) fn give_up(&mut self) {
        for _ in 0..2 {
            self.happens(|| "an operator gives it up".to_owned());
            let effects = self.run.abandoned(self.now);
            self.carry_out(effects);
        }
    }

    pub(super) fn stop_as_planned(&mut self) {
        if let Some((moment, stop)) = self.plan.stop
            && moment <= self.moments
        {
            self.plan.stop = None;
            self.stop(stop);
        }
    }

    pub(super) fn stop(&mut self, stop: Stop) {
        match stop {
            Stop::Deadline => self.wake(),
            Stop::Operator => {
                self.happens(|| "an operator stops it".to_owned());
                let effects = self.run.cancelled(None, &self.policy, self.now);
                self.carry_out(effects);
            }
        }
    }

    /// Loses everything in memory, and reads it from what is stored.
    pub(super) fn restart(&mut self) {
        let data = read_back(&self.run.data);
        let steps: Option<Vec<StepRecord>> = read_back(&self.run.steps);
        let steps = steps.and_then(|steps| self.run.definition.fit(steps).ok());

        match data.zip(steps) {
            Some((data, (_, steps))) if data == self.run.data && steps == self.run.steps => {
                self.run.data = data;
                self.run.steps = steps;
            }
            _ => self.fails("what is stored of it does not read back"),
        }
    }

    pub(super) fn carry_out(&mut self, effects: Vec<Effect<D>>) {
        self.wake_ups.extend(self.run.wake_at);
        let mut effects = VecDeque::from(effects);

        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Send {
                    to,
                    command,
                    attempt,
                } => {
                    let queue = self.to_participants.entry(to.entity).or_default();
                    queue.push_back(Sent {
                        to,
                        command,
                        attempt,
                    });
                }
                Effect::Local { step, local } => {
                    if let Err(reason) = self.local(local) {
                        self.story.push(format!("  {step}: {local:?} is refused"));
                        let (policy, now) = (self.policy, self.now);
                        let instead = self
                            .run
                            .local_refused(step, reason, "refused", &policy, now);
                        effects = instead.into();
                    }
                }
                Effect::Answer { .. } => self.fails("it answers, and nobody has begun it"),
            }
        }
    }

    pub(super) fn local(&mut self, local: D::Local) -> Result<(), Reason> {
        self.locals += 1;
        if self.plan.refuse_local == Some(self.locals - 1) {
            return Err(Reason::named("REFUSED"));
        }
        self.story.push(format!("  does {local:?}"));
        self.world.local(local, &self.run)
    }
}

/// The replies that refuse an action.
pub(in crate::testing) fn refusals_of<D: SagaData>(
    action: Action<D>,
) -> impl Iterator<Item = &'static str> {
    let replies = match action {
        Action::Ask { replies, .. } => replies,
        _ => &[],
    };
    let refuses = |(_, meaning): &&(_, Meaning)| matches!(meaning, Meaning::Refused(_));
    replies.iter().filter(refuses).map(|(name, _)| *name)
}

fn read_back<T: Serialize + DeserializeOwned>(value: &T) -> Option<T> {
    let json = serde_json::to_string(value).ok()?;
    serde_json::from_str(&json).ok()
}
