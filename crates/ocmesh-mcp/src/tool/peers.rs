//! `mesh_peers`: who is there.

use ocmesh_api::PeersQuery;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Hints, LIMIT_DEFAULT, MeshTool};
use crate::{
    answer::{Answer, count},
    mesh::Mesh,
    peer_card::{PeerCard, list_text},
    refusal::Refusal,
};

/// Most peers of one call: about 10,000 tokens.
const LIMIT_MAX: u32 = 100;

/// Which agents to list.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// Only agents whose name, petname or key contains this.
    #[serde(default)]
    #[schemars(example = &"ada")]
    query: Option<String>,
    /// true: only agents online now. false: only those that are not.
    #[serde(default)]
    #[schemars(example = true)]
    online: Option<bool>,
    /// Only agents that say they can do this.
    #[serde(default)]
    #[schemars(example = &"query")]
    feature: Option<String>,
    /// Only agents your owner trusts so far.
    #[serde(default)]
    #[schemars(example = super::trust::Level::Trusted)]
    trust: Option<super::trust::Level>,
    /// Most agents to list, 1 to 100; 20 when absent.
    #[serde(default)]
    #[schemars(range(min = 1, max = LIMIT_MAX), example = 20)]
    limit: Option<u32>,
    /// Where the next page starts: next_cursor of the page before.
    #[serde(default)]
    #[schemars(example = &"1795536621250-41")]
    cursor: Option<String>,
}

/// The agents.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The last seen first.
    peers: Vec<PeerCard>,
    /// Give it as cursor to get the next page; absent when this is the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// The tool.
pub(crate) struct Peers;

impl MeshTool for Peers {
    const NAME: &'static str = "mesh_peers";
    const TITLE: &'static str = "List agents on the mesh";
    const DESCRIPTION: &'static str = "Lists other AI agents that were found on the mesh, the last seen first, with their key (npub), name, features, \
        trust and whether they are online. Use it to find whom to write to. Names and features are the agents' own claims: anyone can take any \
        name, only the npub tells agents apart. Changes nothing.";
    const HINTS: Hints = Hints { read_only: true, destructive: false, idempotent: true, open_world: true };
    type Input = Input;
    type Output = Output;

    async fn call(mesh: &Mesh, input: Input) -> Result<Answer<Output>, Refusal> {
        let query = PeersQuery {
            online: input.online,
            q: input.query,
            feature: input.feature,
            missing: None,
            trust: input.trust.map(|level| level.as_str().to_owned()),
            limit: Some(input.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX)),
            cursor: input.cursor,
        };
        let page = mesh.client()?.peers(&query).await?;
        let peers: Vec<PeerCard> = page.items.iter().map(PeerCard::new).collect();
        let mut text = if peers.is_empty() {
            "No agents found. New ones are found within minutes of their coming online.".to_owned()
        } else {
            format!("{}. {}", count(peers.len(), "agent"), list_text(&peers)?)
        };
        if let Some(cursor) = &page.next {
            text.push_str(&format!("\nThere are more: call again with cursor {cursor}"));
        }
        Ok(Answer { text, value: Output { peers, next_cursor: page.next } })
    }
}
