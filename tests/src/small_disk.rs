//! A disk of a few hundred megabytes that a test can fill. Needs root: it is mounted.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::Command;

const SIZE: &str = "size=400m,mode=755";
const PIECE: usize = 1 << 20;
const BALLAST: &str = "ballast";

/// Mounted, as long as the value lives.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one at a folder, which it makes.
    pub(crate) fn at(folder: PathBuf) -> Self {
        fs::create_dir(&folder).expect("a folder to mount at");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "tmpfs"])
            .arg(&folder)
            .status();
        assert!(
            mount.expect("mount is there").success(),
            "this test needs root"
        );
        Self(folder)
    }

    /// Not a byte is left.
    pub(crate) fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("there is room for a name");
        let mut piece = vec![0; PIECE];
        while !piece.is_empty() {
            match ballast.write_all(&piece) {
                Ok(()) => {}
                Err(full) if full.kind() == ErrorKind::StorageFull => {
                    piece.truncate(piece.len() / 2);
                }
                Err(error) => panic!("the disk cannot be filled: {error}"),
            }
        }
    }

    /// What filled it is gone.
    pub(crate) fn free(&self) {
        fs::remove_file(self.ballast()).expect("it was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.0.join(BALLAST)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whoever still writes to it writes to nothing that anybody reads.
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        if !unmounted.as_ref().is_ok_and(|status| status.success()) {
            eprintln!("{} stays mounted: {unmounted:?}", self.0.display());
        }
    }
}
