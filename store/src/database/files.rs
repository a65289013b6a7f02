//! The files of an embedded database, looked at before SQLite opens them: a file that cannot be
//! read or written is named, whichever of the three it is, and a write-ahead log that has lost
//! commits is not taken for one that ends there.
//!
//! Never call this when the database is open in this process: closing a file gives up the locks
//! that the process holds on it, whoever took them.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{unusable, wal};
use crate::StoreError;

/// The database, the commits that are not in it yet, and their index in shared memory.
pub(crate) fn all_of(file: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    })
}

/// Whether each of the files, where it exists, can be read and written and may be what it is
/// called.
pub(super) fn check(file: &Path) -> Result<(), StoreError> {
    let [database, log, index] = all_of(file);
    for file in [&database, &log, &index] {
        can_be_written(file)?;
    }

    match fs::read(&log) {
        Ok(written) => wal::check(&written).map_err(|cause| unusable::damaged(&log, cause)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unusable::denied(&log, error)),
    }
}

fn can_be_written(file: &Path) -> Result<(), StoreError> {
    let found = match fs::metadata(file) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable::denied(file, error)),
    };
    if !found.is_file() {
        return Err(unusable::denied(file, "it is not a file"));
    }

    let opened = OpenOptions::new().read(true).write(true).open(file);
    opened
        .map(drop)
        .map_err(|error| unusable::denied(file, error))
}
