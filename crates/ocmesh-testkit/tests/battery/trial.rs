//! Two daemons on given relays, the workload between them, and the verdict of the ledger.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use ocmesh_api::{MessageDetail, MessagesQuery, ReadRequest, RelayStatus};
use ocmesh_testkit::{
    MisbehavingRelay, TestDaemon, TestDaemonBuilder,
    ledger::{Ledger, Tally},
    scenario::Agent,
    wait::{self, PATIENCE},
};

/// For messages to get through once nothing stands in the way, redial pauses after a few failures included, on a busy machine.
pub(crate) const HEALED_MAX: Duration = Duration::from_secs(60);
/// How long a reader looks for a message that must not come again.
const AFTERMATH: Duration = Duration::from_millis(700);

/// Anna and Bert, and what they were told.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) anna: Agent,
    pub(crate) bert: Agent,
    pub(crate) ledger: Ledger,
    words: usize,
}

fn words(number: usize) -> String {
    format!("message {number} {}", "é✓ ".repeat(if number % 3 == 2 { 600 } else { 3 }))
}

/// A daemon that looks around as often as the configuration allows.
pub(crate) fn quick<S: AsRef<str>>(name: &str, relays: &[S]) -> TestDaemonBuilder {
    let builder = TestDaemon::builder().relays(relays).name(name);
    builder.env("OCMESH_DISCOVERY_INTERVAL", "10s").env("OCMESH_PRESENCE_INTERVAL", "30s")
}

impl Trial {
    /// Two daemons on these relays that know each other and are ready on all of them.
    pub(crate) async fn on(relays: &[&MisbehavingRelay]) -> Result<Self> {
        let urls: Vec<&str> = relays.iter().map(|relay| relay.url()).collect();
        let trial = Self::start(&urls, &urls).await?;
        tokio::try_join!(trial.anna.wait_for_peer(&trial.bert), trial.bert.wait_for_peer(&trial.anna))?;
        tokio::try_join!(trial.anna.accept(&trial.bert), trial.bert.accept(&trial.anna))?;
        for url in urls {
            trial.until_state(&trial.anna, url, "ready", HEALED_MAX).await?;
            trial.until_state(&trial.bert, url, "ready", HEALED_MAX).await?;
        }
        Ok(trial)
    }

    /// Two daemons, each on its own relays, that need not know each other yet.
    pub(crate) async fn start<S: AsRef<str>>(annas: &[S], berts: &[S]) -> Result<Self> {
        Self::built(quick("anna", annas), quick("bert", berts)).await
    }

    /// Two daemons as they are built.
    pub(crate) async fn built(anna: TestDaemonBuilder, bert: TestDaemonBuilder) -> Result<Self> {
        let (anna, bert) = tokio::try_join!(Agent::start(anna), Agent::start(bert))?;
        Ok(Self::of(anna, bert))
    }

    /// These two.
    pub(crate) fn of(anna: Agent, bert: Agent) -> Self {
        Self { anna, bert, ledger: Ledger::default(), words: 0 }
    }

    /// Sends so many messages each way; each is on disk and in the ledger when this comes back. Gives their ids, Anna's first.
    pub(crate) async fn both_ways(&mut self, each: usize) -> Result<Vec<String>> {
        let mut ids = self.anna_says(each).await?;
        ids.extend(self.bert_says(each).await?);
        Ok(ids)
    }

