//! Where the binary under test is.
//!
//! `COUNTERFOIL_BIN` names one that is built already. Without it the binary is built once per test
//! run, with the profile and into the target folder of the tests themselves, so that `cargo test
//! --workspace` is enough on a fresh machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The path of `counterfoil`, built at the first call when it has to be.
pub(crate) fn counterfoil() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("COUNTERFOIL_BIN") {
        // nodes run in a folder of their own, so a relative path would no longer lead anywhere
        Some(path) => std::path::absolute(&path).expect("COUNTERFOIL_BIN is a path"),
        None => build(),
    })
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

fn build() -> PathBuf {
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
            "counterfoil",
            "--message-format",
            "json",
        ])
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
        "cargo could not build counterfoil: {}",
        output.status
    );

    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "counterfoil")
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
