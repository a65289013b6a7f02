//! The folder of an index, made durable once in a while and not with each commit.
//!
//! tantivy syncs every file it writes, and its two lists (`meta.json` with the segments and our positions,
//! `.managed.json` with the files) over and over: some twenty syncs a commit, which wait behind those of the services'
//! journals. But a view is disposable, and what it had not kept is read from the log again. So here files are written
//! at once and synced later, the lists are held back in memory, and [`LazyDirectory::persist`] makes all of it durable.
//!
//! On disk there is a whole index at any moment: that of the last time. Its lists are written after the files they name
//! are synced, and files that they may name are deleted only after newer lists are there. A crash takes the commits
//! since, together with their positions.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tantivy::Directory;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, DirectoryLock, FileHandle, Lock, META_LOCK, MmapDirectory, TerminatingWrite, WatchCallback,
    WatchHandle, WritePtr,
};

/// The list that names all others; it is written last.
const SEGMENTS: &str = "meta.json";
/// The list of all files that are part of the index, or were.
const FILES: &str = ".managed.json";

/// See the [module](self). Clones are the same folder.
#[derive(Clone)]
pub(super) struct LazyDirectory {
    folder: Arc<Path>,
    disk: MmapDirectory,
    state: Arc<Mutex<State>>,
    /// Held by whoever makes it durable.
    persisting: Arc<Mutex<()>>,
}

#[derive(Default)]
struct State {
    /// The lists as they are to be.
    lists: HashMap<PathBuf, Vec<u8>>,
    /// Those on disk are older.
    dirty: bool,
    /// Files that are written in whole, but not synced.
    unsynced: HashSet<PathBuf>,
    /// Files that are being synced; they must stay meanwhile.
    syncing: HashSet<PathBuf>,
    /// Files that are deleted, as far as tantivy knows. The lists on disk may name them.
    deleted: HashSet<PathBuf>,
}

impl LazyDirectory {
    /// The index in a folder, as it was made durable last. What was written since by a process that crashed is removed.
    pub(super) fn open(folder: &Path) -> tantivy::Result<Self> {
        let disk = MmapDirectory::open(folder)?;
        remove_strays(folder, &disk)?;
        Ok(LazyDirectory { folder: folder.into(), disk, state: Arc::default(), persisting: Arc::default() })
    }

    /// Makes durable what tantivy has committed. A crash before it returns leaves the index as it was the last time.
    pub(super) fn persist(&self) -> io::Result<()> {
        let _one_at_a_time = self.persisting.lock().unwrap_or_else(PoisonError::into_inner);
        let (lists, files, deleted) = {
            let mut state = self.state();
            if !mem::take(&mut state.dirty) {
                return Ok(());
            }
            state.syncing = mem::take(&mut state.unsynced);
            (state.lists.clone(), state.syncing.clone(), mem::take(&mut state.deleted))
        };
        let written = self.write(&lists, &files);
        let mut state = self.state();
        let synced = mem::take(&mut state.syncing);
        if written.is_err() {
            state.dirty = true;
            state.unsynced.extend(synced);
            state.deleted.extend(deleted);
            return written;
        }
        drop(state);
        self.delete_all(deleted)
    }

    fn write(&self, lists: &HashMap<PathBuf, Vec<u8>>, files: &HashSet<PathBuf>) -> io::Result<()> {
        for file in files {
            File::open(self.folder.join(file))?.sync_data()?;
        }
        self.disk.sync_directory()?;
        let (last, first): (Vec<_>, Vec<_>) = lists.iter().partition(|(name, _)| name.as_path() == Path::new(SEGMENTS));
        for (name, list) in first.into_iter().chain(last) {
            self.disk.atomic_write(name, list)?;
        }
        self.disk.sync_directory()
    }

    /// Deletes files that no list on disk names any more. Whoever opens the index in another process holds this lock
    /// from reading the lists until all files are open.
    fn delete_all(&self, deleted: HashSet<PathBuf>) -> io::Result<()> {
        if deleted.is_empty() {
            return Ok(());
        }
        let _lock = self.disk.acquire_lock(&META_LOCK).map_err(io::Error::other)?;
        for file in deleted {
            match self.disk.delete(&file) {
                Ok(()) | Err(DeleteError::FileDoesNotExist(_)) => {}
                // It is removed at the next opening.
                Err(error) => tracing::debug!(file = %file.display(), error = %error, "a file is not deleted yet"),
            }
        }
        Ok(())
    }

    // Nothing panics while it holds the lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LazyDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyDirectory").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Removes files that the list on disk does not have: nothing names them.
fn remove_strays(folder: &Path, disk: &MmapDirectory) -> tantivy::Result<()> {
    let listed: BTreeSet<PathBuf> = match disk.atomic_read(Path::new(FILES)) {
        Ok(list) => match serde_json::from_slice(&list) {
            Ok(listed) => listed,
            // Opening the index shows the damage.
            Err(_) => return Ok(()),
        },
        Err(OpenReadError::FileDoesNotExist(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = PathBuf::from(entry.file_name());
        let is_stray = match name.to_string_lossy() {
            // A list that was not finished; the others are the list of files, and locks.
            hidden if hidden.starts_with('.') => hidden.starts_with(".tmp"),
            _ => !listed.contains(&name),
        };
        if is_stray && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

impl Directory for LazyDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.disk.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        let mut state = self.state();
        if state.unsynced.remove(path) {
            return self.disk.delete(path);
        }
        state.deleted.insert(path.to_owned());
        Ok(())
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        let state = self.state();
        Ok(state.lists.contains_key(path) || !state.deleted.contains(path) && self.disk.exists(path)?)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let opened = OpenOptions::new().write(true).create_new(true).open(self.folder.join(path));
        let file = opened.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => OpenWriteError::FileAlreadyExists(path.to_owned()),
            _ => OpenWriteError::wrap_io_error(error, path.to_owned()),
        })?;
        Ok(BufWriter::new(Box::new(Writing { file, path: path.to_owned(), state: Arc::clone(&self.state) })))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        match self.state().lists.get(path) {
            Some(list) => Ok(list.clone()),
            None => self.disk.atomic_read(path),
        }
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.lists.insert(path.to_owned(), data.to_vec());
        state.dirty = true;
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.disk.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.disk.watch(callback)
    }
}

/// A file that is being written.
struct Writing {
    file: File,
    path: PathBuf,
    state: Arc<Mutex<State>>,
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl TerminatingWrite for Writing {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).unsynced.insert(self.path.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
