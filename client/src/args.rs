//! The arguments of the commands that talk to a running node, as `clap` structs for `main` to place
//! under its subcommands.

mod actions;
mod customers;
mod many;
mod views;

use std::fmt;
use std::path::PathBuf;

use clap::{Args, Subcommand};

pub use actions::{ActionFilterArgs, ActionsAction, ActionsCommand};
pub use customers::{CustomersAction, CustomersCommand};
pub use many::{BulkArgs, ParkedFilterArgs, ParkedVerb, SagaFilterArgs, SagaVerb};
pub use views::{
    InViewsFilterArgs, InViewsVerb, RebuildFrom, ViewQuarantineAction, ViewsAction, ViewsCommand,
};

/// A token for whoever is in front of the node. There is no flag for it: everybody on a machine
/// sees the arguments of its processes.
pub const TOKEN_VARIABLE: &str = "COUNTERFOIL_TOKEN";
const URL_VARIABLE: &str = "COUNTERFOIL_URL";
const TOKEN_FILE_VARIABLE: &str = "COUNTERFOIL_TOKEN_FILE";
/// The variables of the environment that the client reads.
pub const VARIABLES: [&str; 3] = [URL_VARIABLE, TOKEN_VARIABLE, TOKEN_FILE_VARIABLE];

/// Which node to talk to.
#[derive(Clone, Args)]
pub struct NodeArgs {
    /// Address of a running node; may hold a user and password, better in the variable than here,
    /// where others see them
    #[arg(
        long,
        env = URL_VARIABLE,
        hide_env_values = true,
        default_value = "http://127.0.0.1:8080",
        value_name = "URL",
        global = true
    )]
    pub url: String,
    /// File with a token for a proxy in front of the node, sent as Authorization: Bearer;
    /// COUNTERFOIL_TOKEN may hold the token itself
    #[arg(long, env = TOKEN_FILE_VARIABLE, value_name = "FILE", global = true)]
    pub token_file: Option<PathBuf>,
}

impl fmt::Debug for NodeArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        f.debug_struct("NodeArgs").finish_non_exhaustive()
    }
}

/// Play a file of customers and orders through the public API
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// JSON Lines, plain or with the ending .gz or .zst; - reads standard input
    #[arg(value_name = "FILE|-")]
    pub file: PathBuf,
    /// Report bad lines and skip them, instead of stopping at the first
    #[arg(long)]
    pub keep_going: bool,
    /// How many customers are worked on at once at most; up to there the import finds by itself how
    /// many pay
    #[arg(
        long,
        default_value_t = 1024,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=4096),
    )]
    pub concurrency: u16,
    /// How long a node that does not answer is tried again before the import stops
    #[arg(
        long,
        default_value_t = 60,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(0..=86_400),
    )]
    pub patience: u64,
    /// Print the summary as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Where it plays the file.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Ask a running node whether it can take commands
#[derive(Debug, Clone, Args)]
pub struct HealthArgs {
    /// Print the outcome as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Which node is asked.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// How much of a list is shown.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// How many entries to show
    #[arg(
        long,
        default_value_t = 20,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..),
    )]
    pub limit: u32,
    /// Show all entries, page by page
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
}

