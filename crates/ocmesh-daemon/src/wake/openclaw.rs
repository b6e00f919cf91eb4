//! The hooks of an OpenClaw gateway: a notice to the main session, or a run of a restricted agent by the mapping `ocmesh`.
//!
//! The text of `/hooks/wake` reaches the model unwrapped, so no word of a peer may be in it. The gateway keeps the notice in memory alone and
//! its answer proves no turn: the queue wakes again until the agent acknowledges.

use std::time::Duration;

use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderValue},
};
use ocmesh_proto::WakeOutcome;
use ocmesh_relay::HookUrl;
use serde_json::{Value, json};

use super::{
    OpenClaw, OpenClawMode, Tools,
    answer::{failed, judge, refused},
    errand::{Errand, object},
    secret_file,
};

/// The gateway admits a run within 15 s; answers of 11 s were seen.
const WAIT: Duration = Duration::from_secs(30);

impl OpenClaw {
    pub(super) async fn wake(&self, errand: &Errand, tools: &Tools) -> WakeOutcome {
        let headers = match self.headers(errand) {
            Ok(headers) => headers,
            Err(why) => return refused(&why),
        };
        let url = self.wake_url();
        match judge(tools.client.post(&url, headers, self.body(errand).to_string(), WAIT).await) {
            Ok(answer) if answer.said.replace(' ', "").contains("\"ok\":true") => WakeOutcome::Woke,
            Ok(_) => failed("what listens there does not answer like an OpenClaw gateway"),
            Err(WakeOutcome::Refused { why }) => self.explain(why, &url),
            Err(outcome) => outcome,
        }
    }

    fn headers(&self, errand: &Errand) -> Result<HeaderMap, String> {
        let token = secret_file::read(&self.token_file)?;
        let mut bearer =
            HeaderValue::from_str(&format!("Bearer {}", *token)).map_err(|_| "the token is not fit for a header".to_owned())?;
        bearer.set_sensitive(true);
        let mut headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
        if let Ok(delivery) = HeaderValue::from_str(&errand.delivery) {
            headers.insert("idempotency-key", delivery);
        }
        Ok(headers)
    }

    fn body(&self, errand: &Errand) -> Value {
        let mut body = object([("text", json!(errand.notice()))]);
        match (self.mode, &self.agent) {
            (OpenClawMode::Main, None) => body.extend(object([("mode", json!("now"))])),
            (OpenClawMode::Main, Some(agent)) => body.extend(object([("mode", json!("now")), ("agentId", json!(agent))])),
            (OpenClawMode::Isolated, _) => {
                body.extend(object([("id", json!(errand.delivery)), ("wake", Value::Object(errand.facts()))]));
            }
        }
        Value::Object(body)
    }

    fn explain(&self, why: String, url: &HookUrl) -> WakeOutcome {
        if why.starts_with("it answered 401") || why.starts_with("it answered 403") {
            let file = self.token_file.display();
            return refused(&format!("the gateway does not take the token in {file}; it must be the gateway's hooks.token"));
        }
        if why.starts_with("it answered 404") {
            let what = match self.mode {
                OpenClawMode::Main => "hooks are not enabled there",
                OpenClawMode::Isolated => "hooks are not enabled there, or the mapping ocmesh is missing",
            };
            return refused(&format!("the gateway knows no {}: {what}", url.path()));
        }
        WakeOutcome::Refused { why }
    }
}
