//! The way to the daemon, found anew for every call, and the news that our own caller went away.

use std::path::PathBuf;

use ocmesh_api::{Client, ClientError};
use tokio::sync::watch;

use crate::refusal::Refusal;

/// Where the daemon lives, and whether anybody still listens to us.
#[derive(Debug, Clone)]
pub(crate) struct Mesh {
    home: PathBuf,
    caller_gone: watch::Receiver<bool>,
}

impl Mesh {
    pub(crate) const fn new(home: PathBuf, caller_gone: watch::Receiver<bool>) -> Self {
        Self { home, caller_gone }
    }

    /// A client of the daemon as `api.json` describes it now.
    pub(crate) fn client(&self) -> Result<Client, Refusal> {
        Ok(self.dial()?)
    }

    /// As [`Self::client`], for who wants to tell failures apart.
    pub(crate) fn dial(&self) -> Result<Client, ClientError> {
        Client::from_home(&self.home)
    }

    /// Comes back when our caller closed its end; never, while it has not.
    pub(crate) async fn caller_gone(&self) {
        let mut gone = self.caller_gone.clone();
        if gone.wait_for(|gone| *gone).await.is_err() {
            // Whoever could have told is gone without telling: then nobody ends this wait but its deadline.
            std::future::pending::<()>().await;
        }
    }
}
