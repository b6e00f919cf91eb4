//! The workloads. Each is one file; each measures every contestant in every round, one after the other.

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

use crate::lab::Lab;

type Run = for<'a> fn(&'a mut Lab) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// A workload.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: Run,
}

/// All of them, in the order of a whole run.
pub(crate) const ALL: &[Workload] = &[
    Workload { name: "start", what: "start to the first HTTP answer", run: |lab| Box::pin(start::run(lab)) },
    Workload { name: "latency", what: "POST /send to the peer's server-sent event", run: |lab| Box::pin(latency::run(lab)) },
    Workload { name: "sends", what: "durable sends", run: |lab| Box::pin(sends::run(lab)) },
    Workload { name: "inbound", what: "messages received and stored", run: |lab| Box::pin(inbound::run(lab)) },
    Workload { name: "presence", what: "announcements of many agents", run: |lab| Box::pin(presence::run(lab)) },
    Workload { name: "pages", what: "lists of a large store", run: |lab| Box::pin(pages::run(lab)) },
    Workload { name: "reconnect", what: "what was missed while the relay was away", run: |lab| Box::pin(reconnect::run(lab)) },
    Workload { name: "memory", what: "resident memory", run: |lab| Box::pin(memory::run(lab)) },
    Workload { name: "idle", what: "an idle daemon with five relays", run: |lab| Box::pin(idle::run(lab)) },
    Workload { name: "size", what: "what is installed", run: |lab| Box::pin(size::run(lab)) },
];

/// A contestant's part of sizes that are written for ours, Node and Node with wasm.
fn share_of(sizes: &[u64; 3], who: crate::contestant::Who) -> u64 {
    use crate::contestant::Who;
    let [ours, js, wasm] = *sizes;
    match who {
        Who::Ocmesh => ours,
        Who::NodeJs => js,
        Who::NodeWasm => wasm,
    }
}

/// Who is measured in a round of a slow workload: ours in every one, the references, which take minutes, in the first.
fn in_round(lab: &Lab, round: u32) -> Vec<crate::contestant::Who> {
    lab.who.iter().copied().filter(|who| round == 0 || *who == crate::contestant::Who::Ocmesh).collect()
}
