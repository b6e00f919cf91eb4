//! An MCP client by hand: lines of JSON-RPC to the server and back, so that the wire itself is what is tested.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};
use ocmesh_mcp::{Push, ServeError, serve_on};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf},
    task::JoinHandle,
    time::timeout,
};

/// Longest answer time on a busy machine; the longest wait of a tool is shorter.
const PATIENCE: Duration = Duration::from_secs(60);
/// Room for whole lines in the pipe between client and server.
const PIPE_BYTES: usize = 1024 * 1024;

/// A client with its own server.
pub(crate) struct Caller {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    write: Option<WriteHalf<DuplexStream>>,
    server: JoinHandle<Result<(), ServeError>>,
    next_id: u64,
    /// What the server said of itself.
    pub(crate) greeting: Value,
}

impl Caller {
    /// Starts a server for `home` and greets it.
    pub(crate) async fn start(home: &Path) -> Result<Self> {
        Self::start_with(home, Push::Off).await
    }

    /// As [`Self::start`], with something to be told unasked.
    pub(crate) async fn start_with(home: &Path, push: Push) -> Result<Self> {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let (their_read, their_write) = tokio::io::split(theirs);
        let server = tokio::spawn(serve_on(home.to_owned(), push, their_read, their_write));
        let (read, write) = tokio::io::split(ours);
        let lines = BufReader::new(read).lines();
        let mut caller = Self { lines, write: Some(write), server, next_id: 0, greeting: Value::Null };
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
        caller.greeting = caller.request("initialize", hello).await?;
        caller.write(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await?;
        Ok(caller)
    }

    /// Writes a message without waiting for anything.
    pub(crate) async fn write(&mut self, message: &Value) -> Result<()> {
        let write = self.write.as_mut().context("closed")?;
        write.write_all(format!("{message}\n").as_bytes()).await?;
        Ok(write.flush().await?)
    }

    /// Sends a request without waiting for its answer; gives its id.
    pub(crate) async fn begin(&mut self, method: &str, params: Value) -> Result<u64> {
        self.next_id += 1;
        self.write(&json!({"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params})).await?;
        Ok(self.next_id)
    }

    /// The next message of the server, whatever it is.
    pub(crate) async fn next(&mut self) -> Result<Value> {
        let line = timeout(PATIENCE, self.lines.next_line()).await.context("no answer in time")??;
        Ok(serde_json::from_str(&line.context("the server closed")?)?)
    }

    /// Makes a request; the result, or the protocol's error as an error.
    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Result<Value> {
        let id = self.begin(method, params).await?;
        let answer = self.next().await?;
        assert_eq!((&answer["id"], &answer["jsonrpc"]), (&json!(id), &json!("2.0")), "{answer}");
        match answer.get("error") {
            Some(error) => bail!("{error}"),
            None => Ok(answer["result"].clone()),
        }
    }

    /// Calls a tool; the whole result.
    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> Result<Value> {
        self.request("tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    /// Calls a tool that must succeed; its structured content and its text.
    pub(crate) async fn good(&mut self, tool: &str, arguments: Value) -> Result<(Value, String)> {
        let result = self.call(tool, arguments).await?;
        assert_ne!(result["isError"], json!(true), "{result}");
        Ok((result["structuredContent"].clone(), text(&result)))
    }

    /// Calls a tool that must refuse; its text.
    pub(crate) async fn bad(&mut self, tool: &str, arguments: Value) -> Result<String> {
        let result = self.call(tool, arguments).await?;
        assert_eq!(result["isError"], json!(true), "{result}");
        assert!(result.get("structuredContent").is_none(), "an error would have to fit the output schema: {result}");
        Ok(text(&result))
    }

    /// Closes our end, as a client that goes away; everything the server still says until it ends.
    pub(crate) async fn close(mut self) -> Result<Vec<Value>> {
        let mut write = self.write.take().context("closed")?;
        write.shutdown().await?;
        let mut rest = Vec::new();
        while let Some(line) = timeout(PATIENCE, self.lines.next_line()).await.context("the server does not end")?? {
            rest.push(serde_json::from_str(&line)?);
        }
        timeout(PATIENCE, self.server).await.context("the server does not end")???;
        Ok(rest)
    }
}

/// All text of a tool's result.
pub(crate) fn text(result: &Value) -> String {
    let blocks = result["content"].as_array().unwrap();
    blocks.iter().map(|block| block["text"].as_str().unwrap()).collect::<Vec<_>>().join("\n")
}
