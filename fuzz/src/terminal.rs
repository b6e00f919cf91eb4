//! The terminal: whatever a stranger wrote, no character of it moves the cursor, hides, or leaves its frame.

#[path = "../../crates/ocmesh/src/ui/age.rs"]
mod age;
#[path = "../../crates/ocmesh/src/ui/key.rs"]
#[allow(dead_code, reason = "the command line uses all of it")]
mod key;
#[path = "../../crates/ocmesh/src/ui/message.rs"]
mod message;
#[path = "../../crates/ocmesh/src/ui/table.rs"]
mod table;

use std::fmt;

use ocmesh_api::{Message, untrusted::Fence};
use ocmesh_text::{looks_like_a_bracket, neutral as safe, neutral_block as safe_block, visible, visible_block};
use time::OffsetDateTime;

use self::{
    age::age,
    key::{npub, short_id, short_key},
};
use crate::{NOTHING, promises::is_dangerous};

/// The words that `message` asks a printer for; the binary's own also knows whether there is a terminal.
struct Ui;

/// As the binary's.
enum Tint {
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
}

/// Stands where the binary would switch a colour on or off: a character that no text may bring along.
const SWITCH: char = '\u{1}';

impl Ui {
    #[cfg(test)]
    const fn plain() -> Self {
        Self
    }

    fn tint(&self, tint: Tint, text: impl fmt::Display) -> String {
        match tint {
            Tint::Bold | Tint::Dim | Tint::Green | Tint::Yellow | Tint::Red => format!("{SWITCH}{text}{SWITCH}"),
        }
    }
}

/// Fields of a message, one after the other, divided by `\n---\n`.
pub fn check(data: &[u8]) -> &'static str {
    let Ok(text) = std::str::from_utf8(data) else { return NOTHING };
    pieces(text);
    let mut fields = text.split("\n---\n").map(str::to_owned);
    let mut next = || fields.next().unwrap_or_default();
    let mut shown =
        Message { content: next(), from_name: Some(next()), subject: Some(next()), kind: next(), trust: next(), ..Message::example() };
    (shown.timestamp, shown.id, shown.from, shown.to) = (next(), next(), next(), next());
    (shown.direction, shown.status, shown.fail_reason, shown.to_name) = (next(), next(), Some(next()), Some(next()));
    shown.reply_to = Some(next());
    let block = message::message(&Ui, &shown, OffsetDateTime::UNIX_EPOCH);
    in_its_frame(&block);
    in_its_fence(&message::fenced(&shown, OffsetDateTime::UNIX_EPOCH, Fence::new([7; 16])));
    let value = message::value(&shown, Fence::new([7; 16]));
    harmless(&value.get("body").and_then(|body| body.as_str()).expect("a body").replace('\t', " "), true);
    assert_eq!((value.get("untrusted"), value.get("content")), (Some(&true.into()), None));
    assert!(block.len() <= 1_024 + 16 * text.len(), "{} bytes became {}", text.len(), block.len());
    if shown.direction == "out" { "ours" } else { "a stranger's" }
}

/// A colour is switched on and off, and nothing else is there that must not be; every line after the first is inside the frame.
fn in_its_frame(block: &str) {
    assert_eq!(block.matches(SWITCH).count() % 2, 0, "a colour stays on: {block:?}");
    let plain = block.replace(SWITCH, "");
    harmless(&plain, true);
    assert!(plain.lines().skip(1).all(|line| line.starts_with("  ")), "a line left the frame: {plain:?}");
}

/// Nothing of the author's stands outside of the two marks, and inside only behind a head of ours or a bar.
fn in_its_fence(block: &str) {
    // No terminal gets this; tabs stay for whoever reads code.
    harmless(&block.replace('\t', " "), true);
    let code = "07".repeat(16);
    let (before, rest) = block.split_once(&format!("---- peer words {code} begin ----\n")).expect("a fence");
    let (inside, after) = rest.split_once(&format!("\n---- peer words {code} end ----")).expect("a closed fence");
    assert!(after == "\n" && before.lines().count() <= 5 && !inside.contains(&code), "out of the fence: {block:?}");
    let heads = ["| ", "name: ", "subject: ", "type: ", "(cut off here)"];
    assert!(inside.lines().all(|line| heads.iter().any(|head| line.starts_with(head))), "a line stands free: {block:?}");
}

fn pieces(text: &str) {
    harmless(&safe(text), false);
    harmless(&short_id(text), false);
    harmless(&short_key(text), false);
    harmless(&age(text, OffsetDateTime::UNIX_EPOCH), false);
    harmless(&safe_block(text), true);
    harmless(&visible(text), false);
    harmless(&visible_block(text), true);
    assert!(!["<|im", "<<<", "[INST]", "<<SYS>>", "</system>"].iter().any(|mark| safe_block(text).contains(mark)), "a model's mark");
    let json = ocmesh_api::json::to_string(&[text]).expect("a text is JSON");
    harmless(&json, false);
    let inside = json.get(1..json.len() - 1).expect("two brackets around it");
    assert!(!inside.contains(looks_like_a_bracket), "a sign of a mark: {json}");
    assert_eq!(serde_json::from_str::<[String; 1]>(&json).ok(), Some([text.to_owned()]), "another value");
    let cells = vec![vec![safe(text), "cell".to_owned()], vec![String::new(), safe(text)]];
    assert_eq!(table::table(&["ONE", "TWO"], &cells).lines().count(), 3, "a cell broke its table");
}

/// Nothing that a terminal obeys, and nothing that cannot be seen.
fn harmless(text: &str, breaks: bool) {
    let bad = text.chars().find(|c| is_dangerous(*c) && !(breaks && *c == '\n'));
    assert_eq!(bad, None, "a terminal would obey this: {text:?}");
}
