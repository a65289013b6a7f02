//! What operators have done.

use clap::{Args, Subcommand};

use super::many::given;
use super::{ListArgs, NodeArgs};

/// See what operators have done, and why
#[derive(Debug, Clone, Args)]
pub struct ActionsCommand {
    /// What to do.
    #[command(subcommand)]
    pub action: ActionsAction,
    /// Print the node's answers as JSON, one per line
    #[arg(long, global = true)]
    pub json: bool,
    /// Which node is asked.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// What is done with the actions of operators.
#[derive(Debug, Clone, Subcommand)]
pub enum ActionsAction {
    /// List what operators have done, newest first
    List {
        /// Which actions to list.
        #[command(flatten)]
        which: ActionFilterArgs,
        /// How many of them.
        #[command(flatten)]
        list: ListArgs,
    },
}

/// Which actions are meant.
#[derive(Debug, Clone, Args)]
pub struct ActionFilterArgs {
    /// Only those about this saga, parked message, customer or order
    #[arg(long, value_name = "ID")]
    pub about: Option<String>,
    /// Only those done with this view: documents or search
    #[arg(long, value_name = "VIEW")]
    pub view: Option<String>,
}

impl ActionFilterArgs {
    /// Those that are given, by their names in the contract.
    #[must_use]
    pub fn named(&self) -> Vec<(&'static str, &str)> {
        given([("about", &self.about), ("view", &self.view)])
    }
}
