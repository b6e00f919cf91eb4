//! `GET /metrics`: numbers in the Prometheus text format. No names, no keys, no content.

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use ocmesh_api::Health;

use super::{Api, error::Fault, query::NoQuery, status::health, store};

/// Numbers for Prometheus.
#[utoipa::path(get, path = "/metrics", responses((status = 200, description = "Prometheus text", body = String, content_type = "text/plain")))]
pub(super) async fn get_metrics(State(api): State<Arc<Api>>, _: NoQuery) -> Result<Response, Fault> {
    let view = api.parts.mesh.view();
    let counts = store::read(&api, |reader| reader.counts()).await?;
    let mut text = Text::default();
    text.gauge("ocmesh_up", "The daemon is up.", &[("", 1)]);
    text.gauge("ocmesh_healthy", "Messages can come and go.", &[("", u64::from(health(&view) == Health::Ok))]);
    text.gauge("ocmesh_build_info", "Version of the daemon.", &[(&format!("{{version=\"{}\"}}", api.parts.version), 1)]);
    text.gauge("ocmesh_uptime_seconds", "Seconds since the start.", &[("", api.parts.started.elapsed().as_secs())]);
    text.gauge("ocmesh_peers", "Peers known.", &[("", counts.peers)]);
    text.gauge("ocmesh_peers_online", "Peers online.", &[("", u64::try_from(view.peers_online).unwrap_or(u64::MAX))]);
    text.gauge("ocmesh_messages", "Messages stored.", &[("", counts.messages)]);
    text.gauge("ocmesh_messages_unread", "Received messages not yet acknowledged.", &[("", counts.unread)]);
    text.gauge("ocmesh_requests_held", "Messages that wait for consent.", &[("", counts.held)]);
    let outbox = counts.outbox;
    let sent = [
        ("{status=\"queued\"}", outbox.queued),
        ("{status=\"relayed\"}", outbox.relayed),
        ("{status=\"delivered\"}", outbox.delivered),
        ("{status=\"read\"}", outbox.read),
        ("{status=\"failed\"}", outbox.failed),
    ];
    text.gauge("ocmesh_messages_sent", "Our messages by where they stand.", &sent);
    let mut states = BTreeMap::<&str, u64>::new();
    for relay in view.relays.iter().filter(|relay| relay.own) {
        let number = states.entry(&relay.state).or_default();
        *number = number.saturating_add(1);
    }
    let states: Vec<_> = states.into_iter().map(|(state, number)| (format!("{{state=\"{state}\"}}"), number)).collect();
    let states: Vec<_> = states.iter().map(|(label, number)| (label.as_str(), *number)).collect();
    text.gauge("ocmesh_relays", "Our relays by state.", &states);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text.0).into_response())
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn gauge(&mut self, name: &str, help: &str, values: &[(&str, u64)]) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in values {
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }
}
