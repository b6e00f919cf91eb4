//! The [`View`]: what the daemon knows without asking the store, put together from the core and the relay pool.

use std::{sync::Arc, time::UNIX_EPOCH};

use ocmesh_proto::{
    At, FORGED_MAX, Hearing, LoopState, Mesh, RelayOrigin, RelayStanding, RelayUrl, WakeStanding, WakeState,
    skew::{Reading, Timekeeper},
    time::{HOUR, SECOND},
};
use ocmesh_relay::{AuthState, LinkState, Pool, RelayStatus};

use super::ask::{RelayView, View};

/// Loops that are told in words; all of them are in the list beside.
const LOOP_WARNINGS_MAX: usize = 3;

/// What is known before the store was read: ourselves.
pub(crate) fn opening(mesh: &Mesh) -> View {
    View {
        opening: true,
        name: mesh.name().to_owned(),
        about: mesh.about().to_owned(),
        features: mesh.features().to_vec(),
        status: mesh.status(),
        dm_relays: mesh.dm_relays(),
        work_asked: mesh.work_asked(),
        lookalikes: Arc::clone(mesh.lookalikes()),
        warnings: vec!["just started: what is known of other agents is being read, which takes a moment".to_owned()],
        ..View::default()
    }
}

/// Builds a view; `failed` counts messages given up since the start.
pub(crate) fn of(mesh: &Mesh, pool: &Pool, reading: Reading, failed: u64, store_failing: Option<String>) -> View {
    let (peers, peers_online) = mesh.peer_counts();
    let (outbox_waiting, outbox_relayed) = mesh.outbox_counts();
    let mut relays = relays(mesh, pool, mesh.now());
    let order = mesh.own_relays();
    relays.sort_by_key(|relay| (order.iter().position(|own| *own == relay.url).unwrap_or(usize::MAX), relay.url.clone()));
    let mut warnings = warnings(&relays, store_failing.as_deref());
    let clock_ahead_ms = Timekeeper::skew_ms(reading, mesh.told_time(), order.len());
    warnings.extend(clock_ahead_ms.map(clock_warning));
    warnings.extend(strangers_warning(mesh.left_aside()));
    let wakes = mesh.wakes();
    warnings.extend(wakes.iter().filter_map(wake_warning));
    let loops = mesh.loops();
    warnings.extend(loops.iter().take(LOOP_WARNINGS_MAX).map(loop_warning));
    View {
        opening: false,
        relays,
        outbox_waiting,
        outbox_relayed,
        outbox_failed: failed,
        peers,
        peers_online,
        loops,
        wakes,
        warnings,
        clock_ahead_ms,
        store_failing,
        ..opening(mesh)
    }
}

fn relays(mesh: &Mesh, pool: &Pool, now: At) -> Vec<RelayView> {
    let one = |status: RelayStatus| {
        let url = RelayUrl::parse(&status.relay).ok()?;
        let standing = mesh.relay_standing(&url)?;
        Some(relay(url, &standing, status, now))
    };
    pool.status().into_iter().filter_map(one).collect()
}

fn join(one: Option<String>, other: Option<String>) -> Option<String> {
    match (one, other) {
        (Some(one), Some(other)) => Some(format!("{one}; {other}")),
        (one, other) => one.or(other),
    }
}

fn relay(url: RelayUrl, standing: &RelayStanding, status: RelayStatus, now: At) -> RelayView {
    let since = status.since.duration_since(UNIX_EPOCH).map_or(0, |span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    RelayView {
        url,
        own: standing.own,
        origin: standing.origin.map_or("route", |origin| origin.as_str()),
        state: state(standing, &status).to_owned(),
        since: At(since),
        is_deaf: matches!(standing.hearing, Hearing::Deaf { .. }),
        note: join(bad_for(standing, now), join(forging(standing), note(standing, &status))),
        last_error: status.last_error,
        latency_ms: status.latency_ms,
        is_inbox: standing.is_inbox,
        good_at: standing.good_at,
        cut_at: standing.cut_at,
    }
}

fn state(standing: &RelayStanding, status: &RelayStatus) -> &'static str {
    match (status.state, status.auth) {
        (LinkState::Idle | LinkState::Connecting, _) => "connecting",
        (LinkState::Waiting, _) => "waiting",
        (LinkState::Open, AuthState::Challenged) if standing.refused_inbox.is_some() => "authenticating",
        (LinkState::Open, _) if standing.refused_inbox.is_some() => "limited",
        (LinkState::Open, _) if matches!(standing.hearing, Hearing::Deaf { .. }) => "deaf",
        (LinkState::Open, _) if standing.own && standing.good_at.is_some() => "ready",
        (LinkState::Open, _) => "connected",
    }
}

