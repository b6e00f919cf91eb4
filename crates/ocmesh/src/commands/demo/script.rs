//! What happens in the demo, step by step.

use std::time::Duration;

use ocmesh_api::{Client, ClientError, Health, Message, MessageDetail, MessagesQuery, Peer, PeerPatch, SendRequest, Sent, StatusReport};
use serde_json::json;

use super::{Show, agent::Agent};
use crate::{
    commands::from_client,
    error::CliError,
    ui::{safe, short_key},
};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

const QUESTION: &str = "Hello bob! Can you read this? Only you should be able to.";
const ANSWER: &str = "Loud and clear, ada. Nobody in between can.";

pub(super) async fn play(show: &Show<'_>, ada: &mut Agent, bob: &mut Agent) -> Result<(), CliError> {
    let (ada_api, ada_is) = up(show, ada).await?;
    let (bob_api, bob_is) = up(show, bob).await?;

    let sees = |peer: &Peer| peer.online;
    meet(show, ada, &ada_api, &bob_is, "found", "has found bob", sees).await?;
    meet(show, bob, &bob_api, &ada_is, "found", "has found ada", sees).await?;
    let shook = |peer: &Peer| peer.handshake == "handshaked";
    meet(show, ada, &ada_api, &bob_is, "handshake", "has shaken hands with bob", shook).await?;
    meet(show, bob, &bob_api, &ada_is, "handshake", "has shaken hands with ada", shook).await?;

    // Strangers get no receipts: each owner accepts the other agent.
    for (api, other) in [(&ada_api, &bob_is), (&bob_api, &ada_is)] {
        let known = PeerPatch { trust: Some("known".to_owned()), petname: None };
        api.change_peer(&other.pubkey, &known).await.map_err(from_client)?;
    }
    show.step("accepted", "owners", "accept each other's agent, so that receipts are sent", &json!({"trust": "known"}))?;

    let question = Letter { from: "ada", to: "bob", text: QUESTION, reply_to: None };
    let asked = question.carry(show, ada, &ada_api, bob, &bob_api, &bob_is.pubkey).await?;
    let answer = Letter { from: "bob", to: "ada", text: ANSWER, reply_to: Some(asked) };
    answer.carry(show, bob, &bob_api, ada, &ada_api, &ada_is.pubkey).await?;
    Ok(())
}

/// Waits until the daemon answers and its relay is ready.
async fn up(show: &Show<'_>, agent: &mut Agent) -> Result<(Client, StatusReport), CliError> {
    let name = agent.name;
    let (client, status) = until(show, agent, &format!("{name} starts"), async |agent| {
        let Some(client) = agent.client() else { return Ok(None) };
        let status = match client.status().await {
            Ok(status) => status,
            // Between its file and its first answer.
            Err(ClientError::NotRunning | ClientError::Io(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let ready = status.state == Health::Ok && status.relay_status.iter().any(|relay| relay.state == "ready");
        Ok(ready.then_some((client, status)))
    })
    .await?;
    let data = json!({"agent": name, "npub": status.npub});
    show.step("agent", name, &format!("is up and on the relay, {}", short_key(&status.npub)), &data)?;
    Ok((client, status))
}

async fn meet(
    show: &Show<'_>,
    agent: &mut Agent,
    client: &Client,
    other: &StatusReport,
    step: &str,
    what: &str,
    holds: impl Fn(&Peer) -> bool,
) -> Result<(), CliError> {
    let name = agent.name;
    until(show, agent, &format!("{name} waits: {step}"), async |_| match client.peer(&other.pubkey).await {
        Ok(peer) => Ok(holds(&peer).then_some(())),
        Err(ClientError::Api(_)) => Ok(None),
        Err(error) => Err(error),
    })
    .await?;
    show.step(step, name, what, &json!({"agent": name, "peer": other.npub}))
}

/// One message with everything that follows from it.
struct Letter {
    from: &'static str,
    to: &'static str,
    text: &'static str,
    reply_to: Option<String>,
}

impl Letter {
    /// Sends, receives, acknowledges; gives the message's id.
    async fn carry(
        &self,
        show: &Show<'_>,
        sender: &mut Agent,
        sender_api: &Client,
        receiver: &mut Agent,
        receiver_api: &Client,
        to: &str,
    ) -> Result<String, CliError> {
        let (from, to_name) = (self.from, self.to);
        let request =
            SendRequest { to: to.to_owned(), content: self.text.to_owned(), reply_to: self.reply_to.clone(), ..SendRequest::default() };
        let sent: Sent = sender_api.send(&request).await.map_err(from_client)?;
        show.step(
            "sent",
            &format!("{from} → {to_name}"),
            &format!("\"{}\"", self.text),
            &json!({"from": from, "to": to_name, "id": sent.id, "content": self.text}),
        )?;
        let got =
            until(show, receiver, &format!("{to_name} waits for the message"), async |_| received(receiver_api, &sent.id).await).await?;
        if got.content != self.text {
            return Err(CliError::could_not("wrong_content", format!("{to_name} received something else than {from} sent")));
        }
        let text = format!("has received it, end-to-end encrypted ({})", safe(&got.encryption));
        show.step("received", to_name, &text, &json!({"agent": to_name, "id": got.id, "encryption": got.encryption, "trust": got.trust}))?;
        self.receipt(show, sender, sender_api, &sent, "delivered").await?;
        receiver_api.mark_one_read(&sent.id).await.map_err(from_client)?;
        self.receipt(show, sender, sender_api, &sent, "read").await?;
        Ok(sent.id)
    }

    async fn receipt(&self, show: &Show<'_>, sender: &mut Agent, api: &Client, sent: &Sent, wanted: &str) -> Result<(), CliError> {
        let from = self.from;
        let detail: MessageDetail = until(show, sender, &format!("{from} waits for the receipt \"{wanted}\""), async |_| {
            let detail = api.message(&sent.id).await?;
            let status = detail.message.status.as_str();
            Ok((status == wanted || status == "read").then_some(detail))
        })
        .await?;
        show.step(
            wanted,
            from,
            &format!("knows that it was {wanted}"),
            &json!({"agent": from, "id": sent.id, "status": detail.message.status}),
        )
    }
}

async fn received(api: &Client, id: &str) -> Result<Option<Message>, ClientError> {
    let query = MessagesQuery { unread: Some(true), ..MessagesQuery::default() };
    Ok(api.messages(&query).await?.items.into_iter().find(|message| message.id == id))
}

/// Looks until there is an answer, as long as the agent runs. The demo's own limit ends an endless wait.
async fn until<T>(
    show: &Show<'_>,
    agent: &mut Agent,
    what: &str,
    look: impl AsyncFn(&Agent) -> Result<Option<T>, ClientError>,
) -> Result<T, CliError> {
    loop {
        if let Some(found) = look(agent).await.map_err(from_client)? {
            return Ok(found);
        }
        agent.still_runs()?;
        show.waiting(what);
        tokio::time::sleep(LOOK).await;
    }
}
