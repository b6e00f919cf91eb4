//! JSON schemas of the tools, in the plain subset that every client reads: no references, no `null` types, no Rust number formats.

use std::sync::Arc;

use rmcp::model::JsonObject;
use schemars::{
    JsonSchema, Schema,
    generate::SchemaSettings,
    transform::{Transform, transform_subschemas},
};
use serde_json::{Value, json};

/// What a tool takes.
pub(crate) fn input<T: JsonSchema>() -> Arc<JsonObject> {
    object::<T>(SchemaSettings::draft2020_12())
}

/// What a tool gives.
pub(crate) fn output<T: JsonSchema>() -> Arc<JsonObject> {
    object::<T>(SchemaSettings::draft2020_12().for_serialize())
}

fn object<T: JsonSchema>(settings: SchemaSettings) -> Arc<JsonObject> {
    let settings = settings.with(|settings| {
        settings.meta_schema = None;
        // Several clients hand the schema to a model's API that knows no "$ref".
        settings.inline_subschemas = true;
        settings.transforms.push(Box::new(Plain));
    });
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let mut object = match schema.to_value() {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    };
    // The type's own name and comment are about the code.
    object.remove("title");
    object.remove("description");
    object.entry("type").or_insert_with(|| json!("object"));
    object.entry("properties").or_insert_with(|| json!({}));
    Arc::new(object)
}

/// An absent field is left out, never `null`, so the schema need not speak of `null`.
#[derive(Debug, Clone, Copy)]
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(object) = schema.as_object_mut() {
            // "uint32" and the like are no formats of JSON Schema.
            if object.get("format").and_then(Value::as_str).is_some_and(|format| format.contains("int")) {
                object.remove("format");
            }
            without_null_type(object);
            without_null_choice(object);
            plain_words(object);
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
        }
        transform_subschemas(self, schema);
    }
}

fn without_null_type(object: &mut JsonObject) {
    let Some(Value::Array(types)) = object.get_mut("type") else { return };
    types.retain(|name| name != "null");
    if let [only] = types.as_slice() {
        let only = only.clone();
        object.insert("type".to_owned(), only);
    }
}

fn without_null_choice(object: &mut JsonObject) {
    let Some(Value::Array(choices)) = object.get_mut("anyOf") else { return };
    choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
    if let [Value::Object(only)] = choices.as_slice() {
        let only = only.clone();
        object.remove("anyOf");
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
}

/// A choice of words as a plain list; what each word means goes into the description, which every client passes on.
fn plain_words(object: &mut JsonObject) {
    let Some(Value::Array(choices)) = object.get("oneOf") else { return };
    let word = |choice: &Value| Some((choice.get("const")?.as_str()?.to_owned(), choice.get("description")?.as_str()?.to_owned()));
    let Some(words) = choices.iter().map(word).collect::<Option<Vec<_>>>() else { return };
    let meanings: Vec<String> = words.iter().map(|(word, meaning)| format!("{word}: {meaning}")).collect();
    let before = object.get("description").and_then(Value::as_str).map(|text| format!("{text} ")).unwrap_or_default();
    object.insert("description".to_owned(), json!(format!("{before}{}", meanings.join(" "))));
    object.insert("type".to_owned(), json!("string"));
    object.insert("enum".to_owned(), words.into_iter().map(|(word, _)| Value::String(word)).collect());
    object.remove("oneOf");
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Serialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Choice {
        /// One.
        One,
        /// Two.
        Two,
    }

    #[derive(Serialize, JsonSchema)]
    struct Sample {
        /// A choice.
        choice: Option<Choice>,
        /// A number.
        number: Option<u32>,
        inner: Vec<Inner>,
    }

    #[derive(Serialize, JsonSchema)]
    struct Inner {
        text: Option<String>,
    }

    #[test]
    fn a_schema_speaks_no_null_no_reference_and_no_rust() {
        for schema in [input::<Sample>(), output::<Sample>()] {
            let text = Value::Object((*schema).clone()).to_string();
            for word in ["null", "$ref", "$defs", "uint", "$schema"] {
                assert!(!text.contains(word), "{word} in {text}");
            }
            assert_eq!(schema["properties"]["number"]["type"], "integer");
            let choice = json!({"description": "A choice. one: One. two: Two.", "type": "string", "enum": ["one", "two"]});
            assert_eq!(schema["properties"]["choice"], choice);
        }
        let sample = Sample { choice: Some(Choice::One), number: None, inner: vec![Inner { text: None }] };
        let other = Sample { choice: Some(Choice::Two), ..sample };
        assert_eq!(json!(other)["choice"], "two");
    }
}
