//! What a backup says about itself.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::BackupError;
use super::copying::{self, Sum};
use crate::ServiceSchema;

const FILE: &str = "manifest.json";
/// Until it is whole.
const UNFINISHED: &str = "manifest.json.unfinished";
/// Raised when an older release could not restore such a backup.
const FORMAT: u32 = 1;

/// What a whole backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The form of the manifest itself.
    pub format: u32,
    /// The release that took it.
    pub release: String,
    /// When it was begun, in RFC 3339.
    pub taken_at: String,
    /// Absent when the databases are of a release that gave none.
    pub deployment: Option<Uuid>,
    /// The copies, one of each service.
    pub databases: Vec<StoredCopy>,
}

/// The copy of one service's database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredCopy {
    /// Whose database it is, by name.
    pub service: String,
    /// Its name in the folder of the backup.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 as hexadecimal digits.
    pub sha256: String,
    /// The newest sequence of each shard's outbox.
    pub ends: BTreeMap<u16, u64>,
}

impl Manifest {
    pub(super) fn new(
        taken_at: String,
        deployment: Option<Uuid>,
        databases: Vec<StoredCopy>,
    ) -> Self {
        Manifest {
            format: FORMAT,
            release: env!("CARGO_PKG_VERSION").to_owned(),
            taken_at,
            deployment,
            databases,
        }
    }

    /// Writes it into a folder, which makes that a backup.
    pub(super) fn write(&self, folder: &Path) -> Result<(), BackupError> {
        let (unfinished, whole) = (folder.join(UNFINISHED), folder.join(FILE));
        let failed = || BackupError::io(&whole);
        let json = serde_json::to_vec_pretty(self).map_err(|error| failed()(error.into()))?;

        let mut file = File::create(&unfinished).map_err(failed())?;
        file.write_all(&json).map_err(failed())?;
        file.sync_all().map_err(failed())?;
        fs::rename(&unfinished, &whole).map_err(failed())?;
        copying::sync_folder(folder)
    }

    /// Reads the manifest of a backup of these services, and compares each file with what it says.
    ///
    /// # Errors
    /// When the backup is not whole.
    pub(super) fn read(services: &[ServiceSchema], folder: &Path) -> Result<Self, BackupError> {
        let not_whole = |cause: String| BackupError::NotWhole {
            folder: folder.to_owned(),
            cause,
        };

        let json =
            fs::read(folder.join(FILE)).map_err(|error| not_whole(format!("{FILE}: {error}")))?;
        let manifest: Manifest =
            serde_json::from_slice(&json).map_err(|error| not_whole(format!("{FILE}: {error}")))?;
        if manifest.format > FORMAT {
            let release = &manifest.release;
            return Err(not_whole(format!(
                "it was taken by a newer release, {release}"
            )));
        }

        let names: Vec<&str> = services
            .iter()
            .map(|schema| schema.service.name())
            .collect();

        for name in &names {
            if !manifest.databases.iter().any(|copy| copy.service == *name) {
                return Err(not_whole(format!("it has no copy of {name}")));
            }
        }

        for copy in &manifest.databases {
            // A name could lead elsewhere.
            if !names.contains(&copy.service.as_str()) || copy.file != file_of(&copy.service) {
                return Err(not_whole(format!("it holds {}", copy.file)));
            }
            let file = folder.join(&copy.file);
            let found =
                Sum::of(&file).map_err(|error| not_whole(format!("{}: {error}", copy.file)))?;
            if found != copy.sum() {
                let cause = format!("{} is not what was written", copy.file);
                return Err(not_whole(cause));
            }
        }

        Ok(manifest)
    }
}

/// The name of a service's database, in a backup as in a data folder.
pub(super) fn file_of(service: &str) -> String {
    format!("{service}.db")
}

impl StoredCopy {
    pub(super) fn sum(&self) -> Sum {
        Sum {
            bytes: self.bytes,
            sha256: self.sha256.clone(),
        }
    }
}
