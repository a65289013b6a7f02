//! The generations of a view in a node's own folder: what every embedded store does with their
//! files.
//!
//! Each generation is a file or a folder of its own, `documents-1.db`, `documents-2.db`, …, and a
//! catalog beside them says which is which. What a file is made of is its store's business, and
//! nothing here looks into one.

use std::io;
use std::path::{Path, PathBuf};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::file::CatalogFile;
use super::{Catalog, Found};
use crate::ViewError;
use crate::files::{self, is_at_fault};

/// Where the generations of one view are.
#[derive(Clone, Debug)]
pub struct GenerationsFolder {
    view: &'static str,
    folder: PathBuf,
    ending: &'static str,
    catalog: CatalogFile,
}

impl GenerationsFolder {
    /// Those of a view in a folder that exists. `ending` is what their names end with, as `.db`.
    #[must_use]
    pub fn new(view: &'static str, folder: &Path, ending: &'static str) -> Self {
        let catalog = CatalogFile::new(view, folder.join(format!("{view}.json")));
        GenerationsFolder {
            view,
            folder: folder.to_owned(),
            ending,
            catalog,
        }
    }

    /// Where a generation is, or will be.
    #[must_use]
    pub fn path(&self, generation: u32) -> PathBuf {
        let (view, ending) = (self.view, self.ending);
        self.folder.join(format!("{view}-{generation}{ending}"))
    }

    /// The catalog saved last; the empty one when there is none.
    ///
    /// # Errors
    /// [`ViewError::Damaged`] when what is there is no catalog.
    pub fn catalog(&self) -> BoxFuture<'_, Result<Catalog, ViewError>> {
        self.catalog.load().boxed()
    }

    /// Saves the catalog, durable when it returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), ViewError>> {
        self.catalog.save(catalog).boxed()
    }

    /// All generations of which there is anything. Whose they are, their names do not say.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn generations(&self) -> BoxFuture<'_, Result<Vec<Found>, ViewError>> {
        let numbers = files::numbers(&self.folder, &format!("{}-", self.view), self.ending);
        let found = |number| Found {
            number,
            deployment: None,
        };
        let found = numbers.map(|numbers| numbers.into_iter().map(found).collect());
        let found = found.map_err(|error| self.failed(error));
        async { found }.boxed()
    }

    /// Does some work with a generation's path on a thread that may block.
    ///
    /// # Errors
    /// What the work brings about; [`ViewError::Panicked`] when it panics.
    pub fn with<T: Send + 'static>(
        &self,
        generation: u32,
        work: impl FnOnce(&Path) -> Result<T, ViewError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, ViewError>> {
        let (view, path) = (self.view, self.path(generation));
        async move {
            let working = tokio::task::spawn_blocking(move || work(&path));
            let ended = working.await;
            ended.map_err(|error| ViewError::of_task(view, error))?
        }
        .boxed()
    }

    /// Whether what `is_there` looks for in a generation's place is there. What is written to a
    /// file that somebody has deleted is gone with the process.
    ///
    /// # Errors
    /// [`ViewError::Damaged`] when it is not, or is something else.
    pub fn check(
        &self,
        generation: u32,
        is_there: impl FnOnce(&Path) -> io::Result<bool> + Send + 'static,
    ) -> BoxFuture<'static, Result<(), ViewError>> {
        let folder = self.clone();
        self.with(generation, move |path| {
            if is_there(path).map_err(|error| folder.failed(error))? {
                return Ok(());
            }
            let what = format!("{} is gone", path.display());
            Err(ViewError::Damaged {
                view: folder.view,
                what,
            })
        })
    }

    /// Deletes a generation, as `remove` does it.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn discard(
        &self,
        generation: u32,
        remove: impl FnOnce(&Path) -> io::Result<()> + Send + 'static,
    ) -> BoxFuture<'static, Result<(), ViewError>> {
        let folder = self.clone();
        self.with(generation, move |path| {
            remove(path).map_err(|error| folder.failed(error))
        })
    }

    /// Judges an error of a file: whether the file is at fault, or only the way to it.
    fn failed(&self, error: io::Error) -> ViewError {
        let view = self.view;
        if is_at_fault(&error) {
            let what = error.to_string();
            return ViewError::Damaged { view, what };
        }
        ViewError::Unavailable {
            view,
            source: error.into(),
        }
    }
}
