//! A file that tantivy writes: in memory as long as it is small.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tantivy::directory::{AntiCallToken, OwnedBytes, TerminatingWrite};

use super::{Content, State};

/// A larger file is written to its place at once.
const MAX_FILE_BYTES: usize = 4 << 20;
/// All files together hold at most this much in memory; what comes on top goes to disk at once.
const MAX_HELD_BYTES: usize = 32 << 20;

pub(super) struct Writing {
    path: PathBuf,
    /// The same inside the folder.
    place: PathBuf,
    /// All of it, until it goes to its place.
    held: Vec<u8>,
    file: Option<File>,
    state: Arc<Mutex<State>>,
}

impl Writing {
    pub(super) fn new(folder: &Path, path: &Path, state: Arc<Mutex<State>>) -> Self {
        Writing {
            path: path.to_owned(),
            place: folder.join(path),
            held: Vec::new(),
            file: None,
            state,
        }
    }

    /// The file in its place; what is held goes there first.
    fn on_disk(&mut self) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let mut file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .open(&self.place)?;
                file.write_all(&mem::take(&mut self.held))?;
                file
            }
        };
        Ok(self.file.insert(file))
    }

    // Nothing panics while it holds the lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.file.is_none() && self.held.len() + bytes.len() <= MAX_FILE_BYTES {
            self.held.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        self.on_disk()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TerminatingWrite for Writing {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        if self.file.is_none() && self.state().held_bytes() + self.held.len() > MAX_HELD_BYTES {
            self.on_disk()?;
        }
        let content = match self.file {
            Some(_) => Content::Disk,
            None => Content::Memory(OwnedBytes::new(mem::take(&mut self.held))),
        };
        self.state().new.insert(self.path.clone(), content);
        Ok(())
    }
}
