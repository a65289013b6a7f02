//! The catalog of an embedded view's generations, as a file beside them.
//!
//! It is replaced by renaming: the new text is on the disk before it takes the name, and the name
//! before saving is over. So a crash leaves the catalog before or this one, whole.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::Catalog;

/// A file that holds a [`Catalog`] as JSON. The folder it lies in exists.
#[derive(Clone, Debug)]
pub(crate) struct CatalogFile {
    path: PathBuf,
}

impl CatalogFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        CatalogFile { path }
    }

    /// The catalog saved last; the empty one when there is none.
    ///
    /// # Errors
    /// When the file cannot be read; [`io::ErrorKind::InvalidData`] when it holds no catalog.
    pub(crate) async fn load(&self) -> io::Result<Catalog> {
        let path = self.path.clone();
        off_the_runtime(move || read(&path)).await
    }

    /// Saves the catalog, durable when it returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) async fn save(&self, catalog: &Catalog) -> io::Result<()> {
        let (path, text) = (self.path.clone(), serde_json::to_vec_pretty(catalog)?);
        off_the_runtime(move || replace(&path, &text)).await
    }
}

async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
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
    let beside = path.with_extension("json.new");
    let mut file = File::create(&beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    let folder = path
        .parent()
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;

    use super::*;
    use crate::generations::{BuildFrom, Generation, Stage};

    fn catalog(live: u32) -> Catalog {
        let generation = Generation {
            number: live,
            definition: 3,
            from: BuildFrom::Entities,
            stage: Stage::CatchingUp,
            begun_at: Timestamp::from_micros(7),
            replaced_at: Some(Timestamp::from_micros(8)),
        };
        Catalog {
            live: Some(live),
            generations: vec![generation],
            newest: live + 1,
            bound: Vec::new(),
        }
    }

    #[tokio::test]
    async fn the_catalog_saved_last_is_read_back_by_whoever_opens_the_file_next() {
        let folder = tempfile::tempdir().unwrap();
        let file = || CatalogFile::new(folder.path().join("view.json"));
        assert_eq!(file().load().await.unwrap(), Catalog::default());
        for live in [1, 2] {
            file().save(&catalog(live)).await.unwrap();
            assert_eq!(file().load().await.unwrap(), catalog(live));
        }
    }

    /// What a crash in the middle of saving leaves behind.
    #[tokio::test]
    async fn a_catalog_that_was_not_written_to_its_end_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let file = CatalogFile::new(folder.path().join("view.json"));
        file.save(&catalog(1)).await.unwrap();
        fs::write(folder.path().join("view.json.new"), "{ \"live\": 2, \"gen").unwrap();
        assert_eq!(file.load().await.unwrap(), catalog(1));
        file.save(&catalog(2)).await.unwrap();
        assert_eq!(file.load().await.unwrap(), catalog(2));
    }

    #[tokio::test]
    async fn a_file_that_holds_no_catalog_is_an_error_and_not_an_empty_view() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("view.json");
        fs::write(&path, "{").unwrap();
        let error = CatalogFile::new(path).load().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
