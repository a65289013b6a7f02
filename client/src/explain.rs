//! `explain ID`: the way of an order, a customer or a saga through the system, in one timeline.
//!
//! HTTP → command → messages → saga → views, put together from the histories of both services, the
//! saga and the state of the views, all asked over the public contract. `gather` and
//! `obstacles` ask, `story` orders what came back; nothing here changes anything.

mod gather;
mod obstacles;
mod story;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use super::args::ExplainArgs;
use super::http::Node;
use super::{ClientError, output};

/// Prints the story of an id.
pub async fn run(args: &ExplainArgs) -> Result<ExitCode, ClientError> {
    let node = Node::named(&args.node)?;
    let found = gather::gather(&node, &args.id).await?;
    let story = story::tell(found);
    if args.json {
        let json =
            serde_json::to_value(&story).map_err(|error| ClientError::Output(error.into()))?;
        output::print_json(&json)?;
    } else {
        output::print(&story.to_text())?;
    }
    Ok(ExitCode::SUCCESS)
}
