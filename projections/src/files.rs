//! The files of embedded views: what an error says of them, and how to get them out of the way. A
//! view is disposable, and its files are its own; whatever else stands in their place is
//! moved aside and not deleted.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What is appended to the name of something that is moved aside.
const ASIDE: &str = ".damaged";

/// Whether an error says that a file itself is at fault, and would be the next time: what is in it,
/// what it is, or whose it is. A full disk and a failed read are not: they may be over.
pub fn is_at_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::PermissionDenied
    )
}

/// A path with something appended to its name.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Moves whatever is at a path aside, where only the newest of its kind is kept, for people to look
/// at.
///
/// # Errors
/// When it cannot be moved.
pub fn set_aside(path: &Path) -> io::Result<()> {
    let aside = beside(path, ASIDE);
    remove(&aside)?;
    match fs::rename(path, aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a file, or a folder with all that is in it. What is not there is removed already.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The numbers in the names of a folder that begin and end like this, as `documents-7.db` does.
///
/// # Errors
/// When the folder cannot be read.
pub fn numbers(folder: &Path, prefix: &str, suffix: &str) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number: Option<u32> = name.to_str().and_then(|name| {
            name.strip_prefix(prefix)?
                .strip_suffix(suffix)?
                .parse()
                .ok()
        });
        numbers.extend(number);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_generations_are_read_from_names_and_from_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "view-7.db",
            "view-12.db",
            "view-7.db-wal",
            "view-x.db",
            "other-9.db",
            "view.json",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let mut found = numbers(folder.path(), "view-", ".db").unwrap();
        found.sort_unstable();
        assert_eq!(found, [7, 12]);
    }

    #[test]
    fn what_is_in_the_way_is_kept_aside_and_the_newest_of_it_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("view.json");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("important"), "mine").unwrap();
        set_aside(&path).unwrap();
        assert_eq!(
            fs::read(folder.path().join("view.json.damaged/important")).unwrap(),
            b"mine"
        );

        fs::write(&path, "garbage").unwrap();
        set_aside(&path).unwrap();
        assert_eq!(
            fs::read(folder.path().join("view.json.damaged")).unwrap(),
            b"garbage"
        );
        // Nothing there is nothing in the way.
        set_aside(&path).unwrap();
    }
}
