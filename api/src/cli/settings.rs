//! `config show` and `config check`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::config::{self, Config, Effective, SettingFlags};
use crate::output;

#[derive(Debug, Args)]
pub(super) struct ConfigCommand {
    #[command(subcommand)]
    action: ConfigAction,
}

#[derive(Debug, Subcommand)]
enum ConfigAction {
    /// Print the settings in force and where they come from
    Show(ConfigArgs),
    /// Check the settings without starting anything, and tell all that is wrong
    Check(ConfigArgs),
}

#[derive(Debug, Args)]
struct ConfigArgs {
    #[command(flatten)]
    settings: SettingFlags,
    /// Print the outcome as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs one of the commands, with `before` as the flags that stand before it.
pub(super) fn run(before: SettingFlags, command: ConfigCommand) -> ExitCode {
    match command.action {
        ConfigAction::Show(ConfigArgs { settings, json }) => show(&before.with(settings), json),
        ConfigAction::Check(ConfigArgs { settings, json }) => check(&before.with(settings), json),
    }
}

fn show(flags: &SettingFlags, json: bool) -> ExitCode {
    let effective = match Effective::of_process(flags) {
        Ok(effective) => effective,
        Err(error) => return super::refuse(&error),
    };
    let text = if json {
        format!("{}\n", config::show_json(&effective))
    } else {
        config::show(&effective)
    };
    super::written(output::print(text.as_bytes()))
}

/// Succeeds when nothing is wrong.
fn check(flags: &SettingFlags, json: bool) -> ExitCode {
    let errors: Vec<String> = Config::check(flags)
        .iter()
        .map(ToString::to_string)
        .collect();
    let valid = errors.is_empty();

    let told = if json {
        let outcome = json!({"valid": valid, "errors": errors});
        output::print(format!("{outcome}\n").as_bytes())
    } else if valid {
        output::print(b"every setting is allowed\n")
    } else {
        errors.iter().for_each(|error| output::complain(error));
        Ok(())
    };

    match told {
        Ok(()) if !valid => ExitCode::FAILURE,
        told => super::written(told),
    }
}
