//! Who is at the other end of a loopback TCP connection: the Linux kernel knows the owner of every socket.

mod diag;
mod table;

use std::net::SocketAddr;

/// Who owns the client's end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The user with this id.
    User(u32),
    /// Not listed: gone already, in another network namespace, or the table could not be read.
    Unknown,
}

impl Owner {
    /// Our own user may call, and root, who may do anything anyway.
    pub(super) fn may_call(self, own_uid: u32) -> bool {
        matches!(self, Self::User(uid) if uid == own_uid || uid == 0)
    }
}

/// Asks the kernel for the one socket; where it does not take such questions (an old kernel, a sandbox), looks through its list.
pub(super) async fn owner(client: SocketAddr, server: SocketAddr) -> Owner {
    match diag::owner(client, server) {
        Ok(owner) => owner,
        Err(error) => {
            tracing::debug!(%error, "the kernel does not answer questions about sockets");
            tokio::task::spawn_blocking(move || table::owner(client, server)).await.unwrap_or(Owner::Unknown)
        }
    }
}

#[cfg(test)]
mod tests;
