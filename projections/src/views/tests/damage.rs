//! Views whose files are damaged, as they are on disk and by whatever damages files: each is
//! rebuilt by itself, and the cause is told.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::*;
use crate::documents::sqlite::SqliteDocumentStore;
use crate::documents::{self, Documents};
use crate::search::{self, EmbeddedSearchStore, Search, SearchQuery};
use crate::testing::eventually;
use crate::testing::lab::Lab;

/// What is done to the folder of a view with one generation.
type Harm = fn(&Path);

fn documents() -> Lab<Documents> {
    Lab::new(documents::DEFINITION, |folder| {
        Arc::new(SqliteDocumentStore::new(folder))
    })
}

fn search() -> Lab<Search> {
    Lab::new(search::DEFINITION, |folder| {
        Arc::new(EmbeddedSearchStore::new(folder))
    })
}

/// Writes garbage over what is in a file, from its middle on.
fn scramble(path: &Path) {
    let length = fs::metadata(path).unwrap().len();
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(length / 2)).unwrap();
    let rest = usize::try_from(length - length / 2).unwrap();
    file.write_all(&vec![0xa5; rest]).unwrap();
}

/// Puts a folder in the place of whatever is there.
fn folder_at(path: &Path) {
    let _ = fs::remove_file(path);
    fs::create_dir(path).unwrap();
    fs::write(path.join("something"), "else").unwrap();
}

fn cut(path: &Path) {
    let length = fs::metadata(path).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(length / 2).unwrap();
}

