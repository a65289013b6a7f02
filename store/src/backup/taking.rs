//! Taking a backup.
//!
//! Each database is read in a transaction of its own, and these cannot begin at one moment. What
//! must hold is less: nobody has read more of another than the other's copy has. A transaction that
//! begins later may see that a reader has gone on, so the positions are compared when all have
//! begun; when one is beyond, all begin again. That takes a whole commit of the reader between two
//! beginnings, which lie microseconds apart. The copies then take as long as they take: a node goes
//! on meanwhile, and only its write-ahead logs grow.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::copying::{self, Progress, Sum};
use super::manifest::{Manifest, StoredCopy, file_of};
use super::{BackupError, refuse_unfinished_restore};
use crate::ServiceSchema;
use crate::deployment::{Account, Misfit, compare};

/// How often it looks for a set of moments.
const ATTEMPTS: u32 = 1_000;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(1);

/// A database and the moment at which it is read.
struct Source {
    service: String,
    file: PathBuf,
    connection: Connection,
}

/// Takes a backup of the databases of these services in a data folder, with a node running on it or
/// not.
///
/// # Errors
/// When the target is not empty, a database is missing or cannot be read, or a copy is not sound.
/// What has been written by then is no backup.
pub fn take(
    services: &[ServiceSchema],
    data: &Path,
    to: &Path,
    taken_at: String,
    progress: &mut dyn FnMut(Progress),
) -> Result<Manifest, BackupError> {
    refuse_unfinished_restore(data)?;
    let sources: Vec<Source> = services
        .iter()
        .map(|schema| Source::open(schema.service.name(), data))
        .collect::<Result<_, _>>()?;
    must_be_empty(to)?;
    copying::make_folder(to)?;

    let accounts = moments(&sources)?;
    let mut copies = Vec::new();
    for source in &sources {
        let copy = to.join(file_of(&source.service));
        copying::copy_database(&source.connection, &copy, progress)?;
        copying::sync_file(&copy)?;
        copies.push((source.service.clone(), copy));
    }
    drop(sources);

    let copied = copying::examine(&copies)?;
    let databases = copied.iter().map(stored_copy).collect::<Result<_, _>>()?;
    let deployment = accounts.iter().find_map(|account| account.deployment);
    let manifest = Manifest::new(taken_at, deployment, databases);
    manifest.write(to)?;
    Ok(manifest)
}

fn stored_copy(account: &Account) -> Result<StoredCopy, BackupError> {
    let Sum { bytes, sha256 } = Sum::of(&account.file).map_err(BackupError::io(&account.file))?;
    Ok(StoredCopy {
        service: account.service.clone(),
        file: file_of(&account.service),
        bytes,
        sha256,
        ends: account.ends.clone(),
    })
}

fn must_be_empty(folder: &Path) -> Result<(), BackupError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(BackupError::io(folder))?,
    };
    match entries.into_iter().next() {
        Some(_) => Err(BackupError::NotEmpty(folder.to_owned())),
        None => Ok(()),
    }
}

/// Begins a transaction on each database so that they fit together, and gives what they say then.
fn moments(sources: &[Source]) -> Result<Vec<Account>, BackupError> {
    let mut attempt = 1;
    loop {
        for source in sources {
            source.begin()?;
        }

        let accounts: Vec<Account> = sources
            .iter()
            .map(Source::account)
            .collect::<Result<_, _>>()?;
        match compare(&accounts) {
            Ok(()) => return Ok(accounts),
            Err(misfit @ Misfit::Older { .. }) if attempt == ATTEMPTS => {
                let attempts = ATTEMPTS;
                return Err(BackupError::NoMoment { attempts, misfit });
            }
            Err(Misfit::Older { .. }) => {}
            Err(misfit) => return Err(crate::StoreError::from(misfit).into()),
        }

        for source in sources {
            source.end()?;
        }
        std::thread::sleep(BETWEEN_ATTEMPTS);
        attempt += 1;
    }
}

impl Source {
    fn open(service: &str, data: &Path) -> Result<Self, BackupError> {
        let file = data.join(file_of(service));
        if !file.exists() {
            return Err(BackupError::NoDatabase(file));
        }

        // To read the commits of a node that was killed, they may have to be looked through first,
        // which writes beside the database.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(&file, flags).map_err(BackupError::database(&file))?;
        connection
            .pragma_update(None, "query_only", true)
            .map_err(BackupError::database(&file))?;

        Ok(Source {
            service: service.to_owned(),
            file,
            connection,
        })
    }

    /// The first read fixes the moment.
    fn begin(&self) -> Result<(), BackupError> {
        self.execute("BEGIN; SELECT count(*) FROM settings")
    }

    fn end(&self) -> Result<(), BackupError> {
        self.execute("ROLLBACK")
    }

    fn execute(&self, sql: &str) -> Result<(), BackupError> {
        self.connection
            .execute_batch(sql)
            .map_err(BackupError::database(&self.file))
    }

    fn account(&self) -> Result<Account, BackupError> {
        Ok(Account::of(&self.service, &self.file, &self.connection)?)
    }
}
