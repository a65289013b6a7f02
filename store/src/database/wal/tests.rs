use rusqlite::Connection;

use super::*;

const COMMITS: usize = 20;

/// The log of a database into which some commits were written one after the other.
fn log() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let connection = Connection::open(&file).unwrap();
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .unwrap();
    connection
        .pragma_update(None, "synchronous", "FULL")
        .unwrap();

    connection.execute("CREATE TABLE t (x)", []).unwrap();
    for number in 1..COMMITS {
        connection
            .execute("INSERT INTO t VALUES (?)", [number])
            .unwrap();
    }
    std::fs::read(folder.path().join("a.db-wal")).unwrap()
}

fn flipped(log: &[u8], at: usize) -> Vec<u8> {
    let mut log = log.to_vec();
    log[at] ^= 0x40;
    log
}

#[test]
fn a_whole_log_is_taken_and_so_is_one_that_ends_anywhere() {
    let log = log();
    for end in (0..=log.len()).step_by(7) {
        assert_eq!(check(&log[..end]), Ok(()), "cut off at {end}");
    }
}

#[test]
fn an_end_that_was_not_written_is_taken() {
    let log = log();
    let mut torn = log.clone();
    // The last commit is one frame.
    let last = log.len() - 100;
    torn[last..].fill(0);
    assert_eq!(check(&torn), Ok(()));
    assert_eq!(check(&[0; 4_096]), Ok(()));
    assert_eq!(check(&[]), Ok(()));
}

#[test]
fn a_byte_that_is_flipped_before_the_last_commits_is_found_wherever_it_is() {
    let log = log();
    let frame = FRAME_HEADER + 4_096;
    for at in (0..log.len() - 3 * frame).step_by(13) {
        assert!(check(&flipped(&log, at)).is_err(), "flipped at {at}");
    }
}

#[test]
fn a_part_that_is_lost_with_the_headers_in_it_is_found() {
    let log = log();
    let frame = FRAME_HEADER + 4_096;
    for first in (0..COMMITS - 5).map(|number| HEADER + number * frame) {
        // From the middle of one frame to the middle of the next.
        let mut holed = log.clone();
        holed[first + frame / 2..first + frame * 3 / 2].fill(0);
        assert!(check(&holed).is_err(), "lost at {first}");
    }
}

/// The files of a database, as a kill leaves them.
struct Killed(tempfile::TempDir);

impl Killed {
    fn file(&self) -> std::path::PathBuf {
        self.0.path().join("a.db")
    }

    fn log(&self) -> std::path::PathBuf {
        self.0.path().join("a.db-wal")
    }

    /// The same files with one more commit of this many pages behind what SQLite reads of them.
    fn with_commit(&self, pages: usize) -> Killed {
        let next = Killed(tempfile::tempdir().unwrap());
        for (from, to) in [(self.file(), next.file()), (self.log(), next.log())] {
            std::fs::copy(from, to).unwrap();
        }

        let connection = Connection::open(next.file()).unwrap();
        let page = vec![0x55_u8; 4_000];
        let insert = "INSERT INTO t SELECT ?1 FROM \
            (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2) \
            SELECT i FROM n)";
        connection
            .execute(insert, rusqlite::params![page, pages])
            .unwrap();
        std::mem::forget(connection);
        next
    }
}

/// What a commit whose sync has failed leaves is overwritten from its first frame on, as far as
/// the next one reaches.
fn overwrite(failed: &[u8], next: &[u8]) -> Vec<u8> {
    let rest = failed.get(next.len()..).unwrap_or_default();
    [next, rest].concat()
}

#[test]
fn what_failed_commits_leave_behind_the_last_one_is_no_loss() {
    let before = Killed(tempfile::tempdir().unwrap());
    let connection = Connection::open(before.file()).unwrap();
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .unwrap();
    connection.execute("CREATE TABLE t (x)", []).unwrap();
    std::mem::forget(connection);

    // Three commits on the same state: the sync of the first two fails, each is shorter.
    let commits = [40, 20, 5].map(|pages| before.with_commit(pages));
    let [first, second, third] = [0, 1, 2].map(|at: usize| {
        let log = std::fs::read(commits[at].log()).unwrap();
        assert_eq!(check(&log), Ok(()));
        log
    });
    assert!(first.len() > second.len() && second.len() > third.len());
    let log = overwrite(&overwrite(&first, &second), &third);
    assert!(log.len() == first.len() && log.starts_with(&third));
    std::fs::write(commits[2].log(), &log).unwrap();

    assert_eq!(check(&log), Ok(()));
    let rows: usize = Connection::open(commits[2].file())
        .unwrap()
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 5, "SQLite reads the commit that was synced");
}

#[test]
fn frames_of_an_earlier_log_behind_its_end_are_no_loss() {
    let log = log();
    let (kept, frame) = (HEADER + 4 * (FRAME_HEADER + 4_096), FRAME_HEADER + 4_096);
    let mut older = log.clone();
    for header in older[kept..].chunks_exact_mut(frame) {
        header[8] ^= 0xff;
    }
    assert_eq!(check(&older), Ok(()));
}

#[test]
fn garbage_is_no_log() {
    assert!(check(&[b'x'; 5_000]).is_err());
}
