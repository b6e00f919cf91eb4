//! The frames of NIP-01, 42, 45 and 77: client's to read, relay's to write.

use std::sync::Arc;

use serde_json::{json, value::RawValue};

/// What a client says. Events and filters are still JSON text.
#[derive(Debug)]
pub(crate) enum ClientFrame<'a> {
    Event(&'a str),
    Req { sub: String, filters: Vec<&'a str> },
    Count { sub: String, filters: Vec<&'a str> },
    Close { sub: String },
    Auth(&'a str),
    NegOpen { sub: String, filter: &'a str, hex: String },
    NegMsg { sub: String, hex: String },
    NegClose { sub: String },
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("not a JSON array of a known message")]
    Shape,
    #[error("a subscription id has 1 to 64 characters")]
    SubscriptionId,
}

impl<'a> ClientFrame<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, FrameError> {
        let parts: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| FrameError::Shape)?;
        let mut parts = parts.into_iter().map(RawValue::get);
        let word: String = string(parts.next())?;
        match word.as_str() {
            "EVENT" => Ok(Self::Event(parts.next().ok_or(FrameError::Shape)?)),
            "AUTH" => Ok(Self::Auth(parts.next().ok_or(FrameError::Shape)?)),
            "REQ" => Ok(Self::Req { sub: sub(parts.next())?, filters: parts.collect() }),
            "COUNT" => Ok(Self::Count { sub: sub(parts.next())?, filters: parts.collect() }),
            "NEG-OPEN" => {
                let (sub, filter) = (sub(parts.next())?, parts.next().ok_or(FrameError::Shape)?);
                Ok(Self::NegOpen { sub, filter, hex: string(parts.next())? })
            }
            "NEG-MSG" => Ok(Self::NegMsg { sub: sub(parts.next())?, hex: string(parts.next())? }),
            "NEG-CLOSE" => Ok(Self::NegClose { sub: sub(parts.next())? }),
            "CLOSE" => Ok(Self::Close { sub: sub(parts.next())? }),
            _ => Err(FrameError::Shape),
        }
    }
}

fn string(part: Option<&str>) -> Result<String, FrameError> {
    serde_json::from_str(part.ok_or(FrameError::Shape)?).map_err(|_| FrameError::Shape)
}

fn sub(part: Option<&str>) -> Result<String, FrameError> {
    let id = string(part)?;
    if id.is_empty() || id.chars().nth(64).is_some() {
        return Err(FrameError::SubscriptionId);
    }
    Ok(id)
}

/// What the relay says. Events share their JSON until they are written.
#[derive(Debug, Clone)]
pub(crate) enum RelayFrame {
    Event { sub: Arc<str>, json: Arc<str> },
    Text(String),
}

impl RelayFrame {
    pub(crate) fn ok(id: &str, accepted: bool, why: &str) -> Self {
        Self::Text(json!(["OK", id, accepted, why]).to_string())
    }

    pub(crate) fn eose(sub: &str) -> Self {
        Self::Text(json!(["EOSE", sub]).to_string())
    }

    pub(crate) fn closed(sub: &str, why: &str) -> Self {
        Self::Text(json!(["CLOSED", sub, why]).to_string())
    }

    pub(crate) fn notice(text: &str) -> Self {
        Self::Text(json!(["NOTICE", text]).to_string())
    }

    pub(crate) fn auth(challenge: &str) -> Self {
        Self::Text(json!(["AUTH", challenge]).to_string())
    }

    pub(crate) fn neg_msg(sub: &str, hex: &str) -> Self {
        Self::Text(json!(["NEG-MSG", sub, hex]).to_string())
    }

    pub(crate) fn neg_err(sub: &str, why: &str) -> Self {
        Self::Text(json!(["NEG-ERR", sub, why]).to_string())
    }

    pub(crate) fn count(sub: &str, count: usize) -> Self {
        Self::Text(json!(["COUNT", sub, { "count": count }]).to_string())
    }

    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Event { sub, json } => format!(r#"["EVENT",{},{json}]"#, serde_json::Value::from(&*sub)),
        }
    }
}
