//! Backups of the embedded databases of a node, whether it runs or not, and the way back.
//!
//! A backup is a folder: a copy of each service's database, and a manifest that names them with
//! their checksums. The copies are of one set of moments that fit together: no database has read
//! more of another than the other's copy holds ([`take`]). The manifest is written last, so a
//! folder without one is no backup.
//!
//! Views are left out. They are a fold of the databases' history, and are built anew where a backup
//! is restored.

mod copying;
mod manifest;
mod restoring;
mod taking;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use copying::Progress;
pub use manifest::{Manifest, StoredCopy};
pub(crate) use restoring::refuse_unfinished as refuse_unfinished_restore;
pub use restoring::restore;
pub use taking::take;

use crate::StoreError;
use crate::deployment::Misfit;

/// Why a backup was not taken or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Nothing is written over.
    #[error("{} is not empty; allowed: a folder that is empty or does not exist", .0.display())]
    NotEmpty(PathBuf),
    /// A folder does not hold all that a backup ends with, or something else.
    #[error(
        "{} is no whole backup: {cause}; allowed: a folder that counterfoil backup has ended with",
        folder.display()
    )]
    NotWhole {
        /// What was to be restored.
        folder: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// A database of the data folder is missing.
    #[error("{} is not there; allowed: the data folder of a node", .0.display())]
    NoDatabase(PathBuf),
    /// The databases changed faster than they could be looked at together.
    #[error(
        "no moment was found in {attempts} attempts at which the databases fit together: {misfit}"
    )]
    NoMoment {
        /// How often a moment was looked for.
        attempts: u32,
        /// Why the last one was none.
        misfit: Misfit,
    },
    /// SQLite finds fault with a copy.
    #[error("the copy {} is not sound: {cause}", file.display())]
    Unsound {
        /// The copy.
        file: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// A file or a folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A database cannot be read or written.
    #[error("{}: {source}", file.display())]
    Database {
        /// Which one.
        file: PathBuf,
        /// What SQLite says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The databases do not fit together, or their settings cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackupError {
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| BackupError::Io { path, source }
    }

    fn database(file: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        let file = file.to_owned();
        move |source| BackupError::Database {
            file,
            source: Box::new(source),
        }
    }
}
