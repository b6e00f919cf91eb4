//! What a mesh of many agents costs one of them, in virtual time: docs/scale.md is made with it. One real core sits among made-up agents that
//! announce themselves as ours do, on made-up relays that keep and bring what relays keep and bring. No socket, no store.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context as _, Result};
use clap::Parser;
use ocmesh_proto::{
    At, Draft, Effect, EventId, Facts, Filter, Form, HandshakeMode, Input, Link, Mesh, Opened, PeerStatus, Policy, Presence, PresenceDraft,
    PresenceVehicle, PubKey, RelayInfo, RelayUrl, SealRefused, Sealed, SignedEvent, Snapshot, Sub, Verdict, kind, time::MINUTE,
};
use ocmesh_wire::{Keys, open, seal};

const DAY_MS: f64 = 86_400_000.0;
/// Between two announcements of an agent, a tenth more or less.
const BEAT: u64 = 5 * MINUTE;
/// How long a relay keeps the note of an announcement, and how far whoever knows nothing looks back.
const LEASE: u64 = 15 * MINUTE;
const RELAYS: u64 = 5;
/// How the Node skill of the same name finds agents: it asks each relay for notes of the last quarter of an hour, this often, and gets so many at
/// most, the newest.
const POLL: u64 = 2 * MINUTE;
const POLLED_MAX: usize = 500;
/// An announcement is a note and an addressable event, of which a relay keeps the newest.
const EVENTS: u64 = 2;
const BEGIN: At = At::from_secs(1_800_000_000);
/// Repetitions that one cost is the mean of.
const TIMES: u32 = 500;

/// What a mesh of many agents costs one of them.
#[derive(Parser)]
struct Options {
    /// Agents in the mesh
    #[arg(long, default_value_t = 10_000)]
    agents: u64,
    /// Minutes of virtual time that are counted, after two rounds of announcements
    #[arg(long, default_value_t = 60)]
    minutes: u64,
}

/// What came to the one agent.
#[derive(Debug, Default)]
struct Came {
    /// Live, from all relays.
    live: u64,
    /// In scans, as the core asks for them.
    scanned: u64,
    /// In scans, if each looked back a quarter of an hour.
    whole: u64,
    /// Of the live ones, those that no other relay had brought before.
    first: u64,
    /// What polling alone would have brought, from all relays; of that, what no poll had brought before; the agents in it, of one relay; polls.
    polled: u64,
    polled_first: u64,
    polled_agents: u64,
    polls: u64,
    /// Sent to relays.
    sent: u64,
    /// Seconds in the core.
    core: f64,
}

/// What one event costs here.
struct Costs {
    bytes: f64,
    /// Seconds to read its frame, which every copy takes, and to open it, which the first one takes.
    read: f64,
    open: f64,
}

