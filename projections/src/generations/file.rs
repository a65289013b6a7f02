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
mod tests {
    use sagas::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::generations::{BuildFrom, Generation, Stage};

    type Harm = fn(&Path) -> io::Result<()>;

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
            deployment: Some(Uuid::from_u128(5)),
            bound: Vec::new(),
            revision: 0,
        }
    }

    fn file(folder: &tempfile::TempDir) -> CatalogFile {
        CatalogFile::new("view", folder.path().join("view.json"))
    }

    #[tokio::test]
    async fn the_catalog_saved_last_is_read_back_by_whoever_opens_the_file_next() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(file(&folder).load().await.unwrap(), Catalog::default());
        for live in [1, 2] {
            file(&folder).save(&catalog(live)).await.unwrap();
            assert_eq!(file(&folder).load().await.unwrap(), catalog(live));
        }
    }

    /// What a crash in the middle of saving leaves behind.
    #[tokio::test]
    async fn a_catalog_that_was_not_written_to_its_end_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder);
        file.save(&catalog(1)).await.unwrap();
        fs::write(folder.path().join("view.json.new"), "{ \"live\": 2, \"gen").unwrap();
        assert_eq!(file.load().await.unwrap(), catalog(1));
        file.save(&catalog(2)).await.unwrap();
        assert_eq!(file.load().await.unwrap(), catalog(2));
    }

    #[tokio::test]
    async fn what_is_no_catalog_is_damage_and_no_empty_view_and_gives_way_to_the_next_one() {
        let harms: [(&str, Harm); 4] = [
            ("garbage", |path| fs::write(path, b"\xff\x00{")),
            ("an empty file", |path| fs::write(path, "")),
            ("a catalog cut short", |path| {
                fs::write(path, "{ \"live\": 1, \"generations\": [")
            }),
            ("a folder", |path| fs::create_dir(path)),
        ];

        for (what, harm) in harms {
            let folder = tempfile::tempdir().unwrap();
            harm(&folder.path().join("view.json")).unwrap();
            let error = file(&folder).load().await.unwrap_err();
            assert!(
                matches!(error, ViewError::Damaged { .. }),
                "{what}: {error}"
            );

            file(&folder).save(&catalog(1)).await.unwrap();
            assert_eq!(file(&folder).load().await.unwrap(), catalog(1), "{what}");
            assert!(folder.path().join("view.json.damaged").exists(), "{what}");
        }
    }

    #[tokio::test]
    async fn a_folder_in_the_way_of_the_next_catalog_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("view.json.new")).unwrap();
        file(&folder).save(&catalog(1)).await.unwrap();
        assert_eq!(file(&folder).load().await.unwrap(), catalog(1));
    }
}