    pub(crate) async fn anna_says(&mut self, count: usize) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        for content in self.words(count) {
            let sent = self.anna.send(&self.bert, &content).await?;
            self.ledger.sent(&sent.id, &self.anna.pubkey, &self.bert.pubkey, &content);
            ids.push(sent.id);
        }
        Ok(ids)
    }

    pub(crate) async fn bert_says(&mut self, count: usize) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        for content in self.words(count) {
            let sent = self.bert.send(&self.anna, &content).await?;
            self.ledger.sent(&sent.id, &self.bert.pubkey, &self.anna.pubkey, &content);
            ids.push(sent.id);
        }
        Ok(ids)
    }

    /// Texts unlike each other, some of a few kilobytes.
    fn words(&mut self, count: usize) -> Vec<String> {
        let from = self.words;
        self.words += count;
        (from..self.words).map(words).collect()
    }

    /// The text of the newest message.
    pub(crate) fn last_words(&self) -> String {
        words(self.words - 1)
    }

    /// Reads and acknowledges what both agents hand out now.
    pub(crate) async fn read(&mut self) -> Result<()> {
        for agent in [&self.anna, &self.bert] {
            if agent.daemon.pid().is_none() {
                continue;
            }
            let client = agent.daemon.client()?;
            let query =
                MessagesQuery { unread: Some(true), direction: Some("in".to_owned()), limit: Some(1_000), ..MessagesQuery::default() };
            let page = client.messages(&query).await?.items;
            if page.is_empty() {
                continue;
            }
            for message in &page {
                self.ledger.handed_out(&agent.pubkey, message);
            }
            let ids: Vec<String> = page.into_iter().map(|message| message.id).collect();
            client.mark_read(&ReadRequest { ids: Some(ids.clone()), all: None }).await?;
            ids.iter().for_each(|id| self.ledger.acknowledged(id));
        }
        Ok(())
    }

    /// Reads until nothing is missing, and gives how long that took.
    pub(crate) async fn until_nothing_is_lost(&mut self, limit: Duration) -> Result<Duration> {
        let began = Instant::now();
        let read = wait::until_ok("every acknowledged message", limit, async || {
            self.read().await?;
            let tally = self.ledger.tally();
            ensure!(tally.lost == 0, "{tally:?} of {}", self.ledger.acked());
            Ok(())
        });
        if let Err(error) = read.await {
            return Err(error.context(self.stories_of_the_missing().await));
        }
        Ok(began.elapsed())
    }

    /// What each sender has of what is missing.
    async fn stories_of_the_missing(&self) -> String {
        let mut stories = String::new();
        for id in self.ledger.missing() {
            for agent in [&self.anna, &self.bert] {
                if let Ok(detail) = self.detail(agent, id).await {
                    let _ = writeln!(stories, "{detail:#?}");
                }
            }
        }
        stories
    }

    /// Nothing is lost within `limit`, and a while later nothing came twice, from nowhere, or torn.
    pub(crate) async fn settles(&mut self, limit: Duration) -> Result<Duration> {
        let took = self.until_nothing_is_lost(limit).await?;
        let quiet = wait::stays("reading", AFTERMATH, async || self.read().await.is_ok());
        quiet.await?;
        ensure!(self.ledger.tally() == Tally::default(), "{:?} of {}", self.ledger.tally(), self.ledger.acked());
        println!("0 lost, 0 duplicated, 0 phantom, 0 torn of {} messages; the last came after {took:?}", self.ledger.acked());
        Ok(took)
    }

    /// What an agent says of one relay.
    pub(crate) async fn relay(&self, agent: &Agent, url: &str) -> Result<RelayStatus> {
        let relays = agent.daemon.client()?.status().await?.relay_status;
        relays.into_iter().find(|relay| relay.url == url).with_context(|| format!("{url} is not in /status"))
    }

    /// Waits until `/status` shows a relay in one of these states, separated by spaces.
    pub(crate) async fn until_state(&self, agent: &Agent, url: &str, states: &str, limit: Duration) -> Result<RelayStatus> {
        wait::until_ok(format!("{url} as {states}"), limit, async || {
            let relay = self.relay(agent, url).await?;
            ensure!(states.split(' ').any(|state| state == relay.state), "it is {relay:?}");
            Ok(relay)
        })
        .await
    }

    /// A message as its sender has it.
    pub(crate) async fn detail(&self, agent: &Agent, id: &str) -> Result<MessageDetail> {
        Ok(agent.daemon.client()?.message(id).await?)
    }

    /// Lines of an agent's log that hold these words.
    pub(crate) fn log_lines(agent: &Agent, words: &str) -> Result<usize> {
        let log = std::fs::read_to_string(agent.daemon.home().join("ocmesh.log"))?;
        Ok(log.lines().filter(|line| line.contains(words)).count())
    }

    /// Both daemons still answer, and none of them ever said that a part of it broke.
    pub(crate) async fn is_sound(&self) -> Result<()> {
        for agent in [&self.anna, &self.bert] {
            agent.daemon.client()?.status().await?;
            let log = agent.daemon.log();
            ensure!(!log.contains("panicked"), "a panic in {log}");
        }
        Ok(())
    }
}

/// The common shape of a row: with the fault on at one relay and an honest one beside it, messages arrive as if nothing were wrong; with
/// the fault at the only relay, nothing is lost once it is lifted.
pub(crate) async fn beside_an_honest_one(mut faulty: impl FnMut(&MisbehavingRelay)) -> Result<(Trial, MisbehavingRelay, MisbehavingRelay)> {
    let (bad, good) = (MisbehavingRelay::start().await?, MisbehavingRelay::start().await?);
    let mut trial = Trial::on(&[&bad, &good]).await?;
    faulty(&bad);
    bad.cut();
    trial.both_ways(3).await?;
    trial.settles(PATIENCE).await?;
    for agent in [&trial.anna, &trial.bert] {
        let other = trial.relay(agent, good.url()).await?;
        ensure!(other.state == "ready", "the honest relay suffers: {other:?}");
    }
    trial.is_sound().await?;
    Ok((trial, bad, good))
}
