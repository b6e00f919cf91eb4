//! Checks of what runs: the daemon, its two doors, and the relays.

use std::time::Duration;

use ocmesh_api::{Client, ClientError, Endpoint, ErrorCode, Health, RelayStatus, StatusReport};
use ocmesh_daemon::config::Config;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::Finding;
use crate::{commands::Place, error::chain, ui::span};

/// A relay that does not take a connection within this is not there for practical purposes.
const CONNECT_MAX: Duration = Duration::from_secs(5);

pub(super) async fn check(place: &Place, config: Option<&Config>) -> Vec<Finding> {
    let client = Client::from_home(place.home.path());
    let status = match &client {
        Ok(client) => client.status().await,
        Err(_) => Err(ClientError::NotRunning),
    };
    match (client, status) {
        (Ok(client), Ok(status)) => {
            let mut findings = vec![daemon(&status), tcp(client.endpoint()).await];
            findings.extend(status.warnings.iter().map(|warning| Finding::warn("daemon", warning, "ocmesh status")));
            findings.push(relays(&status));
            findings
        }
        (Ok(client), Err(ClientError::NotRunning)) => {
            let detail = format!("not running (process {} ended without cleaning up)", client.endpoint().pid);
            stopped(Finding::warn("daemon", detail, "ocmesh service start, or: ocmesh daemon"), place, config).await
        }
        (_, Err(ClientError::NotRunning)) => {
            stopped(Finding::warn("daemon", "not running", "ocmesh service install, or: ocmesh daemon"), place, config).await
        }
        (_, Err(error)) => vec![Finding::fail("daemon", chain(&error), "ocmesh logs; then: ocmesh service stop && ocmesh service start")],
        (Err(error), Ok(_)) => vec![Finding::fail("daemon", chain(&error), "ocmesh logs")],
    }
}

fn daemon(status: &StatusReport) -> Finding {
    let up = span(Duration::from_secs(status.uptime_seconds));
    let detail = format!("{} {}, process {}, up {up}", status.name, status.daemon_version, status.pid);
    if status.daemon_version != env!("CARGO_PKG_VERSION") {
        let detail = format!("{detail}; this program is {}", env!("CARGO_PKG_VERSION"));
        return Finding::warn("daemon", detail, "let the new version take over: ocmesh service stop && ocmesh service start");
    }
    match status.state {
        Health::Ok => Finding::ok("daemon", detail),
        Health::Degraded => Finding::fail("daemon", format!("{detail}; degraded"), "see below, and: ocmesh logs"),
    }
}

/// Plain HTTP clients of this user (curl, skills) come by TCP.
async fn tcp(endpoint: &Endpoint) -> Finding {
    let shown = format!("http://{}:{}", endpoint.address, endpoint.port);
    match Client::at(Endpoint { socket: None, ..endpoint.clone() }).health().await {
        Ok(_) => Finding::ok("api", shown),
        Err(ClientError::Api(error)) if error.code == ErrorCode::Unauthorized => Finding::ok("api", format!("{shown} (with token)")),
        Err(error) => Finding::fail("api", format!("{shown}: {}", chain(&error)), "check for a firewall or a proxy on this machine"),
    }
}

fn relays(status: &StatusReport) -> Finding {
    let own: Vec<&RelayStatus> = status.relay_status.iter().filter(|relay| relay.own).collect();
    let down: Vec<String> = own
        .iter()
        .filter(|relay| relay.state != "ready")
        .map(|relay| format!("{} ({})", relay.url, relay.last_error.as_deref().unwrap_or(&relay.state)))
        .collect();
    let ready = own.len().saturating_sub(down.len());
    match (ready, down.is_empty()) {
        (0, _) => Finding::fail(
            "relays",
            format!("none of {} is ready: {}", own.len(), down.join(", ")),
            "check the network; or add one: ocmesh relays add wss://…",
        ),
        (_, true) => Finding::ok("relays", format!("{ready} of {} ready", own.len())),
        (_, false) => Finding::warn(
            "relays",
            format!("{ready} of {} ready; not: {}", own.len(), down.join(", ")),
            "no need to act: messages take the others",
        ),
    }
}

/// With the daemon stopped: is its port free, and does the network let us through?
async fn stopped(daemon: Finding, place: &Place, config: Option<&Config>) -> Vec<Finding> {
    let mut findings = vec![daemon];
    findings.extend(super::files::damaged_logs(place));
    let Some(config) = config else { return findings };
    if config.api.port != 0 {
        let address = ("127.0.0.1", config.api.port);
        findings.push(match TcpListener::bind(address).await {
            Ok(_) => Finding::ok("api", format!("port {} is free", config.api.port)),
            Err(error) => Finding::fail(
                "api",
                format!("port {} cannot be had: {error}", config.api.port),
                "stop what uses it, or choose another: OCMESH_API_PORT (0 takes any free one)",
            ),
        });
    }
    findings.push(reachable(config).await);
    findings
}

async fn reachable(config: &Config) -> Finding {
    let listed = config.explain().iter().find(|key| key.key == "relays").map(|key| key.value.clone()).unwrap_or_default();
    let urls: Vec<String> = serde_json::from_str(&listed).unwrap_or_default();
    let probes: Vec<_> = urls.iter().map(|url| tokio::spawn(connects(url.clone()))).collect();
    let mut down = Vec::new();
    for (probe, url) in probes.into_iter().zip(&urls) {
        if !probe.await.unwrap_or(false) {
            down.push(url.as_str());
        }
    }
    match (urls.len(), down.len()) {
        (0, _) => Finding::warn("relays", "none is configured", "add one to the configuration: ocmesh config path"),
        (all, 0) => Finding::ok("relays", format!("{all} of {all} take a connection")),
        (all, bad) if bad == all => Finding::fail("relays", "none takes a connection", "check the network, the firewall and the DNS"),
        (all, bad) => Finding::warn(
            "relays",
            format!("{} of {all} take a connection; not: {}", all - bad, down.join(", ")),
            "no need to act: messages take the others",
        ),
    }
}

/// Whether the relay's machine takes a TCP connection.
async fn connects(url: String) -> bool {
    let (host, port) = host_and_port(&url);
    matches!(timeout(CONNECT_MAX, TcpStream::connect((host, port))).await, Ok(Ok(_)))
}

/// Of an address that the configuration has checked already.
fn host_and_port(url: &str) -> (&str, u16) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("wss", url));
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let usual = if scheme.eq_ignore_ascii_case("ws") { 80 } else { 443 };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && (!host.contains(':') || host.ends_with(']')) => (host, port.parse().unwrap_or(usual)),
        _ => (authority, usual),
    };
    (host.trim_start_matches('[').trim_end_matches(']'), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relay_addresses_have_host_and_port() {
        for (url, wanted) in [
            ("wss://relay.example.com", ("relay.example.com", 443)),
            ("ws://127.0.0.1:7777/x", ("127.0.0.1", 7777)),
            ("ws://[::1]:7777", ("::1", 7777)),
            ("ws://[::1]", ("::1", 80)),
            ("wss://relay.example.com/?a=b:1", ("relay.example.com", 443)),
        ] {
            assert_eq!(host_and_port(url), wanted, "{url}");
        }
    }
}
