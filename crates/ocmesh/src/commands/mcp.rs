//! `ocmesh mcp`: the MCP server on standard input and output, started by an agent program. Prints nothing of its own.

use ocmesh_mcp::Push;

use super::Place;
use crate::error::{CliError, chain};

pub(crate) async fn run(place: &Place, claude_channel: bool) -> Result<(), CliError> {
    let push = if claude_channel { Push::ClaudeChannel } else { Push::Off };
    ocmesh_mcp::serve(place.home.path().to_owned(), push).await.map_err(|error| {
        CliError::could_not("mcp_failed", "the MCP server ended")
            .why(chain(&error))
            .hint("this command is for agent programs to start; to set one up: ocmesh connect")
    })
}
