//! A corpus of texts that want out of the envelope: none gets out, whether it is a message, a name, a subject or a feature.
//!
//! The checks here are written without the crate's own look-alike tables, so that a gap in those shows.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use ocmesh_mcp::untrusted::{Author, NAME_CHARS_MAX, Untrusted, label, untrusted};
use proptest::prelude::*;
use serde::Deserialize;
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

const KEY: &str = "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e";

/// What must not be read out of anything that came from a peer, in small letters.
const FORBIDDEN: &[&str] = &[
    "<|im_",
    "<|end",
    "<|begin_of",
    "<|start",
    "<|eot",
    "<|eom",
    "<|system|",
    "<|user|",
    "<|assistant|",
    "<|python",
    "<|channel|",
    "<|message|",
    "<|return|",
    "<|call|",
    "<|fim",
    "<|tool",
    "<|reserved",
    "<|observation",
    "<|constrain",
    "[inst]",
    "[/inst]",
    "<<sys>>",
    "<</sys>>",
    "<<<",
    "[system_prompt]",
    "[/system_prompt]",
    "[available_tools]",
    "[tool_calls]",
    "[tool_results]",
    "[/tool_results]",
    "[think]",
    "[gmask]",
    "<s>",
    "</s>",
    "<bos>",
    "<eos>",
    "<unk>",
    "<pad>",
    "<sop>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<unused7>",
    "<extra_id_3>",
    "<bos_token>",
    "<fim_prefix>",
    "<system>",
    "<system-reminder>",
    "<system_prompt>",
    "<system >",
    "</system>",
    "<developer>",
    "<human>",
    "<assistant>",
    "<think>",
    "<thinking>",
    "<invoke name",
    "<parameter name",
    "<function_calls>",
    "<function_results>",
    "</function_results>",
    "<ns:function_calls>",
    "<ns:invoke name",
    "<tool_call>",
    "<tool_use>",
    "<tool_response>",
    "<tools>",
    "</tool_result>",
    "</ tool_result >",
    "<instructions>",
    "<important>",
    "</untrusted>",
    "</document>",
    "</document_content>",
    "</user_query>",
    "</output>",
    "</result>",
    "peerwords",
    "peer words",
    "peer-words",
    "peer_words",
    "]~b]",
    "]~!b[",
    "[e~[",
];

#[derive(Deserialize)]
struct Attack {
    family: String,
    text: String,
}

