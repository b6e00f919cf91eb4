//! Finds marks in text that a model, or the program around it, may take for its own: chat templates, tool calls, fences.

mod names;

use std::collections::BTreeSet;

use self::names::{SQUARES, TAGS};
use crate::fold::{Folded, fold};

/// Longest name inside `<|…|>` looked at; the real ones have at most 40 characters.
const TOKEN_CHARS_MAX: usize = 80;

/// Indexes of the characters that open a mark: written out instead of shown, they open nothing.
pub(crate) fn steering(text: &str) -> BTreeSet<usize> {
    let folded = fold(text);
    let mut found = BTreeSet::new();
    for start in 0..folded.len() {
        let rest = folded.get(start..).unwrap_or_default();
        if let Some(first) = rest.first().filter(|_| opens(rest)) {
            found.insert(first.index);
        }
    }
    found
}

fn opens(rest: &[Folded]) -> bool {
    let mut here = Here(rest);
    match here.take() {
        Some('<') => !here.0.is_empty() && (template_token(here) || three_angles(here) || named(here, TAGS, '>')),
        Some('[') => named(here, SQUARES, ']') || here.literally("e~["),
        Some(']') => here.literally("~b]") || here.literally("~!b["),
        // Our own fence, however it is spelled.
        Some('p') => fence(here),
        _ => false,
    }
}

/// `<|…|>`, the form of most models' special tokens; or its start, which another text may end.
fn template_token(mut here: Here<'_>) -> bool {
    let mut start = here;
    if start.take() == Some('|') && start.take().is_some_and(char::is_alphanumeric) {
        return true;
    }
    here.spaces();
    if here.take() != Some('|') {
        return false;
    }
    for _ in 0..TOKEN_CHARS_MAX {
        match here.take() {
            None | Some('\n' | '<') => return false,
            Some('|') => {
                let mut after = here;
                after.spaces();
                if after.take() == Some('>') {
                    return true;
                }
            }
            Some(_) => {}
        }
    }
    false
}

/// `<<<`, the start of several programs' fences, and `<<sys>>`.
fn three_angles(mut here: Here<'_>) -> bool {
    if here.take() != Some('<') {
        return false;
    }
    let mut third = here;
    third.take() == Some('<') || named(here, &["sys"], '>')
}

/// A known name after the opening sign, with a slash or not, ended by the closing sign or by something that cannot be part of a name.
fn named(mut here: Here<'_>, names: &[&str], close: char) -> bool {
    here.spaces();
    let mut slash = here;
    if slash.take() == Some('/') {
        here = slash;
        here.spaces();
    }
    let mut name = String::new();
    let mut after = here;
    while let Some(c) = after.0.first().map(|folded| folded.c).filter(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ':')) {
        // No known name is longer; whatever is, is none.
        if name.len() > TOKEN_CHARS_MAX {
            return false;
        }
        name.push(c);
        after.take();
    }
    // A name with a prefix ("x:invoke") is judged by both parts.
    let known = name.split(':').any(|part| names.contains(&part)) || (close == '>' && family(&name));
    if !known {
        return false;
    }
    after.spaces();
    let next = after.take();
    // "[user]" is a mark, "[user guide]" is not; "<s>" is a mark, "<s 1" is not; "<invoke name=…" is one.
    next == Some(close) || (close == '>' && name.len() > 1 && next.is_none_or(|c| c != '<'))
}

/// Numbered tokens.
fn family(name: &str) -> bool {
    ["extra_id_", "unused", "reserved_"]
        .iter()
        .any(|start| name.strip_prefix(start).is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())))
}

/// "peer", at most a few signs, "words".
fn fence(mut here: Here<'_>) -> bool {
    if !here.eat("eer") {
        return false;
    }
    // More signs in between than this no reader takes for one mark.
    for _ in 0..8 {
        if here.0.first().is_some_and(|folded| folded.c.is_alphanumeric()) {
            break;
        }
        here.take();
    }
    here.literally("words")
}

/// A place in folded text.
#[derive(Clone, Copy)]
struct Here<'a>(&'a [Folded]);

impl Here<'_> {
    fn take(&mut self) -> Option<char> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first.c)
    }

    fn spaces(&mut self) {
        while self.0.first().is_some_and(|folded| folded.c == ' ') {
            self.take();
        }
    }

    fn literally(mut self, text: &str) -> bool {
        self.eat(text)
    }

    fn eat(&mut self, text: &str) -> bool {
        text.chars().all(|wanted| self.take() == Some(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_at_their_opening_sign() {
        for (text, at) in [
            ("<|im_start|>", 0),
            ("a <| im_end | > b", 2),
            ("<｜User｜>", 0),
            ("x[/INST]", 1),
            ("[ SYSTEM_PROMPT ]", 0),
            ("<<SYS>>", 0),
            ("</s>", 0),
            ("<start_of_turn>user", 0),
            ("<system-reminder>", 0),
            ("</ System >", 0),
            ("<invoke name=\"x\">", 0),
            ("<x:function_calls>", 0),
            ("<unused42>", 0),
            ("peer\u{200b}-\u{200b}words", 0),
            ("ＰＥＥＲ　ＷＯＲＤＳ", 0),
            ("]~b]", 0),
            ("x<|im_", 1),
        ] {
            assert!(steering(text).contains(&at), "{text}");
        }
        assert_eq!(steering("<<<<"), BTreeSet::from([0, 1]));
    }

    #[test]
    fn ordinary_text_has_none() {
        for text in [
            "a < b | c > d",
            "x |> f <| y <|> z",
            "<b>bold</b> <div class=\"user\"> <strong>",
            "[link](url) [user guide] [x] array[system_id]",
            "if (a << 2) >> b",
            "my peers' last words",
            "cat <<EOF",
            "List<String> <T>",
            "the system: user and assistant",
            ">>> print(1)",
        ] {
            assert_eq!(steering(text), BTreeSet::new(), "{text}");
        }
    }
}
