//! Folders for databases: in the target folder, because a system's temporary folder may be in
//! memory, where a durable write costs nothing.

use tempfile::TempDir;

/// An empty folder, removed on drop.
pub fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("the target folder can be written")
}
