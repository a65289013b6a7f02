//! The folder of an index, made durable once in a while and not with each commit.
//!
//! tantivy syncs every file it writes, and its two lists (`meta.json` with the segments and our
//! positions, `.managed.json` with the files) over and over: some twenty syncs a commit, which wait
//! behind those of the services' journals; and so does the mere making of a file, while the file
//! system writes its own journal. But a view is disposable, and what it had not kept is read from
//! the log again. So here the lists and the small files are held in memory, large files are written
//! at once, and [`LazyDirectory::persist`] writes and syncs all of it. A segment that is merged
//! into another before that never comes to the disk.
//!
//! On disk there is a whole index at any moment: that of the last time. Its lists are written after
//! the files they name are synced, and files that they may name are deleted only after newer lists
//! are there. A crash takes the commits since, together with their positions.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    DirectoryLock, FileHandle, Lock, META_LOCK, MmapDirectory, OwnedBytes, WatchCallback,
    WatchHandle, WritePtr,
};
use tantivy::{Directory, Index};

mod writing;

use writing::Writing;

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
    /// Files that are written in whole, but are not durable.
    new: HashMap<PathBuf, Content>,
    /// Files that are being made durable; they must stay meanwhile.
    keeping: HashMap<PathBuf, Content>,
    /// Files that are deleted, as far as tantivy knows. The lists on disk may name them.
    deleted: HashSet<PathBuf>,
}

/// Where a file that is not durable is.
#[derive(Clone)]
enum Content {
    Memory(OwnedBytes),
    /// In its place on disk, but not synced.
    Disk,
}

impl State {
    /// What there is of a file in memory.
    fn held(&self, path: &Path) -> Option<&OwnedBytes> {
        match self.new.get(path).or_else(|| self.keeping.get(path))? {
            Content::Memory(bytes) => Some(bytes),
            Content::Disk => None,
        }
    }

    fn held_bytes(&self) -> usize {
        let all = self.new.values().chain(self.keeping.values());
        all.map(|content| {
            if let Content::Memory(bytes) = content {
                bytes.len()
            } else {
                0
            }
        })
        .sum()
    }
}

impl LazyDirectory {
    /// The index in a folder, as it was made durable last. What was written since by a process that
    /// crashed is removed.
    pub(super) fn open(folder: &Path) -> tantivy::Result<Self> {
        let disk = MmapDirectory::open(folder)?;
        remove_strays(folder, &disk)?;
        Ok(LazyDirectory {
            folder: folder.into(),
            disk,
            state: Arc::default(),
            persisting: Arc::default(),
        })
    }

    /// Whether the folder lists the files that belong to the index. Without the list those of the
    /// next commits would be taken for all there are.
    pub(super) fn has_list_of_files(&self) -> bool {
        self.exists(Path::new(FILES)).unwrap_or(false)
    }

    /// Makes durable what tantivy has committed. A crash before it returns leaves the index as it
    /// was the last time.
    pub(super) fn persist(&self) -> io::Result<()> {
        let _one_at_a_time = self
            .persisting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);

        let (lists, files, deleted) = {
            let mut state = self.state();
            if !mem::take(&mut state.dirty) {
                return Ok(());
            }
            state.keeping = mem::take(&mut state.new);
            (
                state.lists.clone(),
                state.keeping.clone(),
                mem::take(&mut state.deleted),
            )
        };
        let written = self.write(&lists, &files);
        let mut state = self.state();
        let kept = mem::take(&mut state.keeping);

        if written.is_err() {
            state.dirty = true;
            state.new.extend(kept);
            state.deleted.extend(deleted);
            return written;
        }

        drop(state);

        self.delete_all(deleted)
    }

    fn write(
        &self,
        lists: &HashMap<PathBuf, Vec<u8>>,
        files: &HashMap<PathBuf, Content>,
    ) -> io::Result<()> {
        for (name, content) in files {
            let path = self.folder.join(name);
            if let Content::Memory(bytes) = content {
                fs::write(&path, bytes)?;
            }
            File::open(path)?.sync_data()?;
        }

        self.disk.sync_directory()?;

        let (last, first): (Vec<_>, Vec<_>) = lists
            .iter()
            .partition(|(name, _)| name.as_path() == Path::new(SEGMENTS));

        for (name, list) in first.into_iter().chain(last) {
            self.disk.atomic_write(name, list)?;
        }

        self.disk.sync_directory()
    }

    /// Deletes files that no list on disk names any more. Whoever opens the index in another
    /// process holds this lock from reading the lists until all files are open.
    fn delete_all(&self, deleted: HashSet<PathBuf>) -> io::Result<()> {
        if deleted.is_empty() {
            return Ok(());
        }

        let _lock = self
            .disk
            .acquire_lock(&META_LOCK)
            .map_err(io::Error::other)?;

        for file in deleted {
            match self.disk.delete(&file) {
                Ok(()) | Err(DeleteError::FileDoesNotExist(_)) => {}
                // It is removed at the next opening.
                Err(error) => {
                    tracing::debug!(file = %file.display(), error = %error, "a file is not deleted yet")
                }
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
        f.debug_struct("LazyDirectory")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// Removes files that do not belong to the index on disk. The list of its segments says which do:
/// that of all files is written before it, so that a crash in between leaves a newer one.
fn remove_strays(folder: &Path, disk: &MmapDirectory) -> tantivy::Result<()> {
    // Opening the index shows damage; and where there is none yet, everything is new.
    let metas = Index::open(disk.clone()).and_then(|index| index.load_metas());
    let Ok(metas) = metas else { return Ok(()) };
    let mut listed = metas.list_segment_files();
    listed.insert(PathBuf::from(SEGMENTS));

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
        // It is in memory until it is on disk, so a file that is not held by now is there.
        let held = self.state().held(path).cloned();
        held.map_or_else(
            || self.disk.get_file_handle(path),
            |bytes| Ok(Arc::new(bytes)),
        )
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        let mut state = self.state();
        match state.new.remove(path) {
            Some(Content::Memory(_)) => Ok(()),
            Some(Content::Disk) => self.disk.delete(path),
            None => {
                state.deleted.insert(path.to_owned());
                Ok(())
            }
        }
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        let state = self.state();
        if state.lists.contains_key(path) {
            return Ok(true);
        }
        Ok(!state.deleted.contains(path)
            && (state.held(path).is_some() || self.disk.exists(path)?))
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        if self.exists(path).map_err(|error| {
            OpenWriteError::wrap_io_error(io::Error::other(error), path.to_owned())
        })? {
            return Err(OpenWriteError::FileAlreadyExists(path.to_owned()));
        }
        let file = Writing::new(&self.folder, path, Arc::clone(&self.state));
        Ok(BufWriter::new(Box::new(file)))
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

#[cfg(test)]
mod tests;
