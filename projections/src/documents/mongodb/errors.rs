//! What the driver's errors mean to a view: data that MongoDB refuses is no outage, and what cannot
//! be read as what was written is damaged. Trying again would help neither.

use mongodb::error::{Error, ErrorKind};

use crate::ViewError;
use crate::documents::{damaged, refused, unavailable};

pub(super) const DUPLICATE_KEY: i32 = 11_000;
pub(super) const NAMESPACE_EXISTS: i32 = 48;

/// The codes by which the server refuses data: bad values, types and BSON, names of fields,
/// documents too large.
const REFUSED_DATA: [i32; 10] = [2, 9, 14, 15, 22, 52, 57, 10_334, 17_419, 17_420];

/// The codes by which it says that an index of the name is another one.
const OTHER_INDEX: [i32; 2] = [85, 86];

/// How it says that an index is gone that a query names.
const NO_INDEX: &str = "hint";

pub(super) fn failed(error: Error) -> ViewError {
    match &*error.kind {
        // What we write is put together before, so this is about what was read.
        ErrorKind::Bson(_) => damaged(error),
        ErrorKind::InvalidArgument { .. } => refused(error),
        ErrorKind::Command(command) if OTHER_INDEX.contains(&command.code) => damaged(error),
        // It is made again soon.
        ErrorKind::Command(command) if command.message.contains(NO_INDEX) => unavailable(error),
        ErrorKind::Command(command) if REFUSED_DATA.contains(&command.code) => refused(error),
        _ => unavailable(error),
    }
}

/// One statement of a bulk that was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Its place among the statements.
    pub index: usize,
    /// The server's code for the reason.
    pub code: i32,
    /// The reason in the server's words.
    pub message: String,
}

impl From<Refused> for ViewError {
    fn from(statement: Refused) -> Self {
        let Refused { code, message, .. } = statement;
        if REFUSED_DATA.contains(&code) {
            refused(message)
        } else {
            unavailable(message)
        }
    }
}

pub(super) fn code_of(error: &Error) -> Option<i32> {
    use mongodb::error::WriteFailure;
    match &*error.kind {
        ErrorKind::Command(command) => Some(command.code),
        ErrorKind::Write(WriteFailure::WriteError(write)) => Some(write.code),
        _ => None,
    }
}
