//! Why a database cannot be opened, in one line that names the file, the cause and what to do.
//!
//! SQLite tells a kind of error and no file. What no waiting mends must end the start, so each
//! error of the start becomes a [`StoreError::Unusable`].

use std::path::Path;

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{DbErr, RuntimeErr};

use crate::StoreError;

const RESTORE: &str = "restore it from a backup (counterfoil restore)";
const PERMIT: &str = "allowed: a file that this process can read and write, with its -wal and -shm \
    files, in a folder where it can make files";
const RELEASE: &str = "end the process that holds it, and start again";
const MAKE_ROOM: &str = "make room on its disk, and start again";
const LOOK_AT_DISK: &str = "look at its disk and the system's log";

/// The primary result codes of SQLite that say what is to be done
/// (<https://www.sqlite.org/rescode.html>).
mod code {
    /// A table is not there: the file is a database of something else.
    pub(super) const ERROR: i32 = 1;
    pub(super) const PERM: i32 = 3;
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READONLY: i32 = 8;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const AUTH: i32 = 23;
    pub(super) const NOTADB: i32 = 26;
}

/// A file that the operating system does not give.
pub(crate) fn denied(file: &Path, cause: impl ToString) -> StoreError {
    unusable(file, cause, PERMIT)
}

/// A file that holds something else than it should.
pub(crate) fn damaged(file: &Path, cause: impl ToString) -> StoreError {
    unusable(file, cause, RESTORE)
}

/// A disk that does not do what it should.
pub(crate) fn disk(file: &Path, cause: impl ToString) -> StoreError {
    unusable(file, cause, LOOK_AT_DISK)
}

/// What a statement of the start has failed with.
pub(crate) fn opening(file: &Path, error: &DbErr) -> StoreError {
    unusable(file, cause(error), remedy(result_code(error)))
}

/// The same of a connection without SeaORM.
pub(crate) fn reading(file: &Path, error: &rusqlite::Error) -> StoreError {
    let code = error.sqlite_error().map(|error| error.extended_code & 0xff);
    unusable(file, error, remedy(code))
}

fn remedy(result_code: Option<i32>) -> &'static str {
    match result_code {
        Some(code::ERROR | code::NOTADB | code::CORRUPT) => RESTORE,
        Some(code::PERM | code::READONLY | code::CANTOPEN | code::AUTH) => PERMIT,
        Some(code::BUSY | code::LOCKED) => RELEASE,
        Some(code::FULL) => MAKE_ROOM,
        _ => LOOK_AT_DISK,
    }
}

fn unusable(file: &Path, cause: impl ToString, remedy: &'static str) -> StoreError {
    StoreError::Unusable {
        file: file.display().to_string(),
        cause: cause.to_string(),
        remedy,
    }
}

fn sqlx(error: &DbErr) -> Option<&SqlxError> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

/// The primary code, whatever the extended one says.
fn result_code(error: &DbErr) -> Option<i32> {
    let extended = sqlx(error)?.as_database_error()?.code()?;
    extended.parse::<i32>().ok().map(|code| code & 0xff)
}

/// SQLite's own words, without what its callers put around them.
fn cause(error: &DbErr) -> String {
    match sqlx(error) {
        Some(SqlxError::Database(told)) => told.message().to_owned(),
        Some(SqlxError::PoolTimedOut) => "it does not answer".to_owned(),
        Some(other) => other.to_string(),
        None => error.to_string(),
    }
}
