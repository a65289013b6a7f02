//! The generations of the embedded document view: `documents-1.db`, `documents-2.db`, … in the data
//! directory, and `documents.json`, which says which is which.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use super::errors::BESIDE;
use super::reader::SqliteDocumentAudit;
use super::{BACKEND, errors, open_file, open_to_read};
use crate::ViewError;
use crate::documents::{Documents, VIEW, damaged};
use crate::files::{self, beside, set_aside};
use crate::generations::folder::GenerationsFolder;
use crate::generations::{Audit, Catalog, Found, Opened, ViewStore};

/// The document view of a node that keeps everything in its data directory.
#[derive(Clone, Debug)]
pub struct SqliteDocumentStore {
    folder: GenerationsFolder,
}

impl SqliteDocumentStore {
    /// The view in this data directory, which exists.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        domain::ids::register();
        SqliteDocumentStore {
            folder: folder(directory),
        }
    }
}

/// The view's files in a data directory.
pub(super) fn folder(directory: &Path) -> GenerationsFolder {
    GenerationsFolder::new(VIEW, directory, ".db")
}

impl ViewStore<Documents> for SqliteDocumentStore {
    fn backend(&self) -> &'static str {
        BACKEND
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn catalog(&self) -> BoxFuture<'_, Result<Catalog, ViewError>> {
        self.folder.catalog()
    }

    fn save<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), ViewError>> {
        self.folder.save(catalog)
    }

    fn generations(&self) -> BoxFuture<'_, Result<Vec<Found>, ViewError>> {
        self.folder.generations()
    }

    fn open(
        &self,
        generation: u32,
        _: Uuid,
    ) -> BoxFuture<'_, Result<Opened<Documents>, ViewError>> {
        let path = self.folder.path(generation);
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
        self.folder.check(generation, is_there)
    }

    fn examine(&self, generation: u32) -> BoxFuture<'_, Result<(), ViewError>> {
        self.folder.with(generation, |path| {
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
        let path = self.folder.path(generation);
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
        self.folder.discard(generation, remove)
    }
}

fn is_there(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
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
