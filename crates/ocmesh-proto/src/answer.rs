//! What a command is answered with: what was done, or why it was not.

use crate::{
    At, Form, InviteId, InviteState, LoopState, MessageId, PubKey, RelayUrl, RouteReason, SecretSeen, Status, secret,
    time::{HOUR, MINUTE},
};

/// The answer to a command that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Done,
    /// A message is on disk in the outbox.
    Queued {
        /// Its id.
        id: MessageId,
        /// Whom it is for.
        to: PubKey,
        /// When it was written.
        written_at: At,
        /// Where it stands.
        status: Status,
        /// What in it looks like a secret.
        secrets: Vec<SecretSeen>,
    },
    /// What would become of a message. Nothing was sealed, stored or sent.
    WouldQueue {
        /// Whom it would be for.
        to: PubKey,
        /// The form it would take.
        form: Form,
        /// Where it would go.
        relays: Vec<RelayUrl>,
        /// Why there.
        why: RouteReason,
        /// What in it looks like a secret.
        secrets: Vec<SecretSeen>,
        /// It would be refused for that.
        refused: bool,
        /// Zero bits of work that it would need first (NIP-13).
        work: u32,
    },
    /// So many messages were marked.
    Marked(u32),
    /// A peer was added or changed.
    Peer(PubKey),
    /// An invite is on disk.
    Invited {
        /// Its name.
        id: InviteId,
        /// From when on it is of no use.
        expires_at: At,
        /// Relays to name in its code.
        relays: Vec<RelayUrl>,
    },
    /// We have joined by this invite, or are about to.
    Invite(InviteId),
}

/// Why a command was not done. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No peer of that key.
    #[error("no peer {0} is known")]
    PeerUnknown(String),
    /// More than one peer of that name.
    #[error("{count} peers are called {name:?}")]
    NameAmbiguous {
        /// The name.
        name: String,
        /// How many.
        count: usize,
    },
    /// The one peer of that name looks like another one, whom we know.
    #[error("the peer that calls itself {name:?} looks like {like:?}, whom you know, and is somebody else")]
    NameLooksLike {
        /// The name.
        name: String,
        /// Whom it looks like.
        like: String,
    },
    /// That is our own key.
    #[error("that is this agent's own key")]
    Ourselves,
    /// The peer is blocked.
    #[error("the peer is blocked")]
    PeerBlocked,
    /// Nothing to send.
    #[error("the content is empty")]
    ContentEmpty,
    /// Too much to send.
    #[error("the content has {chars} characters, more than {max}")]
    ContentTooLong {
        /// How many it has.
        chars: usize,
        /// How many are allowed.
        max: usize,
    },
    /// An idempotency key was used for something else.
    #[error("the idempotency key was used for another message")]
    IdempotencyConflict,
    /// The outbox holds as much as it may.
    #[error("the outbox is full: {0} messages are waiting")]
    OutboxFull(usize),
    /// It looks as if it held a secret.
    #[error("the message looks as if it held a secret: {}", secret::in_words(.0))]
    LooksLikeSecret(Vec<SecretSeen>),
    /// Agents answer each other without end.
    #[error(
        "this looks like agents answering each other without end: {} turns of this agent within {}, {} of everybody. Agents may go on in {}",
        state.own_turns, in_words(*span_ms), state.turns, in_words(*wait_ms)
    )]
    LoopSuspected {
        /// What was stopped.
        state: LoopState,
        /// From its first message of ours until now.
        span_ms: u64,
        /// From now until agents may go on.
        wait_ms: u64,
    },
    /// The agent wrote to this peer as often as it may.
    #[error("agents may send {per_hour} messages an hour to one peer; the next in {}", in_words(*wait_ms))]
    TooManySends {
        /// How many.
        per_hour: u32,
        /// From now until the next one may go.
        wait_ms: u64,
    },
    /// The key is not a point on the curve, or the content does not fit the form.
    #[error("the message could not be encrypted: {0}")]
    Unsealable(&'static str),
    /// No such message.
    #[error("no such message in the outbox")]
    MessageUnknown,
    /// The message is past changing.
    #[error("the message is already {0}")]
    MessageFinal(&'static str),
    /// No such relay.
    #[error("no such relay in the list")]
    RelayUnknown,
    /// Already there.
    #[error("the relay is already in the list")]
    RelayKnown,
    /// No such invite.
    #[error("there is no such invite")]
    InviteUnknown,
    /// An invite lives from one minute to seven days.
    #[error("an invite lives from one minute to seven days")]
    InviteLife,
    /// Our own invite.
    #[error("this is an invite of this agent's own")]
    OwnInvite,
    /// The invite is of no use any more.
    #[error("the invite is {}", .0.as_str())]
    InviteClosed(InviteState),
    /// Too many open invites.
    #[error("{0} invites are open, more are not allowed")]
    InvitesFull(usize),
    /// Too many relays.
    #[error("at most {0} relays")]
    RelaysFull(usize),
    /// No such target.
    #[error("there is no wake target {0:?}")]
    WakeTargetUnknown(String),
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
}

/// A span of time, in whole minutes or hours, never less than it is.
pub(crate) fn in_words(ms: u64) -> String {
    let (unit, count) = if ms <= 90 * MINUTE { ("minute", ms.div_ceil(MINUTE).max(1)) } else { ("hour", ms.div_ceil(HOUR)) };
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{s}")
}
