//! Copying databases and files, durably, and whether a copy is sound.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};

use super::BackupError;
use crate::deployment::{Account, compare};
use crate::private_folder;

/// Pages that are copied between two looks at the progress.
const PAGES_AT_ONCE: i32 = 4_096;
/// Nobody else works on a copy. Should a lock stand in the way, the copying tries again.
const BETWEEN_TRIES: Duration = Duration::from_millis(10);
const READ_AT_ONCE: usize = 1 << 20;

/// How far a copy has come, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The name of the file that is copied.
    pub file: String,
    /// What is copied of it.
    pub done: u64,
    /// Its size.
    pub all: u64,
}

/// Copies a database as the transaction under way on its connection sees it, into one file that
/// needs no other.
pub(super) fn copy_database(
    from: &Connection,
    to: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BackupError> {
    let failed = || BackupError::database(to);
    let mut copy = Connection::open(to).map_err(failed())?;
    // The manifest tells whether it is whole, and it becomes durable when it is.
    copy.pragma_update(None, "synchronous", "OFF")
        .map_err(failed())?;
    let page: u64 = from
        .query_row("PRAGMA page_size", [], |row| row.get(0))
        .map_err(failed())?;

    let pages = |count: i32| u64::try_from(count).unwrap_or(0).saturating_mul(page);
    let copying = Backup::new(from, &mut copy).map_err(failed())?;
    loop {
        let step = copying.step(PAGES_AT_ONCE).map_err(failed())?;
        let state = copying.progress();
        progress(Progress {
            file: name_of(to),
            done: pages(state.pagecount - state.remaining),
            all: pages(state.pagecount),
        });
        match step {
            StepResult::Done => break,
            StepResult::More => {}
            _ => std::thread::sleep(BETWEEN_TRIES),
        }
    }
    drop(copying);

    // The copy has the mode of the original, which keeps commits in a second file.
    let mode: String = copy
        .pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get(0))
        .map_err(failed())?;
    if mode != "delete" {
        return Err(BackupError::Unsound {
            file: to.to_owned(),
            cause: format!("it stays in journal mode {mode}"),
        });
    }
    copy.close().map_err(|(_, error)| failed()(error))
}

/// Copies a file that nobody changes.
pub(super) fn copy_file(
    from: &Path,
    to: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BackupError> {
    let (mut source, mut target) = (
        File::open(from).map_err(BackupError::io(from))?,
        File::create(to).map_err(BackupError::io(to))?,
    );
    let all = source.metadata().map_err(BackupError::io(from))?.len();

    let mut done = 0;
    loop {
        let mut part = (&mut source).take(READ_AT_ONCE.try_into().unwrap_or(u64::MAX));
        let copied = io::copy(&mut part, &mut target).map_err(BackupError::io(to))?;
        if copied == 0 {
            return Ok(());
        }
        done += copied;
        let file = name_of(to);
        progress(Progress { file, done, all });
    }
}

/// Makes a file and its entry in the folder durable.
pub(super) fn sync_file(file: &Path) -> Result<(), BackupError> {
    File::open(file)
        .and_then(|file| file.sync_all())
        .map_err(BackupError::io(file))?;
    file.parent().map_or(Ok(()), sync_folder)
}

pub(super) fn sync_folder(folder: &Path) -> Result<(), BackupError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(BackupError::io(folder))
}

/// Makes a folder for its owner alone, and its entry in the one above durable.
pub(super) fn make_folder(folder: &Path) -> Result<(), BackupError> {
    private_folder::make(folder).map_err(BackupError::io(folder))?;
    let absolute = std::path::absolute(folder).map_err(BackupError::io(folder))?;
    absolute.parent().map_or(Ok(()), sync_folder)
}

fn name_of(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Whether copies are sound in themselves and fit together; gives what they say.
pub(super) fn examine(
    copies: &[(String, std::path::PathBuf)],
) -> Result<Vec<Account>, BackupError> {
    let accounts: Vec<Account> = copies
        .iter()
        .map(|(service, file)| examine_one(service, file))
        .collect::<Result<_, _>>()?;

    compare(&accounts).map_err(crate::StoreError::from)?;
    Ok(accounts)
}

fn examine_one(service: &str, file: &Path) -> Result<Account, BackupError> {
    let failed = || BackupError::database(file);
    let connection =
        Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed())?;
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(failed())?;
    if found != "ok" {
        return Err(BackupError::Unsound {
            file: file.to_owned(),
            cause: found,
        });
    }
    Ok(Account::of(service, file, &connection)?)
}

/// What identifies the contents of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub bytes: u64,
    pub sha256: String,
}

impl Sum {
    pub(super) fn of(file: &Path) -> io::Result<Self> {
        let mut file = File::open(file)?;
        let mut buffer = vec![0; READ_AT_ONCE];
        let (mut digest, mut bytes) = (Sha256::new(), 0);

        loop {
            let read = file.read(&mut buffer)?;
            let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else {
                break;
            };
            digest.update(part);
            bytes += u64::try_from(read).unwrap_or(u64::MAX);
        }

        let mut sha256 = String::new();
        for byte in digest.finalize() {
            // Writing to a text does not fail.
            let _ = write!(sha256, "{byte:02x}");
        }
        Ok(Sum { bytes, sha256 })
    }
}
