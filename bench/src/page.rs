//! The part of docs/performance.md that a run writes: between two marks, so that the words around it stay.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

/// Puts a run's text into the page.
pub(crate) fn write(page: &Path, text: &str) -> Result<()> {
    let old = fs::read_to_string(page).with_context(|| format!("there is no {}", page.display()))?;
    let new = replaced(&old, text).with_context(|| format!("{} lacks {BEGIN} or {END}", page.display()))?;
    Ok(fs::write(page, new)?)
}

fn replaced(page: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let page = format!("# Title\n\nWords.\n\n{BEGIN}\nold\n{END}\n\nMore words.\n");
        let new = replaced(&page, "new\n").unwrap();
        assert_eq!(new, format!("# Title\n\nWords.\n\n{BEGIN}\n\nnew\n\n{END}\n\nMore words.\n"));
        assert_eq!(replaced("no marks", "new"), None);
    }
}
