//! What is on disk at any moment is a whole index.

use std::io::Write as _;
use std::path::Path;

use tantivy::directory::TerminatingWrite as _;
use tantivy::schema::{INDEXED, STORED, Schema};
use tantivy::{Index, IndexSettings, IndexWriter, ReloadPolicy, TantivyDocument};
use tempfile::TempDir;

use super::*;

struct Place {
    folder: TempDir,
    directory: LazyDirectory,
    writer: IndexWriter,
    next: u64,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let directory = LazyDirectory::open(folder.path()).unwrap();
        let mut schema = Schema::builder();
        schema.add_u64_field("number", INDEXED | STORED);
        let index =
            Index::create(directory.clone(), schema.build(), IndexSettings::default()).unwrap();
        let writer = index.writer_with_num_threads(1, 20_000_000).unwrap();

        Place {
            folder,
            directory,
            writer,
            next: 0,
        }
    }

    /// Commits one more document, in a segment of its own.
    fn commit(&mut self) {
        let field = self.writer.index().schema().get_field("number").unwrap();
        let mut document = TantivyDocument::default();
        document.add_u64(field, self.next);
        self.writer.add_document(document).unwrap();
        self.writer.commit().unwrap();
        self.next += 1;
    }

    fn merge_all(&mut self) {
        let segments = self.writer.index().searchable_segment_ids().unwrap();
        self.writer.merge(&segments).wait().unwrap();
        self.writer.garbage_collect_files().wait().unwrap();
    }

    fn files(&self) -> usize {
        fs::read_dir(self.folder.path()).unwrap().count()
    }
}

/// How many documents, and segments, whoever opens the folder now finds.
fn on_disk(folder: &Path) -> (u64, usize) {
    let index = Index::open(MmapDirectory::open(folder).unwrap()).unwrap();
    let reader = index
        .reader_builder()
        .reload_policy(ReloadPolicy::Manual)
        .try_into()
        .unwrap();

    let searcher = reader.searcher();
    for segment in searcher.segment_readers() {
        assert!(
            segment
                .get_store_reader(0)
                .unwrap()
                .iter::<TantivyDocument>(None)
                .all(|document| document.is_ok())
        );
    }

    (searcher.num_docs(), searcher.segment_readers().len())
}

#[test]
fn a_crash_leaves_the_index_as_it_was_made_durable_last() {
    let mut place = Place::new();
    place.commit();
    place.commit();
    place.directory.persist().unwrap();
    place.commit();

    assert_eq!(on_disk(place.folder.path()), (2, 2));
    // The files of the index on disk stay, although the newest index has merged them.
    place.merge_all();

    assert_eq!(
        place.writer.index().searchable_segment_ids().unwrap().len(),
        1
    );

    assert_eq!(on_disk(place.folder.path()), (2, 2));
    place.directory.persist().unwrap();
    assert_eq!(on_disk(place.folder.path()), (3, 1));
}

#[test]
fn a_crash_between_the_two_lists_leaves_the_index_as_it_was_before() {
    let mut place = Place::new();
    place.commit();
    place.commit();
    place.directory.persist().unwrap();
    place.commit();
    place.merge_all();

    // The list of segments is written last, and is not.
    let (list, kept) = (
        place.folder.path().join(SEGMENTS),
        place.folder.path().join("kept"),
    );
    fs::rename(&list, &kept).unwrap();
    fs::create_dir(&list).unwrap();
    place.directory.persist().unwrap_err();
    fs::remove_dir(&list).unwrap();
    fs::rename(&kept, &list).unwrap();

    drop(LazyDirectory::open(place.folder.path()).unwrap());
    assert_eq!(on_disk(place.folder.path()), (2, 2));
}

