//! NIP-01 frames as text: what a relay says, parsed with bounds, and what we say. Checks no ids and no signatures.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

/// Longest subscription id ([NIP-01](https://github.com/nostr-protocol/nips/blob/master/01.md)).
const SUB_BYTES_MAX: usize = 64;

/// Something a relay said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// An event for a subscription, as far as it was read.
    Event { sub: Cow<'a, str>, claim: Claim<'a> },
    /// The answer to an EVENT or AUTH.
    Ok { id: Cow<'a, str>, accepted: bool, said: String },
    /// The end of stored events; `finish` is NIP-67's word that there are no more behind a page cap.
    Eose { sub: Cow<'a, str>, finish: bool },
    /// A subscription was closed.
    Closed { sub: Cow<'a, str>, said: String },
    /// Text for people.
    Notice(String),
    /// A NIP-42 challenge.
    Auth(Cow<'a, str>),
    /// A NIP-77 message, in hex.
    NegMsg { sub: Cow<'a, str>, hex: Cow<'a, str> },
    /// The relay ends a NIP-77 comparison.
    NegErr { sub: Cow<'a, str>, said: String },
    /// A well-formed message that we did not ask for, such as COUNT.
    Other,
}

/// A frame that is not NIP-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a NIP-01 message")]
pub(crate) struct BadFrame;

impl<'a> Frame<'a> {
    /// Parses a text frame. Allocates no more than the short texts in it.
    pub(crate) fn parse(text: &'a str, event_bytes_max: usize) -> Result<Self, BadFrame> {
        // What is not written the usual way is read the general way, which decides.
        if let Some((sub, json)) = usual_event(text)
            && json.len() <= event_bytes_max
            && let Ok(claim) = Claim::parse(json)
        {
            return Ok(Self::Event { sub: Cow::Borrowed(sub), claim });
        }
        let parts: Parts<'a> = serde_json::from_str(text).map_err(|_| BadFrame)?;
        let [label, first, second, third] = parts.0;
        let label = string(label)?;
        Ok(match &*label {
            "EVENT" => {
                let json = second.ok_or(BadFrame)?.get();
                if json.len() > event_bytes_max {
                    return Err(BadFrame);
                }
                Self::Event { sub: sub(first)?, claim: Claim::parse(json)? }
            }
            "OK" => {
                let accepted = second.and_then(|raw| serde_json::from_str(raw.get()).ok()).ok_or(BadFrame)?;
                Self::Ok { id: string(first)?, accepted, said: said(third) }
            }
            "EOSE" => Self::Eose { sub: sub(first)?, finish: second.is_some_and(says_finish) },
            "CLOSED" => Self::Closed { sub: sub(first)?, said: said(second) },
            "NOTICE" => Self::Notice(said(first)),
            "AUTH" => Self::Auth(string(first)?),
            "NEG-MSG" => Self::NegMsg { sub: sub(first)?, hex: string(second)? },
            "NEG-ERR" => Self::NegErr { sub: sub(first)?, said: said(second) },
            _ => Self::Other,
        })
    }
}

/// The subscription and the object of an event frame without white space and escapes, as relays write them, so that the object is walked once.
/// Whether it is one, and one alone, is seen when it is parsed.
fn usual_event(text: &str) -> Option<(&str, &str)> {
    let (sub, json) = text.strip_prefix(r#"["EVENT",""#)?.strip_suffix(']')?.split_once(r#"","#)?;
    let is_plain = sub.len() <= SUB_BYTES_MAX && sub.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\');
    (is_plain && json.starts_with('{') && json.ends_with('}')).then_some((sub, json))
}

/// The first four elements of an array, unparsed; the rest is skipped.
struct Parts<'a>([Option<&'a RawValue>; 4]);

impl<'de> Deserialize<'de> for Parts<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PartsVisitor;
        impl<'de> Visitor<'de> for PartsVisitor {
            type Value = Parts<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut parts = [None; 4];
                for part in &mut parts {
                    *part = seq.next_element()?;
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Parts(parts))
            }
        }
        deserializer.deserialize_seq(PartsVisitor)
    }
}

