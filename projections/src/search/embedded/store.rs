//! The generations of the embedded search view: `search-1/`, `search-2/`, … in the data folder, and
//! `search.json`, which says which is which.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::lazy_directory::LazyDirectory;
use super::{BACKEND, damaged, examining, index_slices, open_in, task_error};
use crate::error::text_of;
use crate::files::{self, is_at_fault};
use crate::generations::file::CatalogFile;
use crate::generations::{Audit, Catalog, Found, Opened, ViewStore};
use crate::search::{Search, SearchVersions, SearchView, VIEW};
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
        let catalog = CatalogFile::new(VIEW, directory.join("search.json"));
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

    /// The folder of a generation, as its open index has it.
    fn opened_here(&self, generation: u32) -> Result<LazyDirectory, ViewError> {
        self.folders()
            .get(&generation)
            .cloned()
            .ok_or(ViewError::Closed { view: VIEW })
    }
}

impl ViewStore<Search> for EmbeddedSearchStore {
    fn backend(&self) -> &'static str {
        BACKEND
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn catalog(&self) -> BoxFuture<'_, Result<Catalog, ViewError>> {
        self.catalog.load().boxed()
    }

    fn save<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), ViewError>> {
        self.catalog.save(catalog).boxed()
    }

    fn generations(&self) -> BoxFuture<'_, Result<Vec<Found>, ViewError>> {
        async {
            let numbers = files::numbers(&self.directory, "search-", "");
            let found = |number| Found {
                number,
                deployment: None,
            };
            Ok(numbers
                .map_err(file_error)?
                .into_iter()
                .map(found)
                .collect())
        }
        .boxed()
    }

    fn open(&self, generation: u32, _: Uuid) -> BoxFuture<'_, Result<Opened<Search>, ViewError>> {
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

    fn check(&self, generation: u32, _: Uuid) -> BoxFuture<'_, Result<(), ViewError>> {
        let folder = self.folder(generation);
        blocking(move || {
            // It is there from the first commit on, which is made with the index.
            if folder.join("meta.json").is_file() {
                Ok(())
            } else {
                Err(damaged(format_args!("{} is gone", folder.display())))
            }
        })
    }

    fn examine(&self, generation: u32) -> BoxFuture<'_, Result<(), ViewError>> {
        let opened = self.opened_here(generation);
        async move {
            let folder = opened?;
            in_the_background("view-search-examine", move || examining::examine(folder)).await
        }
        .boxed()
    }

    fn has_checksums(&self) -> bool {
        true
    }

    fn audit(&self, generation: u32) -> BoxFuture<'_, Result<Option<Audit<Search>>, ViewError>> {
        let (folder, opened_here) = (self.folder(generation), self.opened_here(generation));
        blocking(move || {
            let index = match opened_here {
                Ok(newest) => index_slices::open_to_read(newest)?,
                Err(_) => index_slices::open_on_disk(&folder)?,
            };
            Ok(index.map(|index| -> Audit<Search> { Box::new(index) }))
        })
    }

    fn discard(&self, generation: u32, _: Uuid) -> BoxFuture<'_, Result<(), ViewError>> {
        let folder = self.folder(generation);
        self.folders().remove(&generation);
        blocking(move || remove(&folder).map_err(file_error))
    }
}

/// Does some work where it may block.
fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ViewError> + Send + 'static,
) -> BoxFuture<'static, Result<T, ViewError>> {
    async {
        tokio::task::spawn_blocking(work)
            .await
            .map_err(task_error)?
    }
    .boxed()
}

/// Does some work on a background thread. A panic there is damage: nobody has asked for anything
/// that could be the reason.
async fn in_the_background<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T, ViewError> + Send + 'static,
) -> Result<T, ViewError> {
    let (sender, done) = oneshot::channel();

    background::spawn(name.to_owned(), move || {
        let outcome = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
            Err(damaged(format_args!(
                "reading has panicked: {}",
                text_of(&*panic)
            )))
        });
        // Nobody takes it any more when the node has ended.
        drop(sender.send(outcome));
    })
    .map_err(|error| unavailable(error.into()))?;

    done.await.map_err(|_| ViewError::Closed { view: VIEW })?
}

/// Opens the index on a background thread, so that its indexing and merging threads are of the
/// background as well.
async fn open_in_the_background(folder: PathBuf) -> Result<(SearchView, LazyDirectory), ViewError> {
    in_the_background("view-search-open", move || open_in(&folder)).await
}

fn remove(folder: &Path) -> io::Result<()> {
    // The list of segments goes first: without it the rest is no index, should this be interrupted.
    if folder.is_dir() {
        files::remove(&folder.join("meta.json"))?;
    }
    files::remove(folder)
}

fn unavailable(source: Box<dyn std::error::Error + Send + Sync>) -> ViewError {
    ViewError::Unavailable { view: VIEW, source }
}

fn file_error(error: io::Error) -> ViewError {
    if is_at_fault(&error) {
        damaged(error)
    } else {
        unavailable(error.into())
    }
}
