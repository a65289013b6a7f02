//! The command line: which subcommand runs with which settings.
//!
//! Commands that work on the stores of this machine's configuration run here; the HTTP client has
//! those that talk to a running node.

mod paper;
mod republish;
mod settings;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use audit::{AuditConfig, Extent, Pace};
use clap::{Args, Parser, Subcommand};
use client::ClientError;
use client::args::{
    ActionsCommand, CustomersCommand, ExplainArgs, HealthArgs, ImportArgs, QuarantineCommand,
    SagasCommand, ViewsCommand,
};
use tokio::sync::watch;

use crate::config::{self, Config, ConfigError, SettingFlags};
use crate::{app, logging, output};
use paper::CompletionsCommand;
use republish::RepublishCommand;
use settings::ConfigCommand;

/// Orders and credit, consistent across services without distributed transactions.
#[derive(Debug, Parser)]
#[command(name = "counterfoil", version, max_term_width = 120)]
pub struct Cli {
    #[command(flatten)]
    settings: SettingFlags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node (the same without a subcommand)
    Serve(SettingFlags),
    /// Run a node with a generated shop to look at
    Demo(SettingFlags),
    /// Play a file of customers and orders through a running node
    Import(ImportArgs),
    /// Put right what is wrong about a customer
    Customers(CustomersCommand),
    /// List, show, retry or cancel sagas
    Sagas(SagasCommand),
    /// List, show, replay or discard messages that could not be processed
    Quarantine(QuarantineCommand),
    /// Show or rebuild the views
    Views(ViewsCommand),
    /// List what operators have done, and why
    Actions(ActionsCommand),
    /// Ask a running node whether it can take commands: exit code 0 when it can
    Health(HealthArgs),
    /// Tell the story of one order, customer or saga
    Explain(ExplainArgs),
    /// Prove, on the stores of this configuration, that every invariant holds
    Verify(VerifyCommand),
    /// Copy the embedded databases into a new folder, with a node running or none
    Backup(BackupCommand),
    /// Put a backup into the empty data folder of this configuration
    Restore(RestoreCommand),
    /// Publish events from the databases to their Kafka topics again, for those who follow them
    Republish(RepublishCommand),
    /// Show or check the settings
    Config(ConfigCommand),
    /// Print what makes a shell complete the arguments of this program
    Completions(CompletionsCommand),
    /// Print the manual page
    Man,
}

#[derive(Debug, Args)]
struct VerifyCommand {
    #[command(flatten)]
    settings: SettingFlags,
    /// Print the outcome as one JSON object
    #[arg(long)]
    json: bool,
    /// Look at everything; this is the default
    #[arg(long, conflicts_with = "sample")]
    full: bool,
    /// Look at about so many customers, orders and sagas each, other ones each time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sample: Option<u64>,
}

#[derive(Debug, Args)]
struct BackupCommand {
    #[command(flatten)]
    settings: SettingFlags,
    /// The folder of the backup: empty, or to be made
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// Print what the backup holds as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RestoreCommand {
    #[command(flatten)]
    settings: SettingFlags,
    /// The folder of a backup
    #[arg(long, value_name = "FOLDER")]
    from: PathBuf,
}

/// Runs the subcommand that the arguments of the process name.
#[must_use]
pub fn run() -> ExitCode {
    let Cli { settings, command } = Cli::parse();

    match command {
        None => run_node(&settings, app::serve),
        Some(Command::Serve(flags)) => run_node(&settings.with(flags), app::serve),
        Some(Command::Demo(flags)) => run_node(&settings.with(flags), demo),
        Some(Command::Import(args)) => talk(client::import::run(&args)),
        Some(Command::Customers(command)) => talk(client::customers::run(&command)),
        Some(Command::Sagas(command)) => talk(client::sagas::run(&command)),
        Some(Command::Quarantine(command)) => talk(client::quarantine::run(&command)),
        Some(Command::Views(command)) => talk(client::views::run(&command)),
        Some(Command::Actions(command)) => talk(client::actions::run(&command)),
        Some(Command::Health(args)) => talk(client::health::run(&args)),
        Some(Command::Explain(args)) => talk(client::explain::run(&args)),
        Some(Command::Verify(VerifyCommand {
            settings: flags,
            json,
            full: _,
            sample,
        })) => verify(&settings.with(flags), sample, json),
        Some(Command::Backup(BackupCommand {
            settings: flags,
            to,
            json,
        })) => on_stores(&settings.with(flags), |config| {
            app::backup::take(config, &to, json)
        }),
        Some(Command::Restore(RestoreCommand {
            settings: flags,
            from,
        })) => on_stores(&settings.with(flags), |config| {
            app::backup::restore(config, &from)
        }),
        Some(Command::Republish(command)) => {
            let flags = command.settings.clone();
            on_stores(&settings.with(flags), |config| command.run(config))
        }
        Some(Command::Config(command)) => settings::run(settings, command),
        Some(Command::Completions(command)) => written(paper::completions(&command)),
        Some(Command::Man) => written(paper::manual()),
    }
}

