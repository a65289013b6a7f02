//! The data folder: the first start creates it, and it belongs to one node for as long as that
//! runs.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use anyhow::anyhow;
use store::private_folder;

use crate::config::reason;

/// The name of the file whose lock says that a node runs on a data folder.
pub(crate) const LOCK_FILE: &str = "lock";
/// Created and removed at once, to see that the folder can be written: stores make files beside
/// theirs.
const PROBE_FILE: &str = "lock.probe";

const WRITABLE_FOLDER: &str = "the path of a folder that this process can make or write to";

/// Takes a data folder, and creates it when it does not exist. The folder is taken as long as the
/// file lives. The lock is the operating system's, so a killed node leaves none behind.
///
/// # Errors
/// One line that names the setting, when another node works there or the folder cannot be written.
pub(crate) fn take(folder: &Path) -> anyhow::Result<File> {
    let refused = |why: &str, allowed: &str| {
        anyhow!(
            "data_dir (COUNTERFOIL_DATA_DIR) is {:?} and {why}; allowed: {allowed}",
            folder.display().to_string()
        )
    };

    let failed = |what: &str, error: &io::Error| {
        refused(&format!("{what}: {}", reason(error)), WRITABLE_FOLDER)
    };
    private_folder::make(folder).map_err(|error| failed("cannot be made", &error))?;

    let file = File::create(folder.join(LOCK_FILE))
        .map_err(|error| failed("cannot be written", &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(refused(
                "another node is running there",
                "a folder of its own for each node",
            ));
        }
        Err(TryLockError::Error(error)) => return Err(failed("cannot be locked", &error)),
    }

    let probe = folder.join(PROBE_FILE);
    File::create(&probe)
        .and_then(|_| fs::remove_file(&probe))
        .map_err(|error| failed("cannot be written", &error))?;

    Ok(file)
}

/// Warns when others may enter the folder. Only a warning: whoever made the folder may share it on
/// purpose, say with what backs it up.
pub(crate) fn warn_of_others(folder: &Path) {
    if let Ok(Some(mode)) = private_folder::open_to_others(folder) {
        tracing::warn!(
            data_dir = %folder.display(), mode = format!("{mode:o}"),
            "others than its owner may enter the data folder; chmod 700 keeps them out"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(folder: &Path) -> String {
        format!("{:#}", take(folder).unwrap_err())
    }

    #[test]
    fn a_data_folder_that_cannot_be_had_is_told_in_one_line() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        File::create(&file).unwrap();

        let named = |folder: &Path| {
            format!(
                "data_dir (COUNTERFOIL_DATA_DIR) is \"{}\" and ",
                folder.display()
            )
        };

        let inside = file.join("data");

        let told = format!(
            "{}cannot be made: Not a directory; allowed: {WRITABLE_FOLDER}",
            named(&inside)
        );
        assert_eq!(refusal(&inside), told);
        let folder = parent.path().join("data");
        let held = take(&folder).unwrap();
        let told = "another node is running there; allowed: a folder of its own for each node";
        assert_eq!(refusal(&folder), named(&folder) + told);
        drop(held);
        take(&folder).unwrap();
    }
}
