//! What an entity is to the mechanism: the decisions of one kind of thing that a service keeps, and
//! how to read and write its rows.
//!
//! Whoever builds a service implements [`Entity`] for its state and tells a node to
//! [run](crate::NodeBuilder::run) it. The decisions are pure: state and command in, event or
//! refusal out. The mechanism does the rest: one supervised actor per entity, one unit per
//! decision, replies that echo their command, sagas in the shard of the entity they work on, and
//! keys that make a repeated command have its effect once.

mod actor;
mod json;
mod outcome;

use std::fmt;
use std::future::Future;

use sagas::wire::names::Names;
use sagas::{Definition, Handler, Reason, SagaData, SagaId, Service, Timestamp, WireMessage};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::entities;
use store::loading::Found;
use store::mapping::{Memory, Stored};
use store::row_changes::{Journaled, RowChange};
use store::{ServiceDatabase, StoreError};
use uuid::Uuid;

pub(crate) use actor::{Ask, AskEntity, EntityActor, PartAsRead};
pub use outcome::{
    Answered, Decision, Done, Head, LocalRefusal, Notice, Overdue, PartNeeded, Seen, StepOf,
};
pub(crate) use outcome::{Change, EntityOutcome, Told, Waiting};

/// How many messages may wait in an actor's mailbox. Its shard asks one thing at a time.
pub(crate) const MAILBOX: usize = 4;