fn main() -> Result<()> {
    let Options { agents, minutes } = Options::parse();
    let costs = Costs::measure()?;
    let mut swarm = Swarm::new(agents)?;
    swarm.run(minutes)?;
    let Came { live, scanned, whole, first: heard, polled, polled_first, polled_agents, polls, sent, core } = swarm.came;
    let (known, online) = swarm.mesh.peer_counts();
    let days = DAY_MS / count(minutes * MINUTE);
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    say(&format!("{agents} agents, {RELAYS} relays, {minutes} minutes of virtual time; {known} known, {online} online; {profile} profile"));
    say(&format!(
        "an announcement: {:.0} bytes with its frame, {:.1} µs to read, {:.1} µs to open, {:.1} µs in the core; {:.0} events sent a day\n",
        costs.bytes,
        costs.read * 1e6,
        costs.open * 1e6,
        core / count(heard.max(1)) * 1e6,
        count(sent) * days,
    ));
    say("| one agent, one day | events down | GB down | CPU-seconds | agents seen |");
    say("| --- | ---: | ---: | ---: | ---: |");
    let (all, of_one_poll) = (count(u64::try_from(online)?) / count(agents), count(polled_agents) / count(polls.max(1)) / count(agents));
    for (what, events, first, seen) in [
        ("polling alone, the newest 500 every two minutes", polled, polled_first, of_one_poll),
        ("live subscriptions alone", live, heard, all),
        ("and a scan of a quarter of an hour every two minutes", live + whole, heard, all),
        ("and a scan since the last one, as it is", live + scanned, heard, all),
    ] {
        let in_core = core * count(first) / count(heard.max(1));
        let cpu = count(first) * costs.open + count(events) * costs.read + in_core;
        let gigabytes = count(events) * costs.bytes / 1e9;
        say(&format!("| {what} | {:.0} | {:.2} | {:.0} | {:.1} % |", count(events) * days, gigabytes * days, cpu * days, seen * 100.0));
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
const fn count(n: u64) -> f64 {
    n as f64
}

#[allow(clippy::print_stdout, reason = "the program's result")]
fn say(line: &str) {
    println!("{line}");
}

impl Costs {
    fn measure() -> Result<Self> {
        let keys = Keys::from_secret_bytes(&[7; 32])?;
        let draft = PresenceDraft {
            vehicle: PresenceVehicle::Note,
            name: "quiet-heron".to_owned(),
            features: vec!["messaging".to_owned(), "query".to_owned()],
            status: PeerStatus::Online,
            next_at: BEGIN.plus(BEAT),
            expires_at: BEGIN.plus(LEASE),
            relays: relays()?.into_iter().take(3).collect(),
            work_asked: 0,
            created_at: BEGIN,
        };
        let event = seal(&keys, "0.3.0", &Draft::Presence(draft), None, BEGIN)?.event.json;
        let frame = format!("[\"EVENT\",\"presence\",{event}]");
        let read = mean(|| ocmesh_relay::fuzzing::read_frame(&frame, 256 << 10).map(drop).context("no frame"))?;
        let open = mean(|| Ok(_ = open(&keys, &event, BEGIN)?))?;
        // A websocket frame of this length has a head of four bytes.
        Ok(Self { bytes: f64::from(u32::try_from(frame.len() + 4)?), read, open })
    }
}

/// The seconds one takes.
fn mean(mut one: impl FnMut() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    (0..TIMES).try_for_each(|_| one())?;
    Ok(began.elapsed().as_secs_f64() / f64::from(TIMES))
}

fn relays() -> Result<Vec<RelayUrl>> {
    (0..RELAYS).map(|n| Ok(RelayUrl::parse(&format!("wss://relay-{n}.example.com"))?)).collect()
}

/// Numbers that look random and are the same in every run (splitmix64).
const fn mixed(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// One real core among made-up agents.
struct Swarm {
    mesh: Mesh,
    relays: Vec<RelayUrl>,
    /// When each agent announces itself next.
    due: BinaryHeap<Reverse<(u64, u64)>>,
    /// The times of each agent's announcements that a relay still keeps, newest last. All relays keep the same.
    kept: BTreeMap<u64, Vec<u64>>,
    /// Milliseconds since the beginning.
    now: u64,
    counting: bool,
    polled_at: u64,
    fresh: u64,
    came: Came,
}

impl Swarm {
    fn new(agents: u64) -> Result<Self> {
        let relays = relays()?;
        // Greetings have their own pace and are not what is counted.
        let policy = Policy { name: "real".to_owned(), relays: relays.clone(), handshake: HandshakeMode::Off, ..Policy::default() };
        let me = Keys::from_secret_bytes(&[1; 32])?.public();
        Ok(Self {
            mesh: Mesh::new(me, policy, Snapshot::default(), 1, BEGIN),
            relays,
            due: (0..agents).map(|agent| Reverse((mixed(agent) % BEAT, agent))).collect(),
            kept: BTreeMap::new(),
            now: 0,
            counting: false,
            polled_at: 0,
            fresh: agents,
            came: Came::default(),
        })
    }

    fn run(&mut self, minutes: u64) -> Result<()> {
        self.take(Input::Started);
        for relay in self.relays.clone() {
            let info = RelayInfo { expires_events: true, ..RelayInfo::default() };
            self.take(Input::RelayDescribed { relay: relay.clone(), info });
            self.take(Input::RelayChanged { relay, link: Link::Open });
        }
        // Until relays keep as much as they ever will.
        let begin = LEASE + BEAT;
        self.until(begin);
        self.counting = true;
        self.polled_at = begin.saturating_sub(POLL);
        self.until(begin + minutes * MINUTE);
        Ok(())
    }

    /// Lets time pass: announcements and the core's own timers, in order.
    fn until(&mut self, end: u64) {
        loop {
            if self.counting && self.now >= self.polled_at + POLL {
                self.poll();
            }
            let wakeup = self.mesh.next_wakeup().map_or(end, |at| at.since(BEGIN)).max(self.now).min(end);
            match self.due.peek().copied() {
                Some(Reverse((at, agent))) if at <= wakeup => {
                    self.due.pop();
                    self.now = self.now.max(at);
                    self.fresh += 1;
                    self.due.push(Reverse((self.now + BEAT - BEAT / 10 + mixed(self.fresh) % (BEAT / 5), agent)));
                    self.announce(agent);
                }
                _ if wakeup >= end => {
                    self.now = end;
                    return;
                }
                _ => {
                    self.now = wakeup;
                    self.take(Input::Ticked);
                }
            }
        }
    }

    /// Every relay brings both events; the first copy of each is what the core hears of, as a daemon drops the others by their ids.
    fn announce(&mut self, agent: u64) {
        let now = self.now;
        let kept = self.kept.entry(agent).or_default();
        kept.retain(|at| at + LEASE > now);
        kept.push(now);
        if self.counting {
            self.came.live += RELAYS * EVENTS;
            self.came.first += EVENTS;
        }
        let Some(relay) = self.relays.first().cloned() else { return };
        for _ in 0..EVENTS {
            let opened = presence(agent, BEGIN.plus(now));
            self.take(Input::EventOpened { relay: relay.clone(), opened, facts: Facts::default() });
        }
    }

    /// What polling would bring now. All relays keep the same notes and bring the same of them.
    fn poll(&mut self) {
        let notes = self.kept.iter().flat_map(|(agent, kept)| kept.iter().map(move |at| (*at, *agent)));
        let mut notes: Vec<_> = notes.filter(|(at, _)| at + LEASE > self.now).collect();
        notes.sort_unstable_by_key(|note| Reverse(*note));
        notes.truncate(POLLED_MAX);
        let new = notes.iter().filter(|(at, _)| *at > self.polled_at).count();
        let agents: BTreeSet<u64> = notes.iter().map(|(_, agent)| *agent).collect();
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.came.polled += RELAYS * number(notes.len());
        self.came.polled_first += number(new);
        self.came.polled_agents += number(agents.len());
        self.came.polls += 1;
        self.polled_at += POLL;
    }

    /// One input and everything that follows from it.
    fn take(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let began = Instant::now();
            let step = self.mesh.handle(input, BEGIN.plus(self.now));
            if self.counting {
                self.came.core += began.elapsed().as_secs_f64();
            }
            for effect in step.effects {
                self.act(effect, &mut inputs);
            }
        }
    }

    fn act(&mut self, effect: Effect, inputs: &mut Vec<Input>) {
        match effect {
            Effect::Subscribe { relay, sub, filters, .. } => {
                if sub == Sub::Scan && self.counting {
                    self.came.scanned += filters.iter().map(|filter| self.stored(filter)).sum::<u64>();
                    let whole = Some(BEGIN.plus(self.now).minus(LEASE));
                    self.came.whole += filters.iter().map(|filter| self.stored(&Filter { since: whole, ..filter.clone() })).sum::<u64>();
                }
                inputs.push(Input::CaughtUp { relay, sub, cut: None });
            }
            // A message to ourselves through a relay is not what is counted, and there is nobody here to bring it back.
            Effect::Seal { job, draft: Draft::Canary { .. } } => {
                inputs.push(Input::DraftSealed { job, sealed: Err(SealRefused("not here")) });
            }
            Effect::Seal { job, .. } => {
                self.fresh += 1;
                let id = EventId::from_bytes(bytes(self.fresh));
                let event = SignedEvent { id, kind: kind::PRESENCE, json: Arc::from("{}") };
                let sealed = Sealed { message_id: id, event, own_copy: None, rumor: None, chain: None };
                inputs.push(Input::DraftSealed { job, sealed: Ok(sealed) });
            }
            Effect::Publish { relay, event, .. } => {
                self.came.sent += u64::from(self.counting);
                inputs.push(Input::PublishAnswered { relay, event, verdict: Verdict::Accepted, said: String::new() });
            }
            _ => {}
        }
    }

    /// What one relay has for a filter: every note that has not expired, or one addressable event of each agent.
    fn stored(&self, filter: &Filter) -> u64 {
        let since = filter.since.map_or(0, |since| since.since(BEGIN));
        let fits = |at: &&u64| **at >= since && **at + LEASE > self.now;
        let notes = filter.kinds.contains(&kind::NOTE);
        let of_one =
            |kept: &Vec<u64>| if notes { kept.iter().filter(fits).count() } else { kept.last().iter().filter(|at| fits(at)).count() };
        self.kept.values().map(|kept| u64::try_from(of_one(kept)).unwrap_or(u64::MAX)).sum()
    }
}

fn bytes(n: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (part, chunk) in (0..).zip(bytes.chunks_exact_mut(8)) {
        chunk.copy_from_slice(&mixed(n.wrapping_mul(4).wrapping_add(part)).to_be_bytes());
    }
    bytes
}

fn presence(agent: u64, at: At) -> Opened {
    let created_at = At::from_secs(at.secs());
    Opened::Presence(Presence {
        author: PubKey::from_bytes(bytes(agent)),
        created_at,
        version: Some("0.3.0".to_owned()),
        name: Some(format!("agent {agent}")),
        features: vec!["messaging".to_owned(), "query".to_owned()],
        forms: vec![Form::Nip17, Form::Nip04],
        status: PeerStatus::Online,
        next_at: Some(created_at.plus(BEAT)),
        relays: Vec::new(),
        work_asked: 0,
    })
}