/// A JSON string, borrowed where it holds no escapes.
fn string(raw: Option<&RawValue>) -> Result<Cow<'_, str>, BadFrame> {
    let json = raw.ok_or(BadFrame)?.get();
    let inner = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or(BadFrame)?;
    if inner.contains('\\') { serde_json::from_str(json).map(Cow::Owned).map_err(|_| BadFrame) } else { Ok(Cow::Borrowed(inner)) }
}

fn sub(raw: Option<&RawValue>) -> Result<Cow<'_, str>, BadFrame> {
    string(raw).and_then(|sub| if sub.len() <= SUB_BYTES_MAX { Ok(sub) } else { Err(BadFrame) })
}

/// The relay's words, cleaned; an absent or odd text is empty.
fn said(raw: Option<&RawValue>) -> String {
    string(raw).map(|text| crate::text::clean(&text)).unwrap_or_default()
}

/// `"finish"` or `["finish"]` ([NIP-67](https://github.com/nostr-protocol/nips/blob/master/67.md)).
fn says_finish(raw: &RawValue) -> bool {
    let json = raw.get();
    // Short enough to be one word in a list, so that a hostile tail is not walked twice.
    json.len() <= 256
        && match serde_json::from_str(json) {
            Ok(Value::String(word)) => word == "finish",
            Ok(Value::Array(words)) => words.iter().any(|word| word == "finish"),
            _ => false,
        }
}

/// What an event says of itself, as far as filters look. Nothing of it is verified.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Claim<'a> {
    pub(crate) id: &'a str,
    pub(crate) pubkey: &'a str,
    pub(crate) kind: u16,
    pub(crate) created_at: u64,
    #[serde(borrow)]
    pub(crate) tags: Tags<'a>,
    /// The whole object, as the relay wrote it.
    #[serde(skip)]
    pub(crate) text: &'a str,
}

impl<'a> Claim<'a> {
    /// Parses an event object; its id must be 64 lowercase hex digits.
    pub(crate) fn parse(json: &'a str) -> Result<Self, BadFrame> {
        let claim: Self = serde_json::from_str(json).map_err(|_| BadFrame)?;
        if is_id(claim.id) { Ok(Self { text: json, ..claim }) } else { Err(BadFrame) }
    }
}

/// 64 lowercase hex digits.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The single-letter tags with their first value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tags<'a>(pub(crate) Vec<(char, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Tags<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TagsVisitor;
        impl<'de> Visitor<'de> for TagsVisitor {
            type Value = Tags<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of tags")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut tags = Vec::new();
                while let Some(Tag(tag)) = seq.next_element()? {
                    tags.extend(tag);
                }
                Ok(Tags(tags))
            }
        }
        deserializer.deserialize_seq(TagsVisitor)
    }
}

/// One tag, where filters can ask for it.
struct Tag<'a>(Option<(char, Cow<'a, str>)>);

impl<'de> Deserialize<'de> for Tag<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TagVisitor;
        impl<'de> Visitor<'de> for TagVisitor {
            type Value = Tag<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of texts")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let Some(Text(name)) = seq.next_element()? else { return Ok(Tag(None)) };
                let mut letters = name.chars();
                let tag = match (letters.next(), letters.next()) {
                    (Some(letter), None) => seq.next_element()?.map(|Text(value)| (letter, value)),
                    _ => None,
                };
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Tag(tag))
            }
        }
        deserializer.deserialize_seq(TagVisitor)
    }
}

/// A text, borrowed where it holds no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// The id of an event in JSON.
pub(crate) fn event_id(json: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Id {
        id: String,
    }
    serde_json::from_str::<Id>(json).ok().map(|event| event.id)
}

/// `["REQ",…]`.
pub(crate) fn client_req(sub: &str, filters: &[Value]) -> String {
    let filters: String = filters.iter().map(|filter| format!(",{filter}")).collect();
    format!("[\"REQ\",{}{filters}]", Value::from(sub))
}

