//! The arguments of `customers`.

use clap::{Args, Subcommand};

use super::NodeArgs;

/// Put right what is wrong about a customer
#[derive(Debug, Clone, Args)]
pub struct CustomersCommand {
    /// What to do.
    #[command(subcommand)]
    pub action: CustomersAction,
    /// Print the node's answer as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Which node is asked.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// What is done with customers.
#[derive(Debug, Clone, Subcommand)]
pub enum CustomersAction {
    /// Put a wrong credit limit right; what was decided under it stands
    CorrectLimit {
        /// The customer
        id: String,
        /// What it should have been, such as 500.00
        #[arg(value_name = "AMOUNT")]
        limit: String,
        /// Why; it is kept with what was done
        #[arg(long)]
        reason: Option<String>,
    },
}
