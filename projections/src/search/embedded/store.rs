//! The generations of the embedded search view: `search-1/`, `search-2/`, … in the data folder, and
//! `search.json`, which says which is which.
//!
//! A generation whose folder is damaged, or of another release's definition, is emptied when it is
//! opened: its positions are empty then, and its projector fills it again.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::lazy_directory::LazyDirectory;
use super::{BACKEND, audit, open_in, remove_if_there};
use crate::audit::ViewAudit;
use crate::generations::file::CatalogFile;
use crate::generations::{Catalog, Opened, ViewStore};
use crate::search::{SearchReader, SearchVersions, SearchView, VIEW};
use crate::{ViewError, background};

/// The search view of a node that keeps everything in its data folder.
#[derive(Clone, Debug)]
pub struct EmbeddedSearchStore {
    directory: PathBuf,
    catalog: CatalogFile,
    /// The folders of generations that were opened here, by number.
    folders: Arc<Mutex<BTreeMap<u32, LazyDirectory>>>,
}

impl EmbeddedSearchStore {
    /// The view in this data folder, which exists.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        domain::ids::register();
        let catalog = CatalogFile::new(directory.join("search.json"));
        EmbeddedSearchStore {
            directory: directory.to_owned(),
            catalog,
            folders: Arc::default(),
        }
    }

    fn folders(&self) -> MutexGuard<'_, BTreeMap<u32, LazyDirectory>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn folder(&self, generation: u32) -> PathBuf {
        self.directory.join(format!("search-{generation}"))
    }
}

impl ViewStore<dyn SearchReader> for EmbeddedSearchStore {
    fn backend(&self) -> &'static str {
        BACKEND
    }

    fn catalog(&self) -> BoxFuture<'_, Result<Catalog, ViewError>> {
        async { self.catalog.load().await.map_err(file_error) }.boxed()
    }

    fn save<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), ViewError>> {
        async { self.catalog.save(catalog).await.map_err(file_error) }.boxed()
    }

    fn open(&self, generation: u32) -> BoxFuture<'_, Result<Opened<dyn SearchReader>, ViewError>> {
        let folder = self.folder(generation);
        async move {
            let ((writer, reader), folder) = open_in_the_background(folder).await?;
            self.folders().insert(generation, folder);
            let versions = Arc::new(SearchVersions(Arc::clone(&reader)));
            Ok(Opened {
                writer,
                reader,
                versions,
            })
        }
        .boxed()
    }

    fn audit(
        &self,
        generation: u32,
    ) -> BoxFuture<'_, Result<Option<Box<dyn ViewAudit>>, ViewError>> {
        let (folder, opened_here) = (
            self.folder(generation),
            self.folders().get(&generation).cloned(),
        );
        async move {
            let opening = tokio::task::spawn_blocking(move || match opened_here {
                Some(newest) => audit::open_to_read(newest),
                None => audit::open_on_disk(&folder),
            });
            let index = opening.await.map_err(|error| unavailable(error.into()))??;
            Ok(index.map(|index| -> Box<dyn ViewAudit> { Box::new(index) }))
        }
        .boxed()
    }

    fn discard(&self, generation: u32) -> BoxFuture<'_, Result<(), ViewError>> {
        let folder = self.folder(generation);
        self.folders().remove(&generation);
        async move {
            let removing = tokio::task::spawn_blocking(move || remove(&folder));
            removing
                .await
                .map_err(|error| unavailable(error.into()))?
                .map_err(file_error)
        }
        .boxed()
    }
}

/// Opens the index on a background thread, so that its indexing and merging threads are of the
/// background as well.
async fn open_in_the_background(folder: PathBuf) -> Result<(SearchView, LazyDirectory), ViewError> {
    let (sender, opened) = oneshot::channel();
    // Nobody takes it any more when sending fails.
    background::spawn("view-search-open".to_owned(), move || {
        drop(sender.send(open_in(&folder)))
    })
    .map_err(|error| unavailable(error.into()))?;
    opened
        .await
        .map_err(|_| unavailable("opening the index panicked".into()))?
}

fn remove(folder: &Path) -> io::Result<()> {
    // The list of segments goes first: without it the rest is no index, should this be interrupted.
    remove_if_there(&folder.join("meta.json"))?;
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn unavailable(source: Box<dyn std::error::Error + Send + Sync>) -> ViewError {
    ViewError::Unavailable { view: VIEW, source }
}

fn file_error(error: io::Error) -> ViewError {
    match error.kind() {
        io::ErrorKind::InvalidData => ViewError::Corrupt {
            view: VIEW,
            what: format!("its catalog: {error}"),
        },
        _ => unavailable(error.into()),
    }
}