/// One kind of entity. A service keeps one kind, besides its sagas.
///
/// An entity's version counts its events from 1; [`fold`](Entity::fold) must give the same state
/// for the same events at any time.
pub trait Entity:
    Clone + fmt::Debug + Send + Sync + Serialize + DeserializeOwned + 'static
{
    /// The service that keeps it.
    const SERVICE: Service;
    /// The word for one of them in errors and in fault plans, for example `order`.
    const KIND: &'static str;
    /// The saga that begins with the creation of each of them, by the name of its definition.
    const BEGINS_WITH: Option<&'static str> = None;
    /// The sagas that work on it, in all versions that still run.
    const SAGAS: &'static [&'static Definition<Self::Saga>] = &[];
    /// What its service does when something has happened in another one. The commands come as
    /// requests to which nobody waits for a reply.
    const HANDLERS: &'static [Handler<Self::Request>] = &[];
    /// The number of the form in which snapshots have its state. Raise it when the state has a new
    /// meaning or its [`fold`](Entity::fold) comes to another one: snapshots of another form are
    /// not used.
    const SNAPSHOT_FORM: u16 = 1;
    /// The wire names of what [`notice`](Entity::notice) tells.
    const NOTICES: Names = &[];

    /// What callers ask. It crosses nodes as JSON.
    type Command: Clone + fmt::Debug + Send + Serialize + DeserializeOwned + 'static;
    /// What has happened to it.
    type Event: WireMessage;
    /// What sagas, of any service, ask, and what its own service asks by its handlers;
    /// [`NoMessage`](sagas::NoMessage) when nobody does.
    type Request: WireMessage;
    /// What it answers sagas; [`NoReply`](sagas::NoReply) when only handlers ask.
    type Reply: WireMessage;
    /// What the service keeps beside it in rows of their own, because there may be very many: a
    /// decision gets the one it is about. `()` when there are none.
    type Part: Clone + fmt::Debug + Send + 'static;
    /// The sagas that work on it; [`NoSaga`](sagas::NoSaga) when there are none.
    type Saga: SagaData;

    /// Its id, its version, and its times.
    fn head(&self) -> Head;

    /// The state after one more event; `None` when such an event cannot happen to it.
    fn fold(before: Option<Self>, id: Uuid, event: &Self::Event, at: Timestamp) -> Option<Self>;

    /// A caller's command.
    fn decide(entity: Option<&Self>, id: Uuid, command: Self::Command) -> Decision<Self>;

    /// What is kept of a command on it as an operator's deed, should something happen by it. `self`
    /// is the state before.
    fn done_by_operator(&self, command: &Self::Command) -> Option<Done> {
        let _ = command;
        None
    }

    /// The saga that begins with this event of a caller's command, and its data. `self` is the
    /// state after it.
    fn begins(&self, event: &Self::Event) -> Option<(&'static Definition<Self::Saga>, Self::Saga)> {
        let _ = event;
        None
    }

    /// The saga that began with its creation, by the name of its definition.
    fn begun_with(&self) -> Option<&'static str> {
        Self::BEGINS_WITH
    }

    /// Whether it waits for nobody: in a choreography an entity waits by itself, as a saga does for
    /// it otherwise. Callers that follow it are told when it no longer waits.
    fn is_settled(&self) -> bool {
        true
    }

    /// Whom it waits for, as long as it wants to be woken when that takes too long: in a
    /// choreography the deadline of sagas is the entity's own, counted from its newest event. An
    /// event on which a saga begins sets none.
    fn deadline(&self) -> Option<Uuid> {
        None
    }

    /// What it does when its deadline has passed.
    fn overdue(&self) -> Option<Overdue<Self>> {
        None
    }

    /// The entities of other services that were changed for it in a choreography, as far as it has
    /// been told.
    fn seen(&self) -> Vec<Seen> {
        Vec::new()
    }

    /// The entity of another service that the saga of this command will wait for first. When too
    /// many sagas wait for it already, the command is refused as overload.
    fn waits_for(command: &Self::Command) -> Option<Uuid> {
        let _ = command;
        None
    }

    /// Decides what a saga asks: the event, if any, and the reply. `part` is the one that
    /// [`part_of`](Entity::part_of) names. The requests of one saga keep their order, and each may
    /// come again: the last counts.
    fn react(
        entity: Option<&Self>,
        request: &Self::Request,
        part: Option<&Self::Part>,
    ) -> (Option<Self::Event>, Self::Reply);

    /// What is told of a request that has changed nothing, when no reply tells it.
    fn notice(request: &Self::Request, reply: &Self::Reply) -> Option<Notice> {
        let _ = (request, reply);
        None
    }

    /// Whether somebody asks again for what this request asks, when an operator discards it: its
    /// saga does, or the deadline of whoever waits for it. One for which nobody would cannot be
    /// discarded.
    fn is_asked_again(request: &Self::Request) -> bool {
        let _ = request;
        true
    }

    /// Whether a request only asks again for what one in the same words has asked before. While
    /// that one waits, nobody need keep the other.
    fn is_reminder(request: &Self::Request) -> bool {
        let _ = request;
        false
    }

    /// Whether a request that an operator puts into the place of another asks for the same as far
    /// as others count on it: whom it is about, and how much.
    fn asks_the_same(before: &Self::Request, after: &Self::Request) -> bool {
        before.wire_name() == after.wire_name()
    }

    /// Whom to answer when the message does not say: release 0.1 wrote it into the body.
    fn asked_by(request: &Self::Request) -> Option<SagaId> {
        let _ = request;
        None
    }

    /// A local step of a saga that works on it, as one more event.
    ///
    /// # Errors
    /// A refusal: the saga compensates, or stops and shows why.
    fn step(
        entity: Option<&Self>,
        step: <Self::Saga as SagaData>::Local,
        saga: StepOf<'_, Self::Saga>,
    ) -> Result<Self::Event, LocalRefusal> {
        let _ = (entity, saga);
        Err(LocalRefusal {
            reason: Reason::TIMED_OUT,
            detail: format!("no {} takes the step {step:?}", Self::KIND).into(),
        })
    }

    /// The entities of other services that a saga has changed, as far as it knows: whoever waits
    /// for its end sees these versions.
    fn seen_by(saga: &Self::Saga) -> Vec<Seen> {
        let _ = saga;
        Vec::new()
    }

    /// The part that the decision on a request needs.
    fn part_of(request: &Self::Request) -> Option<PartNeeded> {
        let _ = request;
        None
    }

    /// The part that an event has changed, and its new value.
    fn part_after(event: &Self::Event) -> Option<(Uuid, Option<Self::Part>)> {
        let _ = event;
        None
    }

    /// Reads parts by their keys.
    ///
    /// # Errors
    /// When the database does not answer.
    fn load_parts(
        database: &ServiceDatabase,
        keys: &[Uuid],
    ) -> impl Future<Output = Result<Found<Uuid, Self::Part>, StoreError>> {
        let _ = (database, keys);
        async { Ok(Found::new()) }
    }

    /// The change of the row of a part.
    fn part_row(&self, key: Uuid, part: Option<&Self::Part>) -> Option<RowChange> {
        let _ = (key, part);
        None
    }

    /// Reads entities by their ids.
    ///
    /// # Errors
    /// When the database does not answer.
    fn load(
        database: &ServiceDatabase,
        ids: &[Uuid],
    ) -> impl Future<Output = Result<Found<Uuid, Stored<Self>>, StoreError>> {
        json::load(database, ids)
    }

    /// Reads what the rows of entities remember, without their states: those come from their
    /// events.
    ///
    /// # Errors
    /// When the database does not answer.
    fn memories(
        database: &ServiceDatabase,
        ids: &[Uuid],
    ) -> impl Future<Output = Result<Found<Uuid, Memory>, StoreError>> {
        entities::memories(database, ids)
    }

    /// The row of an entity that `event` has created.
    ///
    /// # Errors
    /// When it cannot be written.
    fn inserted(stored: &Stored<Self>, event: &Self::Event) -> Result<RowChange, StoreError> {
        let _ = event;
        Ok(json::row(stored)?.insert())
    }

    /// The row of an entity that has changed since this version.
    ///
    /// # Errors
    /// When it cannot be written.
    fn updated(stored: &Stored<Self>, expected_version: u64) -> Result<RowChange, StoreError> {
        Ok(json::row(stored)?.update(expected_version))
    }

    /// The name by which a fault plan picks it.
    fn label(&self) -> Option<&str> {
        None
    }

    /// The name by which a fault plan picks the command that creates one.
    fn label_of(command: &Self::Command) -> Option<&str> {
        let _ = command;
        None
    }

    /// The name by which a fault plan picks a reply to one of its sagas.
    fn label_of_reply(reply: &<Self::Saga as SagaData>::Reply) -> Option<&str> {
        let _ = reply;
        None
    }
}
