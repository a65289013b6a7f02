//! What services have sent to each other, with what has been removed since: nothing is skipped, and
//! nothing done twice.

use std::collections::BTreeSet;

use domain::Coordination;
use sagas::{SagaId, ShardId};
use store::{Destination, Message};

use crate::reactions::Commands;
use crate::world::World;

/// The commands and replies of all services.
#[derive(Default)]
pub struct Sent {
    /// The attempts of sagas: the saga, and the number. Only sagas of orders have some.
    asked: BTreeSet<(SagaId, u32)>,
    answered: BTreeSet<(SagaId, u32)>,
    /// The commands that handlers have made of events: what a service sends to itself.
    pub reactions: Commands,
}

impl Sent {
    /// All of them, when everything is at rest. Looks whether a command was answered twice.
    pub fn read(world: &World) -> Self {
        let mut sent = Sent::default();

        for disk in &world.disks {
            for source in ShardId::all_of(disk.service(), world.plan.shards) {
                for message in disk.sent(source.number) {
                    sent.note(world, message);
                }
            }
        }
        sent
    }

    fn note(&mut self, world: &World, message: Message) {
        let Destination::Shard(receiver) = message.destination else {
            return;
        };
        let source = message.source.service;

        if receiver.service != source {
            let Some(attempt) = &message.attempt else {
                return;
            };
            let attempt = (attempt.saga, attempt.number);
            if source == domain::ORDERS {
                self.asked.insert(attempt);
            } else if !self.answered.insert(attempt) {
                world.violated("a command has several replies".to_owned());
            }
        } else if world.plan.coordination == Coordination::Choreography {
            let body = message.body.get().to_owned();
            let command = (message.entity, message.name.into_owned(), body);
            *self.reactions.entry(command).or_default() += 1;
        }
    }

    /// Nothing was skipped: whatever a saga has asked has been answered.
    pub fn each_command_has_its_reply(&self, world: &World) {
        for (saga, number) in self.asked.difference(&self.answered) {
            world.violated(format!("command {number} of saga {saga} has no reply"));
        }
    }
}
