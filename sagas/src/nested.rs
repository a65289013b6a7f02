//! Sagas within sagas: what a saga and the nested one that its step has begun say to each other.
//!
//! The nested saga belongs to the service that runs it: it has a definition of its own there, and
//! lives in the shard of the entity it works on. Its parent knows it by its id alone, which follows
//! from the command that began it, so that a repeat of that command finds it. It answers the newest
//! command of its parent, when it has ended.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::wire::{Body, WireError};
use crate::{Address, Attempt, Reason, SagaData, SagaId, ShardId, WireMessage, wire_messages};

/// The data that a nested saga begins with, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NestedData(pub Body);

impl PartialEq for NestedData {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Eq for NestedData {}

/// Asks a saga to begin, as a step of another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BeginSaga {
    /// The nested saga's own id.
    pub saga: SagaId,
    /// Its type: the name of its definition.
    #[serde(rename = "type")]
    pub name: String,
    /// What it works on.
    pub entity: Uuid,
    /// Its data, as JSON.
    pub data: NestedData,
}

/// Asks a nested saga to compensate, whether it is under way, has completed or has never begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoSaga {
    /// The nested saga's own id.
    pub saga: SagaId,
}

wire_messages! {
    /// What a saga asks of the one that it has begun.
    pub enum NestedCommand {
        /// The saga begins, unless it has begun already.
        Begin(BeginSaga) = "saga.begin" 1,
        /// The saga compensates.
        Undo(UndoSaga) = "saga.undo" 1,
    }
}

/// An answer that says all by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoDetails {}

/// The nested saga has compensated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaCompensated {
    /// Why; absent when it had never begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

wire_messages! {
    /// What a nested saga answers.
    pub enum NestedReply {
        /// What it was begun for has happened: it has completed, or was given up after its pivot.
        Completed(NoDetails) = "saga.completed" 1,
        /// It has undone what it had done, was given up before its pivot, or had never begun.
        Compensated(SagaCompensated) = "saga.compensated" 1,
        /// It was asked to compensate, but had completed past its pivot.
        Irreversible(NoDetails) = "saga.irreversible" 1,
    }
}

impl NestedCommand {
    /// The wire name of the command that begins a nested saga.
    pub(crate) const BEGIN: &'static str = "saga.begin";
    /// The wire name of the command that undoes one.
    pub(crate) const UNDO: &'static str = "saga.undo";

    /// The nested saga that the command is for.
    #[must_use]
    pub fn saga(&self) -> SagaId {
        match self {
            NestedCommand::Begin(begin) => begin.saga,
            NestedCommand::Undo(undo) => undo.saga,
        }
    }
}

/// Whom a nested saga answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The shard of the saga that has begun it.
    pub shard: ShardId,
    /// The newest command of that saga; the answer echoes it.
    pub attempt: Attempt,
    /// Whether that command asked to undo it.
    pub wants_undo: bool,
}

/// What a nested saga that does not exist answers to being undone: there is nothing to undo, and
/// nothing will come, because whatever would begin it was sent before.
#[must_use]
pub fn never_begun() -> NestedReply {
    NestedReply::Compensated(SagaCompensated::default())
}

/// The data that a nested saga begins with.
#[must_use]
pub fn data<T: Serialize>(data: &T) -> Body {
    // Data without a JSON form, such as a map whose keys are not texts, is refused by the nested
    // saga's own service, which cannot read it.
    serde_json::value::to_raw_value(data).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// What a saga sends: a command of its own, or one of the mechanism.
#[derive(Clone, Debug, PartialEq)]
pub enum Outgoing<D: SagaData> {
    /// A command to a participant.
    Own(D::Command),
    /// A command to a nested saga.
    Nested(NestedCommand),
}

impl<D: SagaData> Outgoing<D> {
    /// The entity that the message addresses. Messages to one entity keep their order; a nested
    /// saga counts as an entity of its own.
    #[must_use]
    pub fn entity(&self, to: Address) -> Uuid {
        match self {
            Outgoing::Own(_) => to.entity,
            Outgoing::Nested(command) => command.saga().0,
        }
    }

    /// The name and version under which it is written.
    #[must_use]
    pub fn wire_name(&self) -> (&'static str, u16) {
        match self {
            Outgoing::Own(command) => command.wire_name(),
            Outgoing::Nested(command) => command.wire_name(),
        }
    }

    /// The JSON body.
    ///
    /// # Errors
    /// When the body has no JSON form.
    pub fn encode(&self) -> Result<Body, serde_json::Error> {
        match self {
            Outgoing::Own(command) => command.encode(),
            Outgoing::Nested(command) => command.encode(),
        }
    }
}

/// What a saga receives as an answer: a reply of a participant, or of a nested saga.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming<D: SagaData> {
    /// A reply of a participant.
    Own(D::Reply),
    /// A reply of a nested saga.
    Nested(NestedReply),
}

impl<D: SagaData> Incoming<D> {
    /// The name and version under which it was written.
    #[must_use]
    pub fn wire_name(&self) -> (&'static str, u16) {
        match self {
            Incoming::Own(reply) => reply.wire_name(),
            Incoming::Nested(reply) => reply.wire_name(),
        }
    }

    /// Reads a reply.
    ///
    /// # Errors
    /// An unknown name or version, or a body of another shape.
    pub fn decode(name: &str, version: u16, body: &str) -> Result<Self, WireError> {
        let is_nested = |(known, _): &(&str, u16)| *known == name;
        if NestedReply::WIRE_NAMES.iter().any(is_nested) {
            NestedReply::decode(name, version, body).map(Incoming::Nested)
        } else {
            D::Reply::decode(name, version, body).map(Incoming::Own)
        }
    }
}
