//! The clock of a node under test: `libfaketime` gives it another time than the machine's.
//!
//! It is a package of Debian's (`faketime`). Where there is none, clocks do not step, and the story
//! says so.

use std::path::{Path, PathBuf};

const LIBRARY: &str = "faketime/libfaketimeMT.so.1";
const PLACES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
];

/// A clock that a node is started with, and that can step then.
pub struct Clock {
    library: Option<PathBuf>,
    /// Says how far the clock is off.
    file: PathBuf,
}

impl Clock {
    /// A clock that is right, told by a file in this folder.
    pub fn in_folder(folder: &Path) -> Self {
        let found = PLACES.iter().map(|place| Path::new(place).join(LIBRARY));
        let clock = Clock {
            library: found.into_iter().find(|library| library.exists()),
            file: folder.join("clock"),
        };
        clock.step(0);
        clock
    }

    /// Whether it can step at all.
    pub fn steps(&self) -> bool {
        self.library.is_some()
    }

    /// The variables that make a process follow it.
    pub fn variables(&self) -> Vec<(String, String)> {
        let Some(library) = &self.library else {
            return Vec::new();
        };
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            variable("LD_PRELOAD", &library.to_string_lossy()),
            variable("FAKETIME_TIMESTAMP_FILE", &self.file.to_string_lossy()),
            variable("FAKETIME_CACHE_DURATION", "1"),
            // Timers count time that goes by, whatever the clock says.
            variable("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            variable("DONT_FAKE_MONOTONIC", "1"),
            variable("NO_FAKE_STAT", "1"),
        ]
    }

    /// Sets it so many seconds off.
    pub fn step(&self, seconds: i64) {
        // Written as a whole, so that nobody reads a half.
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{seconds:+}\n")).expect("a file to write");
        std::fs::rename(&new, &self.file).expect("a file to rename");
    }
}
