//! What the command line tells of itself: completions for shells, and its manual page.

use std::io;

use anyhow::Context;
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use crate::config::SETTINGS;
use crate::output;

/// For which shell.
#[derive(Debug, Args)]
pub(super) struct CompletionsCommand {
    /// The shell
    shell: Shell,
}

/// Prints the script that a shell reads to complete arguments.
pub(super) fn completions(command: &CompletionsCommand) -> anyhow::Result<()> {
    let mut script = Vec::new();
    let name = "counterfoil";
    clap_complete::generate(command.shell, &mut Cli::command(), name, &mut script);
    output::print(&script)
}

/// Prints the manual page, with a section for each subcommand.
pub(super) fn manual() -> anyhow::Result<()> {
    let mut page = Vec::new();
    write_manual(&mut page).context("the manual page cannot be made")?;
    output::print(&page)
}

fn write_manual(page: &mut Vec<u8>) -> io::Result<()> {
    let mut command = Cli::command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(page)?;

    for below in command.get_subcommands() {
        write_section(below, page)?;
    }
    Ok(())
}

/// A subcommand and those below it.
fn write_section(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    if command.get_name() == "help" {
        return Ok(());
    }
    let name = command.get_bin_name().unwrap_or(command.get_name());
    page.extend(format!(".SH {}\n", name.to_uppercase()).bytes());

    // The settings stand once, in the first part of the page.
    let is_setting = |id: &str| SETTINGS.iter().any(|setting| setting.name == id);
    let own = command.clone().mut_args(|argument| {
        let hidden = is_setting(argument.get_id().as_str());
        argument.hide(hidden)
    });

    let man = clap_mangen::Man::new(own);
    man.render_description_section(page)?;
    man.render_options_section(page)?;

    for below in command.get_subcommands() {
        write_section(below, page)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_names_every_subcommand_and_each_setting_once() {
        let mut page = Vec::new();
        write_manual(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap();

        for command in Cli::command().get_subcommands() {
            let section = format!(".SH COUNTERFOIL {}", command.get_name().to_uppercase());
            assert!(page.contains(&section), "{section}");
        }
        assert_eq!(page.matches("[COUNTERFOIL_SHARDS]").count(), 1);
    }
}
