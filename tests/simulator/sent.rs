//! What services have sent to each other, noted before it is removed: nothing is skipped, and
//! nothing done twice.

use sagas::ShardId;
use store::{Destination, Message};

use crate::callers::Ledger;
use crate::reactions;
use crate::world::World;

/// Notes the commands and replies that lie in the outboxes, before they are removed, and looks
/// whether one was answered twice.
pub fn note_what_is_sent(world: &World, ledger: &Ledger) {
    for message in new_messages(world, ledger) {
        let Destination::Shard(receiver) = message.destination else {
            continue;
        };
        if receiver.service == message.source.service {
            reactions::note(world, ledger, message);
        } else {
            note_attempt(world, ledger, &message);
        }
    }
}

/// Only sagas of orders have attempts: they send commands, and what comes back are replies.
fn note_attempt(world: &World, ledger: &Ledger, message: &Message) {
    let Some(attempt) = &message.attempt else {
        return;
    };
    let attempt = (attempt.saga, attempt.number);

    if message.source.service == domain::ORDERS {
        ledger.commands.borrow_mut().insert(attempt);
    } else if !ledger.replies.borrow_mut().insert(attempt) {
        world.violated("a command has several replies".to_owned());
    }
}

/// Nothing was skipped: whatever a saga has asked has been answered. What was sent is noted.
pub fn each_command_has_its_reply(world: &World, ledger: &Ledger) {
    let (commands, replies) = (ledger.commands.borrow(), ledger.replies.borrow());
    for (saga, number) in commands.difference(&replies) {
        world.violated(format!("command {number} of saga {saga} has no reply"));
    }
}

/// What lies in the outboxes, as far as it has not been looked at.
fn new_messages(world: &World, ledger: &Ledger) -> Vec<Message> {
    let mut looked_up_to = ledger.looked_up_to.borrow_mut();
    let mut messages = Vec::new();

    for disk in &world.disks {
        for source in ShardId::all_of(disk.service(), world.plan.shards) {
            let after = looked_up_to.entry(source).or_default();
            let sent = disk.outbox(source.number, *after);
            *after = sent.last().map_or(*after, |last| last.sequence);
            messages.extend(sent);
        }
    }
    messages
}
