//! Text as a careless reader takes it: hidden characters gone, look-alikes replaced by what they look like, all in small letters.
//! Only used to find marks; what is shown keeps its own characters.

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

use crate::is_hidden;

/// A folded character and the index of the character it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Folded {
    pub(crate) index: usize,
    pub(crate) c: char,
}

/// The text, folded.
pub(crate) fn fold(text: &str) -> Vec<Folded> {
    let mut out = Vec::with_capacity(text.len());
    for (index, c) in text.chars().enumerate() {
        if c == '\n' {
            out.push(Folded { index, c });
            continue;
        }
        if c.is_whitespace() {
            out.push(Folded { index, c: ' ' });
            continue;
        }
        if is_hidden(c) {
            continue;
        }
        // Look-alikes go first: the decomposition of "¨" or "¸" is a space and a mark, and of "⟨" another bracket.
        if let Some(same) = brackets(c) {
            out.extend(same.chars().map(|c| Folded { index, c }));
            continue;
        }
        for part in std::iter::once(c).nfkd().filter(|part| !is_combining_mark(*part)) {
            if let Some(same) = brackets(part) {
                out.extend(same.chars().map(|c| Folded { index, c }));
                continue;
            }
            for small in part.to_lowercase() {
                out.push(Folded { index, c: letter(small) });
            }
        }
    }
    out
}

/// Looks like `<`, `>`, `[` or `]`: one of the signs that the marks of models begin or end with.
#[must_use]
pub fn looks_like_a_bracket(c: char) -> bool {
    let sign = |text: &str| text.contains(['<', '>', '[', ']']);
    if c.is_ascii() {
        return matches!(c, '<' | '>' | '[' | ']');
    }
    brackets(c).is_some_and(sign)
        || std::iter::once(c).nfkd().any(|part| matches!(part, '<' | '>' | '[' | ']') || brackets(part).is_some_and(sign))
}

/// Signs that look like the ones marks are made of.
const fn brackets(c: char) -> Option<&'static str> {
    Some(match c {
        '‹' | '˂' | '❮' | '❬' | '⟨' | '\u{2329}' | '\u{3008}' | '⧼' | '⦑' | 'ᐸ' | 'く' | '﹤' | '＜' | '𐀪' => "<",
        '›' | '˃' | '❯' | '❭' | '⟩' | '\u{232a}' | '\u{3009}' | '⧽' | '⦒' | 'ᐳ' | '﹥' | '＞' => ">",
        '«' | '≪' | '⟪' | '《' | '⪡' => "<<",
        '»' | '≫' | '⟫' | '》' | '⪢' => ">>",
        '⋘' => "<<<",
        '⋙' => ">>>",
        '│' | '┃' | '∣' | '⎮' | '❘' | '❙' | '❚' | 'ǀ' | '︱' | '｜' | '￨' | '┆' | '╎' | '⏐' | '¦' | '￤' | '᛫' | '׀' | '𝄀' | '▏' => {
            "|"
        }
        '‖' | '∥' | '║' | 'ǁ' => "||",
        '【' | '〔' | '〖' | '⟦' | '⁅' | '❲' | '［' | '﹝' | '⦋' | '⟬' | '「' => "[",
        '】' | '〕' | '〗' | '⟧' | '⁆' | '❳' | '］' | '﹞' | '⦌' | '⟭' | '」' => "]",
        '∕' | '⁄' | '╱' | '⧸' | '／' => "/",
        '▁' | '＿' | '‗' | '﹍' | '﹎' | '﹏' | '_' => "_",
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '﹣' | '－' | '⁻' | '﹘' | '➖' | 'ー' | '─' | '━' => "-",
        _ => return None,
    })
}

/// Small letters of other scripts that look like Latin ones.
const fn letter(c: char) -> char {
    match c {
        'а' | 'α' | 'ɑ' | 'ᴀ' | 'ꭺ' => 'a',
        'в' | 'β' | 'ʙ' => 'b',
        'с' | 'ϲ' | 'ᴄ' | 'ⅽ' => 'c',
        'ԁ' | 'ᴅ' | 'ꓒ' => 'd',
        'е' | 'ε' | 'ᴇ' | 'ҽ' | 'є' => 'e',
        'ɡ' | 'ɢ' | 'ց' => 'g',
        'һ' | 'н' | 'ʜ' | 'հ' => 'h',
        'і' | 'ı' | 'ι' | 'ɪ' | 'ɩ' | 'Ꭵ' => 'i',
        'ј' | 'ᴊ' | 'ϳ' => 'j',
        'к' | 'κ' | 'ᴋ' => 'k',
        'ӏ' | 'ʟ' | 'ⅼ' => 'l',
        'м' | 'ᴍ' => 'm',
        'п' | 'ո' | 'ɴ' | 'η' | 'ռ' => 'n',
        'о' | 'ο' | 'ᴏ' | 'օ' | 'σ' => 'o',
        'р' | 'ρ' | 'ᴘ' | 'ⲣ' => 'p',
        'ԛ' => 'q',
        'г' | 'ʀ' | 'ᴦ' => 'r',
        'ѕ' | 'ꜱ' => 's',
        'т' | 'τ' | 'ᴛ' => 't',
        'ս' | 'υ' | 'ᴜ' | 'μ' => 'u',
        'ν' | 'ѵ' | 'ᴠ' => 'v',
        'ԝ' | 'ω' | 'ᴡ' | 'ѡ' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' | 'ʏ' => 'y',
        'ᴢ' | 'ζ' => 'z',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        fold(text).iter().map(|folded| folded.c).collect()
    }

    #[test]
    fn look_alikes_are_read_as_what_they_look_like() {
        assert_eq!(read("＜｜ＩＭ_START｜＞"), "<|im_start|>");
        assert_eq!(read("<｜begin▁of▁sentence｜>"), "<|begin_of_sentence|>");
        assert_eq!(read("𝐩𝕖𝓮𝖗 \u{200b}ѡо\u{301}rds"), "peer words");
        assert_eq!(read("【INST】⋘‹"), "[inst]<<<<");
    }

    #[test]
    fn every_folded_character_knows_where_it_came_from() {
        let folded = fold("a\u{200b}《é");
        let indexes: Vec<usize> = folded.iter().map(|folded| folded.index).collect();
        assert_eq!((read("a\u{200b}《é").as_str(), indexes), ("a<<e", vec![0, 2, 2, 3]));
    }

    #[test]
    fn brackets_are_known_in_every_dress() {
        assert!("<>[]＜﹤‹⟨【［⋘≪".chars().all(looks_like_a_bracket));
        assert_eq!("ab(){}|/\"é".chars().find(|c| looks_like_a_bracket(*c)), None);
    }
}
