//! What agent programs say they hold under our name, each in its own way.

use serde_json::Value;

use super::super::{
    ask::Said,
    entry::{Entry, NAME},
};

/// What a program says it holds under our name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Shown {
    /// A command line, word by word.
    Entry(Entry),
    /// A command line as one text.
    Line(String),
}

/// Programs that show an entry as JSON, and fail when there is none.
pub(super) fn read_json(said: &Said) -> Option<Shown> {
    if !said.success {
        return None;
    }
    let value: Option<Value> = serde_json::from_str(&said.stdout).ok();
    Some(value.as_ref().and_then(Entry::in_json).map_or_else(|| Shown::Line("something else".to_owned()), Shown::Entry))
}

/// `claude mcp get`: lines "Command: …" and "Args: …"; fails when there is none.
pub(super) fn read_claude(said: &Said) -> Option<Shown> {
    if !said.success {
        return None;
    }
    let field = |name: &str| said.stdout.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim).unwrap_or_default();
    Some(Shown::Line(format!("{} {}", field("Command:"), field("Args:")).trim().to_owned()))
}

/// `gemini mcp list`: a line "(mark) name: command line (stdio) - state" for each.
pub(super) fn read_gemini(said: &Said) -> Option<Shown> {
    let start = format!("{NAME}: ");
    said.text.lines().find_map(|line| {
        let (mark, rest) = line.trim().split_once(' ')?;
        // The mark is one sign ("✓ ✗ ○ …"); without one the name stands first.
        let rest = if mark.chars().count() == 1 { rest } else { line.trim() };
        let line = rest.strip_prefix(&start)?;
        Some(Shown::Line(line.rsplit_once(" (").map_or(line, |(line, _)| line).trim().to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(success: bool, stdout: &str, stderr: &str) -> Said {
        Said { success, text: format!("{stdout}\n{stderr}"), stdout: stdout.to_owned() }
    }

    fn line(text: &str) -> Option<Shown> {
        Some(Shown::Line(text.to_owned()))
    }

    /// As the real programs write it (Claude Code 2.1.330, Codex CLI 0.169.0, Gemini CLI 0.61.0).
    #[test]
    fn what_the_programs_say_is_understood() {
        let claude =
            "ocmesh:\n  Scope: User config\n  Status: x\n  Type: stdio\n  Command: /bin/ocmesh\n  Args: mcp --home /x y\n  Environment:\n";
        assert_eq!(read_claude(&said(true, claude, "")), line("/bin/ocmesh mcp --home /x y"));
        assert_eq!(read_claude(&said(false, "", "No MCP server named \"ocmesh\".")), None);
        let codex = r#"{"name":"ocmesh","transport":{"type":"stdio","command":"/bin/ocmesh","args":["mcp"],"env":null}}"#;
        let entry = Entry { command: "/bin/ocmesh".to_owned(), args: vec!["mcp".to_owned()] };
        assert_eq!(read_json(&said(true, codex, "WARNING: x")), Some(Shown::Entry(entry)));
        assert_eq!(read_json(&said(false, "", "Error: No MCP server named 'ocmesh' found.")), None);
        let gemini = "Configured MCP servers:\n\n○ other: x (stdio) - Disabled\n✓ ocmesh: /opt/a (b)/ocmesh mcp (stdio) - Connected\n";
        assert_eq!(read_gemini(&said(true, "", gemini)), line("/opt/a (b)/ocmesh mcp"));
        assert_eq!(read_gemini(&said(true, "", "No MCP servers configured.")), None);
    }
}