/// Calm words for what a relay asks of its users.
fn note(standing: &RelayStanding, status: &RelayStatus) -> Option<String> {
    if standing.origin == Some(RelayOrigin::Substitute) {
        return Some("stands in for a relay of ours that is no use right now; leaves when that one is good again".to_owned());
    }
    why(standing, status)
}

/// For how long one of ours is no use, where that is long.
fn bad_for(standing: &RelayStanding, now: At) -> Option<String> {
    let hours = now.since(standing.bad_since.filter(|_| standing.own)?) / HOUR;
    (hours >= 6).then(|| format!("no use for {hours} hours; if it stays so, remove it: ocmesh relays remove"))
}

fn forging(standing: &RelayStanding) -> Option<String> {
    let so = if standing.forged >= FORGED_MAX { "; it counts as no use" } else { "" };
    (standing.forged > 0).then(|| format!("it sent {} forged events lately, none was taken{so}", standing.forged))
}

fn why(standing: &RelayStanding, status: &RelayStatus) -> Option<String> {
    if status.auth == AuthState::Refused {
        return Some("it wants an account or a payment; everything else goes on without it".to_owned());
    }
    if let Some(said) = &standing.refused_inbox {
        return Some(format!("it does not serve our messages ({said}); the other relays do"));
    }
    match &standing.hearing {
        Hearing::Deaf { .. } => {
            let what = "it takes messages for us and does not bring them; others are told to write to the other relays, and it is tried again \
                        every hour. If it stays so, remove it: ocmesh relays remove";
            return Some(what.to_owned());
        }
        Hearing::Doubtful => return Some("a message to ourselves did not come back; it is tried again".to_owned()),
        Hearing::Unchecked { said } => {
            return Some(format!("whether it brings our messages could not be checked ({said}); nothing says that it does not"));
        }
        Hearing::Untried | Hearing::Good { .. } => {}
    }
    let asks_payment = standing.info.payment_required && status.state != LinkState::Open;
    asks_payment.then(|| "it asks its users for a payment; everything else goes on without it".to_owned())
}

/// What a loop that was stopped means and what to do about it.
fn loop_warning(state: &LoopState) -> String {
    let npub = ocmesh_wire::npub(&state.peer);
    let short: String = npub.chars().take(12).collect();
    format!(
        "agents answered each other {} times without end and were stopped (the last to {short}…); they may take a turn now and then, and what \
         you send yourself goes at once and ends it",
        state.turns
    )
}

/// What a wrong clock means and what to do about it.
pub(crate) fn clock_warning(ahead_ms: i64) -> String {
    let secs = ahead_ms.unsigned_abs() / SECOND;
    let by = match secs {
        0..120 => format!("{secs} seconds"),
        120..7_200 => format!("{} minutes", secs / 60),
        7_200..172_800 => format!("{} hours", secs / 3_600),
        _ => format!("{} days", secs / 86_400),
    };
    let way = if ahead_ms > 0 { "ahead of" } else { "behind" };
    format!("this machine's clock is {by} {way} what the relays say; set it, or relays may refuse us. This goes away by itself then")
}

fn wake_warning(standing: &WakeStanding) -> Option<String> {
    let record = &standing.record;
    let WakeState::Dead { .. } = record.state else { return None };
    let why = record.last_error.as_ref().map_or("", |error| error.why.as_str());
    Some(format!("the agent could not be woken by \"{}\": {why}. When that is mended: ocmesh wake retry {}", record.target, record.target))
}

fn strangers_warning(left_aside: u64) -> Option<String> {
    let what = "messages of strangers were left aside lately, as too many came or wait unread, or as they lack the work that is asked \
                for (inbox.pow); acknowledge or accept some (ocmesh inbox, ocmesh peer trust), or let strangers ask first (inbox.policy)";
    (left_aside > 0).then(|| format!("{left_aside} {what}"))
}

fn warnings(relays: &[RelayView], store_failing: Option<&str>) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(why) = store_failing {
        warnings.push(why.to_owned());
    }
    if !relays.iter().any(|relay| relay.own && matches!(relay.state.as_str(), "ready" | "connected")) {
        warnings.push("no relay is usable right now; messages wait in the outbox".to_owned());
    }
    warnings
}