/// The file of a generation whose write-ahead log is in it.
fn checkpointed(folder: &Path) -> PathBuf {
    let path = folder.join("documents-1.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    path
}

fn sql(folder: &Path, statements: &str) {
    let connection = Connection::open(folder.join("documents-1.db")).unwrap();
    connection.execute_batch(statements).unwrap();
}

/// The files of an index's segments with this ending.
fn segments(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(folder.join("search-1")).unwrap();
    let files: Vec<_> = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    assert!(!files.is_empty(), "no .{ending}");
    files
}

const DOCUMENT_HARMS: [(&str, Harm); 12] = [
    ("garbage in the file", |folder| {
        fs::write(folder.join("documents-1.db"), [0xa5; 20_000]).unwrap();
    }),
    ("an empty file", |folder| {
        checkpointed(folder);
        fs::write(folder.join("documents-1.db"), "").unwrap();
    }),
    ("half a file", |folder| cut(&checkpointed(folder))),
    ("no file", |folder| {
        fs::remove_file(folder.join("documents-1.db")).unwrap();
    }),
    ("a folder for the file", |folder| {
        folder_at(&folder.join("documents-1.db"))
    }),
    ("a folder for the log", |folder| {
        checkpointed(folder);
        folder_at(&folder.join("documents-1.db-wal"));
    }),
    ("a folder for the index of the log", |folder| {
        checkpointed(folder);
        folder_at(&folder.join("documents-1.db-shm"));
    }),
    // As release 0.1 has left it, killed in its first 100 ms.
    ("half the tables", |folder| {
        fs::remove_file(checkpointed(folder)).unwrap();
        sql(folder, "CREATE TABLE order_documents (id BLOB PRIMARY KEY)");
    }),
    ("a table less", |folder| {
        sql(folder, "DROP TABLE view_quarantine")
    }),
    ("a file of another release", |folder| {
        sql(
            folder,
            "UPDATE seaql_migrations SET version = 'm0009_of_tomorrow'",
        );
    }),
    ("no positions", |folder| {
        sql(folder, "DELETE FROM view_positions")
    }),
    ("positions that cannot be read", |folder| {
        sql(folder, "UPDATE view_positions SET positions = 'garbage'");
    }),
];

const SEARCH_HARMS: [(&str, Harm); 12] = [
    ("garbage for segments", |folder| {
        fs::write(folder.join("search-1/meta.json"), "{ no json").unwrap();
    }),
    ("an empty list of segments", |folder| {
        fs::write(folder.join("search-1/meta.json"), "").unwrap();
    }),
    ("no list of segments", |folder| {
        fs::remove_file(folder.join("search-1/meta.json")).unwrap();
    }),
    ("a folder for the list of segments", |folder| {
        folder_at(&folder.join("search-1/meta.json"))
    }),
    ("garbage for files", |folder| {
        fs::write(folder.join("search-1/.managed.json"), "[ no").unwrap();
    }),
    ("no folder", |folder| {
        fs::remove_dir_all(folder.join("search-1")).unwrap()
    }),
    ("a file for the folder", |folder| {
        fs::remove_dir_all(folder.join("search-1")).unwrap();
        fs::write(folder.join("search-1"), "").unwrap();
    }),
    ("a folder for the lock", |folder| {
        folder_at(&folder.join("search-1/.tantivy-writer.lock"))
    }),
    ("a segment less", |folder| {
        segments(folder, "store")
            .iter()
            .for_each(|file| fs::remove_file(file).unwrap());
    }),
    ("half a segment", |folder| {
        segments(folder, "term").iter().for_each(|file| cut(file))
    }),
    // Queries may take what they find then for right: only the checksums tell.
    ("flipped bytes in terms", |folder| {
        segments(folder, "term")
            .iter()
            .for_each(|file| scramble(file));
    }),
    ("flipped bytes in columns", |folder| {
        segments(folder, "fast")
            .iter()
            .for_each(|file| scramble(file));
    }),
];

fn catalog_harms(name: &'static str) -> [(&'static str, impl Fn(&Path)); 4] {
    let at = move |folder: &Path| folder.join(name);
    let harm = move |number: u8| {
        move |folder: &Path| match number {
            0 => fs::write(at(folder), [0xa5; 100]).unwrap(),
            1 => fs::write(at(folder), "").unwrap(),
            2 => cut(&at(folder)),
            _ => folder_at(&at(folder)),
        }
    };
    [
        ("garbage for a catalog", harm(0)),
        ("an empty catalog", harm(1)),
        ("half a catalog", harm(2)),
        ("a folder for a catalog", harm(3)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_view_that_was_damaged_while_it_was_stopped_is_rebuilt_by_itself() {
    for (what, harm) in DOCUMENT_HARMS {
        documents().heals_at_the_start(what, harm).await;
    }
}

/// SQLite has no checksums: what nobody reads may be whatever it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_view_with_flipped_bytes_shows_all_from_what_is_whole_or_rebuilt() {
    let lab = documents().live().await;
    lab.view.stop().await;
    scramble(&checkpointed(lab.folder()));
    let lab = lab.restart().await;
    lab.shows_the_shop("flipped bytes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_view_that_was_damaged_while_it_was_stopped_is_rebuilt_by_itself() {
    for (what, harm) in SEARCH_HARMS {
        search().heals_at_the_start(what, harm).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_whose_catalog_was_damaged_begins_anew_with_numbers_that_nothing_has() {
    for (what, harm) in catalog_harms("documents.json") {
        let lab = documents().heals_at_the_start(what, harm).await;
        assert_eq!(lab.view.status().await.generation, Some(2), "{what}");
        lab.has_only("documents-", 2).await;
    }
    for (what, harm) in catalog_harms("search.json") {
        let lab = search().heals_at_the_start(what, harm).await;
        assert_eq!(lab.view.status().await.generation, Some(2), "{what}");
        lab.has_only("search-", 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_that_is_lost_while_the_view_runs_is_saved_again_and_nothing_is_rebuilt() {
    for (what, harm) in catalog_harms("documents.json") {
        let lab = documents().live().await;
        let harming = async { harm(lab.folder()) };
        lab.saves_its_catalog_again(what, harming).await;
        let lab = lab.restart().await;
        lab.shows_the_shop(what).await;
        assert_eq!(lab.view.status().await.generation, Some(1), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_deleted_while_the_view_runs_is_noticed_without_any_query() {
    let lab = documents();
    let file = lab.folder().join("documents-1.db");
    let harm = async { fs::remove_file(file).unwrap() };
    lab.heals_while_it_runs("a deleted file", harm).await;

    let lab = search();
    let folder = lab.folder().join("search-1");
    let harm = async { fs::remove_dir_all(folder).unwrap() };
    lab.heals_while_it_runs("a deleted folder", harm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_flip_under_a_running_search_are_found_whatever_queries_make_of_them() {
    for endings in [
        &["store"][..],
        &["idx"],
        &["term"],
        &["fast"],
        &["store", "idx", "term", "fast"],
    ] {
        let lab = search().live().await;
        // The index is durable, and opened from its files.
        let lab = lab.restart().await;
        lab.shows_the_shop("whole").await;
        for ending in endings {
            segments(lab.folder(), ending)
                .iter()
                .for_each(|file| scramble(file));
        }

        let what = format!("{endings:?}");
        eventually(&format!("{what} is noticed"), || async {
            let Ok(generation) = lab.view.current() else {
                return true;
            };
            let query = SearchQuery {
                text: Some("milk".to_owned()),
                ..SearchQuery::default()
            };
            let _ = generation
                .read(async |reader| {
                    reader
                        .version_of(domain::OrderId(Uuid::from_u128(10)))
                        .await?;
                    reader.search(query).await
                })
                .await;
            generation.number() > 1
        })
        .await;
        lab.answers(&what, 2).await;
        lab.shows_the_shop(&what).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_under_a_running_document_view_is_told_by_a_query_and_repaired() {
    let lab = documents().live().await;
    checkpointed(lab.folder());
    let mut file = fs::OpenOptions::new()
        .write(true)
        .open(lab.folder().join("documents-1.db"))
        .unwrap();
    file.write_all(&[0xa5; 20_000]).unwrap();

    eventually("it is noticed", || async {
        let Ok(generation) = lab.view.current() else {
            return true;
        };
        let order = domain::OrderId(Uuid::from_u128(10));
        let _ = generation
            .read(async |reader| reader.order(order).await)
            .await;
        generation.number() > 1
    })
    .await;
    lab.answers("garbage", 2).await;
    lab.shows_the_shop("garbage").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_has_taken_in_what_its_log_never_had_is_rebuilt_at_the_start_and_later() {
    let lab = documents().live().await;
    // The databases are those of another day now.
    let lab = lab.restart_on_an_older_log().await;
    lab.answers("a start on an older log", 2).await;
    lab.shows_the_shop("a start on an older log").await;

    let lab = search().live().await;
    lab.forget_the_newest_events();
    lab.answers("a log that goes back", 2).await;
    lab.shows_the_shop("a log that goes back").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_views_of_another_deployment_in_the_own_folder_are_replaced() {
    let mut lab = documents().live().await;
    lab.deployment = Uuid::from_u128(0xd1);
    let lab = lab.restart().await;
    lab.answers("another deployment", 2).await;
    lab.shows_the_shop("another deployment").await;
    lab.has_only("documents-", 2).await;
    // From then on they are its own.
    let lab = lab.restart().await;
    lab.answers("the same deployment", 2).await;
}
