//! Where the binary under test is, and that of the release after it.
//!
//! `COUNTERFOIL_BIN` names one that is built already, `COUNTERFOIL_NEXT_BIN` the other one. Without
//! it the binary is built once per test run, with the profile and into the target folder of the
//! tests themselves, so that `cargo test --workspace` is enough on a fresh machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Which release a node runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Release {
    /// The one under test.
    #[default]
    This,
    /// The one after it, which writes versions of events that this one reads alone.
    Next,
}

impl Release {
    /// The path of its binary, built at the first call when it has to be.
    pub(crate) fn binary(self) -> &'static Path {
        static NEXT: OnceLock<PathBuf> = OnceLock::new();
        match self {
            Release::This => counterfoil(),
            Release::Next => NEXT.get_or_init(|| {
                let features = ["--features", "next-release"];
                named("COUNTERFOIL_NEXT_BIN")
                    .unwrap_or_else(|| build("counterfoil-next", &features))
            }),
        }
    }
}

/// The path of `counterfoil`, built at the first call when it has to be.
pub(crate) fn counterfoil() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| named("COUNTERFOIL_BIN").unwrap_or_else(|| build("counterfoil", &[])))
}

fn named(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable)?;
    // nodes run in a folder of their own, so a relative path would no longer lead anywhere
    Some(std::path::absolute(&path).unwrap_or_else(|_| panic!("{variable} is a path")))
}

/// The same binary by a name in `folder`.
pub(crate) fn linked_into(folder: &Path) -> PathBuf {
    let link = folder.join("counterfoil");
    if !link.exists() && std::fs::hard_link(counterfoil(), &link).is_err() {
        // The folder is on another file system.
        std::fs::copy(counterfoil(), &link).expect("the binary can be copied");
    }
    link
}

fn build(binary: &str, features: &[&str]) -> PathBuf {
    let (target_folder, profile) = own_target();

    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    // What cargo tells a test of its package. Some build scripts run again where that differs, and
    // half of all crates would be compiled anew, here and by whoever calls cargo next.
    let of_this_test = std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    });
    of_this_test.for_each(|name| {
        build.env_remove(name);
    });

    let output = build
        .args([
            "build",
            "--package",
            "api",
            "--bin",
            binary,
            "--message-format",
            "json",
        ])
        .args(features)
        .args(["--profile", &profile])
        .arg("--target-dir")
        .arg(target_folder)
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");

    assert!(
        output.status.success(),
        "cargo could not build {binary}: {}",
        output.status
    );

    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == binary)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo names the executable it has built")
}

/// The target folder and the profile this program was built with: a test lies in
/// `<target>/<profile>/deps/`, and others beside that folder.
fn own_target() -> (PathBuf, String) {
    let this = std::env::current_exe().expect("the path of this program");
    let mut folders = this.ancestors().skip(1);
    let profile_folder = folders
        .find(|folder| !folder.ends_with("deps"))
        .expect("a profile folder");

    let folder_name = profile_folder
        .file_name()
        .and_then(|name| name.to_str())
        .expect("a profile folder");

    let target_folder = profile_folder
        .parent()
        .expect("a target folder")
        .to_path_buf();
    // the folder of the profile `dev` is the one that is named otherwise
    let profile = if folder_name == "debug" {
        "dev"
    } else {
        folder_name
    };
    (target_folder, profile.to_owned())
}
