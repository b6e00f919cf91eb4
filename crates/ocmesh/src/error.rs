//! What can go wrong in a command, told as what, why and what to do, with its exit code.

use std::fmt;

use serde_json::{Value, json};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 1: could not be done.
    CouldNot,
    /// 2: the command line is wrong.
    Usage,
    /// 3: the daemon is not running.
    NotRunning,
    /// 4: refused: blocked peer, wrong user, missing token.
    NotAllowed,
}

impl Exit {
    /// The number the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::CouldNot => 1,
            Self::Usage => 2,
            Self::NotRunning => 3,
            Self::NotAllowed => 4,
        }
    }
}

/// A command's failure.
#[derive(Debug)]
pub(crate) enum CliError {
    /// Something to tell.
    Told(Box<Told>),
    /// Already told (a report that ends with "1 problem"): only the exit code is left.
    Silent(Exit),
    /// Whoever read our output went away (`ocmesh logs | head`): not an error.
    ReaderGone,
}

/// What is told of a failure.
#[derive(Debug)]
pub(crate) struct Told {
    exit: Exit,
    code: String,
    what: String,
    why: Option<String>,
    hint: Option<String>,
}

impl CliError {
    /// A failure with a stable `code` for programs and a sentence for people.
    pub(crate) fn new(exit: Exit, code: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Told(Box::new(Told { exit, code: code.into(), what: what.into(), why: None, hint: None }))
    }

    /// Could not be done.
    pub(crate) fn could_not(code: &str, what: impl Into<String>) -> Self {
        Self::new(Exit::CouldNot, code, what)
    }

    /// The command line is wrong.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", what)
    }

    /// Adds the reason.
    #[must_use]
    pub(crate) fn why(mut self, why: impl fmt::Display) -> Self {
        if let Self::Told(told) = &mut self {
            told.why = Some(why.to_string());
        }
        self
    }

    /// Adds what to do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Self::Told(told) = &mut self {
            told.hint = Some(hint.into());
        }
        self
    }

    /// The exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Told(told) => told.exit.code(),
            Self::Silent(exit) => exit.code(),
            Self::ReaderGone => 0,
        }
    }

    /// The failure for a program: one JSON line.
    pub(crate) fn to_json(&self) -> Option<Value> {
        let Self::Told(told) = self else { return None };
        let message = told.why.as_ref().map_or_else(|| told.what.clone(), |why| format!("{}: {why}", told.what));
        Some(json!({"error": {"code": told.code, "message": message, "hint": told.hint}}))
    }

    /// The failure for a person, in up to three lines: what, why, what to do.
    pub(crate) fn to_lines(&self) -> Vec<(&'static str, &str)> {
        let Self::Told(told) = self else { return Vec::new() };
        let mut lines = vec![("error", told.what.as_str())];
        lines.extend(told.why.as_deref().map(|why| ("why", why)));
        lines.extend(told.hint.as_deref().map(|hint| ("try", hint)));
        lines
    }
}

/// Every source of an error after the first, joined: the libraries' `Display` does not repeat its source.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_why_and_what_to_do() {
        let error = CliError::could_not("x", "could not do it").why("the disk is full").hint("make room");
        assert_eq!(error.to_lines(), [("error", "could not do it"), ("why", "the disk is full"), ("try", "make room")]);
        assert_eq!(
            error.to_json().unwrap().to_string(),
            r#"{"error":{"code":"x","hint":"make room","message":"could not do it: the disk is full"}}"#
        );
        assert_eq!((error.exit_code(), CliError::usage("x").exit_code(), CliError::ReaderGone.exit_code()), (1, 2, 0));
    }
}
