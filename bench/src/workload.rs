//! The workloads. Each is one file; each measures every contestant in every round, one after the other.

mod flood;
mod idle;
mod inbound;
mod latency;
mod memory;
mod pages;
mod presence;
mod reconnect;
mod sends;
mod size;
mod start;

use std::{future::Future, pin::Pin};

use anyhow::Result;

use crate::{contestant::Who, lab::Lab};

type Run = for<'a> fn(&'a mut Lab) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// A workload.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Whoever has what it is about.
    pub(crate) who: &'static [Who],
    pub(crate) run: Run,
}

/// All of them, in the order of a whole run.
pub(crate) const ALL: &[Workload] = &[
    Workload { name: "start", what: "start to the first HTTP answer", who: Who::DAEMONS, run: |lab| Box::pin(start::run(lab)) },
    Workload {
        name: "latency",
        what: "POST /send to the peer's server-sent event",
        who: Who::DAEMONS,
        run: |lab| Box::pin(latency::run(lab)),
    },
    Workload { name: "sends", what: "durable sends", who: Who::DAEMONS, run: |lab| Box::pin(sends::run(lab)) },
    Workload { name: "inbound", what: "messages received and stored", who: Who::ALL, run: |lab| Box::pin(inbound::run(lab)) },
    Workload { name: "presence", what: "announcements of many agents", who: Who::ALL, run: |lab| Box::pin(presence::run(lab)) },
    Workload { name: "pages", what: "lists of a large store", who: Who::DAEMONS, run: |lab| Box::pin(pages::run(lab)) },
    Workload {
        name: "reconnect",
        what: "what was missed while the relay was away",
        who: Who::ALL,
        run: |lab| Box::pin(reconnect::run(lab)),
    },
    Workload { name: "flood", what: "forged messages without end", who: Who::ALL, run: |lab| Box::pin(flood::run(lab)) },
    Workload { name: "memory", what: "resident memory", who: Who::ALL, run: |lab| Box::pin(memory::run(lab)) },
    Workload { name: "idle", what: "an idle daemon with five relays", who: Who::ALL, run: |lab| Box::pin(idle::run(lab)) },
    Workload { name: "size", what: "what is installed", who: Who::ALL, run: |lab| Box::pin(size::run(lab)) },
];

/// A contestant's part of sizes that are written for who is fast, who is slow, and who is in between.
fn share_of(sizes: &[u64; 3], who: Who) -> u64 {
    let [fast, slow, middling] = *sizes;
    match who {
        Who::Ocmesh | Who::RustBare => fast,
        Who::NodeJs | Who::RustLmdb => slow,
        Who::NodeWasm => middling,
    }
}

/// Who is measured in a round of a slow workload: ours in every one, the references, which take minutes, in the first.
fn in_round(lab: &Lab, round: u32) -> Vec<Who> {
    lab.who.iter().copied().filter(|who| round == 0 || *who == Who::Ocmesh).collect()
}

/// As [`in_round`], in so many turns, one after the other in each: after the first without those who take long.
fn in_turns(lab: &Lab, round: u32, turns: u32) -> Vec<Who> {
    let in_round = in_round(lab, round);
    (0..turns).flat_map(|turn| in_round.iter().copied().filter(move |who| turn == 0 || who.kind() != Who::NodeJs.kind())).collect()
}