/// `["CLOSE",…]`.
pub(crate) fn client_close(sub: &str) -> String {
    format!("[\"CLOSE\",{}]", Value::from(sub))
}

/// `["NEG-OPEN",…]`, with the first message.
pub(crate) fn client_neg_open(sub: &str, filter: &Value, hex: &str) -> String {
    format!("[\"NEG-OPEN\",{},{filter},\"{hex}\"]", Value::from(sub))
}

/// `["NEG-MSG",…]`.
pub(crate) fn client_neg_msg(sub: &str, hex: &str) -> String {
    format!("[\"NEG-MSG\",{},\"{hex}\"]", Value::from(sub))
}

/// `["NEG-CLOSE",…]`.
pub(crate) fn client_neg_close(sub: &str) -> String {
    format!("[\"NEG-CLOSE\",{}]", Value::from(sub))
}

/// `["EVENT",…]`.
pub(crate) fn client_event(json: &str) -> String {
    format!("[\"EVENT\",{json}]")
}

/// `["AUTH",…]`.
pub(crate) fn client_auth(json: &str) -> String {
    format!("[\"AUTH\",{json}]")
}

#[cfg(test)]
mod tests {
    use super::{BadFrame, Claim, Frame, client_req};

    fn parse(text: &str) -> Result<Frame<'_>, BadFrame> {
        Frame::parse(text, 1_000)
    }

    #[test]
    fn every_message_of_nip_01_42_67_and_77_is_read() {
        assert_eq!(
            parse(r#"["OK","i",true,"duplicate: x"]"#),
            Ok(Frame::Ok { id: "i".into(), accepted: true, said: "duplicate: x".into() })
        );
        assert_eq!(parse(r#"["OK","i",false]"#), Ok(Frame::Ok { id: "i".into(), accepted: false, said: String::new() }));
        assert_eq!(parse(r#"["EOSE","s"]"#), Ok(Frame::Eose { sub: "s".into(), finish: false }));
        assert_eq!(parse(r#"["EOSE","s",["finish"]]"#), Ok(Frame::Eose { sub: "s".into(), finish: true }));
        assert_eq!(parse(r#"["EOSE","s",["more"]]"#), Ok(Frame::Eose { sub: "s".into(), finish: false }));
        assert_eq!(parse(r#"["CLOSED","s","error: no"]"#), Ok(Frame::Closed { sub: "s".into(), said: "error: no".into() }));
        assert_eq!(parse(r#"["NOTICE","a\u0007b"]"#), Ok(Frame::Notice("ab".into())));
        assert_eq!(parse(r#"["AUTH","c\"d"]"#), Ok(Frame::Auth("c\"d".into())));
        assert_eq!(parse(r#"["NEG-MSG","s","6100"]"#), Ok(Frame::NegMsg { sub: "s".into(), hex: "6100".into() }));
        assert_eq!(parse(r#"["NEG-ERR","s","blocked: x"]"#), Ok(Frame::NegErr { sub: "s".into(), said: "blocked: x".into() }));
        assert_eq!(parse(r#"["NEG-ERR","s"]"#), Ok(Frame::NegErr { sub: "s".into(), said: String::new() }));
        assert_eq!(parse(r#"["COUNT","s",{"count":1}]"#), Ok(Frame::Other));
    }

    /// As relays write them, and as they may: both ways of reading give the same.
    #[test]
    fn an_event_is_read_however_its_frame_is_written() {
        let json =
            format!(r#"{{"id":"{}","pubkey":"p","created_at":1,"kind":1,"tags":[["p","\",{{"]],"content":"]","sig":"s"}}"#, "a".repeat(64));
        let claim = || Claim::parse(&json).unwrap();
        assert_eq!(claim().text, json);
        for (frame, sub) in [
            (format!(r#"["EVENT","s",{json}]"#), "s"),
            (format!(r#"["EVENT","",{json}]"#), ""),
            (format!("[\"EVENT\", \"s\", {json}]"), "s"),
            (format!("[\"EVENT\",\"s\",{json}]\n"), "s"),
            (format!("[\"EVENT\",\"s\",{json} ]"), "s"),
            (format!(r#"["EVENT","a\",b",{json}]"#), "a\",b"),
            (format!(r#"["EVENT","\u0073",{json},{{}}]"#), "s"),
            (format!(r#"["EVENT","s",{json},{json}]"#), "s"),
        ] {
            assert_eq!(parse(&frame), Ok(Frame::Event { sub: sub.into(), claim: claim() }), "{frame}");
        }
        let long = "s".repeat(65);
        for frame in [
            format!(r#"["EVENT","s",{json}"#),
            format!(r#"["EVENT","s",{json}x]"#),
            format!(r#"["EVENT","s",{json},]"#),
            format!(r#"["EVENT","s\",{json}]"#),
            format!("[\"EVENT\",\"a\tb\",{json}]"),
            format!(r#"["EVENT","{long}",{json}]"#),
            format!(r#"["EVENT","s",[{json}]]"#),
            r#"["EVENT","s",{"a":1}]"#.to_owned(),
        ] {
            assert_eq!(parse(&frame), Err(BadFrame), "{frame}");
        }
    }

    #[test]
    fn junk_is_an_error_and_never_a_panic() {
        let deep = format!("[\"EVENT\",\"s\",{}{}]", "[".repeat(100_000), "]".repeat(100_000));
        let deep_raw = "[".repeat(400_000);
        let long_sub = format!("[\"EOSE\",\"{}\"]", "s".repeat(65));
        let long_event = format!("[\"EVENT\",\"s\",\"{}\"]", "x".repeat(1_000));
        for text in [
            "",
            "null",
            "{}",
            "[]",
            "[1]",
            "[\"EVENT\"]",
            "[\"OK\",\"i\",\"yes\"]",
            "[\"OK\",1,true]",
            "[\"EOSE\"]",
            "[\"NEG-MSG\",\"s\"]",
            "[\"NEG-MSG\",\"s\",7]",
            "[\"EVENT\",\"s\"",
            &deep,
            &deep_raw,
            &long_sub,
            &long_event,
        ] {
            assert_eq!(parse(text), Err(BadFrame), "{:.60}", text);
        }
        let many = format!("[\"NOTICE\",\"x\"{}]", ",1".repeat(300_000));
        assert_eq!(parse(&many), Ok(Frame::Notice("x".into())));
    }

    #[test]
    fn odd_numbers_and_ids_are_no_event() {
        let event = |id: &str, created_at: &str, kind: &str, tags: &str| {
            format!(r#"{{"id":"{id}","pubkey":"p","created_at":{created_at},"kind":{kind},"tags":{tags},"content":"","sig":"s"}}"#)
        };
        let id = "a".repeat(64);
        let good = event(&id, "9007199254740993", "1059", r#"[["p","x\n"],["long","y"],["e"],[],["t","z","w","v","u"]]"#);
        let claim = Claim::parse(&good).unwrap();
        assert_eq!((claim.created_at, claim.kind), (9_007_199_254_740_993, 1059));
        assert_eq!(claim.tags.0, [('p', "x\n".into()), ('t', "z".into())]);
        for bad in [
            event(&id, "-1", "1", "[]"),
            event(&id, "1e400", "1", "[]"),
            event(&id, "1.5", "1", "[]"),
            event(&id, "1", "65536", "[]"),
            event(&id, "1", "1", "[[1,2]]"),
            event(&id, "1", "1", "{}"),
            event(&id.to_uppercase(), "1", "1", "[]"),
            event("abc", "1", "1", "[]"),
            "[]".to_owned(),
        ] {
            assert!(Claim::parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_req_is_well_formed_json() {
        let req = client_req("a\"b", &[serde_json::json!({"kinds": [1]}), serde_json::json!({"limit": 1})]);
        assert_eq!(req, r#"["REQ","a\"b",{"kinds":[1]},{"limit":1}]"#);
    }
}