/// Runs a node by the settings, until it is asked to end.
fn run_node<N: Future<Output = anyhow::Result<()>>>(
    flags: &SettingFlags,
    node: impl FnOnce(Config) -> N,
) -> ExitCode {
    let config = match Config::load(flags) {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };

    if let Err(error) = logging::start(config.log_format, config.access_log) {
        return complain(&format!("{error:#}"));
    }
    for unknown in config::unknown_of_process() {
        tracing::warn!("{unknown}");
    }

    match actix_rt::System::new().block_on(node(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("{error:#}")),
    }
}

/// A node, and beside it a client that fills it and keeps it alive for as long as it runs.
async fn demo(config: Config) -> anyhow::Result<()> {
    let url = url_of(config.listen);

    let (stop, stopped) = watch::channel(false);
    let shop = async {
        if let Err(error) = client::demo::populate(&url, stopped).await {
            tracing::warn!(error = %error, "the demo shop has closed");
        }
    };

    let node = async {
        let ended = app::serve(config).await;
        stop.send_replace(true);
        ended
    };
    let ((), ended) = futures_util::future::join(shop, node).await;
    ended
}

/// Where a client on this machine finds a node that listens there.
fn url_of(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, listen.port()))
}

/// Runs a command that talks to a running node.
fn talk(command: impl Future<Output = Result<ExitCode, ClientError>>) -> ExitCode {
    client::exit_code(actix_rt::System::new().block_on(command))
}

/// Audits the stores that the settings name; succeeds only when every invariant holds.
fn verify(flags: &SettingFlags, sample: Option<u64>, json: bool) -> ExitCode {
    let config = match Config::load(flags) {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };

    let audited = || -> anyhow::Result<bool> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let views = runtime.block_on(app::view_stores(&config, runtime.handle()))?;
        let audited = AuditConfig {
            customers: config.customers_database_url.home(&config.data_dir),
            orders: config.orders_database_url.home(&config.data_dir),
            data_dir: config.data_dir,
            shards: Some(config.shards),
            views,
            extent: sample.map_or(Extent::Full, Extent::Sample),
            pace: Pace::default(),
            patience: audit::PATIENCE,
        };
        let report = runtime.block_on(async {
            let report = audit::run(&audited).await;
            audited.views.close().await;
            report
        })?;
        let mut text = Vec::new();
        audit::write(&report, json, &mut text)?;
        output::print(&text)?;
        Ok(report.holds())
    };

    match audited() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => complain(&format!("{error:#}")),
    }
}

/// Runs a command that works on the stores that the settings name.
fn on_stores(
    flags: &SettingFlags,
    command: impl FnOnce(&Config) -> anyhow::Result<()>,
) -> ExitCode {
    match Config::load(flags) {
        Ok(config) => written(command(&config)),
        Err(error) => refuse(&error),
    }
}

fn written(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("{error:#}")),
    }
}

fn refuse(error: &ConfigError) -> ExitCode {
    complain(&error.to_string())
}

/// Ends with a complaint of one line.
fn complain(text: &str) -> ExitCode {
    output::complain(text);
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_node_on_all_addresses_is_found_on_the_local_one() {
        for (listen, url) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:80", "http://[::1]:80"),
        ] {
            assert_eq!(url_of(listen.parse().unwrap()), url);
        }
    }

    #[test]
    fn flags_may_stand_before_and_after_the_subcommand() {
        let cli = Cli::parse_from([
            "counterfoil",
            "--shards",
            "4",
            "serve",
            "--listen",
            "127.0.0.1:1",
        ]);

        let Some(Command::Serve(flags)) = cli.command else {
            panic!("not serve")
        };

        let both = cli.settings.with(flags);
        let names: Vec<&str> = both.values().map(|(setting, _)| setting.name).collect();
        assert_eq!(names, ["shards", "listen"]);
    }
}
