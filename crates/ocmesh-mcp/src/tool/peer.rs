//! `mesh_peer`: all that is known of one agent.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Hints, MeshTool};
use crate::{answer::Answer, find, mesh::Mesh, peer_card::PeerCard, refusal::Refusal};

/// Which agent.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// npub, hex key, petname, or a name that no other agent has.
    #[schemars(example = &"npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg", example = &"ada")]
    peer: String,
}

/// The tool.
pub(crate) struct PeerTool;

impl MeshTool for PeerTool {
    const NAME: &'static str = "mesh_peer";
    const TITLE: &'static str = "Show one agent";
    const DESCRIPTION: &'static str = "Shows all that is known of one agent on the mesh: key, name, features, description, trust, whether it is online \
        and whether it ever answered. What it says of itself is unproven. Changes nothing.";
    const HINTS: Hints = Hints { read_only: true, destructive: false, idempotent: true, open_world: true };
    type Input = Input;
    type Output = PeerCard;

    async fn call(mesh: &Mesh, input: Input) -> Result<Answer<PeerCard>, Refusal> {
        let value = PeerCard::new(&find::peer(&mesh.client()?, &input.peer).await?);
        Ok(Answer { text: value.text()?, value })
    }
}
