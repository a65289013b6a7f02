//! The log of the process: filtered by `RUST_LOG`, written to standard error, pretty on a terminal
//! and JSON otherwise.

use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Switch};
use crate::http::access;

const DEFAULT_FILTER: &str = "info";

/// What libraries tell of as their own trouble and is nobody's, by the library and the target; who
/// wants to see it names the library.
const OTHERS_TROUBLE: [(&str, &str); 2] = [
    // Each request that cannot be parsed, without saying whose it was. Its caller is answered.
    ("actix_http", "actix_http::h1::dispatcher"),
    // Each connection that is found dead when it comes back to its pool, as all do at the end that
    // an HTTP thread has opened. Whoever needs one opens another.
    ("sqlx", "sqlx_core::pool::connection"),
];

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
    let mut filter = EnvFilter::try_new(directives)?;
    for (library, target) in OTHERS_TROUBLE {
        if !directives.contains(library) {
            filter = filter.add_directive(format!("{target}=off").parse()?);
        }
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_trouble_of_ours_is_told_only_to_who_asks() {
        for (directives, shown) in [
            ("info", [false, false]),
            ("store=debug,warn", [false, false]),
            ("info,actix_http=error", [true, false]),
            ("info,sqlx_core=debug", [false, true]),
        ] {
            let filter = filter(directives).unwrap().to_string();
            let is_shown = |(_, target)| !filter.contains(&format!("{target}=off"));
            assert_eq!(OTHERS_TROUBLE.map(is_shown), shown, "{filter}");
        }
        assert!(filter("=,=").is_err());
    }
}
