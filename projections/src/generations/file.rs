//! The catalog of an embedded view's generations, as a file beside them.
//!
//! It is replaced by renaming: the new text is on the disk before it takes the name, and the name
//! before saving is over. So a crash leaves the catalog before or this one, whole. What stands in
//! the way of a new one, and is no catalog, is moved aside.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::Catalog;
use crate::ViewError;
use crate::files::{is_at_fault, remove, set_aside};

/// A file that holds a [`Catalog`] as JSON. The folder it lies in exists.
#[derive(Clone, Debug)]
pub struct CatalogFile {
    view: &'static str,
    path: PathBuf,
}

impl CatalogFile {
    /// The catalog of a view, in the file at `path`, which need not exist.
    pub fn new(view: &'static str, path: PathBuf) -> Self {
        CatalogFile { view, path }
    }

    /// The catalog saved last; the empty one when there is none.
    ///
    /// # Errors
    /// [`ViewError::Damaged`] when the file holds no catalog, or is none that can be read.
    pub async fn load(&self) -> Result<Catalog, ViewError> {
        self.off_the_runtime(read).await
    }

    /// Saves the catalog, durable when it returns. It is not compared with the one before: nobody
    /// else saves any in a folder of this node's own.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn save(&self, catalog: &Catalog) -> Result<(), ViewError> {
        let text = serde_json::to_vec_pretty(catalog);
        self.off_the_runtime(move |path| replace(path, &text?))
            .await
    }

    async fn off_the_runtime<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, ViewError> {
        let path = self.path.clone();
        let working = tokio::task::spawn_blocking(move || work(&path));
        let outcome = working
            .await
            .unwrap_or_else(|lost| Err(io::Error::other(lost)));
        outcome.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> ViewError {
        let view = self.view;
        if is_at_fault(&error) {
            let what = format!("its catalog {}: {error}", self.path.display());
            return ViewError::Damaged { view, what };
        }
        ViewError::Unavailable {
            view,
            source: error.into(),
        }
    }
}

fn read(path: &Path) -> io::Result<Catalog> {
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Catalog::default()),
        Err(error) => Err(error),
    }
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let new = path.with_extension("json.new");
    // Whatever a crash, or anybody else, has left of this name is of no use to anyone.
    remove(&new)?;
    let mut file = File::create_new(&new)?;
    file.write_all(text)?;
    file.sync_all()?;

    // Renaming would take the place of a file silently.
    if read(path).is_err_and(|error| is_at_fault(&error)) {
        set_aside(path)?;
    }
    fs::rename(&new, path)?;

    let folder = path
        .parent()
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
