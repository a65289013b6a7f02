//! What services have sent to each other, noted before it is removed: nothing is skipped, and nothing
//! done twice.

use domain::Service;
use sagas::{SagaId, ShardId};
use store::{Destination, Log, Message};

use crate::callers::Ledger;
use crate::world::World;
use crate::{checks, reactions};

/// Notes the commands and replies that lie in the outboxes, before they are removed, and looks
/// whether one was answered twice.
pub async fn note_what_is_sent(world: &World, ledger: &Ledger) {
    reactions::note(world, ledger).await;
    let commands = new_attempts(world, ledger, domain::ORDERS, domain::CUSTOMERS).await;
    ledger.commands.borrow_mut().extend(commands);

    for reply in new_attempts(world, ledger, domain::CUSTOMERS, domain::ORDERS).await {
        if !ledger.replies.borrow_mut().insert(reply) {
            world.violated("a command has several replies".to_owned());
        }
    }
}

/// Nothing was skipped: whatever a saga has asked has been answered.
pub async fn each_command_has_its_reply(world: &World, ledger: &Ledger) {
    note_what_is_sent(world, ledger).await;
    let (commands, replies) = (ledger.commands.borrow(), ledger.replies.borrow());
    for (saga, number) in commands.difference(&replies) {
        world.violated(format!("command {number} of saga {saga} has no reply"));
    }
}

/// The attempts that messages of one service to another are of, the saga and the number, as far as
/// they have not been looked at.
async fn new_attempts(
    world: &World,
    ledger: &Ledger,
    from: Service,
    to: Service,
) -> Vec<(SagaId, u32)> {
    let sent = new_messages(world, ledger, from, to).await;
    let attempts = sent.iter().filter_map(|message| message.attempt.as_ref());
    attempts
        .map(|attempt| (attempt.saga, attempt.number))
        .collect()
}

/// What one service has sent to another, or to itself, as far as it has not been looked at.
pub async fn new_messages(
    world: &World,
    ledger: &Ledger,
    from: Service,
    to: Service,
) -> Vec<Message> {
    let (log, shards) = (checks::log(world), world.plan.shards);
    let (mut messages, mut looked_up_to) = (Vec::new(), Vec::new());

    for source in ShardId::all_of(from, shards) {
        for receiver in ShardId::all_of(to, shards) {
            let way = (source, receiver);
            let after = ledger.looked_up_to.borrow().get(&way).copied();
            let destination = Destination::Shard(receiver);
            let sent = log.read(source, destination, after.unwrap_or(0), usize::MAX >> 1);
            let sent = sent.await.expect("it answers");

            looked_up_to.extend(sent.last().map(|last| (way, last.sequence)));
            messages.extend(sent);
        }
    }

    // Whoever looks may be ended while it reads.
    ledger.looked_up_to.borrow_mut().extend(looked_up_to);
    messages
}
