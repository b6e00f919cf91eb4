//! Row C9 of the battery: two daemons started at once on one home. Exactly one wins; the other says so and ends.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use ocmesh_api::Client;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::{TestDaemon, wait};

/// For the loser to be gone and the winner to answer, on a machine that does much else.
const RACE_MAX: Duration = Duration::from_secs(30);
/// A new home every so many races: its identity must be made by one daemon alone.
const SAME_HOME: u32 = 10;

/// What came of the races.
#[derive(Debug, Clone, Default)]
pub struct RaceReport {
    /// From the start of each loser to its end.
    pub lost_after: Vec<Duration>,
}

impl RaceReport {
    /// The time that so many per cent of the losers did not exceed.
    #[must_use]
    pub fn percentile(&self, per_cent: usize) -> Duration {
        let mut sorted = self.lost_after.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        sorted.get((sorted.len() * per_cent).div_ceil(100).saturating_sub(1).min(last)).copied().unwrap_or_default()
    }
}

impl std::fmt::Display for RaceReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (p50, p99, max) = (self.percentile(50), self.percentile(99), self.percentile(100));
        write!(f, "{} races, one winner each; the other ended after p50 {p50:.0?}, p99 {p99:.0?}, max {max:.0?}", self.lost_after.len())
    }
}

/// Runs so many races.
///
/// # Errors
/// Both win, or none; the loser does not say why in plain words; the winner does not answer, or is another agent than before.
pub async fn run(races: u32) -> Result<RaceReport> {
    let mut report = RaceReport::default();
    let mut raced = None;
    for number in 0..races {
        if number.is_multiple_of(SAME_HOME) {
            raced = Some((TestDaemon::builder().prepare()?, None::<String>));
        }
        let (home, agent) = raced.as_mut().context("no home")?;
        let (took, pubkey) = race(home, number).await.with_context(|| format!("race {number}"))?;
        if let Some(before) = agent.replace(pubkey.clone()) {
            ensure!(before == pubkey, "race {number}: the home was {before} and is {pubkey}");
        }
        report.lost_after.push(took);
    }
    Ok(report)
}

/// Two daemons, one home. Gives how long the loser took, and who the winner is.
async fn race(home: &TestDaemon, number: u32) -> Result<(Duration, String)> {
    let start = || {
        let mut command: Command = home.command();
        let began = Instant::now();
        anyhow::Ok((command.arg("daemon").stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?, began))
    };
    let ((mut one, one_began), (mut two, two_began)) = (start()?, start()?);
    let ended = async {
        tokio::select! {
            status = one.wait() => (status, true),
            status = two.wait() => (status, false),
        }
    };
    let (status, one_lost) = timeout(RACE_MAX, ended).await.context("nobody gives up")?;
    let (loser, winner, began) = if one_lost { (one, two, one_began) } else { (two, one, two_began) };
    let took = began.elapsed();
    let winner_pid = winner.id().context("both gave up")?;
    let said = String::from_utf8(loser.wait_with_output().await?.stderr)?;
    ensure!(status?.code() == Some(1), "the loser ended with another code and said {said:?}");
    ensure!(said.contains("ocmesh is already running for") && said.lines().count() <= 3, "the loser said {said:?}");
    let pubkey = wait::until_ok("the winner's API", RACE_MAX, async || {
        let client = Client::from_home(home.home())?;
        ensure!(client.endpoint().pid == winner_pid, "api.json is of another process");
        Ok(client.status().await?.pubkey)
    })
    .await?;
    end(winner, number).await?;
    Ok((took, pubkey))
}

/// In turn killed, which leaves a stale lock file, api.json and socket behind, and stopped.
async fn end(mut winner: Child, number: u32) -> Result<()> {
    if number.is_multiple_of(2) {
        return Ok(winner.kill().await?);
    }
    let pid = winner.id().and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?));
    rustix::process::kill_process(pid.context("the winner is gone")?, rustix::process::Signal::TERM)?;
    let status = timeout(RACE_MAX, winner.wait()).await.context("the winner does not stop")??;
    if !status.success() {
        bail!("the winner stopped with {status}");
    }
    Ok(())
}
