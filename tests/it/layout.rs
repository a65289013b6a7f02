//! The layout of the workspace: dependencies between its crates point one way, and names that stand
//! twice agree.
//!
//! `sagas < domain < store < {actors, projections} < api < {tests, benches}`; `actors` and
//! `projections` do not know each other. The command line's client knows of the domain alone, the
//! auditor of what lies in stores. The tests check what the manifests say, dev-dependencies
//! included, and, inside the server, that the ports do not know who calls them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Each crate, and the crates of the workspace it may depend on.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("sagas", &[]),
    ("domain", &["sagas"]),
    ("store", &["sagas", "domain"]),
    ("actors", &["sagas", "domain", "store"]),
    // Another team's services know the mechanism alone.
    ("trip", &["sagas", "store", "actors"]),
    ("projections", &["sagas", "domain", "store"]),
    ("client", &["domain"]),
    ("audit", &["domain", "store", "projections"]),
    ("api", BELOW_THE_SERVER),
    ("tests", BELOW_THE_TESTS),
    ("benches", BELOW_THE_TESTS),
];

const BELOW_THE_SERVER: &[&str] = &[
    "sagas",
    "domain",
    "store",
    "actors",
    "projections",
    "client",
    "audit",
];

const BELOW_THE_TESTS: &[&str] = &[
    "sagas",
    "domain",
    "store",
    "actors",
    "projections",
    "client",
    "audit",
    "api",
];

/// What a crate may also depend on for its own tests: an auditor needs something to audit.
const IN_TESTS_ALSO: &[(&str, &[&str])] = &[("audit", &["actors"])];

/// What would make decisions depend on how they are run, stored or watched.
const NOT_PURE: &[&str] = &[
    "actix",
    "actix-rt",
    "actix-web",
    "futures-util",
    "metrics",
    "reqwest",
    "rusqlite",
    "sea-orm",
    "sqlx-sqlite",
    "tantivy",
    "tokio",
    "tracing",
];

/// One crate of the workspace.
struct Package {
    name: String,
    /// Everything its manifest names.
    dependencies: BTreeSet<String>,
    /// What it needs outside its own tests.
    normal: BTreeSet<String>,
}

impl Package {
    fn read(package: &Value) -> Self {
        let dependencies = package["dependencies"]
            .as_array()
            .expect("a package lists its dependencies");
        let named = |only_normal: bool| {
            let counts = |dependency: &&Value| !only_normal || dependency["kind"].is_null();
            dependencies.iter().filter(counts).map(name_of).collect()
        };
        Package {
            name: name_of(package),
            dependencies: named(false),
            normal: named(true),
        }
    }
}

fn name_of(value: &Value) -> String {
    value["name"].as_str().expect("a name").to_owned()
}

/// The crates of this workspace, as their manifests stand. It needs neither the network nor the
/// lock of the target folder.
fn workspace() -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
            "--manifest-path",
        ])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))
        .output()
        .expect("cargo runs");

    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    metadata["packages"]
        .as_array()
        .expect("a list of packages")
        .iter()
        .map(Package::read)
        .collect()
}

/// What breaks the rule, one line each.
fn violations(packages: &[Package]) -> Vec<String> {
    let members: BTreeSet<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();

    let mut found = Vec::new();

    for package in packages {
        let Some((_, allowed)) = MAY_DEPEND_ON.iter().find(|(name, _)| *name == package.name)
        else {
            found.push(format!(
                "{} has no place in the order of the crates",
                package.name
            ));
            continue;
        };
        let in_tests = IN_TESTS_ALSO
            .iter()
            .find(|(name, _)| *name == package.name)
            .map_or(&[][..], |(_, also)| also);

        let against = package.dependencies.iter().filter(|name| {
            let name = name.as_str();
            let only_in_tests = in_tests.contains(&name) && !package.normal.contains(name);
            members.contains(name) && !allowed.contains(&name) && !only_in_tests
        });
        found.extend(against.map(|name| format!("{} may not depend on {name}", package.name)));
    }

    found
}

#[test]
fn dependencies_point_one_way() {
    let packages = workspace();
    assert!(
        packages.len() >= MAY_DEPEND_ON.len(),
        "crates are missing from the workspace"
    );
    assert_eq!(violations(&packages), Vec::<String>::new());
}

#[test]
fn what_is_pure_knows_no_runtime_and_no_store() {
    let packages = workspace();

    for name in ["sagas", "domain"] {
        let pure = packages.iter().find(|package| package.name == name);
        let pure = pure.expect("the crate is there");
        let not_pure = |dependency: &&&str| pure.normal.contains(**dependency);
        let found: Vec<_> = NOT_PURE.iter().filter(not_pure).collect();
        assert!(found.is_empty(), "{name} depends on {found:?}");
    }
}

#[test]
fn a_dependency_against_the_direction_is_named() {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let package = |name: &str, dependencies: &[&str]| Package {
        name: name.to_owned(),
        dependencies: set(dependencies),
        normal: set(dependencies),
    };
    let tested_with = |name: &str, dependencies: &[&str]| Package {
        normal: BTreeSet::new(),
        ..package(name, dependencies)
    };

    let packages = [
        package("domain", &["store", "serde"]),
        package("store", &["domain"]),
        package("actors", &["store", "projections"]),
        package("projections", &[]),
        tested_with("client", &["store"]),
        package("audit", &["actors"]),
        tested_with("audit", &["actors", "store"]),
        package("utils", &[]),
    ];

    assert_eq!(
        violations(&packages),
        [
            "domain may not depend on store",
            "actors may not depend on projections",
            "client may not depend on store",
            "audit may not depend on actors",
            "utils has no place in the order of the crates",
        ]
    );
}

#[test]
fn the_ports_do_not_know_who_calls_them() {
    let mut files = vec!["api/src/ports.rs".to_owned()];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/src/ports");
    for entry in std::fs::read_dir(folder).expect("there are ports") {
        let name = entry.expect("a file").file_name();
        files.push(format!("api/src/ports/{}", name.to_string_lossy()));
    }

    for name in files {
        let code = file(&name);
        for above in ["crate::http", "crate::app", "crate::cli", "actix"] {
            assert!(!code.contains(above), "{name} knows of {above}");
        }
    }
}

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_image_is_built_with_the_toolchain_of_the_workspace() {
    let toolchain = file("rust-toolchain.toml");
    let version = toolchain.split('"').nth(1).expect("a channel");
    let image = file("Dockerfile");
    assert!(
        image.contains(&format!("FROM rust:{version}-")),
        "the Dockerfile is not for {version}"
    );
    assert!(
        image.contains(&format!("RUSTUP_TOOLCHAIN={version}\n")),
        "the Dockerfile is not for {version}"
    );
}

#[test]
fn users_get_the_servers_that_the_tests_run_on() {
    let tested = file(".ci/services/services");
    let compose = file("compose.yml") + &file("compose/servers.yml");

    for image in [
        "image: apache/kafka:",
        "image: mongo:",
        "image: docker.elastic.co/elasticsearch/elasticsearch:",
    ] {
        let version = compose
            .split(image)
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next())
            .expect("an image");
        assert!(
            tested.contains(version),
            "users get {version}, which no test runs on"
        );
    }
}
