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
use super::{BACKEND, examining, index_slices, open_in};
use crate::error::text_of;
use crate::files;
use crate::generations::folder::GenerationsFolder;
use crate::generations::{Audit, Catalog, Found, Opened, ViewStore};
use crate::search::{Search, SearchVersions, SearchView, VIEW, damaged, unavailable};
use crate::{ViewError, background};

/// The search view of a node that keeps everything in its data folder.
#[derive(Clone, Debug)]
pub struct EmbeddedSearchStore {
    generations: GenerationsFolder,
    /// The folders of generations that were opened here, by number.
    folders: Arc<Mutex<BTreeMap<u32, LazyDirectory>>>,
}

impl EmbeddedSearchStore {
    /// The view in this data folder, which exists.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        domain::ids::register();
        EmbeddedSearchStore {
            generations: GenerationsFolder::new(VIEW, directory, ""),
            folders: Arc::default(),
        }
    }

    fn folders(&self) -> MutexGuard<'_, BTreeMap<u32, LazyDirectory>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.generations.catalog()
    }

    fn save<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), ViewError>> {
        self.generations.save(catalog)
    }

    fn generations(&self) -> BoxFuture<'_, Result<Vec<Found>, ViewError>> {
        self.generations.generations()
    }

    fn open(&self, generation: u32, _: Uuid) -> BoxFuture<'_, Result<Opened<Search>, ViewError>> {
        let folder = self.generations.path(generation);
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
        // It is there from the first commit on, which is made with the index.
        let is_there = |folder: &Path| Ok(folder.join("meta.json").is_file());
        self.generations.check(generation, is_there)
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
        let opened_here = self.opened_here(generation);
        self.generations.with(generation, |folder| {
            let index = match opened_here {
                Ok(newest) => index_slices::open_to_read(newest)?,
                Err(_) => index_slices::open_on_disk(folder)?,
            };
            Ok(index.map(|index| -> Audit<Search> { Box::new(index) }))
        })
    }

    fn discard(&self, generation: u32, _: Uuid) -> BoxFuture<'_, Result<(), ViewError>> {
        self.folders().remove(&generation);
        self.generations.discard(generation, remove)
    }
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
    .map_err(unavailable)?;

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
