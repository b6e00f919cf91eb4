//! A soak: two real daemons talk for a long time over relays that misbehave as a seed says, while their memory, descriptors, logs and
//! databases are watched; in the end nothing may be lost, doubled, made up or torn, and nothing may have grown that should not.

mod faults;
mod report;
mod sample;
mod trend;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ocmesh_api::OutboxCounts;
use ocmesh_localrelay::{Limits, RelayOptions};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

pub use self::{
    faults::{Stretch, Stretches},
    report::SoakReport,
    sample::{Course, Memory, Sample, Usage, course},
    trend::{Trend, median, trend},
};
use crate::{
    MisbehavingRelay, TestDaemon,
    dice::Dice,
    load::{Party, Speech, Talkers},
    scenario::Agent,
    wait,
};

/// Relays of a soak: as many as a message goes to.
const RELAYS: usize = 3;
/// Between two samples; what is shown is one a minute.
const SAMPLE_EVERY: Duration = Duration::from_secs(10);
/// Samples of a minute.
const SAMPLES_A_MINUTE: usize = 6;
/// For two daemons to be ready on every relay and to know the other's.
const MEETING_MAX: Duration = Duration::from_secs(90);
/// For receipts that are under way when everything has arrived.
const RECEIPTS_MAX: Duration = Duration::from_secs(30);
/// Tasks that speak for each agent, so that one slow answer does not slow the talk.
const SPEAKERS: u32 = 2;
/// Events each relay keeps, so that the relays' own memory stays bounded.
const RELAY_EVENTS_MAX: usize = 30_000;

/// What is to be soaked.
#[derive(Debug, Clone)]
pub struct SoakPlan {
    /// How long agents talk and relays misbehave.
    pub lasts: Duration,
    /// Messages a second, each way.
    pub per_s: f64,
    /// Decides the faults and the lengths of messages.
    pub seed: u64,
    /// How long what was sent may take to arrive after the faults end. A message that only a lying relay took is sent again after ten minutes.
    pub drain_max: Duration,
}

/// Everything that runs during a soak.
struct World {
    relays: Vec<MisbehavingRelay>,
    agents: [Agent; 2],
    talkers: Talkers,
}

/// Runs a soak; `say` gets a line now and then. Cancelling `end` ends the talk early; what follows it still happens.
///
/// # Errors
/// A daemon or a relay does not come up, or a daemon is away or refuses while agents talk. What the figures say is in the report.
pub async fn run(plan: &SoakPlan, end: &CancellationToken, say: &mut (dyn FnMut(&str) + Send)) -> Result<SoakReport> {
    let mut world = World::start().await?;
    world.begin_talk(plan);
    say(&format!("talking for {:?}, {} messages a second each way, seed {}", plan.lasts, plan.per_s, plan.seed));
    let samples = world.trouble(plan, end, say).await?;
    world.relays.iter().for_each(|relay| {
        relay.lift_all();
        relay.cut();
    });
    say("the faults have ended; waiting for what is still under way");
    let healed = Instant::now();
    world.talkers.hush().await?;
    let drained = world.drain(plan.drain_max).await;
    let drain = drained.is_ok().then(|| healed.elapsed());
    let awaiting = drained.unwrap_or_else(|error| {
        say(&format!("{error:#}"));
        [0; 2]
    });
    let (counts, told_failed) = (world.talkers.talk().counts(), world.talkers.talk().ledger().told_failed());
    let tally = world.talkers.end().await?;
    for agent in &world.agents {
        ensure!(!agent.daemon.log().contains("panicked"), "a daemon panicked; its log says where");
    }
    let after = [Usage::of(&world.agents[0])?, Usage::of(&world.agents[1])?];
    Ok(SoakReport {
        lasted: samples.last().map_or(Duration::ZERO, |sample| sample.at),
        counts,
        tally,
        told_failed,
        drain,
        awaiting,
        courses: [0, 1].map(|which| course(&samples, which)),
        after,
    })
}

impl World {
    async fn start() -> Result<Self> {
        let mut relays = Vec::new();
        for _ in 0..RELAYS {
            let limits = Limits { write_ms_max: 3_600_000, events_max: RELAY_EVENTS_MAX, ..Limits::default() };
            relays.push(MisbehavingRelay::start_around(RelayOptions { limits, ..RelayOptions::default() }, &[]).await?);
        }
        let urls: Vec<&str> = relays.iter().map(MisbehavingRelay::url).collect();
        let start = |name: &str| {
            let builder = TestDaemon::builder().relays(&urls).name(name).own_group();
            Agent::start(builder.env("OCMESH_DISCOVERY_INTERVAL", "10s").env("OCMESH_PRESENCE_INTERVAL", "30s"))
        };
        let (anna, bert) = tokio::try_join!(start("anna"), start("bert"))?;
        tokio::try_join!(anna.wait_for_peer(&bert), bert.wait_for_peer(&anna))?;
        tokio::try_join!(anna.wait_for_relays_of(&bert, &urls), bert.wait_for_relays_of(&anna, &urls))?;
        for agent in [&anna, &bert] {
            wait::until_ok("relays that are ready", MEETING_MAX, async || {
                let relays = agent.daemon.client()?.relays().await?;
                ensure!(relays.iter().all(|relay| relay.state == "ready"), "they are {relays:?}");
                anyhow::Ok(())
            })
            .await?;
        }
        Ok(Self { relays, agents: [anna, bert], talkers: Talkers::default() })
    }

