//! What SQLite's errors mean to a view, whichever of the two drivers they come by: whether the file
//! is at fault, or the data, or whether it is worth another try.

use std::fs::OpenOptions;
use std::path::Path;

use rusqlite::ffi;
use sea_orm::sqlx;
use sea_orm::{DbErr, RuntimeErr};

use crate::ViewError;
use crate::documents::{damaged, refused, unavailable};
use crate::files::{beside, is_at_fault};

/// What SQLite keeps beside a file while it is open, or after a crash.
pub(super) const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// What an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The file: it cannot be read or written, whatever is tried.
    File,
    /// What was to be written.
    Data,
    /// Something that passes: a full disk, a lock, a failed read.
    Passing,
}

/// Reads one of SQLite's result codes, extended or not.
fn fault_of(code: i32, message: &str) -> Fault {
    let lacks_a_table = || {
        ["no such table", "no such column", "has no column named"]
            .iter()
            .any(|what| message.contains(what))
    };

    match code & 0xff {
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB | ffi::SQLITE_READONLY => Fault::File,
        ffi::SQLITE_ERROR if lacks_a_table() => Fault::File,
        ffi::SQLITE_CONSTRAINT | ffi::SQLITE_TOOBIG | ffi::SQLITE_MISMATCH => Fault::Data,
        _ => Fault::Passing,
    }
}

/// An error of the writer's connection.
pub(super) fn written(error: rusqlite::Error) -> ViewError {
    use rusqlite::Error;

    let fault = match &error {
        Error::SqliteFailure(code, message) => {
            fault_of(code.extended_code, message.as_deref().unwrap_or_default())
        }
        // A column holds something of another type than the writer has put there.
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..)
        | Error::InvalidColumnName(_)
        | Error::Utf8Error(..) => Fault::File,
        _ => Fault::Passing,
    };

    match fault {
        Fault::File => damaged(error),
        Fault::Data => refused(error),
        Fault::Passing => unavailable(error),
    }
}

/// An error of a reading connection. It writes nothing, so data is never at fault.
pub(super) fn read(error: DbErr) -> ViewError {
    if is_of_the_file(&error) {
        damaged(error)
    } else {
        unavailable(error)
    }
}

/// An error in making the tables of a file. Whatever SQLite or the list of migrations has against
/// the file, it has against it the next time as well.
pub(super) fn opened(error: DbErr) -> ViewError {
    let is_refused = matches!(error, DbErr::Custom(_) | DbErr::Migration(_))
        || result_code(&error).is_some_and(|(code, _)| code & 0xff == ffi::SQLITE_ERROR);
    if is_refused {
        damaged(error)
    } else {
        read(error)
    }
}

fn is_of_the_file(error: &DbErr) -> bool {
    if let Some((code, message)) = result_code(error) {
        return fault_of(code, &message) == Fault::File;
    }

    match error {
        DbErr::Type(_) | DbErr::Json(_) | DbErr::TryIntoErr { .. } => true,
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => matches!(
            **error,
            sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::Decode(_)
        ),
        _ => false,
    }
}

/// SQLite's result code, and what it says.
fn result_code(error: &DbErr) -> Option<(i32, String)> {
    let (DbErr::Conn(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return None;
    };
    let error = error.as_database_error()?;
    Some((error.code()?.parse().ok()?, error.message().to_owned()))
}

/// Looks whether a file, and what lies beside it, can be opened as files at all. SQLite itself says
/// no more than that it cannot, also when the process has too many files open.
pub(super) fn probe(path: &Path) -> Result<(), ViewError> {
    for suffix in [""].into_iter().chain(BESIDE) {
        let path = beside(path, suffix);
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        if let Err(error) = opened
            && is_at_fault(&error)
        {
            return Err(damaged(format_args!("{}: {error}", path.display())));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_at_fault_is_told_from_a_full_disk_and_from_data() {
        let faults = [
            (ffi::SQLITE_CORRUPT_INDEX, "", Fault::File),
            (ffi::SQLITE_NOTADB, "", Fault::File),
            (ffi::SQLITE_READONLY_DBMOVED, "", Fault::File),
            (
                ffi::SQLITE_ERROR,
                "no such table: order_documents",
                Fault::File,
            ),
            (
                ffi::SQLITE_ERROR,
                "near \"x\": syntax error",
                Fault::Passing,
            ),
            (ffi::SQLITE_CONSTRAINT_NOTNULL, "", Fault::Data),
            (ffi::SQLITE_TOOBIG, "", Fault::Data),
            (ffi::SQLITE_FULL, "", Fault::Passing),
            (ffi::SQLITE_IOERR_READ, "", Fault::Passing),
            (ffi::SQLITE_BUSY, "", Fault::Passing),
            (ffi::SQLITE_CANTOPEN, "", Fault::Passing),
        ];
        for (code, message, fault) in faults {
            assert_eq!(fault_of(code, message), fault, "{code} {message}");
        }
    }
}
