//! Restoring a backup into an empty data folder.
//!
//! The folder is marked as unfinished before anything is written, and the mark goes last; a node
//! does not start on a folder that has it, and a restore that was killed is begun again. What is
//! restored is another deployment than what the backup was taken of: from here on the two go
//! different ways, so their files and views must not be mixed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use uuid::Uuid;

use super::copying::{self, Progress};
use super::{BackupError, Manifest};
use crate::database::all_of;
use crate::deployment::{COMPLETE, ID, ORIGIN};
use crate::{ServiceSchema, StoreError};

/// In a data folder that is being restored.
const UNFINISHED: &str = "restore.unfinished";
const RESTORED_FROM: &str = "restored_from";
const SET: &str = "INSERT INTO settings (name, value) VALUES (?, ?) \
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/// The deployment that a backup is of began its history, unless it was restored itself.
const KEEP_ORIGIN: &str = "INSERT OR IGNORE INTO settings (name, value) \
    SELECT ?1, value FROM settings WHERE name = ?2";

/// Restores a backup of these services into a data folder that holds nothing but `spared` files.
/// The folder must be the caller's alone. Gives the manifest and the id of the deployment that
/// begins here.
///
/// # Errors
/// When the backup is not whole, the folder is not empty, or a copy is not sound. What was written
/// by then does not start.
pub fn restore(
    services: &[ServiceSchema],
    from: &Path,
    data: &Path,
    spared: &[&str],
    progress: &mut dyn FnMut(Progress),
) -> Result<(Manifest, Uuid), BackupError> {
    let manifest = Manifest::read(services, from)?;
    let targets: Vec<(String, PathBuf)> = manifest
        .databases
        .iter()
        .map(|copy| (copy.service.clone(), data.join(&copy.file)))
        .collect();

    copying::make_folder(data)?;
    clear(data, spared, &targets)?;
    mark(data, from)?;

    for (copy, (_, target)) in manifest.databases.iter().zip(&targets) {
        copying::copy_file(&from.join(&copy.file), target, progress)?;
    }
    let deployment = Uuid::now_v7();
    for (_, target) in &targets {
        begin_anew(target, deployment, &manifest)?;
        copying::sync_file(target)?;
    }
    copying::examine(&targets)?;

    unmark(data)?;
    Ok((manifest, deployment))
}

/// Refuses a data folder in which a restore was interrupted.
pub(crate) fn refuse_unfinished(data: &Path) -> Result<(), StoreError> {
    let mark = data.join(UNFINISHED);
    match fs::read_to_string(&mark) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Ok(from) => Err(StoreError::Configuration(format!(
            "a restore into {} was interrupted; end it with counterfoil restore --from {from}",
            data.display()
        ))),
        Err(error) => Err(StoreError::Configuration(format!(
            "{}: {error}",
            mark.display()
        ))),
    }
}

/// Asserts that the folder is empty, or makes it so when it holds what an interrupted restore has
/// left.
fn clear(data: &Path, spared: &[&str], targets: &[(String, PathBuf)]) -> Result<(), BackupError> {
    let unfinished = data.join(UNFINISHED).exists();
    let left: Vec<PathBuf> = targets.iter().flat_map(|(_, file)| all_of(file)).collect();

    let mut found: Vec<OsString> = Vec::new();
    for entry in fs::read_dir(data).map_err(BackupError::io(data))? {
        found.push(entry.map_err(BackupError::io(data))?.file_name());
    }
    let foreign = found.iter().any(|name| {
        let of_restore = name == UNFINISHED || left.contains(&data.join(name));
        !(spared.iter().any(|spared| name == spared) || unfinished && of_restore)
    });
    if foreign {
        return Err(BackupError::NotEmpty(data.to_owned()));
    }

    for file in left.iter().filter(|file| file.exists()) {
        fs::remove_file(file).map_err(BackupError::io(file))?;
    }
    Ok(())
}

fn mark(data: &Path, from: &Path) -> Result<(), BackupError> {
    let mark = data.join(UNFINISHED);
    let write = || {
        let mut file = File::create(&mark)?;
        write!(file, "{}", std::path::absolute(from)?.display())
    };
    write().map_err(BackupError::io(&mark))?;
    copying::sync_file(&mark)
}

fn unmark(data: &Path) -> Result<(), BackupError> {
    let mark = data.join(UNFINISHED);
    fs::remove_file(&mark).map_err(BackupError::io(&mark))?;
    copying::sync_folder(data)
}

/// Gives a copy the id of the deployment that begins with it, and notes where it comes from.
fn begin_anew(file: &Path, deployment: Uuid, manifest: &Manifest) -> Result<(), BackupError> {
    let failed = || BackupError::database(file);
    let origin = format!(
        "deployment {} at {}",
        manifest
            .deployment
            .map_or("without id".to_owned(), |id| id.to_string()),
        manifest.taken_at
    );

    let mut connection = Connection::open(file).map_err(failed())?;
    let writing = connection.transaction().map_err(failed())?;
    writing
        .execute(KEEP_ORIGIN, [ORIGIN, ID])
        .map_err(failed())?;
    for (name, value) in [
        (ID, deployment.to_string()),
        (COMPLETE, true.to_string()),
        (RESTORED_FROM, origin),
    ] {
        writing.execute(SET, [name, &value]).map_err(failed())?;
    }
    writing.commit().map_err(failed())?;
    connection.close().map_err(|(_, error)| failed()(error))
}
