//! Types for a service that has no messages or no sagas.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};

use crate::wire::{Body, WireError};
use crate::{SagaData, WireMessage};

/// The messages of a service that sends and receives none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoMessage {}

impl WireMessage for NoMessage {
    const WIRE_NAMES: &'static [(&'static str, u16)] = &[];

    fn wire_name(&self) -> (&'static str, u16) {
        match *self {}
    }

    fn encode(&self) -> Result<Body, serde_json::Error> {
        match *self {}
    }

    fn decode(name: &str, version: u16, _: &str) -> Result<Self, WireError> {
        Err(WireError::UnknownType {
            name: name.to_owned(),
            version,
        })
    }
}

/// The replies of a service that gives none: what comes of its commands is told by its events. It
/// has no wire name, so nobody who waits for a reply can be sent one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoReply {}

impl WireMessage for NoReply {
    const WIRE_NAMES: &'static [(&'static str, u16)] = &[];

    fn wire_name(&self) -> (&'static str, u16) {
        ("", 0)
    }

    fn encode(&self) -> Result<Body, serde_json::Error> {
        serde_json::value::to_raw_value(self)
    }

    fn decode(name: &str, version: u16, _: &str) -> Result<Self, WireError> {
        Err(WireError::UnknownType {
            name: name.to_owned(),
            version,
        })
    }
}

/// The sagas of a service that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoSaga {}

impl SagaData for NoSaga {
    type Local = Infallible;
    type Command = NoMessage;
    type Reply = NoMessage;
}
