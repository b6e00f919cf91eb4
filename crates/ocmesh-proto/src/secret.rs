//! What in a message looks like a secret, and what the owner wants done about it. Who finds it is the shell; here it is decided.

use std::fmt;

use crate::{Mesh, Trust};

/// What becomes of a message that looks as if it held a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecretsPolicy {
    /// Nobody looks.
    Off,
    /// It goes, and its sender is told.
    Warn,
    /// It does not go, unless its sender insists.
    #[default]
    Refuse,
}

/// A part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessagePart {
    /// The subject of its thread.
    Subject,
    /// What it says.
    Content,
}

impl MessagePart {
    /// `subject` or `content`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Content => "content",
        }
    }
}

/// Something in a message that looks like a secret. Never the secret itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretSeen {
    /// What kind it is of, in a few words.
    pub kind: &'static str,
    /// It is one of our own: a key or token of this agent.
    pub own: bool,
    /// Where it stands.
    pub part: MessagePart,
    /// In which line, from 1.
    pub line: u32,
    /// At which character of the line, from 1.
    pub column: u32,
}

impl fmt::Display for SecretSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, part, line, column, .. } = self;
        write!(f, "{kind} ({}, line {line}, character {column})", part.as_str())
    }
}

/// Several, in a sentence.
pub(crate) fn in_words(seen: &[SecretSeen]) -> String {
    let seen: Vec<String> = seen.iter().map(ToString::to_string).collect();
    seen.join(", ")
}

impl Mesh {
    /// What of it the sender is told. A trusted peer may get what its owner likes to tell it, but no secret of this agent.
    pub(crate) fn secrets_told(&self, trust: Trust, seen: &[SecretSeen]) -> Vec<SecretSeen> {
        let is_told = |seen: &&SecretSeen| self.policy.secrets != SecretsPolicy::Off && (seen.own || trust != Trust::Trusted);
        seen.iter().filter(is_told).copied().collect()
    }
}
