//! Patches of settings: what is merged in, what was there before, and how to take back what nobody changed since.

use serde_json::{Map, Value};

/// Puts `value` at `path` into a patch.
pub(super) fn set(patch: &mut Value, path: &[&str], value: Value) {
    let Some((key, rest)) = path.split_first() else {
        *patch = value;
        return;
    };
    if !patch.is_object() {
        *patch = Value::Object(Map::new());
    }
    if let Value::Object(fields) = patch {
        set(fields.entry((*key).to_owned()).or_insert(Value::Null), rest, value);
    }
}

/// Takes what stands at `path` out of a patch, and what is empty without it; says whether there was something.
pub(super) fn unset(patch: &mut Value, path: &[&str]) -> bool {
    let (Some((key, rest)), Value::Object(fields)) = (path.split_first(), patch) else { return false };
    if rest.is_empty() {
        return fields.remove(*key).is_some();
    }
    let Some(inside) = fields.get_mut(*key) else { return false };
    let was = unset(inside, rest);
    if inside.as_object().is_some_and(Map::is_empty) {
        fields.remove(*key);
    }
    was
}

/// The part of `settings` that a patch touches: what stood there before.
pub(super) fn touched(patch: &Value, settings: &Value) -> Option<Value> {
    match (patch, settings) {
        (Value::Object(fields), Value::Object(now)) => {
            let inside = fields.iter().filter_map(|(key, value)| Some((key.clone(), touched(value, now.get(key)?)?)));
            Some(Value::Object(inside.collect()))
        }
        (_, now) => Some(now.clone()),
    }
}

/// What takes a patch back.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Reverse {
    /// To be merged in; `null` takes a key away.
    pub(super) patch: Option<Value>,
    /// What somebody changed since, by its path; it stays.
    pub(super) left: Vec<String>,
}

/// Compares what was set with what is there now. `before` is what [`touched`] said.
pub(super) fn reverse(set: &Value, before: Option<&Value>, now: Option<&Value>) -> Reverse {
    let mut left = Vec::new();
    let patch = back(set, before, now, "", &mut left);
    Reverse { patch, left }
}

fn back(set: &Value, before: Option<&Value>, now: Option<&Value>, path: &str, left: &mut Vec<String>) -> Option<Value> {
    let now = now?;
    if let (Value::Object(wanted), Value::Object(there)) = (set, now) {
        let mut patch = Map::new();
        for (key, value) in wanted {
            let deeper = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            if let Some(undone) = back(value, before.and_then(|before| before.get(key)), there.get(key), &deeper, left) {
                patch.insert(key.clone(), undone);
            }
        }
        // What we made, and where nothing of anybody's is left, goes as a whole.
        let empty = there.keys().all(|key| patch.get(key).is_some_and(Value::is_null));
        return if before.is_none() && empty { Some(Value::Null) } else { (!patch.is_empty()).then_some(Value::Object(patch)) };
    }
    if before == Some(now) {
        return None;
    }
    if set == now {
        return Some(before.cloned().unwrap_or(Value::Null));
    }
    left.push(path.to_owned());
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A merge patch (RFC 7396), as OpenClaw does it.
    fn merge(settings: &mut Value, patch: &Value) {
        let Value::Object(fields) = patch else {
            *settings = patch.clone();
            return;
        };
        if !settings.is_object() {
            *settings = json!({});
        }
        for (key, value) in fields {
            if value.is_null() {
                settings.as_object_mut().unwrap().remove(key);
            } else {
                merge(settings.as_object_mut().unwrap().entry(key.clone()).or_insert(Value::Null), value);
            }
        }
    }

    #[test]
    fn what_was_put_in_comes_out_and_nothing_else_is_touched() {
        for settings in [
            json!({}),
            json!({"hooks": {"internal": {"enabled": true}}, "agents": {"defaults": {"heartbeat": {"every": "1h"}}}}),
            json!({"hooks": {"allowedAgentIds": ["main"], "mappings": [{"id": "theirs"}]}, "z": 1}),
        ] {
            let mut patch = json!({});
            set(&mut patch, &["hooks", "token"], json!("x"));
            set(&mut patch, &["hooks", "mappings"], json!([{"id": "theirs"}, {"id": "ocmesh"}]));
            set(&mut patch, &["agents", "defaults", "heartbeat", "target"], json!("none"));
            let before = touched(&patch, &settings);
            let mut now = settings.clone();
            merge(&mut now, &patch);
            assert_ne!(now, settings);
            let reversed = reverse(&patch, before.as_ref(), Some(&now));
            assert_eq!(reversed.left, Vec::<String>::new());
            merge(&mut now, &reversed.patch.unwrap());
            assert_eq!(now, settings);
            assert_eq!(reverse(&patch, before.as_ref(), Some(&now)).patch, None, "once is enough");
        }
    }

    #[test]
    fn what_somebody_changed_since_stays_and_is_named() {
        let set = json!({"hooks": {"enabled": true, "token": "x"}, "mcp": {"servers": {"ocmesh": {"command": "a"}}}});
        let before = json!({});
        let now = json!({"hooks": {"enabled": true, "token": "theirs", "path": "/h"}, "mcp": {"servers": {"other": 1}}});
        let reversed = reverse(&set, Some(&before), Some(&now));
        assert_eq!(reversed, Reverse { patch: Some(json!({"hooks": {"enabled": null}})), left: vec!["hooks.token".to_owned()] });
    }
}
