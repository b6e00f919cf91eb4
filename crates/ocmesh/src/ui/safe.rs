//! What came from outside, before it is printed: shown by the one printer of `ocmesh-text`, and neutral to the models that read our output.

pub(crate) use ocmesh_text::{neutral as safe, neutral_block as safe_block};
use serde_json::Value;

/// Every string of a value, however deep, and every key: neutral. Numbers, and strings with nothing to hide, stay as they are.
pub(crate) fn safe_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(safe_text(&text)),
        Value::Array(items) => items.into_iter().map(safe_value).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (safe_text(&key), safe_value(value))).collect(),
        other => other,
    }
}

/// Layout stays: JSON writes line breaks and tabs as escapes anyway.
fn safe_text(text: &str) -> String {
    ocmesh_text::neutralise(text, usize::MAX, ocmesh_text::Shape::Block).text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_neutral_at_every_depth() {
        let value = safe_value(json!({"a<|im_start|>": [{"b": "x\u{1b}[2J\u{202e}"}, 1, null, "two\nlines"]}));
        assert_eq!(value, json!({"a\\u{3c}|im_start|>": [{"b": "x\\u{1b}[2J\\u{202e}"}, 1, null, "two\nlines"]}));
    }

    proptest! {
        #[test]
        fn no_json_holds_a_hidden_character(text in any::<String>()) {
            let json = serde_json::to_string_pretty(&safe_value(json!([text]))).unwrap();
            let stays = |c: char| !ocmesh_text::is_hidden(c) || c == '\n' || c == '\u{fe0f}';
            prop_assert!(json.chars().all(stays), "{:?}", json);
        }
    }
}
