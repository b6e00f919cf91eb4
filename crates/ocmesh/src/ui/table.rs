//! Tables for people: columns as wide as their widest cell, no lines, nothing cut.

use std::fmt::Write as _;

/// Lays rows out under their headings. Cells must already be safe to show.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = headings.iter().map(|heading| width(heading)).collect();
    for row in rows {
        for (cell, widest) in row.iter().zip(&mut widths) {
            *widest = (*widest).max(width(cell));
        }
    }
    let mut out = String::new();
    push_row(&mut out, headings.iter().copied(), &widths);
    for row in rows {
        push_row(&mut out, row.iter().map(String::as_str), &widths);
    }
    out
}

fn push_row<'a>(out: &mut String, cells: impl Iterator<Item = &'a str>, widths: &[usize]) {
    let mut line = String::new();
    for (cell, widest) in cells.zip(widths) {
        let pad = widest.saturating_sub(width(cell));
        let _ = write!(line, "{cell}{:pad$}  ", "");
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

/// Columns a text takes: wide for the East Asian and emoji blocks, none for what rides on the character before it.
fn width(text: &str) -> usize {
    text.chars()
        .map(|c| match c {
            '\u{300}'..='\u{36f}' | '\u{fe0f}' => 0,
            '\u{1100}'..='\u{115f}'
            | '\u{2e80}'..='\u{a4cf}'
            | '\u{ac00}'..='\u{d7a3}'
            | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe6f}'
            | '\u{ff01}'..='\u{ff60}'
            | '\u{1f300}'..='\u{1faff}'
            | '\u{20000}'..='\u{3fffd}' => 2,
            _ => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = vec![vec!["ada".into(), "online".into()], vec!["日本".into(), "no".into()], vec!["x".into(), String::new()]];
        assert_eq!(table(&["NAME", "STATE"], &rows), "NAME  STATE\nada   online\n日本  no\nx\n");
    }
}
