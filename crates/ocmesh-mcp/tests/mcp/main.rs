//! The server as an MCP client meets it, against a daemon that is played: every tool, with and without a daemon, among hostile peers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test")]

mod caller;
mod channel;
mod down;
mod fake_daemon;
mod hostile;
mod offer;
mod resources;
mod send;
mod tools;
mod wait;
