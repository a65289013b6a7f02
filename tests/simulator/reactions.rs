//! Choreography, looked at from outside: each event that others go on with becomes its command,
//! once.

use std::collections::{BTreeMap, BTreeSet};

use domain::choreography::{CUSTOMERS_HEAR, ORDERS_HEAR};
use domain::{CUSTOMERS, ORDERS};
use sagas::WireMessage;
use sagas::handler::{Handler, Heard};
use store::Message;
use uuid::Uuid;

use crate::events::Events;
use crate::world::World;

/// Commands that handlers make: for whom, the wire name, the body; and how often each is there.
pub type Commands = BTreeMap<(Uuid, String, String), u64>;

/// Compares what each service has sent to itself with what its handlers make of the other's events.
pub fn each_event_became_its_command(world: &World, sent: &Commands, events: &Events) {
    let mut due = Commands::new();
    add_what_is_due(events.of(ORDERS), &CUSTOMERS_HEAR, &mut due);
    add_what_is_due(events.of(CUSTOMERS), &ORDERS_HEAR, &mut due);

    let all: BTreeSet<_> = due.keys().chain(sent.keys()).collect();
    for command in all {
        let times = |commands: &Commands| commands.get(command).copied().unwrap_or(0);
        let (due, sent) = (times(&due), times(sent));
        if due != sent {
            let (entity, name, _) = command;
            world.violated(format!(
                "{name} was sent {sent} times to {entity}, for {due} events"
            ));
        }
    }
}

/// The commands that handlers make of events, to which nobody may have listened.
fn add_what_is_due<C: WireMessage>(
    events: &[Message],
    handlers: &[Handler<C>],
    due: &mut Commands,
) {
    for event in events {
        if let Some((entity, command)) = made_of(event, handlers) {
            let body = command.encode().expect("it has a JSON form");
            let name = command.wire_name().0.to_owned();
            *due.entry((entity, name, body.get().to_owned()))
                .or_default() += 1;
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
