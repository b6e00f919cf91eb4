//! Small worlds that many tests begin with.

use std::time::Duration;

use anyhow::{Context as _, Result};
use ocmesh_api::{Message, MessagesQuery, Origin, PeerPatch, PeersQuery, SendRequest, Sent};

use crate::{
    daemon::{TestDaemon, TestDaemonBuilder},
    wait,
};

/// For two agents to find each other on a busy machine.
const MEETING_MAX: Duration = Duration::from_secs(60);

/// An agent with its public key at hand.
#[derive(Debug)]
pub struct Agent {
    /// Its daemon.
    pub daemon: TestDaemon,
    /// Its public key, hexadecimal.
    pub pubkey: String,
}

impl Agent {
    /// Starts a daemon that finds and announces quickly.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(builder: TestDaemonBuilder) -> Result<Self> {
        let daemon = builder.start().await?;
        let pubkey = daemon.client()?.status().await?.pubkey;
        Ok(Self { daemon, pubkey })
    }

    /// Sends text as its owner would; comes back when the daemon has it on disk.
    ///
    /// # Errors
    /// When the daemon refuses.
    pub async fn send(&self, to: &Self, content: &str) -> Result<Sent> {
        let request =
            SendRequest { to: to.pubkey.clone(), content: content.to_owned(), origin: Some(Origin::Owner), ..SendRequest::default() };
        Ok(self.daemon.client()?.send(&request).await?)
    }

    /// Waits for a received message with this content.
    ///
    /// # Errors
    /// When it does not come in time.
    pub async fn wait_for(&self, content: &str, limit: Duration) -> Result<Message> {
        wait::until(format!("the message {content:?}"), limit, async || {
            let page = self.daemon.client().ok()?.messages(&MessagesQuery::default()).await.ok()?;
            page.items.into_iter().find(|message| message.content == content)
        })
        .await
    }

    /// Waits until this agent lists the other.
    ///
    /// # Errors
    /// When it does not find it in time.
    pub async fn wait_for_peer(&self, other: &Self) -> Result<()> {
        wait::until(format!("peer {}", other.pubkey), MEETING_MAX, async || {
            let page = self.daemon.client().ok()?.peers(&PeersQuery::default()).await.ok()?;
            page.items.iter().any(|peer| peer.pubkey == other.pubkey).then_some(())
        })
        .await
    }

    /// Accepts the other, whom it knows: what a stranger may leave here is bounded.
    ///
    /// # Errors
    /// When the daemon refuses.
    pub async fn accept(&self, other: &Self) -> Result<()> {
        let patch = PeerPatch { trust: Some("known".to_owned()), petname: None };
        self.daemon.client()?.change_peer(&other.pubkey, &patch).await?;
        Ok(())
    }

    /// Waits until this agent sees the other as online.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn wait_for_online(&self, other: &Self) -> Result<()> {
        wait::until(format!("{} online", other.pubkey), MEETING_MAX, async || {
            let peer = self.daemon.client().ok()?.peer(&other.pubkey).await.ok()?;
            peer.online.then_some(())
        })
        .await
    }

    /// Waits until this agent knows of every one of these relays that the other reads there.
    ///
    /// # Errors
    /// When it takes longer than agents on one healthy machine need.
    pub async fn wait_for_relays_of<S: AsRef<str>>(&self, other: &Self, relays: &[S]) -> Result<()> {
        wait::until(format!("all relays of {}", other.pubkey), MEETING_MAX, async || {
            let peer = self.daemon.client().ok()?.peer(&other.pubkey).await.ok()?;
            relays.iter().all(|url| peer.relays.iter().any(|known| known == url.as_ref())).then_some(())
        })
        .await
    }
}

/// Two agents called `anna` and `bert` on the same relays, each knowing the other.
///
/// # Errors
/// When one does not come up, or they do not find each other.
pub async fn two_agents_on<S: AsRef<str>>(relays: &[S]) -> Result<(Agent, Agent)> {
    // The shortest interval the configuration allows.
    let start = |name: &str| Agent::start(TestDaemon::builder().relays(relays).name(name).env("OCMESH_DISCOVERY_INTERVAL", "10s"));
    let (anna, bert) = tokio::try_join!(start("anna"), start("bert")).context("two agents")?;
    tokio::try_join!(anna.wait_for_peer(&bert), bert.wait_for_peer(&anna))?;
    Ok((anna, bert))
}
