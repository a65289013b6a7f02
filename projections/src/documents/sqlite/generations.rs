//! The generations of the embedded document view: `documents-1.db`, `documents-2.db`, … in the data
//! directory, and `documents.json`, which says which is which.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use super::errors::BESIDE;
use super::reader::SqliteDocumentAudit;
use super::{BACKEND, errors, open_file, open_to_read};
use crate::ViewError;
use crate::documents::{Documents, VIEW, damaged, unavailable};
use crate::files::{self, beside, is_at_fault, set_aside};
use crate::generations::file::CatalogFile;
use crate::generations::{Audit, Catalog, Found, Opened, ViewStore};

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
        let catalog = CatalogFile::new(VIEW, directory.join("documents.json"));
        SqliteDocumentStore {
            directory: directory.to_owned(),
            catalog,
        }
    }

    /// Does some work with a generation's file where it may block.
    fn with_file<T: Send + 'static>(
        &self,
        generation: u32,
        work: impl FnOnce(&Path) -> Result<T, ViewError> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, ViewError>> {
        let path = file(&self.directory, generation);
        async move {
            let working = tokio::task::spawn_blocking(move || work(&path));
            working.await.map_err(unavailable)?
        }
        .boxed()
    }
}

pub(super) fn file(directory: &Path, generation: u32) -> PathBuf {
    directory.join(format!("documents-{generation}.db"))
}

impl ViewStore<Documents> for SqliteDocumentStore {
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
            let numbers = files::numbers(&self.directory, "documents-", ".db");
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

    fn open(
        &self,
        generation: u32,
        _: Uuid,
    ) -> BoxFuture<'_, Result<Opened<Documents>, ViewError>> {
        let path = file(&self.directory, generation);
        async move {
            let (writer, reader) = open_file(&path).await?;
            let reader = Arc::new(reader);
            let versions = Arc::clone(&reader);

            Ok(Opened::<Documents> {
                writer: Box::new(writer),
                reader,
                versions,
            })
        }
        .boxed()
    }

    fn check(&self, generation: u32, _: Uuid) -> BoxFuture<'_, Result<(), ViewError>> {
        self.with_file(generation, |path| match fs::symlink_metadata(path) {
            Ok(_) => Ok(()),
            // What is written to a file that has been deleted is gone with the process.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(damaged(format_args!("{} is gone", path.display())))
            }
            Err(error) => Err(file_error(error)),
        })
    }

    fn examine(&self, generation: u32) -> BoxFuture<'_, Result<(), ViewError>> {
        self.with_file(generation, |path| {
            let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
                .map_err(errors::written)?;
            let found: String = connection
                .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
                .map_err(errors::written)?;
            if found == "ok" {
                Ok(())
            } else {
                Err(damaged(format_args!("{}: {found}", path.display())))
            }
        })
    }

    fn audit(&self, generation: u32) -> BoxFuture<'_, Result<Option<Audit<Documents>>, ViewError>> {
        let path = file(&self.directory, generation);
        async move {
            if !path.exists() {
                return Ok(None);
            }
            let audit: Audit<Documents> = Box::new(SqliteDocumentAudit(open_to_read(&path).await?));
            Ok(Some(audit))
        }
        .boxed()
    }

    fn discard(&self, generation: u32, _: Uuid) -> BoxFuture<'_, Result<(), ViewError>> {
        self.with_file(generation, |path| remove(path).map_err(file_error))
    }
}

/// Removes a file and what lies beside it. The file itself goes first: what is left beside a file
/// that is not there, should this be interrupted, belongs to none.
fn remove(path: &Path) -> io::Result<()> {
    for path in [""]
        .into_iter()
        .chain(BESIDE)
        .map(|suffix| beside(path, suffix))
    {
        // No view has ever made a folder of this name.
        if path.is_dir() {
            set_aside(&path)?;
        } else {
            files::remove(&path)?;
        }
    }
    Ok(())
}

fn file_error(error: io::Error) -> ViewError {
    if is_at_fault(&error) {
        damaged(error)
    } else {
        unavailable(error)
    }
}
