//! The generations of the embedded document view: `documents-1.db`, `documents-2.db`, … in the data
//! directory, and `documents.json`, which says which is which.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::reader::SqliteDocumentAudit;
use super::{BACKEND, open_file, open_to_read};
use crate::ViewError;
use crate::audit::ViewAudit;
use crate::documents::{DocumentReader, corrupt, unavailable};
use crate::generations::file::CatalogFile;
use crate::generations::{Catalog, Opened, ViewStore};

/// What SQLite keeps beside a file while it is open, or after a crash.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// The document view of a node that keeps everything in its data directory.
#[derive(Clone, Debug)]
pub struct SqliteDocumentStore {
    directory: PathBuf,
    catalog: CatalogFile,
}

impl SqliteDocumentStore {
    /// The view in this data directory, which exists.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        domain::ids::register();
        let catalog = CatalogFile::new(directory.join("documents.json"));
        SqliteDocumentStore {
            directory: directory.to_owned(),
            catalog,
        }
    }
}

pub(super) fn file(directory: &Path, generation: u32) -> PathBuf {
    directory.join(format!("documents-{generation}.db"))
}

impl ViewStore<dyn DocumentReader> for SqliteDocumentStore {
    fn backend(&self) -> &'static str {
        BACKEND
    }

    fn catalog(&self) -> BoxFuture<'_, Result<Catalog, ViewError>> {
        async { self.catalog.load().await.map_err(file_error) }.boxed()
    }

    fn save<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), ViewError>> {
        async { self.catalog.save(catalog).await.map_err(file_error) }.boxed()
    }

    fn open(
        &self,
        generation: u32,
    ) -> BoxFuture<'_, Result<Opened<dyn DocumentReader>, ViewError>> {
        let path = file(&self.directory, generation);
        async move {
            let (writer, reader) = open_file(&path).await?;
            let reader = Arc::new(reader);
            let versions = Arc::clone(&reader);

            Ok(Opened::<dyn DocumentReader> {
                writer: Box::new(writer),
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
        let path = file(&self.directory, generation);
        async move {
            if !path.exists() {
                return Ok(None);
            }
            let audit: Box<dyn ViewAudit> =
                Box::new(SqliteDocumentAudit(open_to_read(&path).await?));
            Ok(Some(audit))
        }
        .boxed()
    }

    fn discard(&self, generation: u32) -> BoxFuture<'_, Result<(), ViewError>> {
        let path = file(&self.directory, generation);
        async move {
            let removing = tokio::task::spawn_blocking(move || remove(&path));
            removing.await.map_err(unavailable)?.map_err(file_error)
        }
        .boxed()
    }
}

/// Removes a file and what lies beside it. The file itself goes first: what is left beside a file
/// that is not there, should this be interrupted, belongs to none.
fn remove(path: &Path) -> io::Result<()> {
    remove_if_there(path)?;
    for suffix in BESIDE {
        let mut beside = path.as_os_str().to_owned();
        beside.push(suffix);
        remove_if_there(Path::new(&beside))?;
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn file_error(error: io::Error) -> ViewError {
    match error.kind() {
        io::ErrorKind::InvalidData => corrupt(format_args!("its catalog: {error}")),
        _ => unavailable(error),
    }
}