#[test]
fn what_is_not_part_of_the_index_any_more_is_deleted_once_that_is_durable() {
    let mut place = Place::new();
    place.commit();
    place.merge_all();
    place.directory.persist().unwrap();
    let one_segment = place.files();

    for _ in 0..5 {
        place.commit();
        place.directory.persist().unwrap();
        place.merge_all();
        place.directory.persist().unwrap();
        // What the last merge has replaced is deleted with the next list.
        assert!(
            place.files() <= 2 * one_segment,
            "{} files, {one_segment} for a segment",
            place.files()
        );
    }

    assert_eq!(on_disk(place.folder.path()), (6, 1));
}

#[test]
fn what_a_crash_has_left_behind_is_removed_at_the_next_opening() {
    let mut place = Place::new();
    place.commit();
    place.directory.persist().unwrap();
    let durable = place.files();
    place.commit();

    assert_eq!(
        place.files(),
        durable,
        "what is small is in memory until it is made durable"
    );
    // Written, and named by no list yet.
    for stray in ["5a1b.store", ".tmpA1b2"] {
        fs::write(place.folder.path().join(stray), "some of it").unwrap();
    }

    let Place {
        folder,
        directory,
        writer,
        ..
    } = place;

    drop((directory, writer));
    LazyDirectory::open(folder.path()).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), durable);
    assert_eq!(on_disk(folder.path()), (1, 1));
}

#[test]
fn when_it_cannot_be_made_durable_that_is_done_the_next_time() {
    let mut place = Place::new();
    place.commit();
    place.directory.persist().unwrap();
    place.commit();
    let away = place.folder.path().with_extension("away");
    fs::rename(place.folder.path(), &away).unwrap();
    assert!(place.directory.persist().is_err());
    fs::rename(&away, place.folder.path()).unwrap();
    assert_eq!(on_disk(place.folder.path()), (1, 1));
    place.directory.persist().unwrap();
    assert_eq!(on_disk(place.folder.path()), (2, 2));
}

#[test]
fn a_file_is_read_as_it_was_written_wherever_it_is() {
    let folder = TempDir::new().unwrap();

    let directory = LazyDirectory::open(folder.path()).unwrap();
    // The last one is too large for memory.
    for (name, length) in [("a.store", 0), ("b.store", 70_000), ("c.store", 5 << 20)] {
        let path = Path::new(name);
        let content: Vec<u8> = (0_u8..251).cycle().take(length).collect();
        let mut file = directory.open_write(path).unwrap();
        for piece in content.chunks(1_000) {
            file.write_all(piece).unwrap();
        }
        file.terminate().unwrap();
        assert!(directory.exists(path).unwrap() && directory.open_write(path).is_err());
        assert_eq!(folder.path().join(name).exists(), length > 4 << 20);
        let read = || directory.open_read(path).unwrap().read_bytes().unwrap();
        let before = read();
        directory
            .atomic_write(Path::new("meta.json"), b"{}")
            .unwrap();
        directory.persist().unwrap();
        assert_eq!(
            (before.as_slice(), read().as_slice()),
            (content.as_slice(), content.as_slice()),
            "{name}"
        );
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), content);
    }

    for (name, durable) in [("d.store", false), ("e.store", true)] {
        let path = Path::new(name);
        directory.open_write(path).unwrap().terminate().unwrap();
        if durable {
            directory
                .atomic_write(Path::new("meta.json"), b"{}")
                .unwrap();
            directory.persist().unwrap();
        }
        directory.delete(path).unwrap();
        assert!(!directory.exists(path).unwrap(), "{name}");
    }
}

#[test]
fn more_than_memory_may_take_goes_to_its_place_at_once() {
    let folder = TempDir::new().unwrap();

    let directory = LazyDirectory::open(folder.path()).unwrap();
    for number in 0..12 {
        let mut file = directory
            .open_write(Path::new(&format!("{number}.store")))
            .unwrap();
        file.write_all(&vec![number; 3 << 20]).unwrap();
        file.terminate().unwrap();
    }

    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        2,
        "of 36 MiB, 4 are over"
    );
}
