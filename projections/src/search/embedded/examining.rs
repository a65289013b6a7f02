//! Whether the files of an index are what tantivy has written: each ends with a checksum, which is
//! not looked at when it is read.

use std::collections::HashSet;
use std::path::PathBuf;

use tantivy::{Directory as _, Index};

use super::lazy_directory::LazyDirectory;
use super::view_error;
use crate::ViewError;
use crate::search::damaged;

/// Reads all files of the newest commit.
///
/// # Errors
/// [`ViewError::Damaged`] names the first one that is not what was written.
pub(super) fn examine(directory: LazyDirectory) -> Result<(), ViewError> {
    let index = Index::open(directory.clone()).map_err(view_error)?;

    for file in files(&index)? {
        if !directory
            .exists(&file)
            .map_err(|error| view_error(error.into()))?
        {
            continue;
        }

        let is_right = index.directory().validate_checksum(&file);
        // Another commit may have replaced it meanwhile.
        if matches!(is_right, Ok(true)) || !files(&index)?.contains(&file) {
            continue;
        }
        match is_right {
            Ok(_) => {
                return Err(damaged(format_args!(
                    "{} is not what was written",
                    file.display()
                )));
            }
            Err(error) => return Err(view_error(error.into())),
        }
    }

    Ok(())
}

fn files(index: &Index) -> Result<HashSet<PathBuf>, ViewError> {
    let metas = index.load_metas().map_err(view_error)?;
    Ok(metas.list_segment_files())
}
