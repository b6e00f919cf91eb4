//! Invites as values: an inviter's one-line code makes one other agent and itself known to each other. What follows from what is in
//! `joining`; the code itself and its proofs are `ocmesh-wire`'s knowledge. Why so: docs/adr/0011-invites.md.

use std::{fmt, str::FromStr};

use crate::{At, HexError, PubKey, RelayUrl};

/// Names an invite at both ends, without telling its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InviteId(pub u64);

impl fmt::Display for InviteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for InviteId {
    type Err = HexError;

    /// Sixteen lower-case hexadecimal digits, in one spelling only.
    fn from_str(text: &str) -> Result<Self, HexError> {
        text.parse::<crate::LineId>().map(|id| Self(id.0))
    }
}

/// What only one end knows, opaque here: the inviter's seed, or the joiner's copy of the secret with a number of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InviteSecret(pub [u8; 32]);

impl fmt::Debug for InviteSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteSecret(…)")
    }
}

/// Which end of an invite we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteRole {
    /// We made it.
    Inviter,
    /// We were given it.
    Joiner,
}

impl InviteRole {
    /// `inviter` or `joiner`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inviter => "inviter",
            Self::Joiner => "joiner",
        }
    }

    /// The reverse of [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Inviter, Self::Joiner].into_iter().find(|role| role.as_str() == text)
    }
}

/// Where an invite stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteState {
    /// Nobody used it yet; or, where we were given it, the inviter has not answered yet.
    Open,
    /// Both ends know each other.
    Joined,
    /// Its time is over.
    Expired,
    /// Its owner took it back, or somebody guessed at it.
    Revoked,
    /// Somebody else was quicker. Only where we were given it.
    Used,
}

impl InviteState {
    /// `open joined expired revoked used`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Joined => "joined",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Used => "used",
        }
    }

    /// The reverse of [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Open, Self::Joined, Self::Expired, Self::Revoked, Self::Used].into_iter().find(|state| state.as_str() == text)
    }
}

/// What is kept of an invite, beside its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteRecord {
    /// Its name.
    pub id: InviteId,
    /// Which end we are.
    pub role: InviteRole,
    /// The other end: who joined, or who invited us.
    pub peer: Option<PubKey>,
    /// What the other end is to be called.
    pub petname: Option<String>,
    /// When it was made, or given to us.
    pub created_at: At,
    /// From when on it is of no use.
    pub expires_at: At,
    /// Where it stands.
    pub state: InviteState,
    /// Since when.
    pub changed_at: At,
    /// The words for comparing, once both ends are known.
    pub phrase: Option<String>,
    /// Wrong proofs so far.
    pub guesses: u32,
}

/// What a joiner sends: proof that it has the code, and half of the phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JoinFrame {
    /// Which invite.
    pub invite: InviteId,
    /// The joiner's number, drawn before it can know the inviter's seed.
    pub nonce: [u8; 16],
    /// Binds the secret to both keys and the number.
    pub proof: [u8; 32],
}

/// What the inviter answers: the seed from which the secret follows, and the other half of the phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JoinedFrame {
    /// Which invite.
    pub invite: InviteId,
    /// The seed; nobody but the inviter knew it, and it serves no more.
    pub seed: InviteSecret,
    /// Binds the secret to both keys, the joiner's number and the seed.
    pub proof: [u8; 32],
}

/// What the shell found out about a [`JoinFrame`] or a [`JoinedFrame`], with the secret that the store has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteFacts {
    /// Its proof is the one that the secret gives.
    pub good: bool,
    /// The words for comparing.
    pub phrase: String,
    /// For a [`JoinFrame`] with a good proof: what to answer.
    pub answer: Option<JoinedFrame>,
}

/// A code that our owner was given, read and with our own proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinRequest {
    /// Who invites.
    pub inviter: PubKey,
    /// Relays where the inviter reads, as the code says.
    pub hints: Vec<RelayUrl>,
    /// From when on the code is of no use.
    pub expires_at: At,
    /// What is kept of the code, with our number.
    pub secret: InviteSecret,
    /// What to send.
    pub frame: JoinFrame,
    /// What to call the inviter.
    pub petname: Option<String>,
}
