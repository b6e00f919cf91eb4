//! Rows C1 to C3 of the battery: `kill -9` at random instants while one agent sends and another reads and acknowledges. Whatever was
//! acknowledged must arrive once, whole, and at the right one.

mod relay;

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

pub use self::relay::RelayProcess;
use crate::{
    TestDaemon,
    dice::Dice,
    ledger::Tally,
    load::{Party, Speech, TalkCounts, Talkers},
    scenario::Agent,
    wait,
};

/// Tasks that speak, so that calls are under way at any instant.
const SPEAKERS: u32 = 4;
/// For talk to flow again after a start.
const FLOW_MAX: Duration = Duration::from_secs(60);
/// For everything to arrive after the last start. A message that both sides believe to be on its way is sent again after ten minutes.
const DRAIN_MAX: Duration = Duration::from_secs(180);
/// How long a reader looks for a message that must not come again.
const AFTERMATH: Duration = Duration::from_secs(1);
/// The longest wait for a moment worth killing at.
const MOMENT_MAX: Duration = Duration::from_secs(2);

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victims {
    /// C1: the daemon that sends.
    Sender,
    /// C2: the daemon that receives, every second time between a hand-out and its acknowledgement.
    Receiver,
    /// C3: both daemons and the relay.
    Everyone,
}

/// One world and its kills.
#[derive(Debug, Clone, Copy)]
pub struct KillPlan {
    /// Who.
    pub victims: Victims,
    /// How often.
    pub kills: u32,
    /// Decides the instants.
    pub seed: u64,
    /// Messages a second.
    pub per_s: u32,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct KillReport {
    /// Kills.
    pub kills: u32,
    /// Those at which a call of `POST /send`, or the acknowledgement of a page, was cut off.
    pub cutting: u32,
    /// What went wrong.
    pub tally: Tally,
    /// What was said.
    pub counts: TalkCounts,
    /// From each start of a daemon to its first answer.
    pub ready: Vec<Duration>,
    /// The longest that the last messages took to arrive after the last kill.
    pub drain: Duration,
}

impl KillReport {
    /// Both together.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        self.kills += other.kills;
        self.cutting += other.cutting;
        self.tally = self.tally.plus(other.tally);
        self.counts = self.counts.plus(other.counts);
        self.ready.extend(other.ready);
        self.drain = self.drain.max(other.drain);
        self
    }

    /// The start that so many per cent of all starts were not slower than.
    #[must_use]
    pub fn ready_percentile(&self, per_cent: usize) -> Duration {
        let mut sorted = self.ready.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        sorted.get((sorted.len() * per_cent).div_ceil(100).saturating_sub(1).min(last)).copied().unwrap_or_default()
    }
}

impl fmt::Display for KillReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TalkCounts { acked, cut_off, repeated, unread_again, .. } = self.counts;
        let (p50, p99, max) = (self.ready_percentile(50), self.ready_percentile(99), self.ready_percentile(100));
        write!(
            f,
            "{} kills ({} cut something off), {acked} messages: {}; {cut_off} sends cut off, {repeated} called again with the same id, \
             {unread_again} acknowledgements cut off; start to answer p50 {p50:.0?}, p99 {p99:.0?}, max {max:.0?} of {} starts; \
             the last message came {:.1?} after the last kill",
            self.kills,
            self.cutting,
            self.tally,
            self.ready.len(),
            self.drain
        )
    }
}

struct World {
    relay: RelayProcess,
    sender: Agent,
    receiver: Agent,
    talkers: Talkers,
    dice: Dice,
    report: KillReport,
}

/// Makes a world, kills in it as planned, and lets it come to rest. Cancelling `end` leaves out the kills that are left.
///
/// # Errors
/// A daemon does not come up again, refuses, gives another id for the same call, panics, or has a database that is not sound. What the
/// ledger says is in the report.
pub async fn run(plan: KillPlan, end: &CancellationToken) -> Result<KillReport> {
    let mut world = World::start(plan.seed).await?;
    world.begin_talk(plan);
    while world.report.kills < plan.kills && !end.is_cancelled() {
        world.one_kill(plan.victims).await.with_context(|| format!("kill {} of {plan:?}", world.report.kills))?;
    }
    let healed = Instant::now();
    world.talkers.hush().await?;
    let arrived = world.until_nothing_is_lost().await;
    world.report.drain = healed.elapsed();
    wait::stays("reading", AFTERMATH, async || true).await?;
    world.report.counts = world.talkers.talk().counts();
    // The ledger counts them; which ones they are helps to find out why.
    let missing: Vec<String> = world.talkers.talk().ledger().missing().cloned().collect();
    world.report.tally = std::mem::take(&mut world.talkers).end().await?;
    if let Err(error) = arrived {
        return Err(error.context(format!("missing: {missing:?}")));
    }
    world.is_sound().await?;
    Ok(world.report)
}

impl World {
    async fn start(seed: u64) -> Result<Self> {
        let relay = RelayProcess::start().await?;
        let start = |name: &str| {
            let builder = TestDaemon::builder().relays(&[relay.url()]).name(name).own_group();
            Agent::start(builder.env("OCMESH_DISCOVERY_INTERVAL", "10s").env("OCMESH_PRESENCE_INTERVAL", "30s"))
        };
        let (sender, receiver) = tokio::try_join!(start("anna"), start("bert"))?;
        tokio::try_join!(sender.wait_for_peer(&receiver), receiver.wait_for_peer(&sender))?;
        receiver.accept(&sender).await?;
        Ok(Self { relay, sender, receiver, talkers: Talkers::default(), dice: Dice::new(seed), report: KillReport::default() })
    }

