//! The clock of a node under test, which can step: a small library that is loaded into the node
//! adds to the time of day what a file says.
//!
//! `libfaketime` does the same and more, but looks into its file seconds late or at each call, and
//! is not at hand everywhere. A C compiler is: the product needs one.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = include_str!("clock.c");

/// A clock that a node is started with, and that can step then.
pub struct Clock {
    library: PathBuf,
    /// Says how many seconds the clock is off.
    file: PathBuf,
}

impl Clock {
    /// A clock that is right, with its library and its file in this folder.
    pub fn in_folder(folder: &Path) -> Self {
        let clock = Clock {
            library: folder.join("clock.so"),
            file: folder.join("clock"),
        };
        clock.step(0);
        clock.compile(&folder.join("clock.c"));
        clock
    }

    fn compile(&self, source: &Path) {
        std::fs::write(source, SOURCE).expect("a file to write");
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let compiled = Command::new(compiler)
            .args(["-D_GNU_SOURCE", "-O2", "-shared", "-fPIC", "-o"])
            .arg(&self.library)
            .arg(source)
            .status();
        let compiled = compiled.expect("there is a C compiler, with which the node was built");
        assert!(compiled.success(), "clock.c does not compile: {compiled}");
    }

    /// The variables that make a process follow it.
    pub fn variables(&self) -> [(String, String); 2] {
        let variable = |name: &str, path: &Path| (name.to_owned(), path.display().to_string());
        [
            variable("LD_PRELOAD", &self.library),
            variable("SOAK_CLOCK", &self.file),
        ]
    }

    /// Sets it so many seconds off.
    pub fn step(&self, seconds: i64) {
        let mut options = OpenOptions::new();
        // In its place, because whoever follows the clock has the file in memory.
        let file = options
            .create(true)
            .write(true)
            .truncate(false)
            .open(&self.file);
        let file = file.expect("a file to write");
        let written = file.write_all_at(&seconds.to_ne_bytes(), 0);
        written.expect("a file to write");
    }
}
