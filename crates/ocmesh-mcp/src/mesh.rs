//! The way to the daemon, and the news that our own caller went away.

use std::path::PathBuf;

use ocmesh_api::{Client, ClientError};
use tokio_util::sync::CancellationToken;

use crate::refusal::Refusal;

/// Where the daemon lives, and whether anybody still listens to us.
#[derive(Debug, Clone)]
pub(crate) struct Mesh {
    way: Way,
    caller_gone: CancellationToken,
}

#[derive(Debug, Clone)]
enum Way {
    /// Another process, found anew for every call.
    Home(PathBuf),
    /// The daemon that we are a part of.
    Here(Client),
}

impl Mesh {
    pub(crate) const fn of_home(home: PathBuf, caller_gone: CancellationToken) -> Self {
        Self { way: Way::Home(home), caller_gone }
    }

    pub(crate) const fn here(client: Client, caller_gone: CancellationToken) -> Self {
        Self { way: Way::Here(client), caller_gone }
    }

    /// A client of the daemon as `api.json` describes it now.
    pub(crate) fn client(&self) -> Result<Client, Refusal> {
        Ok(self.dial()?)
    }

    /// As [`Self::client`], for who wants to tell failures apart.
    pub(crate) fn dial(&self) -> Result<Client, ClientError> {
        match &self.way {
            Way::Home(home) => Client::from_home(home),
            Way::Here(client) => Ok(client.clone()),
        }
    }

    /// Comes back when our caller closed its end; never, while it has not.
    pub(crate) async fn caller_gone(&self) {
        self.caller_gone.cancelled().await;
    }
}