/// Look at sagas, try stuck ones again, undo them
#[derive(Debug, Clone, Args)]
pub struct SagasCommand {
    /// What to do.
    #[command(subcommand)]
    pub action: SagasAction,
    /// Print the node's answers as JSON, one per line
    #[arg(long, global = true)]
    pub json: bool,
    /// Which node is asked.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// What is done with sagas.
#[derive(Debug, Clone, Subcommand)]
pub enum SagasAction {
    /// List sagas, newest first
    List {
        /// Which sagas to list.
        #[command(flatten)]
        which: SagaFilterArgs,
        /// How many of them.
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show one saga: its steps, done and remaining
    Show {
        /// The saga
        id: String,
    },
    /// Try a stuck saga again
    Retry {
        /// The saga
        id: String,
        /// Why; it is kept with what was done
        #[arg(long)]
        reason: Option<String>,
    },
    /// Do something to all sagas that a filter finds: retry and abandon mean stuck ones, cancel
    /// those that are RUNNING unless --state says otherwise
    Bulk {
        /// What to do to each
        action: SagaVerb,
        /// Which sagas are meant.
        #[command(flatten)]
        which: SagaFilterArgs,
        /// How it is done.
        #[command(flatten)]
        bulk: BulkArgs,
    },
    /// Give a stuck saga up: it ends at once, and what it leaves behind is settled
    Abandon {
        /// The saga
        id: String,
        /// Why; it is kept with what was done
        #[arg(long)]
        reason: Option<String>,
    },
    /// End a saga by undoing what it has done
    Cancel {
        /// The saga
        id: String,
        /// Why; it is kept with what was done
        #[arg(long)]
        reason: Option<String>,
    },
}

/// Look at messages that could not be processed, replay or discard them
#[derive(Debug, Clone, Args)]
pub struct QuarantineCommand {
    /// What to do.
    #[command(subcommand)]
    pub action: QuarantineAction,
    /// Print the node's answers as JSON, one per line
    #[arg(long, global = true)]
    pub json: bool,
    /// Which node is asked.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// What is done with the quarantine.
#[derive(Debug, Clone, Subcommand)]
pub enum QuarantineAction {
    /// List parked messages with their cause
    List {
        /// Which messages to list.
        #[command(flatten)]
        which: ParkedFilterArgs,
        /// How many of them.
        #[command(flatten)]
        list: ListArgs,
    },
    /// Count parked messages by their causes
    Causes,
    /// Show one entry
    Show {
        /// The parked message
        id: String,
    },
    /// Process the parked messages again
    Replay {
        /// The parked message
        id: String,
        /// Why; it is kept with what was done
        #[arg(long)]
        reason: Option<String>,
    },
    /// Give the parked message another body; replay it afterwards
    Edit {
        /// The parked message
        id: String,
        /// File with the new body as JSON; - reads standard input
        #[arg(value_name = "FILE|-")]
        body: PathBuf,
        /// Why; it is kept with what was done
        #[arg(long)]
        reason: Option<String>,
    },
    /// Do something to all parked messages that a filter finds
    Bulk {
        /// What to do to each
        action: ParkedVerb,
        /// Which messages are meant.
        #[command(flatten)]
        which: ParkedFilterArgs,
        /// How it is done.
        #[command(flatten)]
        bulk: BulkArgs,
    },
    /// Drop the parked message for good
    Discard {
        /// The parked message
        id: String,
        /// Why; it is kept with what was done
        #[arg(long)]
        reason: Option<String>,
    },
}

/// Tell the way of one order, customer or saga: HTTP, messages, saga, views
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// An order, a customer or a saga
    pub id: String,
    /// Print it as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Which node is asked.
    #[command(flatten)]
    pub node: NodeArgs,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: Command,
    }

    #[derive(Subcommand)]
    enum Command {
        Import(ImportArgs),
        Customers(CustomersCommand),
        Sagas(SagasCommand),
        Quarantine(QuarantineCommand),
        Views(ViewsCommand),
        Actions(ActionsCommand),
        Explain(ExplainArgs),
    }

    #[test]
    fn the_definitions_are_sound() {
        use clap::CommandFactory;
        Line::command().debug_assert();
    }

    #[test]
    fn the_address_may_stand_before_or_after_the_action() {
        for line in [
            &["x", "sagas", "--url", "http://h:1", "list"][..],
            &["x", "sagas", "list", "--url", "http://h:1"][..],
        ] {
            let Command::Sagas(sagas) = Line::parse_from(line).command else {
                panic!("not sagas")
            };
            assert_eq!(sagas.node.url, "http://h:1");
        }
    }

    #[test]
    fn a_limit_is_corrected_to_an_amount_for_a_reason() {
        let line = [
            "x",
            "customers",
            "correct-limit",
            "c1",
            "500.00",
            "--reason",
            "a zero",
        ];
        let Command::Customers(customers) = Line::parse_from(line).command else {
            panic!("not customers")
        };
        let CustomersAction::CorrectLimit { id, limit, reason } = customers.action;
        assert_eq!((id.as_str(), limit.as_str()), ("c1", "500.00"));
        assert_eq!(reason.as_deref(), Some("a zero"));
    }

    #[test]
    fn standard_input_is_a_file_named_dash() {
        let Command::Import(import) =
            Line::parse_from(["x", "import", "-", "--concurrency", "8"]).command
        else {
            panic!("not import")
        };
        assert_eq!((import.file.to_str(), import.concurrency), (Some("-"), 8));
        assert!(Line::try_parse_from(["x", "import", "f", "--concurrency", "0"]).is_err());
    }
}
