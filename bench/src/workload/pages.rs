//! Pages of a large store, warm: of peers, of messages at any depth, the whole list of peers, and a search among them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, sleep};

use crate::{contestant::Who, feeder::Feeder, http::Http, lab::Lab, seed};

/// Entries of a page of messages.
const MESSAGES: u64 = 100;
/// Entries of a page of peers.
const PEERS: u64 = 50;
/// The most that one page may hold: for whole lists, and to get to a depth.
const MOST: u64 = 1_000;
/// Until a daemon has nothing left to do after its start.
const SETTLE: Duration = Duration::from_secs(2);

pub(super) async fn run(lab: &mut Lab) -> Result<()> {
    let stores = lab.sizes.stores.clone();
    for &(messages, peers) in stores.iter().filter(|(messages, _)| *messages > 0) {
        let is_largest = stores.iter().all(|(other, _)| *other <= messages);
        for who in lab.who.clone() {
            // How ours grows needs a smaller store too, the comparison does not.
            if is_largest || who == Who::Ocmesh {
                one(lab, who, messages, peers).await.with_context(|| format!("pages of {}", who.name()))?;
            }
        }
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "a million")]
async fn one(lab: &mut Lab, who: Who, messages: u64, peers: u64) -> Result<()> {
    let relay = Feeder::start().await?;
    let home = seed::home(&lab.places, who, messages, peers, &format!("pages-{}", who.name())).await?;
    let (running, _) = lab.places.start(who, &home, &[relay.url()]).await?;
    let mut http = running.http().await?;
    // paces: what a start does is over
    sleep(SETTLE).await;
    let page = repeat(lab, who, &mut http, &format!("page of {PEERS} of {peers} peers"), &format!("/peers?limit={PEERS}")).await?;
    for depth in [0, 1_000, 500_000].into_iter().filter(|depth| *depth + MESSAGES <= messages) {
        let path = at_depth(&mut http, depth).await?;
        let took = repeat(lab, who, &mut http, &format!("page of {MESSAGES} of {messages} messages, depth {depth}"), &path).await?;
        if who == Who::Ocmesh && depth > 0 {
            lab.grows("page of messages by depth", depth as f64, took);
        }
    }
    // The name of one peer in a hundred thousand.
    let path = format!("/peers?limit={PEERS}&q=agent%20{}", peers.saturating_sub(7));
    let search = repeat(lab, who, &mut http, &format!("search by name among {peers} peers"), &path).await?;
    for _ in 0..lab.rounds {
        let took = whole(&mut http, peers).await?;
        lab.figures.of("pages", &format!("whole list of {peers} peers"), "ms").add(who, took);
        if who == Who::Ocmesh {
            lab.grows("whole list of peers by peers", peers as f64, took);
        }
    }
    if who == Who::Ocmesh {
        lab.grows("page of peers by peers", peers as f64, page);
        lab.grows("search among peers by peers", peers as f64, search);
    }
    Ok(())
}

/// Asks for one path again and again; gives the middle time in milliseconds.
async fn repeat(lab: &mut Lab, who: Who, http: &mut Http, what: &str, path: &str) -> Result<f64> {
    http.get(path).await?;
    let is_page = what.starts_with("page");
    let figure = lab.figures.of("pages", what, "ms");
    if is_page {
        figure.goal_p99(1.0);
    }
    for _ in 0..lab.sizes.pages {
        let began = Instant::now();
        http.get(path).await?;
        figure.add(who, began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(figure.get(who).map_or(f64::NAN, crate::figures::Samples::median))
}

/// The path of the page that begins after so many messages.
async fn at_depth(http: &mut Http, depth: u64) -> Result<String> {
    let mut path = format!("/messages?limit={MOST}");
    for _ in 0..depth / MOST {
        path = http.get(&path).await?.next.with_context(|| format!("the list ends before {depth}"))?;
    }
    let cursor = path.split(['?', '&']).find(|part| part.starts_with("cursor=")).map(|cursor| format!("&{cursor}"));
    Ok(format!("/messages?limit={MESSAGES}{}", cursor.unwrap_or_default()))
}

/// The whole list, page by page, in milliseconds.
async fn whole(http: &mut Http, peers: u64) -> Result<f64> {
    let began = Instant::now();
    let mut path = Some(format!("/peers?limit={MOST}"));
    let mut pages = 0;
    while let Some(this) = path {
        path = http.get(&this).await?.next;
        pages += 1;
    }
    anyhow::ensure!(pages >= peers / MOST, "{peers} peers in {pages} pages");
    Ok(began.elapsed().as_secs_f64() * 1e3)
}
