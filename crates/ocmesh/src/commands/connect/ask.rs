//! Runs another program's own command, bounded in time. What it says is shown only when it fails, shortened, and without what may be a secret.

use std::{path::Path, process::Stdio, time::Duration};

use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

use super::super::service::shell_words;
use crate::{
    error::CliError,
    ui::{safe, safe_block},
};

/// OpenClaw starts for 2–7 s and then probes the new server for up to 30 s.
const LIMIT: Duration = Duration::from_secs(60);
/// Lines of a failure that are shown: the first say what is wrong, the rest is a stack trace.
const LINES_MAX: usize = 4;
/// A word of at least so many letters and digits, with both in it, may be a key or a token.
const SECRET_CHARS_MIN: usize = 20;

/// What a program said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) success: bool,
    /// Both outputs, standard output first, without colours.
    pub(super) text: String,
    pub(super) stdout: String,
}

/// Runs a program that must succeed.
pub(super) async fn run(program: &Path, arguments: &[String]) -> Result<(), CliError> {
    let said = ask(program, arguments).await?;
    if said.success {
        return Ok(());
    }
    let name = program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let argv: Vec<String> = std::iter::once(name).chain(arguments.iter().cloned()).collect();
    Err(said.refused(&shell_words(&argv)))
}

impl Said {
    /// The failure of a command.
    pub(super) fn refused(&self, command: &str) -> CliError {
        CliError::could_not("agent_refused", format!("this failed: {}", safe(command)))
            .why(shown(&self.text))
            .hint("run it yourself to see all it says")
    }
}

/// Runs a program and takes what it says.
pub(super) async fn ask(program: &Path, arguments: &[String]) -> Result<Said, CliError> {
    ask_with(program, arguments, None).await
}

/// Runs a program, gives it something to read where there is something, and takes what it says.
pub(super) async fn ask_with(program: &Path, arguments: &[String], input: Option<&[u8]>) -> Result<Said, CliError> {
    let mut command = Command::new(program);
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    command.args(arguments).env("NO_COLOR", "1").stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let name = safe(&program.display().to_string());
    let output = timeout(LIMIT, talk(command, input))
        .await
        .map_err(|_| CliError::could_not("agent_silent", format!("{name} did not end within {} s", LIMIT.as_secs())))?
        .map_err(|error| CliError::could_not("agent_not_run", format!("could not run {name}")).why(error))?;
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| without_colours(&String::from_utf8_lossy(&bytes)));
    Ok(Said { success: output.status.success(), text: format!("{stdout}\n{stderr}"), stdout })
}

async fn talk(mut command: Command, input: Option<&[u8]>) -> std::io::Result<std::process::Output> {
    let mut child = command.spawn()?;
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        // A program that ends without reading says why by itself.
        let _ = stdin.write_all(input).await;
    }
    child.wait_with_output().await
}

/// Takes out the escape sequences that only colour (`ESC [ … letter`).
fn without_colours(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            if chars.next() == Some('[') {
                chars.by_ref().find(char::is_ascii_alphabetic);
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// The first lines of a failure, safe to show.
fn shown(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(LINES_MAX).collect();
    if lines.is_empty() {
        return "it did not say why".to_owned();
    }
    safe_block(&redacted(&lines.join("\n")))
}

/// Replaces what looks like a key or a token.
fn redacted(text: &str) -> String {
    let part_of_word = |c: char| c.is_ascii_alphanumeric() || "_-+=.".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars().map(Some).chain([None]) {
        if let Some(c) = c.filter(|c| part_of_word(*c)) {
            word.push(c);
            continue;
        }
        let mixed = word.contains(|c: char| c.is_ascii_digit()) && word.contains(|c: char| c.is_ascii_alphabetic());
        out.push_str(if mixed && word.len() >= SECRET_CHARS_MIN { "(hidden)" } else { &word });
        word.clear();
        out.extend(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_token_is_not_shown() {
        let text = "bad config at /home/ada/.config/x.json: token sk-ant-api03-AbC123xyz_987654 (Bearer eyJhbGciOiJ.eyJzdWIi0.abc123)";
        assert_eq!(redacted(text), "bad config at /home/ada/.config/x.json: token (hidden) (Bearer (hidden))");
        assert_eq!(redacted("key=0123456789abcdef0123456789abcdef"), "(hidden)");
        assert_eq!(redacted("a-perfectly-ordinary-long-word-without-digits"), "a-perfectly-ordinary-long-word-without-digits");
    }

    #[test]
    fn a_failure_is_told_in_a_few_plain_lines() {
        assert_eq!(shown("\u{1b}x\n\n 1\n2\n3\n4\n5"), "\\u{1b}x\n1\n2\n3");
        assert_eq!(shown(" \n"), "it did not say why");
        assert_eq!(without_colours("\u{1b}[1;31mred\u{1b}[0m plain"), "red plain");
    }
}
