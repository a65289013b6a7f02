//! Choreography, looked at from outside: each event that others go on with becomes its command, once.

use std::collections::{BTreeMap, BTreeSet};

use domain::choreography::{CUSTOMERS_HEAR, ORDERS_HEAR};
use domain::{CUSTOMERS, Coordination, ORDERS, Service};
use sagas::handler::{Handler, Heard};
use sagas::{ShardId, WireMessage};
use store::log::embedded::EmbeddedLog;
use store::{Destination, Log, Message};
use uuid::Uuid;

use crate::callers::Ledger;
use crate::checks;
use crate::sent;
use crate::world::World;

/// Commands that handlers make: for whom, the wire name, the body; and how often each is there.
pub type Commands = BTreeMap<(Uuid, String, String), u64>;

/// Notes the commands of handlers that lie in the outboxes, before they are removed: they are what a
/// service sends to itself.
pub async fn note(world: &World, ledger: &Ledger) {
    if world.plan.coordination == Coordination::Orchestration {
        return;
    }

    for service in [CUSTOMERS, ORDERS] {
        for message in sent::new_messages(world, ledger, service, service).await {
            let body = message.body.get().to_owned();
            let command = (message.entity, message.name.clone().into_owned(), body);
            *ledger.reactions.borrow_mut().entry(command).or_default() += 1;
        }
    }
}

/// Compares what each service has sent to itself with what its handlers make of the other's events.
pub async fn each_event_became_its_command(world: &World, ledger: &Ledger) {
    note(world, ledger).await;
    let (log, mut due) = (checks::log(world), Commands::new());
    add_what_is_due(world, &log, ORDERS, &CUSTOMERS_HEAR, &mut due).await;
    add_what_is_due(world, &log, CUSTOMERS, &ORDERS_HEAR, &mut due).await;

    let sent = ledger.reactions.borrow();
    let all: BTreeSet<_> = due.keys().chain(sent.keys()).collect();
    for command in all {
        let times = |commands: &Commands| commands.get(command).copied().unwrap_or(0);
        let (due, sent) = (times(&due), times(&sent));
        if due != sent {
            let (entity, name, _) = command;
            world.violated(format!(
                "{name} was sent {sent} times to {entity}, for {due} events"
            ));
        }
    }
}

/// The commands that handlers make of the events of a service, to which nobody may have listened.
async fn add_what_is_due<C: WireMessage>(
    world: &World,
    log: &EmbeddedLog,
    of: Service,
    handlers: &[Handler<C>],
    due: &mut Commands,
) {
    for source in ShardId::all_of(of, world.plan.shards) {
        let events = log.read(source, Destination::Events, 0, usize::MAX >> 1);
        for event in events.await.expect("it answers") {
            if let Some((entity, command)) = made_of(&event, handlers) {
                let body = command.encode().expect("it has a JSON form");
                let name = command.wire_name().0.to_owned();
                *due.entry((entity, name, body.get().to_owned()))
                    .or_default() += 1;
            }
        }
    }
}

fn made_of<C>(event: &Message, handlers: &[Handler<C>]) -> Option<(Uuid, C)> {
    let mut handlers = handlers.iter();
    let handler = handlers.find(|handler| handler.hears(event.source.service, &event.name))?;
    let made = (handler.command)(&Heard {
        entity: event.entity,
        name: &event.name,
        type_version: event.type_version,
        body: event.body.get(),
    });
    made.expect("it can be read")
}