    fn parties(&self) -> [Party; 2] {
        [Party::of(&self.agents[0]), Party::of(&self.agents[1])]
    }

    fn begin_talk(&mut self, plan: &SoakPlan) {
        let [anna, bert] = self.parties();
        let mut dice = Dice::new(plan.seed ^ 0x7a1c);
        let every = Duration::from_secs_f64(f64::from(SPEAKERS) / plan.per_s.max(0.01));
        for (name, from, to) in [("anna", &anna, &bert), ("bert", &bert, &anna)] {
            for number in 0..SPEAKERS {
                let speech = Speech { from: from.clone(), to: to.clone(), name: format!("{name}{number}"), every, seed: dice.next() };
                self.talkers.speak(speech);
            }
            self.talkers.listen(from.clone());
        }
    }

    /// Trouble at the relays until the plan's time is over, with a sample now and then.
    async fn trouble(&mut self, plan: &SoakPlan, end: &CancellationToken, say: &mut (dyn FnMut(&str) + Send)) -> Result<Vec<Sample>> {
        let began = Instant::now();
        let mut stretches = Stretches::new(plan.seed, self.relays.len());
        let mut next_stretch = began;
        let mut samples = Vec::new();
        let mut beat = interval(SAMPLE_EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // paces: a soak takes as long as it takes
                () = sleep_until(began + plan.lasts) => break,
                () = end.cancelled() => {
                    say("ending in order; once more ends at once");
                    break;
                }
                error = self.talkers.fell_silent() => return Err(error),
                // paces: faults stay on for a while
                () = sleep_until(next_stretch) => {
                    let stretch = stretches.next().context("no trouble left")?;
                    next_stretch += stretch.lasts;
                    self.strike(&stretch);
                }
                _ = beat.tick() => {
                    let sample = self.sample(began)?;
                    if samples.len().is_multiple_of(SAMPLES_A_MINUTE) {
                        say(&report::line(&sample, &self.talkers.talk().ledger().tally()));
                        self.relays.iter().for_each(MisbehavingRelay::forget);
                    }
                    samples.push(sample);
                }
            }
        }
        samples.push(self.sample(began)?);
        Ok(samples)
    }

    fn strike(&self, stretch: &Stretch) {
        for ((relay, faults), cut) in self.relays.iter().zip(&stretch.faults).zip(&stretch.cut) {
            relay.lift_all();
            faults.iter().for_each(|fault| relay.set(fault.clone(), true));
            if *cut {
                relay.cut();
            }
        }
    }

    fn sample(&self, began: Instant) -> Result<Sample> {
        let usage = [Usage::of(&self.agents[0])?, Usage::of(&self.agents[1])?];
        Ok(Sample { at: began.elapsed(), usage, counts: self.talkers.talk().counts() })
    }

    /// Until everything arrived and nothing waits for a relay. Gives how many messages of each agent then still wait for a receipt alone: it
    /// was lost twice, the second time after ten minutes, and an hour passes before the third (ADR 6).
    async fn drain(&mut self, limit: Duration) -> Result<[u64; 2]> {
        let parties = self.parties();
        wait::until_ok("everything to arrive and to be with a relay", limit, async || {
            self.talkers.talk().ask_about_missing(&parties).await?;
            let lost = self.talkers.talk().ledger().tally().lost;
            let left = self.outboxes().await?;
            ensure!(lost == 0 && left.iter().all(|outbox| outbox.queued == 0), "{lost} messages are missing, the outboxes hold {left:?}");
            anyhow::Ok(())
        })
        .await?;
        // Receipts that are merely under way come now; what is left is for the report.
        let _ = wait::until("receipts", RECEIPTS_MAX, async || {
            self.outboxes().await.ok()?.iter().all(|outbox| outbox.relayed == 0).then_some(())
        })
        .await;
        Ok(self.outboxes().await?.map(|outbox| outbox.relayed))
    }

    async fn outboxes(&self) -> Result<[OutboxCounts; 2]> {
        let of = async |agent: &Agent| anyhow::Ok(agent.daemon.client()?.status().await?.outbox);
        Ok([of(&self.agents[0]).await?, of(&self.agents[1]).await?])
    }
}
