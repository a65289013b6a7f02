//! The embedded search view: a tantivy index in the data folder.
//!
//! Each generation is a folder ([`store`]). One writer feeds it, on its projector's thread; readers
//! see whole commits, each with the positions it was made with. Both become durable a moment later
//! (`lazy_directory`).
//!
//! The index is disposable: when its definition has changed, or it is damaged, it is emptied at
//! opening, and the projector fills it again from the history.
//!
//! tantivy locks the folder with a lock of the operating system, which ends with the process,
//! however that ends.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tantivy::directory::error::OpenReadError;
use tantivy::directory::{INDEX_WRITER_LOCK, MmapDirectory};
use tantivy::{Directory as _, Index, IndexBuilder, IndexSettings, ReloadPolicy, TantivyError};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::ViewError;
use crate::search::{SearchView, VIEW};

pub mod audit;
mod collect;
mod commit;
mod indexing;
mod keeper;
mod lazy_directory;
mod lookup;
mod new_segments;
mod phrase_prefix;
mod reader;
mod schema;
mod snapshot;
pub mod store;
mod word_points;
mod writer;

use commit::CommitState;
use keeper::Keeper;
use lazy_directory::LazyDirectory;
use reader::EmbeddedReader;
use schema::Fields;
use snapshot::Snapshot;
pub use store::EmbeddedSearchStore;
use writer::EmbeddedWriter;

/// What stores the view, in `GET /views`.
pub const BACKEND: &str = "tantivy";
/// Decompressed blocks (16 KiB) of stored documents kept per segment. Hits are mostly near each
/// other.
const STORE_CACHE_BLOCKS: usize = 8;

/// Opens the index in `folder`, or makes an empty one there.
///
/// # Errors
/// When the folder cannot be read or written, or another process writes to the index.
pub fn open_embedded(folder: &Path) -> Result<SearchView, ViewError> {
    open_in(folder).map(|(view, _)| view)
}

/// The same, with the folder as the open index has it: on disk it may be older.
fn open_in(folder: &Path) -> Result<(SearchView, LazyDirectory), ViewError> {
    let Opened {
        index,
        directory,
        fields,
        state,
    } = open_index(folder)?;

    let writer = indexing::open(&index)?;
    let keeper = Keeper::start(directory.clone()).map_err(|error| view_error(error.into()))?;

    let reader = index
        .reader_builder()
        .reload_policy(ReloadPolicy::Manual)
        .doc_store_cache_num_blocks(STORE_CACHE_BLOCKS)
        .try_into()
        .map_err(view_error)?;

    let snapshot = Arc::new(
        Snapshot::open(reader.searcher(), fields, state.positions.clone()).map_err(view_error)?,
    );
    let (publish, snapshots) = watch::channel(snapshot);

    let writer = EmbeddedWriter::new(writer, keeper, reader, fields, publish, state);
    Ok((
        (Box::new(writer), Arc::new(EmbeddedReader::new(snapshots))),
        directory,
    ))
}

/// An index of the current definition.
struct Opened {
    index: Index,
    directory: LazyDirectory,
    fields: Fields,
    state: CommitState,
}

fn open_index(folder: &Path) -> Result<Opened, ViewError> {
    fs::create_dir_all(folder).map_err(|error| view_error(error.into()))?;
    match open_current(folder) {
        Ok(Some(opened)) => return Ok(opened),
        Ok(None) => {}
        Err(error) if is_damage(&error) => {
            warn!(%error, "the search index is damaged and is built anew")
        }
        Err(error) => return Err(view_error(error)),
    }
    create(folder).map_err(view_error)
}

/// The index in `folder`; `None` when there is none of the current definition.
fn open_current(folder: &Path) -> tantivy::Result<Option<Opened>> {
    let directory = LazyDirectory::open(folder)?;
    if !Index::exists(&directory)? {
        return Ok(None);
    }

    let mut index = Index::open(directory.clone())?;
    let (schema, fields) = schema::define();

    let state = CommitState::read(index.load_metas()?.payload.as_deref());
    let Some(state) = state.filter(|_| index.schema() == schema) else {
        info!("the definition of the search index has changed, it is built anew");
        return Ok(None);
    };

    index.set_tokenizers(schema::tokenizers());
    // Opens every segment: a file that is missing or cut shows here, while the index can still be
    // replaced.
    index
        .reader_builder()
        .reload_policy(ReloadPolicy::Manual)
        .try_into()?;

    Ok(Some(Opened {
        index,
        directory,
        fields,
        state,
    }))
}

/// An empty index, in the place of whatever is in `folder`.
fn create(folder: &Path) -> tantivy::Result<Opened> {
    let lock = MmapDirectory::open(folder)?.acquire_lock(&INDEX_WRITER_LOCK)?;
    // The list of segments goes first: without it the rest is no index, should this be interrupted.
    remove_if_there(&folder.join("meta.json"))?;

    fs::remove_dir_all(folder)?;
    drop(lock);
    fs::create_dir_all(folder)?;
    let (schema, fields) = schema::define();

    let settings = IndexSettings {
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };

    let directory = LazyDirectory::open(folder)?;

    let index = IndexBuilder::new()
        .schema(schema)
        .settings(settings)
        .tokenizers(schema::tokenizers())
        .open_or_create(directory.clone())?;

    let state = CommitState::default();
    let mut writer = index.writer_with_options::<tantivy::TantivyDocument>(indexing::options())?;
    let mut commit = writer.prepare_commit()?;
    commit.set_payload(&state.write());
    commit.commit()?;
    directory.persist()?;

    Ok(Opened {
        index,
        directory,
        fields,
        state,
    })
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether the index itself is at fault, not the way to it.
fn is_damage(error: &TantivyError) -> bool {
    let is_cut = |error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
        )
    };
    match error {
        TantivyError::DataCorruption(_)
        | TantivyError::IncompatibleIndex(_)
        | TantivyError::SchemaError(_) => true,
        TantivyError::OpenReadError(OpenReadError::IoError { io_error, .. }) => is_cut(io_error),
        TantivyError::OpenReadError(_) => true,
        TantivyError::IoError(error) => is_cut(error),
        _ => false,
    }
}

fn view_error(error: TantivyError) -> ViewError {
    match error {
        error @ TantivyError::DataCorruption(_) => ViewError::Corrupt {
            view: VIEW,
            what: error.to_string(),
        },
        error => ViewError::Unavailable {
            view: VIEW,
            source: Box::new(error),
        },
    }
}

#[cfg(test)]
mod tests;
