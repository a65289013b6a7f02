//! What is done with views.

use clap::{Args, Subcommand, ValueEnum};

use super::NodeArgs;

/// See how far the views are, build one anew, go back, or heal one entity
#[derive(Debug, Clone, Args)]
pub struct ViewsCommand {
    #[command(subcommand)]
    pub action: ViewsAction,
    /// Print the node's answer as JSON
    #[arg(long, global = true)]
    pub json: bool,
    #[command(flatten)]
    pub node: NodeArgs,
}

/// What is done with views.
#[derive(Debug, Clone, Subcommand)]
pub enum ViewsAction {
    /// State and lag of every view
    Status,
    /// Build a new generation of a view while the old one answers
    Rebuild {
        name: String,
        /// What it is built from: all events, or the entities as they stand and the events since
        #[arg(long, value_enum, default_value_t = RebuildFrom::History)]
        from: RebuildFrom,
        /// Show the progress until the new generation answers; fails when it does not
        #[arg(long)]
        wait: bool,
        /// Why; it is kept with what was done
        #[arg(long)]
        reason: Option<String>,
    },
    /// Go back to the generation that has answered before
    Revert {
        name: String,
        /// Why; it is kept with what was done
        #[arg(long)]
        reason: Option<String>,
    },
    /// Put one customer or order as its history has it in the place of what the view shows
    Heal {
        name: String,
        id: String,
        /// Why; it is kept with what was done
        #[arg(long)]
        reason: Option<String>,
    },
}

/// What a view is built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RebuildFrom {
    /// All events
    History,
    /// The entities as they stand, and the events since
    Entities,
}

impl RebuildFrom {
    /// As the contract names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            RebuildFrom::History => "history",
            RebuildFrom::Entities => "entities",
        }
    }
}
