//! The MCP server of ocmesh: a thin, stateless client of the daemon that a model talks to, over standard input and output or over HTTP.
//!
//! It holds no key, no message and no connection. Over standard input every call looks up the daemon anew, so a restart of the daemon is not
//! noticed, and without a daemon every tool says how to start it. What peers wrote leaves only through the `untrusted` module.

mod answer;
mod channel;
mod find;
pub mod http;
mod introduction;
mod mesh;
mod message;
mod peer_card;
mod refusal;
mod resource;
mod schema;
mod serve;
mod server;
mod tool;
mod untrusted;
mod watch;

pub use serve::{Push, ServeError, serve, serve_on};
pub use server::MeshServer;
