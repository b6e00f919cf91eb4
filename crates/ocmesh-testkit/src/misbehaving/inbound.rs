//! What becomes of a client's words on their way to the honest relay.

use anyhow::Result;
use nostr::event::Event;
use ocmesh_localrelay::nip42;
use serde_json::{Value, json};

use super::{
    fault::Fault,
    link::Link,
    writer::{Out, header},
};

impl Link {
    pub(crate) async fn hear_client(&mut self, text: &str) -> Result<()> {
        let Ok(frame) = serde_json::from_str::<Value>(text) else { return self.out.text(json!(["NOTICE", "invalid: not JSON"])).await };
        let second = frame.get(1).cloned().unwrap_or_default();
        match frame.get(0).and_then(Value::as_str) {
            Some("EVENT") => self.on_event(&frame, second).await,
            Some("REQ") => self.on_req(frame, second.as_str().unwrap_or_default()).await,
            Some("AUTH") => self.on_auth(second).await,
            Some("NEG-OPEN" | "NEG-MSG") => self.on_negentropy(&frame, second.as_str().unwrap_or_default()).await,
            Some("CLOSE") => {
                self.subs.remove(second.as_str().unwrap_or_default());
                self.forward(&frame).await
            }
            _ => self.forward(&frame).await,
        }
    }

    async fn on_event(&mut self, frame: &Value, event: Value) -> Result<()> {
        let id = event.get("id").cloned().unwrap_or_default();
        let number = {
            let mut log = self.shared.log.write();
            log.events.push(event);
            log.events.len()
        };
        let authenticated = self.authenticated;
        let answer = self.shared.faults.find(|fault| match fault {
            Fault::AuthRequiredWrite { text } if !authenticated => Some((false, text.clone(), true)),
            Fault::RateLimited { first_n } if number <= *first_n => Some((false, "rate-limited: slow down".to_owned(), false)),
            Fault::OkFalse(text) => Some((false, text.clone(), false)),
            Fault::OkThenDrop => Some((true, String::new(), false)),
            _ => None,
        });
        let Some((accepted, why, ask)) = answer else { return self.forward(frame).await };
        if ask && self.challenge.is_none() {
            self.ask_who().await?;
        }
        self.out.text(json!(["OK", id, accepted, why])).await
    }

    async fn on_req(&mut self, mut frame: Value, sub: &str) -> Result<()> {
        self.shared.log.write().reqs.push(frame.clone());
        let authenticated = self.authenticated;
        let refused = self.shared.faults.find(|fault| match fault {
            Fault::AuthRequiredRead { text } if !authenticated => Some((text.clone(), true)),
            Fault::ClosedAtOnce(text) => Some((text.clone(), false)),
            _ => None,
        });
        if let Some((why, ask)) = refused {
            if ask && self.challenge.is_none() {
                self.ask_who().await?;
            }
            return self.close_sub(sub, &why).await;
        }
        for fault in self.shared.faults.all().iter() {
            match fault {
                Fault::SilentDmFilter => leave_out_direct(&mut frame),
                Fault::PageCap(cap) => cap_limits(&mut frame, *cap),
                Fault::EoseEarly => {
                    self.early.insert(sub.to_owned());
                    self.out.text(json!(["EOSE", sub])).await?;
                }
                _ => {}
            }
            if let Some(bomb) = bomb(fault, sub) {
                self.out.put(bomb).await?;
            }
        }
        let filters = frame.as_array().map(|parts| parts.iter().skip(2).cloned().collect()).unwrap_or_default();
        self.subs.insert(sub.to_owned(), filters);
        self.forward(&frame).await
    }

    async fn on_auth(&mut self, event: Value) -> Result<()> {
        let id = event.get("id").cloned().unwrap_or_default();
        let event_text = event.to_string();
        self.shared.log.write().auths.push(event);
        let urls = [self.shared.url.clone(), self.shared.url.replace("127.0.0.1", "localhost")];
        let verdict = match (Event::from_json(&event_text), &self.challenge) {
            (Ok(event), Some(challenge)) => {
                nip42::check(&event, challenge, &urls, crate::fixture::now()).map_err(|error| error.to_string())
            }
            (Err(_), _) => Err("not an event".to_owned()),
            (_, None) => Err("there was no challenge".to_owned()),
        };
        self.authenticated |= verdict.is_ok();
        let why = verdict.as_ref().err().map(|error| format!("invalid: {error}")).unwrap_or_default();
        self.out.text(json!(["OK", id, verdict.is_ok(), why])).await
    }
}

/// What a relay with a list of restricted kinds does to a REQ that asks for others too.
fn leave_out_direct(frame: &mut Value) {
    let direct = |kind: &Value| matches!(kind.as_u64(), Some(4 | 1059));
    let Some(parts) = frame.as_array_mut() else { return };
    let filters = || parts.iter().skip(2);
    let kinds = |filter: &Value| filter.get("kinds").and_then(Value::as_array).cloned().unwrap_or_default();
    let mixed = filters().any(|filter| kinds(filter).iter().any(|kind| !direct(kind)) || kinds(filter).is_empty());
    if !mixed {
        return;
    }
    for filter in parts.iter_mut().skip(2) {
        if let Some(kinds) = filter.get_mut("kinds").and_then(Value::as_array_mut) {
            kinds.retain(|kind| !direct(kind));
        }
    }
}

fn cap_limits(frame: &mut Value, cap: u64) {
    for filter in frame.as_array_mut().into_iter().flatten().skip(2) {
        let limit = filter.get("limit").and_then(Value::as_u64).unwrap_or(cap).min(cap);
        if let Some(fields) = filter.as_object_mut() {
            fields.insert("limit".to_owned(), limit.into());
        }
    }
}

/// What a fault says before it answers a REQ.
fn bomb(fault: &Fault, sub: &str) -> Option<Out> {
    Some(match fault {
        Fault::HugeFrame { bytes } => Out::Fill { head: header(0x81, *bytes), unit: b"x", times: *bytes, tail: b"" },
        Fault::HugeHeader { bytes } => Out::Raw(header(0x81, *bytes)),
        // First fragment, then continuations, then the last one.
        Fault::Fragments { n } => {
            Out::Fill { head: vec![0x01, 1, b'x'], unit: &[0x00, 1, b'x'], times: n.saturating_sub(2), tail: &[0x80, 1, b'x'] }
        }
        Fault::DeepJson { levels } => Out::Text(format!(r#"["EVENT","{sub}",{}{}]"#, "[".repeat(*levels), "]".repeat(*levels))),
        Fault::InvalidUtf8 => {
            let mut bytes = header(0x81, 4);
            bytes.extend([b'[', 0xff, 0xfe, b']']);
            Out::Raw(bytes)
        }
        Fault::LoneSurrogate => Out::Text(format!(r#"["EVENT","{sub}",{{"content":"\ud800"}}]"#)),
        _ => return None,
    })
}
