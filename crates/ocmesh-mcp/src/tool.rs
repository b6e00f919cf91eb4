//! The tools, one file each, and what they share: how one is described, and how a call is run.

mod inbox;
mod peer;
mod peers;
mod read;
mod send;
mod status;
mod trust;
mod wait;

use std::sync::LazyLock;

use rmcp::model::{CallToolResult, ErrorData, JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

pub(crate) use self::inbox::{Inbox, Input as InboxInput};
use self::{peer::PeerTool, peers::Peers, read::Read, send::Send as SendTool, status::Status, trust::Trust, wait::Wait};
use crate::{answer::Answer, mesh::Mesh, refusal::Refusal, schema};

/// Entries a list shows unless asked otherwise: what a model reads at a glance.
const LIMIT_DEFAULT: u32 = 20;

/// What a client may assume of a tool, in the words of the protocol.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hints {
    /// Changes nothing.
    read_only: bool,
    /// Takes something away from somebody.
    destructive: bool,
    /// Twice is the same as once.
    idempotent: bool,
    /// Reaches beyond this machine.
    open_world: bool,
}

/// One tool.
pub(crate) trait MeshTool {
    /// Its name.
    const NAME: &'static str;
    /// Its name for people.
    const TITLE: &'static str;
    /// What it does, when to use it, what to do next: for a model.
    const DESCRIPTION: &'static str;
    /// What a client may assume.
    const HINTS: Hints;
    /// What it takes.
    type Input: DeserializeOwned + JsonSchema + Send;
    /// What it gives.
    type Output: Serialize + JsonSchema;

    /// Does it.
    fn call(mesh: &Mesh, input: Self::Input) -> impl Future<Output = Result<Answer<Self::Output>, Refusal>> + Send;
}

macro_rules! tools {
    ($($tool:ty),* $(,)?) => {
        static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(|| vec![$(describe::<$tool>()),*]);

        /// Runs a call; `None` when there is no such tool.
        pub(crate) async fn call(mesh: &Mesh, name: &str, arguments: Option<JsonObject>) -> Option<Result<CallToolResult, ErrorData>> {
            match name {
                $(<$tool>::NAME => Some(Box::pin(run::<$tool>(mesh, arguments)).await),)*
                _ => None,
            }
        }
    };
}

tools![Status, Peers, PeerTool, SendTool, Inbox, Read, Wait, Trust];

/// Every tool.
pub(crate) fn all() -> Vec<Tool> {
    TOOLS.clone()
}

fn describe<T: MeshTool>() -> Tool {
    let Hints { read_only, destructive, idempotent, open_world } = T::HINTS;
    let hints =
        ToolAnnotations::with_title(T::TITLE).read_only(read_only).destructive(destructive).idempotent(idempotent).open_world(open_world);
    Tool::new(T::NAME, T::DESCRIPTION, schema::input::<T::Input>())
        .with_title(T::TITLE)
        .with_raw_output_schema(schema::output::<T::Output>())
        .with_annotations(hints)
}

async fn run<T: MeshTool>(mesh: &Mesh, arguments: Option<JsonObject>) -> Result<CallToolResult, ErrorData> {
    let mut arguments = arguments.unwrap_or_default();
    // Some clients send every field, the unused ones as null.
    arguments.retain(|_, value| !value.is_null());
    let answer = match serde_json::from_value(Value::Object(arguments)) {
        Ok(input) => T::call(mesh, input).await,
        Err(error) => Err(Refusal::bad_arguments(&error)),
    };
    match answer {
        Ok(answer) => answer.into_result(),
        Err(refusal) => Ok(refusal.into_result()),
    }
}
