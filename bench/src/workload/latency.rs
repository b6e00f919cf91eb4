//! A message from `POST /send` of one agent to the server-sent event of another, over a local relay, everything on disk: one at a time, and
//! at a hundred a second.

use std::{collections::BTreeMap, path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use hyper::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use crate::{
    contestant::{Places, Running, Who},
    figures::Samples,
    http::{Events, Http},
    lab::Lab,
    seed,
};

/// For one message to arrive when nothing else is under way.
const ONE_MAX: Duration = Duration::from_secs(30);
/// For all of the paced ones, from the first send on: many times what the pace takes.
const ALL_MAX: Duration = Duration::from_secs(20);
/// Between two messages of an idle agent.
const PAUSE: Duration = Duration::from_millis(20);
/// A hundred a second.
const PACE: Duration = Duration::from_millis(10);
/// Messages before the first that counts: connections, caches and compilers are warm then.
const WARM: u32 = 20;
/// For two agents to know each other's relays.
const MEETING_MAX: Duration = Duration::from_secs(30);

pub(super) async fn run(lab: &mut Lab) -> Result<()> {
    for round in 0..lab.rounds {
        for who in super::in_round(lab, round) {
            one_pair(lab, who).await.with_context(|| format!("latency of {}", who.name()))?;
        }
    }
    grow(lab).await
}

/// How ours grows with what the reader has stored.
async fn grow(lab: &mut Lab) -> Result<()> {
    for (messages, peers) in lab.sizes.stores.clone() {
        let home = seed::home(&lab.places, Who::Ocmesh, messages, peers, "latency-grow").await?;
        let mut samples = Samples::default();
        let mut pair = Pair::meet(lab, Who::Ocmesh, &home).await?;
        for took in pair.now_and_then(lab.sizes.idle_messages).await? {
            samples.push(took);
        }
        #[allow(clippy::cast_precision_loss, reason = "a million")]
        lab.grows("message to the peer's agent by the messages stored there", messages as f64, samples.median());
    }
    Ok(())
}

async fn one_pair(lab: &mut Lab, who: Who) -> Result<()> {
    let home = lab.places.fresh_home(&format!("latency-{}-b", who.name()))?;
    let mut pair = Pair::meet(lab, who, &home).await?;
    let took = pair.now_and_then(lab.sizes.idle_messages).await?;
    let figure = lab.figures.of("latency", "message to the peer's agent, idle", "ms").goal(3.0).goal_p99(10.0);
    for took in took {
        figure.add(who, took);
    }
    let count = lab.sizes.paced_messages;
    let took = paced(&pair.from, pair.events, &pair.reader, count).await?;
    let figure = lab.figures.of("latency", "message to the peer's agent, 100/s", "ms");
    took.iter().for_each(|took| {
        figure.add(who, took.as_secs_f64() * 1e3);
    });
    if took.len() < count as usize {
        let late = format!("{} of {count} did not arrive within {} s and are left out", count as usize - took.len(), ALL_MAX.as_secs());
        figure.remark(who, late);
    }
    Ok(())
}

/// Two agents who know each other, over a relay of their own.
struct Pair {
    from: Running,
    http: Http,
    reader: String,
    events: Events,
    _to: Running,
    _relay: Relay,
}

impl Pair {
    /// The reader lives in `home`.
    async fn meet(lab: &Lab, who: Who, home: &Path) -> Result<Self> {
        let relay = Relay::start(&lab.places).await?;
        let (from, _) = lab.places.start(who, &lab.places.fresh_home(&format!("latency-{}-a", who.name()))?, &[&relay.url]).await?;
        let (to, _) = lab.places.start(who, home, &[&relay.url]).await?;
        let reader = to.pubkey().await?;
        from.befriend(&reader).await?;
        to.befriend(&from.pubkey().await?).await?;
        wait_for_relays(&from, &reader).await?;
        let (events, http) = (to.http().await?.events().await?, from.http().await?);
        Ok(Self { from, http, reader, events, _to: to, _relay: relay })
    }

    /// Milliseconds of each of so many messages that an idle agent sends now and then, once everything is warm.
    async fn now_and_then(&mut self, count: u32) -> Result<Vec<f64>> {
        for n in 0..WARM {
            one(&mut self.http, &mut self.events, &self.reader, &format!("warm {n}")).await?;
        }
        let mut took = Vec::new();
        for n in 0..count {
            // paces: an idle agent sends now and then
            sleep(PAUSE).await;
            let one = one(&mut self.http, &mut self.events, &self.reader, &format!("idle {n}")).await?;
            took.push(one.as_secs_f64() * 1e3);
        }
        Ok(took)
    }
}

/// One message; comes back with the time it took to be told at the other end.
async fn one(http: &mut Http, events: &mut Events, to: &str, content: &str) -> Result<Duration> {
    let began = Instant::now();
    http.write(Method::POST, "/send", &json!({"to": to, "content": content, "origin": "owner"})).await?;
    let told = async {
        loop {
            if content_of(&events.next("message").await?).as_deref() == Some(content) {
                return anyhow::Ok(began.elapsed());
            }
        }
    };
    timeout(ONE_MAX, told).await.with_context(|| format!("{content:?} did not arrive"))?
}

/// Messages at a steady pace, whether or not earlier ones have arrived; gives how long each took that arrived in time.
async fn paced(from: &Running, mut events: Events, to: &str, count: u32) -> Result<Vec<Duration>> {
    let mut http = from.http().await?;
    let (tell, mut told) = mpsc::unbounded_channel();
    let sending = async {
        let mut beat = interval(PACE);
        beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for n in 0..count {
            // The moment it was due, so that a slow answer to one does not hide the wait of the next.
            let due = beat.tick().await;
            let content = format!("paced {n}");
            http.write(Method::POST, "/send", &json!({"to": to, "content": content, "origin": "owner"})).await?;
            // The receiver is there until both are over.
            let _ = tell.send((content, due));
        }
        anyhow::Ok(())
    };
    let mut arrived = BTreeMap::new();
    let hearing = async {
        while arrived.len() < count as usize {
            let content = content_of(&events.next("message").await?).unwrap_or_default();
            if content.starts_with("paced ") {
                arrived.entry(content).or_insert_with(Instant::now);
            }
        }
        anyhow::Ok(())
    };
    // Who cannot keep the pace is measured by what arrived.
    if let Ok(ended) = timeout(ALL_MAX, async { tokio::try_join!(sending, hearing) }).await {
        ended?;
    }
    let mut took = Vec::new();
    while let Ok((content, due)) = told.try_recv() {
        took.extend(arrived.get(&content).map(|at| at.duration_since(due)));
    }
    Ok(took)
}

fn content_of(message: &Value) -> Option<String> {
    Some(message.get("content")?.as_str()?.to_owned())
}

async fn wait_for_relays(from: &Running, peer: &str) -> Result<()> {
    let mut http = from.http().await?;
    let known = async {
        loop {
            let answer = http.get_json(&format!("/peers/{peer}")).await?;
            if answer.get("relays").and_then(Value::as_array).is_some_and(|relays| !relays.is_empty()) {
                return anyhow::Ok(());
            }
            // paces: asking more often would load the contestant
            sleep(PAUSE).await;
        }
    };
    timeout(MEETING_MAX, known).await.context("the agents did not find each other")?
}

/// `ocmesh relay`: the same for every contestant. Dropping it kills it.
struct Relay {
    url: String,
    _child: Child,
}

impl Relay {
    async fn start(places: &Places) -> Result<Self> {
        let mut command = Command::new(&places.binary);
        command.args(["relay", "--port", "0", "--json"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn()?;
        let stdout = child.stdout.take().context("the relay has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await?;
        let told: Value = serde_json::from_str(&line).with_context(|| format!("the relay said {line:?}"))?;
        let url = told.get("url").and_then(Value::as_str).context("the relay told no address")?.to_owned();
        ensure!(url.starts_with("ws://127.0.0.1:"), "the relay is at {url}");
        Ok(Self { url, _child: child })
    }
}
