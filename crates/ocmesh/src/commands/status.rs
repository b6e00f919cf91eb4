//! `ocmesh status`: how the daemon, its relays and its outbox are doing.

use std::{fmt::Write as _, time::Duration};

use ocmesh_api::{ClientError, Health, RelayStatus, StatusReport};
use serde_json::json;

use super::{Place, from_client};
use crate::{
    error::CliError,
    ui::{Tint, Ui, safe, short_key, span, table},
};

/// `ocmesh` alone: status, or how to start.
pub(crate) async fn run_or_welcome(ui: &Ui, place: &Place) -> Result<(), CliError> {
    match report(place).await {
        Ok(report) => show(ui, &report),
        Err(ClientError::NotRunning) => welcome(ui),
        Err(error) => Err(from_client(error)),
    }
}

pub(crate) async fn run(ui: &Ui, place: &Place) -> Result<(), CliError> {
    let report = report(place).await.map_err(from_client)?;
    show(ui, &report)
}

async fn report(place: &Place) -> Result<StatusReport, ClientError> {
    ocmesh_api::Client::from_home(place.home.path())?.status().await
}

fn show(ui: &Ui, report: &StatusReport) -> Result<(), CliError> {
    if ui.json { ui.json(report) } else { ui.print(&render(ui, report)) }
}

fn welcome(ui: &Ui) -> Result<(), CliError> {
    if ui.json {
        return ui.json(&json!({"state": "not_running"}));
    }
    ui.line("ocmesh joins an AI agent to a worldwide mesh of agents. The daemon is not running.\n")?;
    ui.print(&table(
        &["TO", "RUN"],
        &[
            ["see two agents meet on this machine", "ocmesh demo"],
            ["join the mesh, now and at every login", "ocmesh service install"],
            ["join the mesh in this terminal only", "ocmesh daemon"],
            ["see every command", "ocmesh --help"],
        ]
        .map(|row| row.map(str::to_owned).to_vec()),
    ))
}

fn render(ui: &Ui, report: &StatusReport) -> String {
    let state = match report.state {
        Health::Ok => ui.tint(Tint::Green, "ok"),
        Health::Degraded => ui.tint(Tint::Red, "degraded"),
    };
    let mut out = String::new();
    let up = span(Duration::from_secs(report.uptime_seconds));
    let _ = writeln!(out, "{} is {state}, up {up}  (ocmesh {})", ui.tint(Tint::Bold, safe(&report.name)), safe(&report.daemon_version));
    let _ = writeln!(out, "  {}\n", safe(&report.npub));
    let requests = if report.request_count == 0 { String::new() } else { format!(", {} requests of strangers", report.request_count) };
    let missing = if report.missing_count == 0 { String::new() } else { format!(", {} missing", report.missing_count) };
    let lost = if report.lost_count == 0 { String::new() } else { format!(", {} lost", report.lost_count) };
    let work = if report.work_asked == 0 { String::new() } else { format!(" (strangers need {} bits of work)", report.work_asked) };
    let outbox = report.outbox;
    let _ = writeln!(out, "peers   {} online of {}", report.online_peer_count, report.peer_count);
    let _ = writeln!(out, "inbox   {} unread{missing}{lost}{requests}{work}", report.unread_count);
    let _ = writeln!(out, "outbox  {} queued, {} relayed, {} failed", outbox.queued, outbox.relayed, outbox.failed);
    let own: Vec<&RelayStatus> = report.relay_status.iter().filter(|relay| relay.own).collect();
    let ready = own.iter().filter(|relay| relay.state == "ready").count();
    let _ = writeln!(out, "relays  {ready} ready of {}", own.len());
    for relay in own {
        let _ = writeln!(out, "  {}", relay_line(ui, relay));
    }
    for stopped in &report.loops {
        let state = if stopped.state == "open" { "stopped until" } else { "one turn at a time since" };
        let who = short_key(&stopped.pubkey);
        let _ = writeln!(out, "loop    {} turns with {who}, {state} {}", stopped.turns, safe(&stopped.until));
    }
    for warning in &report.warnings {
        let _ = writeln!(out, "{} {}", ui.tint(Tint::Yellow, "note:"), safe(warning));
    }
    out
}

fn relay_line(ui: &Ui, relay: &RelayStatus) -> String {
    let tint = if relay.state == "ready" { Tint::Green } else { Tint::Yellow };
    let mut line = format!("{}  {}", safe(&relay.url), ui.tint(tint, safe(&relay.state)));
    if let Some(latency) = relay.latency_ms.filter(|_| relay.state == "ready") {
        let _ = write!(line, "  {latency} ms");
    }
    if let Some(error) = relay.last_error.as_deref().filter(|_| relay.state != "ready") {
        let _ = write!(line, "  {}", safe(error));
    }
    if let Some(note) = &relay.note {
        let _ = write!(line, "  ({})", safe(note));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_fits_a_small_screen() {
        let mut report = StatusReport { missing_count: 3, ..StatusReport::example() };
        report.warnings.push("the clock is\u{1b} wrong".to_owned());
        report.relay_status.push(RelayStatus {
            url: "wss://down.example.com".to_owned(),
            state: "waiting".to_owned(),
            last_error: Some("refused".to_owned()),
            ..RelayStatus::example()
        });
        assert_eq!(
            render(&Ui::plain(), &report),
            "quiet-heron is ok, up 1 h  (ocmesh 0.3.0)\n  npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6\n\n\
             peers   37 online of 214\ninbox   2 unread, 3 missing\noutbox  0 queued, 1 relayed, 0 failed\nrelays  1 ready of 2\n  \
             wss://relay.example.com  ready  48 ms\n  wss://down.example.com  waiting  refused\n\
             loop    10 turns with npub10elfcs4f…zvjptg, stopped until 2026-11-23T13:02:00.000Z\nnote: the clock is\\u{1b} wrong\n"
        );
    }
}
