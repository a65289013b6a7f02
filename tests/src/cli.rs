//! The command line of the binary: run once, to its end, with the environment of a test.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use crate::binary::{self, Release};

/// Above what the slowest command (an import) takes on a loaded machine.
const BOUND: Duration = Duration::from_secs(120);
/// Above what a node needs to see that it must not start; it shows early when one starts that must
/// not.
const REFUSAL_BOUND: Duration = Duration::from_secs(20);

/// The user and group `nobody`.
const NOBODY: u32 = 65_534;

/// The command line with a data folder and settings.
#[derive(Clone)]
pub struct Cli {
    folder: PathBuf,
    env: Vec<(String, String)>,
    as_nobody: bool,
    release: Release,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// The arguments, for the messages of failed assertions.
    pub args: String,
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    /// Everything written to standard output.
    pub stdout: String,
    /// Everything written to standard error.
    pub stderr: String,
}

impl Cli {
    /// Commands on the data folder `folder/data`.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            env: Vec::new(),
            as_nobody: false,
            release: Release::This,
        }
    }

    /// Runs commands as a user without rights to everything: when root runs the tests, gives
    /// everything in the folder to `nobody`, because root can read and write all files.
    #[must_use]
    pub fn as_nobody(mut self) -> Self {
        self.as_nobody = rustix::process::getuid().is_root();
        if self.as_nobody {
            give_away(&self.folder);
        }
        self
    }

    /// Runs the commands of this release.
    #[must_use]
    pub fn of_release(mut self, release: Release) -> Self {
        self.release = release;
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs `counterfoil ARGS`; panics when it does not end.
    pub async fn run(&self, args: &[&str]) -> Ran {
        self.run_within(BOUND, args).await
    }

    /// Runs `counterfoil serve ARGS` and asserts that it refuses to start.
    pub async fn serve_is_refused(&self, args: &[&str]) -> Ran {
        let args = [&["serve"], args].concat();
        self.run_within(REFUSAL_BOUND, &args).await.failed()
    }

    /// Runs `counterfoil ARGS` for a reader of its output that has gone before it begins.
    pub async fn run_unread(&self, args: &[&str]) -> Ran {
        let (reader, output) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = self.command(args);
        command.stdout(output).stderr(Stdio::piped());
        let running = command.spawn().expect("counterfoil runs");
        // It holds the other end of the pipe.
        drop(command);

        ended(BOUND, args, running.wait_with_output()).await
    }

    async fn run_within(&self, bound: Duration, args: &[&str]) -> Ran {
        ended(bound, args, self.command(args).output()).await
    }

    fn command(&self, args: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::from(if self.as_nobody {
            // Where the binary was built nobody may look.
            let mut command = command_of(&binary::linked_into(&self.folder), &self.folder);
            command.uid(NOBODY).gid(NOBODY);
            command
        } else {
            command_of(self.release.binary(), &self.folder)
        });
        command
            .args(args)
            .envs(self.env.iter().cloned())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

async fn ended(
    bound: Duration,
    args: &[&str],
    running: impl Future<Output = std::io::Result<Output>>,
) -> Ran {
    let output = tokio::time::timeout(bound, running)
        .await
        .unwrap_or_else(|_| panic!("counterfoil {args:?} did not end"))
        .expect("counterfoil runs");

    Ran {
        args: args.join(" "),
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ran {
    /// Asserts that the command succeeded.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(
            self.code,
            Some(0),
            "counterfoil {}: {}{}",
            self.args,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Asserts that the command failed by itself, not by a signal.
    #[track_caller]
    pub fn failed(self) -> Self {
        let failed = self.code.is_some_and(|code| code != 0);
        assert!(
            failed,
            "counterfoil {} ended with {:?}: {}{}",
            self.args, self.code, self.stdout, self.stderr
        );
        self
    }

    /// Asserts that exactly one line was written to stderr, and gives it.
    #[track_caller]
    pub fn only_line(&self) -> &str {
        let lines: Vec<&str> = self
            .stderr
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();

        assert_eq!(
            lines.len(),
            1,
            "counterfoil {}: not one line: {}",
            self.args,
            self.stderr
        );

        lines[0]
    }

    /// Everything the command said.
    pub fn said(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }
}

fn give_away(path: &Path) {
    std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).expect("root gives files away");
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("a folder") {
            give_away(&entry.expect("an entry of a folder").path());
        }
    }
}

/// `counterfoil serve` in `folder`, as below. A write beyond the limit of a file gives the node an
/// error instead of the signal that would end it: so a test can fill the disk without root.
/// The words before it are those of a program that runs it in its own place.
pub(crate) fn node_command<'a>(
    release: Release,
    folder: &Path,
    before: impl IntoIterator<Item = &'a str>,
) -> std::process::Command {
    let mut words = before.into_iter().chain(["sh"]);
    let mut command = command_of(Path::new(words.next().unwrap_or("sh")), folder);
    command
        .args(words)
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(release.binary())
        .arg("serve");
    command
}

/// The binary in `folder` with its data under `folder/data`, without the settings of whoever runs
/// the tests.
fn command_of(binary: &Path, folder: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(binary);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("COUNTERFOIL_") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(folder)
        .env("COUNTERFOIL_DATA_DIR", folder.join("data"))
        .env("RUST_LOG", "warn");
    command
}
