//! The embedded search view: a tantivy index in the data folder.
//!
//! Each generation is a folder ([`store`]). One writer feeds it, on its projector's thread; readers
//! see whole commits, each with the positions it was made with. Both become durable a moment later
//! (`lazy_directory`).
//!
//! Opening refuses an index that is damaged, or of another definition, and repairs none: an index
//! is disposable, and the view's supervisor has another one built. tantivy checks what it reads
//! only in part, so an index is examined (`examining`) by its checksums when it is opened, and when
//! something has panicked on it.
//!
//! tantivy locks the folder with a lock of the operating system, which ends with the process,
//! however that ends.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tantivy::directory::error::{LockError, OpenDirectoryError, OpenReadError, OpenWriteError};
use tantivy::directory::{INDEX_WRITER_LOCK, MmapDirectory};
use tantivy::{
    Directory as _, Index, IndexBuilder, IndexReader, IndexSettings, ReloadPolicy, TantivyError,
};
use tokio::sync::watch;
use tokio::task::JoinError;

use crate::ViewError;
use crate::files::is_at_fault;
use crate::search::{SearchView, TIME_LIMIT, VIEW, damaged};

mod collect;
mod commit;
mod deadline;
mod examining;
mod index_slices;
mod indexing;
mod keeper;
mod lazy_directory;
mod lookup;
mod new_segments;
mod phrase_prefix;
mod prefix;
mod reader;
mod schema;
mod scoring;
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

/// Opens the index in `folder`, or makes an empty one where there is nothing.
///
/// # Errors
/// When the folder cannot be read or written, or another process writes to the index;
/// [`ViewError::Damaged`] when there is something else, or an index that cannot be read.
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
        (
            Box::new(writer),
            Arc::new(EmbeddedReader::new(snapshots, TIME_LIMIT)),
        ),
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
    if folder.exists() && !folder.is_dir() {
        return Err(damaged(format_args!("{} is no folder", folder.display())));
    }
    fs::create_dir_all(folder).map_err(|error| view_error(error.into()))?;
    let directory = LazyDirectory::open(folder).map_err(view_error)?;
    let exists = Index::exists(&directory).map_err(|error| view_error(error.into()))?;
    if exists {
        open_current(directory)
    } else {
        create(folder).map_err(view_error)
    }
}

/// The index that is there.
fn open_current(directory: LazyDirectory) -> Result<Opened, ViewError> {
    if !directory.has_list_of_files() {
        return Err(damaged("the index has no list of its files"));
    }

    let mut index = Index::open(directory.clone()).map_err(view_error)?;
    let (schema, fields) = schema::define();

    let payload = index.load_metas().map_err(view_error)?.payload;
    let state = CommitState::read(payload.as_deref());
    let state = state.filter(|_| index.schema() == schema);
    let state = state.ok_or_else(|| damaged("the index is of another definition"))?;

    index.set_tokenizers(schema::tokenizers());
    // Opens every segment: a file that is missing or cut shows here.
    let _: IndexReader = index
        .reader_builder()
        .reload_policy(ReloadPolicy::Manual)
        .try_into()
        .map_err(view_error)?;

    Ok(Opened {
        index,
        directory,
        fields,
        state,
    })
}

/// An empty index. What is in the folder without a list of segments is what an interrupted discard
/// has left.
fn create(folder: &Path) -> tantivy::Result<Opened> {
    let lock = MmapDirectory::open(folder)?.acquire_lock(&INDEX_WRITER_LOCK)?;
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

/// Whether the index itself is at fault, not the way to it.
fn is_damage(error: &TantivyError) -> bool {
    // A file that the index names and that is gone will not come back.
    let is_lost = |error: &io::Error| is_at_fault(error) || error.kind() == io::ErrorKind::NotFound;
    match error {
        TantivyError::DataCorruption(_)
        | TantivyError::IncompatibleIndex(_)
        | TantivyError::SchemaError(_) => true,
        TantivyError::OpenReadError(OpenReadError::IoError { io_error, .. }) => is_lost(io_error),
        TantivyError::OpenReadError(_) => true,
        TantivyError::OpenDirectoryError(OpenDirectoryError::IoError { io_error, .. }) => {
            is_lost(io_error)
        }
        TantivyError::OpenDirectoryError(
            OpenDirectoryError::DoesNotExist(_) | OpenDirectoryError::NotADirectory(_),
        ) => true,
        TantivyError::OpenWriteError(OpenWriteError::IoError { io_error, .. }) => is_lost(io_error),
        TantivyError::LockFailure(LockError::IoError(error), _) => is_lost(error),
        TantivyError::IoError(error) => is_lost(error),
        _ => false,
    }
}

fn view_error(error: TantivyError) -> ViewError {
    if is_damage(&error) {
        damaged(error)
    } else {
        ViewError::Unavailable {
            view: VIEW,
            source: Box::new(error),
        }
    }
}

/// What becomes of work on a thread that may block.
fn task_error(error: JoinError) -> ViewError {
    ViewError::of_task(VIEW, error)
}

#[cfg(test)]
mod tests;
