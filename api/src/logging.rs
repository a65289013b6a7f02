//! The log of the process: filtered by `RUST_LOG`, written to standard error, pretty on a terminal
//! and JSON otherwise.

use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Switch};
use crate::http::access;

const DEFAULT_FILTER: &str = "info";

/// The HTTP library tells each request that it cannot parse as an error of its own, without saying
/// whose it was. It is the caller's, who is answered; who wants to see these names the target.
const PARSER: &str = "actix_http::h1::dispatcher";

/// Starts logging; once per process.
///
/// # Errors
/// When `RUST_LOG` cannot be understood, or logging has been started before.
pub fn start(format: LogFormat, access_log: Switch) -> anyhow::Result<()> {
    let mut directives =
        std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_else(|_| DEFAULT_FILTER.to_owned());
    let level = match access_log {
        Switch::On => "info",
        Switch::Off => "off",
    };
    directives.push_str(&format!(",{}={level}", access::TARGET));
    let filter = filter(&directives).with_context(|| {
        format!("RUST_LOG is {directives:?}; allowed: directives such as info or store=debug")
    })?;

    // What cannot be written is lost: telling so on standard error, as the library would, panics
    // there in whatever was about to be logged when the disk is full or the reader has gone.
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .log_internal_errors(false)
        .with_writer(io::stderr);

    let terminal = io::stderr().is_terminal();
    let pretty = match format {
        LogFormat::Auto => terminal,
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };

    let started = if pretty {
        let colours = terminal && std::env::var_os("NO_COLOR").is_none();
        log.with_ansi(colours).try_init()
    } else {
        log.json().flatten_event(true).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot be started: {error}"))
}

fn filter(directives: &str) -> anyhow::Result<EnvFilter> {
    let filter = EnvFilter::try_new(directives)?;
    if directives.contains("actix_http") {
        return Ok(filter);
    }
    Ok(filter.add_directive(format!("{PARSER}=off").parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callers_send_is_no_error_of_ours_unless_somebody_asks() {
        for (directives, shown) in [
            ("info", false),
            ("store=debug,warn", false),
            ("info,actix_http=error", true),
        ] {
            let filter = filter(directives).unwrap().to_string();
            assert_eq!(
                !filter.contains(&format!("{PARSER}=off")),
                shown,
                "{filter}"
            );
        }
        assert!(filter("=,=").is_err());
    }
}
