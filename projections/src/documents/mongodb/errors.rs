//! What the driver's errors mean to a view: data that MongoDB refuses is no outage, as trying again
//! would not help.

use mongodb::error::{Error, ErrorKind};

use crate::ViewError;
use crate::documents::{corrupt, unavailable};

pub(super) const DUPLICATE_KEY: i32 = 11_000;
pub(super) const NAMESPACE_EXISTS: i32 = 48;

/// The codes by which the server refuses data: bad values, types and BSON, names of fields,
/// documents too large.
const REFUSED_DATA: [i32; 10] = [2, 9, 14, 15, 22, 52, 57, 10_334, 17_419, 17_420];

pub(super) fn failed(error: Error) -> ViewError {
    match &*error.kind {
        ErrorKind::Bson(_) | ErrorKind::InvalidArgument { .. } => corrupt(error),
        ErrorKind::Command(command) if REFUSED_DATA.contains(&command.code) => corrupt(error),
        _ => unavailable(error),
    }
}

/// One statement of a bulk that was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Its place among the statements.
    pub index: usize,
    pub code: i32,
    pub message: String,
}

impl From<Refused> for ViewError {
    fn from(refused: Refused) -> Self {
        let Refused { code, message, .. } = refused;
        if REFUSED_DATA.contains(&code) {
            corrupt(message)
        } else {
            unavailable(message)
        }
    }
}

pub(super) fn code_of(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}