    fn begin_talk(&mut self, plan: KillPlan) {
        let (from, to) = (Party::of(&self.sender), Party::of(&self.receiver));
        let every = Duration::from_secs(1) * SPEAKERS / plan.per_s.max(1);
        for number in 0..SPEAKERS {
            let speech = Speech { from: from.clone(), to: to.clone(), name: format!("anna{number}"), every, seed: self.dice.next() };
            self.talkers.speak(speech);
        }
        self.talkers.listen(to);
    }

    async fn one_kill(&mut self, victims: Victims) -> Result<()> {
        self.until_it_flows(victims).await?;
        let before = self.talkers.talk().counts();
        self.moment(victims).await;
        let ready = match victims {
            Victims::Sender => vec![again(&mut self.sender.daemon).await?],
            Victims::Receiver => vec![again(&mut self.receiver.daemon).await?],
            Victims::Everyone => self.all_again().await?,
        };
        self.report.kills += 1;
        self.report.ready.extend(ready);
        let after = self.talkers.talk().counts();
        self.report.cutting += u32::from(after.cut_off > before.cut_off || after.unread_again > before.unread_again);
        Ok(())
    }

    /// Until both ends have done something since the last start: a daemon that only just comes up is not under load.
    async fn until_it_flows(&mut self, victims: Victims) -> Result<()> {
        let (mut acks, mut handed) = (self.talkers.talk().acks.subscribe(), self.talkers.talk().handed.subscribe());
        let flow = async {
            tokio::try_join!(acks.changed(), handed.changed())?;
            anyhow::Ok(())
        };
        tokio::select! {
            flows = timeout(FLOW_MAX, flow) => flows.with_context(|| format!("after {victims:?} was killed, no message went through"))?,
            error = self.talkers.fell_silent() => Err(error),
        }
    }

    /// Waits for the instant: any at all, or just after something began.
    async fn moment(&mut self, victims: Victims) {
        let began = match (victims, self.dice.chance(500)) {
            (Victims::Receiver, true) => Some(&self.talkers.talk().handed),
            (Victims::Sender | Victims::Everyone, true) => Some(&self.talkers.talk().calls),
            (_, false) => None,
        };
        let delay = match began {
            Some(began) => {
                next(began).await;
                // Within the few milliseconds that a commit takes.
                Duration::from_micros(self.dice.below(6_000))
            }
            None => Duration::from_millis(self.dice.below(1_000)),
        };
        // paces: the random instant
        sleep(delay).await;
    }

    /// All three at once, and all three again.
    async fn all_again(&mut self) -> Result<Vec<Duration>> {
        tokio::try_join!(self.sender.daemon.kill9(), self.receiver.daemon.kill9(), self.relay.kill9())?;
        self.relay.start_again().await?;
        let (sender, receiver) = tokio::try_join!(timed_start(&mut self.sender.daemon), timed_start(&mut self.receiver.daemon))?;
        Ok(vec![sender, receiver])
    }

    async fn until_nothing_is_lost(&self) -> Result<()> {
        let parties = [Party::of(&self.sender)];
        wait::until_ok("every acknowledged message", DRAIN_MAX, async || {
            self.talkers.talk().ask_about_missing(&parties).await?;
            let tally = self.talkers.talk().ledger().tally();
            ensure!(tally.lost == 0 && tally.phantom == 0, "{tally} of {}", self.talkers.talk().counts().acked);
            Ok(())
        })
        .await
    }

    /// No panic in a log, and every page of both databases is good.
    async fn is_sound(&mut self) -> Result<()> {
        for agent in [&mut self.sender, &mut self.receiver] {
            ensure!(!agent.daemon.log().contains("panicked"), "a daemon panicked: {}", agent.daemon.log());
            let status = agent.daemon.terminate().await?;
            ensure!(status.success(), "a daemon stopped with {status}");
            let database = database_check(&agent.daemon).await?;
            ensure!(database.0 == "ok", "the database is {database:?}");
        }
        Ok(())
    }
}

/// Waits for a counter to rise.
async fn next(counter: &watch::Sender<u64>) {
    let mut counter = counter.subscribe();
    // A moment that does not come is no moment to wait for.
    let _ = timeout(MOMENT_MAX, counter.changed()).await;
}

async fn again(daemon: &mut TestDaemon) -> Result<Duration> {
    daemon.kill9().await?;
    timed_start(daemon).await
}

async fn timed_start(daemon: &mut TestDaemon) -> Result<Duration> {
    let began = Instant::now();
    daemon.start().await?;
    Ok(began.elapsed())
}

/// What `ocmesh doctor` says of the database of a daemon that has stopped: the verdict, and the words.
///
/// # Errors
/// When it does not say anything of it.
pub async fn database_check(daemon: &TestDaemon) -> Result<(String, String)> {
    let output = daemon.command().args(["doctor", "--json"]).output().await?;
    let report: Value = serde_json::from_slice(&output.stdout).with_context(|| format!("doctor said {output:?}"))?;
    let checks = report.get("checks").and_then(Value::as_array).context("no checks")?;
    let check = checks.iter().find(|check| check.get("check").and_then(Value::as_str) == Some("database")).context("no database check")?;
    let verdict = check.get("verdict").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok((verdict, check.to_string()))
}
