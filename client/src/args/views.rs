//! What is done with views.

use clap::{Args, Subcommand, ValueEnum};

use super::many::given;
use super::{BulkArgs, ListArgs, NodeArgs};

/// See how far the views are, build one anew, go back, or heal one entity
#[derive(Debug, Clone, Args)]
pub struct ViewsCommand {
    /// What to do.
    #[command(subcommand)]
    pub action: ViewsAction,
    /// Print the node's answer as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Which node is asked.
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
        /// The view: documents or search
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
        /// The view: documents or search
        name: String,
        /// Why; it is kept with what was done
        #[arg(long)]
        reason: Option<String>,
    },
    /// Put one customer or order as its history has it in the place of what the view shows
    Heal {
        /// The view: documents or search
        name: String,
        /// The customer or order
        id: String,
        /// Why; it is kept with what was done
        #[arg(long)]
        reason: Option<String>,
    },
    /// Look at what views take in no longer, and heal it
    Quarantine {
        /// What to do.
        #[command(subcommand)]
        action: ViewQuarantineAction,
    },
}

/// What is done with the quarantine of views.
#[derive(Debug, Clone, Subcommand)]
pub enum ViewQuarantineAction {
    /// List the customers and orders that views take in no longer, with their cause
    List {
        /// Which entities to list.
        #[command(flatten)]
        which: InViewsFilterArgs,
        /// How many of them.
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show one, with the event that stops it
    Show {
        /// The view: documents or search
        name: String,
        /// The customer or order
        id: String,
    },
    /// Do something to all that a filter finds
    Bulk {
        /// What to do to each
        action: InViewsVerb,
        /// Which entities are meant.
        #[command(flatten)]
        which: InViewsFilterArgs,
        /// How it is done.
        #[command(flatten)]
        bulk: BulkArgs,
    },
}

/// What is done to many entities that views take in no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InViewsVerb {
    /// They are put as their histories have them
    Heal,
}

impl InViewsVerb {
    /// As the contract names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            InViewsVerb::Heal => "heal",
        }
    }
}

/// Which entities in the quarantine of views are meant.
#[derive(Debug, Clone, Args)]
pub struct InViewsFilterArgs {
    /// Only those in this view: documents or search
    #[arg(long)]
    pub view: Option<String>,
    /// Only those of this service: customers or orders
    #[arg(long)]
    pub service: Option<String>,
    /// Only this customer or order
    #[arg(long, value_name = "ID")]
    pub entity: Option<String>,
    /// Only those with this text in their cause; {id} stands for any id
    #[arg(long, value_name = "TEXT")]
    pub cause: Option<String>,
    /// Only those that are in quarantine for longer, for example 10m
    #[arg(long, value_name = "AGE")]
    pub older_than: Option<String>,
}

impl InViewsFilterArgs {
    /// Those that are given, by their names in the contract.
    #[must_use]
    pub fn named(&self) -> Vec<(&'static str, &str)> {
        given([
            ("view", &self.view),
            ("service", &self.service),
            ("entity", &self.entity),
            ("cause", &self.cause),
            ("olderThan", &self.older_than),
        ])
    }
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
