//! Real daemons with the simplest agents there are: scripts that answer everything over the Local API.
#![cfg(unix)]
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, ensure};
use ocmesh_api::{ClientError, ErrorCode, MessagesQuery, Origin, SendRequest};
use ocmesh_testkit::{MisbehavingRelay, TestDaemon, scenario::Agent, wait};

/// After a refusal no agent may say another word; what was on its way has long come by then.
const QUIET: Duration = Duration::from_secs(2);

/// A person would need minutes for it, however busy this machine is.
const THANKS: &str = "Thank you! ";

/// Everything an agent does.
struct Script {
    agent: Agent,
    answered: BTreeSet<String>,
    /// Whom it writes to, if not to whoever wrote.
    next: Option<String>,
    replies: bool,
    /// What it says of itself.
    origin: Option<Origin>,
    refused: Vec<ErrorCode>,
}

impl Script {
    /// Answers what came since.
    async fn answer(&mut self) -> Result<()> {
        let client = self.agent.daemon.client()?;
        for message in client.messages(&MessagesQuery::default()).await?.items {
            if !self.answered.insert(message.id.clone()) {
                continue;
            }
            let request = SendRequest {
                to: self.next.clone().unwrap_or(message.from),
                content: THANKS.repeat(50),
                reply_to: self.replies.then_some(message.id),
                origin: self.origin,
                ..SendRequest::default()
            };
            match client.send(&request).await {
                Ok(_) => {}
                Err(ClientError::Api(error)) => self.refused.push(error.code),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn sent(&self) -> Result<usize> {
        let query = MessagesQuery { direction: Some("out".to_owned()), ..MessagesQuery::default() };
        Ok(self.agent.daemon.client()?.messages(&query).await?.items.len())
    }
}

/// So many agents, each of which knows the others.
async fn agents(relay: &MisbehavingRelay, count: usize) -> Result<Vec<Script>> {
    let mut scripts = Vec::new();
    for name in ["anna", "bert", "cleo"].iter().take(count) {
        let builder = TestDaemon::builder().relays(&[relay.url()]).name(name).env("OCMESH_DISCOVERY_INTERVAL", "10s");
        let agent = Agent::start(builder).await?;
        scripts.push(Script { agent, answered: BTreeSet::new(), next: None, replies: false, origin: None, refused: Vec::new() });
    }
    for one in &scripts {
        for other in scripts.iter().filter(|other| other.agent.pubkey != one.agent.pubkey) {
            // Kind 4, which goes to whom only a hello is known of, has no room for a chain.
            one.agent.wait_for_online(&other.agent).await?;
        }
    }
    Ok(scripts)
}

/// Lets them talk until one is refused and nothing comes any more; gives how many messages there were.
async fn talk(scripts: &mut [Script]) -> Result<usize> {
    wait::until_ok("a refusal", Duration::from_secs(60), async || {
        for script in &mut *scripts {
            script.answer().await?;
        }
        ensure!(scripts.iter().any(|script| !script.refused.is_empty()), "they still talk");
        Ok(())
    })
    .await?;
    let before = total(scripts).await?;
    // Half-open comes after five minutes; until then nobody is answered.
    wait::stays("silence", QUIET, async || {
        for script in &mut *scripts {
            if script.answer().await.is_err() {
                return false;
            }
        }
        total(scripts).await.is_ok_and(|now| now == before)
    })
    .await?;
    Ok(before)
}

async fn total(scripts: &[Script]) -> Result<usize> {
    let mut total = 0;
    for script in scripts {
        total += script.sent().await?;
    }
    Ok(total)
}

#[tokio::test]
#[ignore = "needs the ocmesh binary: build it, or set OCMESH_BIN"]
async fn scripts_that_answer_everything_stop_by_themselves_and_their_owner_does_not() -> Result<()> {
    // Who says nothing and names nothing has longer: it may be an honest program from before there was an origin to name.
    for (replies, origin, expected) in [(true, None, 5..=10), (false, Some(Origin::Agent), 5..=10), (false, None, 50..=60)] {
        let relay = MisbehavingRelay::start().await?;
        let mut scripts = agents(&relay, 2).await?;
        for script in &mut scripts {
            (script.replies, script.origin) = (replies, origin);
        }
        scripts[0].agent.send(&scripts[1].agent, "Thanks for the tip.").await?;
        let messages = talk(&mut scripts).await?;
        ensure!(expected.contains(&messages), "{messages} messages, not {expected:?}");

        let stopped = scripts.iter().position(|script| !script.refused.is_empty()).unwrap_or_default();
        let (one, other) = (&scripts[stopped], &scripts[1 - stopped]);
        let client = one.agent.daemon.client()?;
        let status = client.status().await?;
        ensure!(status.loops.len() == 1 && status.loops[0].pubkey == other.agent.pubkey, "{status:?}");
        ensure!(status.loops[0].state == "open" && status.loops[0].trips == 1, "{status:?}");
        ensure!(status.warnings.iter().any(|warning| warning.contains("without end")), "{:?}", status.warnings);
        ensure!(one.agent.daemon.log().matches("agents answer each other without end").count() >= 1, "the log says it");

        let owner = SendRequest {
            to: other.agent.pubkey.clone(),
            content: "It is me.".to_owned(),
            origin: Some(Origin::Owner),
            ..SendRequest::default()
        };
        client.send(&owner).await?;
        wait::until_ok("the owner ends it", Duration::from_secs(10), async || {
            ensure!(client.status().await?.loops.is_empty(), "it is still there");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs the ocmesh binary: build it, or set OCMESH_BIN"]
async fn a_triangle_of_scripts_stops_within_ten_messages_also_over_a_restart() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let mut scripts = agents(&relay, 3).await?;
    let keys: Vec<String> = scripts.iter().map(|script| script.agent.pubkey.clone()).collect();
    for (index, script) in scripts.iter_mut().enumerate() {
        (script.next, script.origin) = (Some(keys[(index + 1) % 3].clone()), Some(Origin::Agent));
    }
    scripts[0].agent.send(&scripts[1].agent, "Pass it on.").await?;
    wait::until_ok("the first round", Duration::from_secs(30), async || {
        for script in &mut scripts {
            script.answer().await?;
        }
        ensure!(total(&scripts).await? >= 4, "not yet round");
        Ok(())
    })
    .await?;
    for script in &mut scripts {
        script.agent.daemon.restart().await?;
    }
    let messages = talk(&mut scripts).await?;
    ensure!((4..=10).contains(&messages), "{messages} messages");
    for script in &scripts {
        let codes = &script.refused;
        ensure!(codes.iter().all(|code| *code == ErrorCode::LoopSuspected), "{codes:?}");
    }
    Ok(())
}