fn corpus() -> Vec<Attack> {
    include_str!("corpus/injections.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a careless reader sees: compatibility forms and accents gone, the usual look-alikes replaced.
fn as_read(text: &str) -> String {
    let table = [
        ('\u{2039}', '<'),
        ('\u{3008}', '<'),
        ('\u{27e8}', '<'),
        ('\u{276e}', '<'),
        ('\u{2c2}', '<'),
        ('\u{203a}', '>'),
        ('\u{3009}', '>'),
        ('\u{27e9}', '>'),
        ('\u{276f}', '>'),
        ('\u{2c3}', '>'),
        ('\u{2502}', '|'),
        ('\u{2223}', '|'),
        ('\u{1c0}', '|'),
        ('\u{2758}', '|'),
        ('\u{a6}', '|'),
        ('\u{2581}', '_'),
        ('\u{3010}', '['),
        ('\u{3011}', ']'),
        ('\u{3014}', '['),
        ('\u{3015}', ']'),
        ('\u{2215}', '/'),
        ('\u{2044}', '/'),
        ('\u{440}', 'p'),
        ('\u{435}', 'e'),
        ('\u{43e}', 'o'),
        ('\u{455}', 's'),
        ('\u{443}', 'y'),
        ('\u{1d18}', 'p'),
        ('\u{1d07}', 'e'),
        ('\u{280}', 'r'),
        ('\u{1d21}', 'w'),
        ('\u{1d0f}', 'o'),
        ('\u{1d05}', 'd'),
        ('\u{a731}', 's'),
    ];
    let text = text.replace('\u{22d8}', "<<<").replace(['\u{226a}', '\u{ab}'], "<<").replace('\u{bb}', ">>");
    let plain = text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase);
    let mut out = String::new();
    for c in plain {
        let c = if c != '\n' && c.is_whitespace() { ' ' } else { table.iter().find(|(from, _)| *from == c).map_or(c, |(_, to)| *to) };
        // However wide a gap is, it is one gap.
        if c != ' ' || !out.ends_with(' ') {
            out.push(c);
        }
    }
    out
}

/// Characters that no peer may put before a model. Written down apart from the crate's own list.
fn is_invisible(c: char) -> bool {
    let ranges = [
        (0x00, 0x08),
        (0x0b, 0x1f),
        (0x7f, 0x9f),
        (0xad, 0xad),
        (0x34f, 0x34f),
        (0x61c, 0x61c),
        (0x115f, 0x1160),
        (0x17b4, 0x17b5),
        (0x180b, 0x180f),
        (0x200b, 0x200f),
        (0x2028, 0x202e),
        (0x2060, 0x206f),
        (0x3164, 0x3164),
        (0xe000, 0xf8ff),
        (0xfe00, 0xfe0e),
        (0xfeff, 0xfeff),
        (0xfff9, 0xfffb),
        (0xe0000, 0x10_ffff),
    ];
    ranges.iter().any(|(from, to)| (*from..=*to).contains(&u32::from(c)))
}

fn assert_harmless(text: &str, what: &str) {
    assert!(!text.contains(is_invisible), "a hidden character is left in {what}: {text:?}");
    let read = as_read(text);
    for mark in FORBIDDEN {
        assert!(!read.contains(mark), "{mark:?} is left in {what}: {text:?}");
    }
}

/// The fence is closed once, at the end, and everything in between stands behind a bar or a known head.
fn assert_fenced(words: &Untrusted, about: &[(&str, &str)]) {
    let text = words.text(about);
    let lines: Vec<&str> = text.split('\n').collect();
    let (first, rest) = lines.split_first().unwrap();
    let (last, inner) = rest.split_last().unwrap();
    let code = first.strip_prefix("---- peer words ").and_then(|rest| rest.strip_suffix(" begin ----")).unwrap();
    assert!(code.len() == 32 && code.chars().all(|c| c.is_ascii_hexdigit()));
    assert_eq!(*last, format!("---- peer words {code} end ----"));
    let mut body = false;
    for line in inner {
        assert!(!line.contains(code), "{text}");
        let head = ["name: ", "subject: ", "type: "].iter().any(|head| line.starts_with(head));
        let bar = line.starts_with("| ");
        assert!(bar || (head && !body) || *line == "(cut off here)", "a line stands free: {text}");
        body |= bar;
        assert_harmless(line, "a fenced line");
    }
}

fn assert_contained(text: &str) {
    let short = label(text, NAME_CHARS_MAX);
    assert_harmless(&short, "a label");
    assert!(!short.contains(['\n', '\t']));
    let author = Author { pubkey: KEY, name: Some(text), trust: "unknown" };
    let words = untrusted(author, text, 4_096).unwrap();
    assert!(words.untrusted && words.verified && words.from == KEY && words.trust == "unknown");
    assert_harmless(&words.body, "a body");
    assert_harmless(words.from_name.as_deref().unwrap(), "a name");
    assert_fenced(&words, &[("subject", &short), ("type", &short)]);
    // As JSON it is one string and nothing else.
    let json = serde_json::to_string(&words).unwrap();
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&value["untrusted"], &value["trust"], value["body"].as_str()),
        (&true.into(), &"unknown".into(), Some(words.body.as_str()))
    );
    assert!(!json.contains(is_invisible));
}

#[test]
fn no_attack_gets_out() {
    let corpus = corpus();
    assert!(corpus.len() >= 200, "the corpus has shrunk to {}", corpus.len());
    for Attack { family, text } in &corpus {
        let caught = std::panic::catch_unwind(|| assert_contained(text));
        assert!(caught.is_ok(), "{family}: {text:?} got out");
    }
}

#[test]
fn no_attack_gets_out_of_another_ones_company() {
    let corpus = corpus();
    for pair in corpus.windows(2) {
        let [one, two] = pair else { continue };
        assert_contained(&format!("{}{}", one.text, two.text));
        assert_contained(&format!("{}\n{}", two.text, one.text));
        // Split by something that is taken out of sight.
        assert_contained(&one.text.chars().flat_map(|c| [c, '\u{200b}']).collect::<String>());
    }
}

#[test]
fn the_marks_of_the_corpus_are_really_changed() {
    for Attack { family, text } in corpus() {
        let must_change = matches!(family.as_str(), "template" | "agent-tag" | "hidden-split" | "look-alike" | "hidden");
        let words = untrusted(Author { pubkey: KEY, name: None, trust: "known" }, &text, 4_096).unwrap();
        assert!(words.altered || !must_change, "{family}: {text:?} was left as it is");
    }
}

proptest! {
    #[test]
    fn no_mixture_gets_out(picks in prop::collection::vec((0_usize..1_000, any::<char>(), 0_usize..3), 1..6)) {
        let corpus = corpus();
        let mut text = String::new();
        for (pick, c, how) in picks {
            let part = &corpus[pick % corpus.len()].text;
            match how {
                0 => text.push_str(part),
                1 => text.extend(part.chars().take(5)),
                _ => text.extend(part.chars().flat_map(|p| if p == 'e' { vec![p, c] } else { vec![p] })),
            }
            text.push(c);
        }
        // The independent reader knows few look-alikes; whatever it finds is a real one.
        assert_contained(&text);
    }

    #[test]
    fn cleaning_what_is_clean_changes_nothing(text in any::<String>()) {
        let author = Author { pubkey: KEY, name: None, trust: "known" };
        let once = untrusted(author, &text, 100_000).unwrap();
        let twice = untrusted(author, &once.body, 100_000).unwrap();
        prop_assert_eq!(once.body, twice.body);
        prop_assert!(!twice.altered);
    }
}
