//! Texts that want out of the untrusted envelope, and a reader that tells whether one got out.
//!
//! Written without the tables of `ocmesh-text`, so that a gap in those shows.

use anyhow::{Context as _, Result, bail, ensure};
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// What must not be read out of anything that came from a peer, in small letters.
pub const FORBIDDEN: &[&str] = &[
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

/// One attempt.
#[derive(Debug, Clone)]
pub struct Attack {
    /// What it tries.
    pub family: String,
    /// What a peer would write, as a message, a name or a card.
    pub text: String,
}

/// Every attempt.
///
/// # Errors
/// The file is damaged.
pub fn corpus() -> Result<Vec<Attack>> {
    let attack = |line: &str| -> Result<Attack> {
        let value: serde_json::Value = serde_json::from_str(line)?;
        let field = |name: &str| value.get(name).and_then(|field| field.as_str()).map(str::to_owned).context("a line lacks a field");
        Ok(Attack { family: field("family")?, text: field("text")? })
    };
    include_str!("../corpus/injections.jsonl").lines().map(attack).collect()
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
        (0x2800, 0x2800),
        (0x3164, 0x3164),
        (0xe000, 0xf8ff),
        (0xfe00, 0xfe0e),
        (0xfeff, 0xfeff),
        (0xfff9, 0xfffb),
        (0xe0000, 0x10_ffff),
    ];
    ranges.iter().any(|(from, to)| (*from..=*to).contains(&u32::from(c)))
}

/// Looks for a hidden character or a mark that a model would obey.
///
/// # Errors
/// What was found.
pub fn harmless(text: &str) -> Result<()> {
    look(text, FORBIDDEN)
}

/// As [`harmless`], for text in which there is no fence of ours: its words mean nothing there.
///
/// # Errors
/// What was found.
pub fn harmless_unfenced(text: &str) -> Result<()> {
    let marks: Vec<&str> = FORBIDDEN.iter().copied().filter(|mark| !mark.starts_with("peer")).collect();
    look(text, &marks)
}

fn look(text: &str, marks: &[&str]) -> Result<()> {
    if let Some(c) = text.chars().find(|c| is_invisible(*c)) {
        bail!("a hidden character, {c:?}, is left in {text:?}");
    }
    let read = as_read(text);
    if let Some(mark) = marks.iter().find(|mark| read.contains(**mark)) {
        bail!("{mark:?} is left in {text:?}");
    }
    Ok(())
}

/// Takes text apart into the lines outside of all fences and those inside. Every fence has a code of its own that stands nowhere else, is
/// closed once, and holds harmless lines only, of which each starts with one of `heads`; behind the first bar there are only bars.
///
/// # Errors
/// What is wrong.
pub fn unfence<'a>(text: &'a str, heads: &[&str]) -> Result<(Vec<&'a str>, Vec<&'a str>)> {
    let (mut outside, mut inside, mut open, mut barred) = (Vec::new(), Vec::new(), None, false);
    for line in text.split('\n') {
        let mark = line.strip_prefix("---- peer words ").and_then(|rest| rest.strip_suffix(" ----"));
        match (open, mark.and_then(|mark| mark.split_once(' '))) {
            (None, Some((code, "begin"))) => {
                ensure!(code.len() == 32 && code.chars().all(|c| c.is_ascii_hexdigit()), "not a code: {line}");
                ensure!(text.matches(code).count() == 2, "the code stands elsewhere too: {text}");
                (open, barred) = (Some(code), false);
            }
            (Some(code), Some((other, "end"))) if code == other => open = None,
            (Some(_), _) => {
                harmless(line)?;
                let bar = line.starts_with("| ") || line == "|" || line == "(cut off here)";
                ensure!(bar || (!barred && heads.iter().any(|head| line.starts_with(head))), "a line stands free: {line:?} in {text}");
                barred |= bar;
                inside.push(line);
            }
            (None, Some(_)) => bail!("a mark without its other half: {line}"),
            (None, None) => outside.push(line),
        }
    }
    ensure!(open.is_none(), "a fence stays open: {text}");
    Ok((outside, inside))
}
