//! The round trip: what the agent program will start is started once as it would start it, greeted, and asked how the mesh is doing.

use std::{process::Stdio, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
    time::timeout,
};

use super::entry::Entry;
use crate::error::CliError;

/// It starts in milliseconds and asks a daemon of this machine.
const LIMIT: Duration = Duration::from_secs(20);
/// The id of the question.
const QUESTION: u64 = 2;

/// What the tools will say to the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mesh {
    /// How the mesh is doing.
    Answers,
    /// How to start the daemon.
    NoDaemon,
}

impl Mesh {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::NoDaemon => "no_daemon",
        }
    }
}

/// Starts the registered command line and asks it.
pub(super) async fn trip(entry: &Entry) -> Result<Mesh, CliError> {
    let mut command = Command::new(&entry.command);
    command.args(&entry.args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    // The agent program does not know what is set in this shell.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OCMESH_")) {
        command.env_remove(name);
    }
    let said = async { talk(command.spawn()?).await };
    let said = match timeout(LIMIT, said).await {
        Ok(Ok(said)) => said,
        Ok(Err(error)) => return Err(silent().why(error)),
        Err(_) => return Err(silent().why(format!("nothing came within {} s", LIMIT.as_secs()))),
    };
    read(&said).ok_or_else(|| silent().why("it does not speak MCP"))
}

fn silent() -> CliError {
    CliError::could_not("no_round_trip", "the change was made, but what was registered does not answer")
        .hint("take it back with --undo; ocmesh doctor explains what is wrong")
}

/// Says everything, closes, and takes all that is said.
async fn talk(mut child: Child) -> std::io::Result<Vec<u8>> {
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "ocmesh connect", "version": env!("CARGO_PKG_VERSION")}});
    let lines = [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": QUESTION, "method": "tools/call", "params": {"name": "mesh_status", "arguments": {}}}),
    ];
    if let Some(mut stdin) = child.stdin.take() {
        for line in lines {
            stdin.write_all(format!("{line}\n").as_bytes()).await?;
        }
    }
    Ok(child.wait_with_output().await?.stdout)
}

/// The answer to the question; nothing when there is none.
fn read(said: &[u8]) -> Option<Mesh> {
    let answers = said.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let result = answers.into_iter().find(|answer| answer.get("id").and_then(Value::as_u64) == Some(QUESTION))?.get("result")?.clone();
    match result.get("isError").and_then(Value::as_bool) {
        Some(true) => Some(Mesh::NoDaemon),
        _ => result.get("structuredContent")?.get("npub").map(|_| Mesh::Answers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_to_the_question_counts() {
        let greeting = r#"{"jsonrpc":"2.0","id":1,"result":{"serverInfo":{"name":"ocmesh"}}}"#;
        let answers = |answer: &str| read(format!("{greeting}\n{answer}\n").as_bytes());
        assert_eq!(answers(r#"{"id":2,"result":{"content":[],"structuredContent":{"npub":"npub1x"}}}"#), Some(Mesh::Answers));
        assert_eq!(answers(r#"{"id":2,"result":{"content":[],"isError":true}}"#), Some(Mesh::NoDaemon));
        for none in
            ["", r#"{"id":2,"error":{"code":-32601,"message":"x"}}"#, r#"{"id":2,"result":{}}"#, r#"{"id":3,"result":{"isError":true}}"#]
        {
            assert_eq!(answers(none), None, "{none}");
        }
        assert_eq!(read(b"usage: ocmesh"), None);
    }

    #[tokio::test]
    async fn a_program_that_says_nothing_is_told() {
        for (command, args) in [("/bin/true", vec![]), ("/bin/echo", vec!["hello".to_owned()]), ("/no/such/program", vec![])] {
            let error = trip(&Entry { command: command.to_owned(), args }).await.unwrap_err();
            let error = format!("{error:?}");
            assert!(error.contains("does not answer"), "{command}: {error}");
        }
    }
}
