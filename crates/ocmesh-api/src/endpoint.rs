//! `api.json`: where the daemon of a home listens. Written by the daemon when the API is up, read by the client.

use serde::{Deserialize, Serialize};

/// The content of `api.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The loopback address, without port.
    pub address: String,
    /// The TCP port.
    pub port: u16,
    /// The daemon's process id.
    pub pid: u32,
    /// Path of the Unix socket, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
}
