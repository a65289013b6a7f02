//! Folders that their owner alone may enter: databases and backups tell who ordered what.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

const OWNER_ALONE: u32 = 0o700;
const OTHERS: u32 = 0o077;

/// Makes a folder for its owner alone, and those above it as the system makes them. Leaves one that
/// is there as it is: its owner may have opened it to others on purpose.
///
/// # Errors
/// When it cannot be made, or its place is taken by a file.
pub fn make(folder: &Path) -> io::Result<()> {
    if let Some(parent) = folder.parent()
        && !parent.exists()
    {
        fs::create_dir_all(parent)?;
    }

    match DirBuilder::new().mode(OWNER_ALONE).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made,
    }
}

/// The permissions of a folder that others than its owner may enter, read or write.
///
/// # Errors
/// When the folder cannot be examined.
pub fn open_to_others(folder: &Path) -> io::Result<Option<u32>> {
    let mode = fs::metadata(folder)?.permissions().mode() & 0o777;
    Ok((mode & OTHERS != 0).then_some(mode))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn a_new_folder_is_its_owners_and_one_that_is_there_stays_as_it_is() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        make(&folder).unwrap();
        assert_eq!(open_to_others(&folder).unwrap(), None);

        fs::set_permissions(&folder, Permissions::from_mode(0o750)).unwrap();
        make(&folder).unwrap();
        assert_eq!(open_to_others(&folder).unwrap(), Some(0o750));
    }

    #[test]
    fn a_file_in_its_place_is_told() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(make(&file).is_err() && make(&file.join("in")).is_err());
    }
}
