//! Pages of a large store, warm: of peers, of messages at any depth, the whole list of peers, and a search among them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, sleep};

use crate::{
    contestant::{Running, Who},
    feeder::Feeder,
    figures::Samples,
    http::Http,
    lab::Lab,
    seed,
};

/// Entries of a page of messages.
const MESSAGES: u64 = 100;
/// Entries of a page of peers.
const PEERS: u64 = 50;
/// The most that one page may hold: for whole lists, and to get to a depth.
const MOST: u64 = 1_000;
/// In so many turns each is asked for each page.
const TURNS: u32 = 10;
/// Until a daemon has nothing left to do after its start.
const SETTLE: Duration = Duration::from_secs(2);

pub(super) async fn run(lab: &mut Lab) -> Result<()> {
    let stores = lab.sizes.stores.clone();
    for &(messages, peers) in stores.iter().filter(|(messages, _)| *messages > 0) {
        let is_largest = messages == lab.sizes.largest().0;
        // How ours grows needs a smaller store too, the comparison does not.
        let who: Vec<Who> = lab.who.iter().copied().filter(|who| is_largest || *who == Who::Ocmesh).collect();
        of_store(lab, &who, messages, peers).await?;
    }
    Ok(())
}

/// A contestant that is asked. Who waits while others have their turn closes a connection that it kept: each turn has one of its own.
type Asked = (Who, Running);

async fn of_store(lab: &mut Lab, who: &[Who], messages: u64, peers: u64) -> Result<()> {
    let relay = Feeder::start().await?;
    let mut asked = Vec::new();
    for &who in who {
        let home = seed::home(&lab.places, who, messages, peers, &format!("pages-{}", who.name())).await?;
        let (running, _) = lab.places.start(who, &home, &[relay.url()]).await?;
        asked.push((who, running));
    }
    // paces: what a start does is over
    sleep(SETTLE).await;
    let (each, largest) = (lab.sizes.pages, lab.sizes.largest().0);
    let same = |path: String| vec![path; who.len()];
    if messages == largest {
        let ours = asked.iter().position(|(who, _)| *who == Who::Ocmesh).and_then(|at| asked.get(at..=at)).unwrap_or_default();
        in_turns(lab, ours, "call that reads nothing (GET /health)", &same("/health".to_owned()), each).await?;
    }
    let page = in_turns(lab, &asked, &format!("page of {PEERS} of {peers} peers"), &same(format!("/peers?limit={PEERS}")), each).await?;
    for depth in [0, 1_000, 500_000].into_iter().filter(|depth| *depth + MESSAGES <= messages) {
        let mut paths = Vec::new();
        for (who, running) in &asked {
            paths.push(at_depth(&mut running.http().await?, depth).await.with_context(|| format!("pages of {}", who.name()))?);
        }
        let what = format!("page of {MESSAGES} of {messages} messages, depth {depth}");
        let took = in_turns(lab, &asked, &what, &paths, each).await?;
        if depth == 0 {
            grows(lab, "page of messages by messages", messages, took);
        }
        if messages == largest {
            grows(lab, "page of messages by depth of its end", depth + MESSAGES, took);
        }
    }
    // The name of one peer in a hundred thousand.
    let path = format!("/peers?limit={PEERS}&q=agent%20{}", peers.saturating_sub(7));
    let search = in_turns(lab, &asked, &format!("search by name among {peers} peers"), &same(path), each / TURNS).await?;
    for _ in 0..lab.rounds {
        for (who, running) in &asked {
            let took = whole(&mut running.http().await?, peers).await.with_context(|| format!("whole list of {}", who.name()))?;
            lab.figures.of("pages", &format!("whole list of {peers} peers"), "ms").add(*who, took);
            if *who == Who::Ocmesh {
                grows(lab, "whole list of peers by peers", peers, took);
            }
        }
    }
    grows(lab, "page of peers by peers", peers, page);
    grows(lab, "search among peers by peers", peers, search);
    for (_, running) in asked {
        running.stop().await?;
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "a million")]
fn grows(lab: &mut Lab, what: &'static str, size: u64, took: f64) {
    lab.grows(what, size as f64, took);
}

/// Asks each for its path, `each` times before the next one's turn, in several turns: what disturbs the machine for a moment, or for a minute,
/// disturbs them all. Gives the middle time of ours in milliseconds.
async fn in_turns(lab: &mut Lab, asked: &[Asked], what: &str, paths: &[String], each: u32) -> Result<f64> {
    let is_page = what.starts_with("page");
    let figure = lab.figures.of("pages", what, "ms");
    if is_page {
        figure.goal_p99(1.0);
    }
    for _ in 0..TURNS {
        for ((who, running), path) in asked.iter().zip(paths) {
            let mut http = running.http().await?;
            http.get(path).await?;
            for _ in 0..each {
                let began = Instant::now();
                http.get(path).await?;
                figure.add(*who, began.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    Ok(figure.get(Who::Ocmesh).map_or(f64::NAN, Samples::median))
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
