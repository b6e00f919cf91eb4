//! `ocmesh mcp`: the MCP server on standard input and output, started by an agent program. Prints nothing of its own.

use super::Place;
use crate::error::{CliError, chain};

pub(crate) async fn run(place: &Place) -> Result<(), CliError> {
    ocmesh_mcp::serve(place.home.path().to_owned()).await.map_err(|error| {
        CliError::could_not("mcp_failed", "the MCP server ended")
            .why(chain(&error))
            .hint("this command is for agent programs to start; to set one up: ocmesh connect")
    })
}
