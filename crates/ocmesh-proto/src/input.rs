//! Everything that can happen to the mesh. Inputs are past tense: they report, they do not ask.

use std::sync::Arc;

use crate::{
    AskedFacts, At, Chain, CommandId, Direction, EventId, Form, InviteFacts, InviteId, InviteSecret, JobId, JoinRequest, MessageId, Opened,
    Origin, PeerStatus, PlaceFacts, PubKey, RelayUrl, Sealed, SecretSeen, StrangerFacts, Sub, Trust, UnreadFacts, Verdict, WakeOutcome,
    WakeTargetId,
};

/// Something that happened. Lives for a moment on one stack or in one short queue, so its size does not matter.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The daemon is up and the snapshot is loaded.
    Started,
    /// The owner or the agent asked for something.
    Commanded {
        /// Names the request in its reply.
        id: CommandId,
        /// What was asked.
        command: Command,
    },
    /// A relay's connection changed.
    RelayChanged {
        /// Which.
        relay: RelayUrl,
        /// How it is now.
        link: Link,
    },
    /// A relay's NIP-11 document came.
    RelayDescribed {
        /// Which.
        relay: RelayUrl,
        /// What it says.
        info: RelayInfo,
    },
    /// A relay told the time.
    TimeTold {
        /// Which.
        relay: RelayUrl,
        /// Its time less our steady clock, in milliseconds (see [`crate::skew`]).
        base_ms: i64,
    },
    /// Events came that are not what they say they are: a wrong id or signature. None of them was taken.
    ForgeriesSeen {
        /// From which relay.
        relay: RelayUrl,
        /// How many since this was last told.
        times: u64,
    },
    /// A verified, opened event came.
    EventOpened {
        /// From which relay.
        relay: RelayUrl,
        /// What it is.
        opened: Opened,
        /// What the store knows about it.
        facts: Facts,
    },
    /// Answers [`crate::Effect::FindUnreceipted`] in the same transaction.
    UnreceiptedFound {
        /// Whose messages.
        peer: PubKey,
        /// Its messages that have no receipt yet, newest 1,000.
        messages: Vec<InboundFacts>,
    },
    /// Everything stored that matches a subscription has been delivered, past page caps.
    CaughtUp {
        /// Which relay.
        relay: RelayUrl,
        /// Which subscription.
        sub: Sub,
        /// The earliest second of which the relay may hold more than it shows.
        cut: Option<At>,
    },
    /// A subscription is refused for now; the relay engine opens it again by itself.
    SubscriptionClosed {
        /// Which relay.
        relay: RelayUrl,
        /// Which subscription.
        sub: Sub,
        /// What the relay said, cleaned and bounded.
        said: String,
    },
    /// NIP-42 succeeded on this connection.
    Authenticated {
        /// Which relay.
        relay: RelayUrl,
    },
    /// A publish was answered, timed out, or lost its connection.
    PublishAnswered {
        /// Which relay.
        relay: RelayUrl,
        /// Which event.
        event: EventId,
        /// What it means.
        verdict: Verdict,
        /// What the relay said, cleaned and bounded.
        said: String,
    },
    /// Events of strangers were left aside before they were looked at, as they showed too little work ([`crate::Door`]).
    KeptOut {
        /// How many since this was last told.
        times: u64,
    },
    /// A draft was signed or sealed, or a message was worked for; `Err` says why it could not be.
    DraftSealed {
        /// Which request.
        job: JobId,
        /// The result.
        sealed: Result<Sealed, SealRefused>,
    },
    /// Answers [`crate::Effect::FindUnread`] in the same transaction.
    UnreadFound(UnreadFacts),
    /// A target was woken, or not.
    WakeAnswered {
        /// Which target.
        target: WakeTargetId,
        /// The number of the wake.
        number: u64,
        /// What became of it.
        outcome: WakeOutcome,
    },
    /// Our owner's clock is so far ahead of UTC (negative: behind), in milliseconds.
    LocalTimeTold {
        /// How far.
        ahead_ms: i64,
    },
    /// Time passed to [`crate::Mesh::next_wakeup`] or beyond.
    Ticked,
}

/// What the store knows about an event that came in, looked up in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The store already has this message or frame id.
    pub seen: bool,
    /// For a reply: the thread of its parent, where the store has the parent.
    pub parent_thread: Option<MessageId>,
    /// For a receipt: the message of ours it speaks of, where the store has it.
    pub receipt_for: Option<Box<StoredFacts>>,
    /// For a message that the store has, in a wrap that it has not seen: the message. Its author may have missed our receipt.
    pub resent: Option<Box<InboundFacts>>,
    /// For a message with a place: what is around it.
    pub place: Option<Box<PlaceFacts>>,
    /// For a peer that asks for messages of ours: those of them that the store has.
    pub asked: Vec<AskedFacts>,
    /// For a message of somebody who is a stranger ([`crate::Mesh::is_stranger`]).
    pub stranger: StrangerFacts,
    /// For a frame of an invite that the store has: what its secret says to it.
    pub invite: Option<Box<InviteFacts>>,
}

/// A draft could not be sealed: the recipient's key is not a point on the curve, or the content is too long for the form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not be encrypted: {0}")]
pub struct SealRefused(pub &'static str);

/// How a relay's connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Dialling.
    Connecting,
    /// Open: REQ and EVENT may be sent.
    Open,
    /// Closed; the engine dials again by itself.
    Down {
        /// Why, cleaned and bounded.
        why: String,
    },
}

/// What the core uses of a NIP-11 document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RelayInfo {
    /// Lists NIP-40: forgets expired events.
    pub expires_events: bool,
    /// `limitation.auth_required`.
    pub auth_required: bool,
    /// `limitation.payment_required`.
    pub payment_required: bool,
    /// `limitation.restricted_writes`.
    pub restricted_writes: bool,
}

/// What the owner or the agent asks for. Facts the core cannot hold in memory come along, looked up in the store in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Send a message.
    Send(SendRequest),
    /// Acknowledge messages; unknown ids were already left out.
    MarkRead {
        /// Which.
        messages: Vec<InboundFacts>,
    },
    /// Make a key known and look it up.
    AddPeer {
        /// The key.
        peer: PubKey,
        /// Relays named beside the key (`nprofile`).
        hints: Vec<RelayUrl>,
        /// What to call it.
        petname: Option<String>,
    },
    /// Change how far a peer is trusted.
    SetTrust {
        /// Whom.
        peer: PubKey,
        /// How far.
        trust: Trust,
    },
    /// Drop what a stranger left to be asked about (`inbox.policy = "ask"`). It stays a stranger, and may ask again.
    RefuseRequest {
        /// Whose.
        peer: PubKey,
    },
    /// Change what we call a peer; `None` removes the petname.
    SetPetname {
        /// Whom.
        peer: PubKey,
        /// What to call it.
        petname: Option<String>,
    },
    /// Forget a peer and let it be discovered anew.
    ForgetPeer {
        /// Whom.
        peer: PubKey,
    },
    /// Make an invite.
    Invite {
        /// Its name, which follows from the secret.
        id: InviteId,
        /// The seed.
        secret: InviteSecret,
        /// How long it is of use.
        life_ms: u64,
        /// What to call whoever joins.
        petname: Option<String>,
    },
    /// Join by a code.
    Join(Box<JoinRequest>),
    /// Take an invite back.
    RevokeInvite {
        /// Which.
        id: InviteId,
    },
    /// Give up a waiting message.
    CancelMessage {
        /// Which.
        id: MessageId,
    },
    /// Try a waiting or failed message now.
    RetryMessage {
        /// Which.
        id: MessageId,
        /// The stored message, when the outbox no longer has it.
        stored: Option<StoredFacts>,
    },
    /// Use one more relay.
    AddRelay {
        /// Which.
        relay: RelayUrl,
    },
    /// Stop using a relay.
    RemoveRelay {
        /// Which.
        relay: RelayUrl,
    },
    /// Change what we say of ourselves; `None` leaves a part as it is.
    SetIdentity {
        /// Our name.
        name: Option<String>,
        /// Our description.
        about: Option<String>,
        /// Our features.
        features: Option<Vec<String>>,
        /// Our status.
        status: Option<PeerStatus>,
    },
    /// Wake a target now, if anything is unread.
    RetryWake {
        /// Which.
        target: String,
    },
    /// Say goodbye and finish.
    Stop,
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendRequest {
    /// Whom to.
    pub to: Recipient,
    /// What to say.
    pub content: String,
    /// The parent.
    pub reply_to: Option<Box<ParentFacts>>,
    /// Subject of the thread.
    pub subject: Option<String>,
    /// The caller's key for "the same call again".
    pub idempotency: Option<Idempotency>,
    /// Who wants it sent.
    pub origin: Origin,
    /// It cannot wait.
    pub urgent: bool,
    /// What in it looks like a secret.
    pub secrets: Vec<SecretSeen>,
    /// It may hold one.
    pub allow_secret: bool,
    /// Only say what would become of it.
    pub dry_run: bool,
}

/// A caller's key, and the message an earlier call with it made in the last 7 days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The key.
    pub key: String,
    /// What the store has for it.
    pub earlier: Option<EarlierSend>,
}

/// A message sent earlier under the same idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierSend {
    /// Its id.
    pub id: MessageId,
    /// Whom it went to.
    pub to: PubKey,
    /// When it was written.
    pub written_at: crate::At,
    /// Its content is the same as now.
    pub same_content: bool,
    /// Where it stands.
    pub status: crate::Status,
}

/// How a recipient was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// By key.
    Key(PubKey),
    /// By petname or unique name.
    Name(Arc<str>),
}

/// What sending a reply needs of its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentFacts {
    /// The parent.
    pub id: MessageId,
    /// Its thread.
    pub thread: MessageId,
    /// Its chain.
    pub chain: Option<Chain>,
    /// Whose it is.
    pub direction: Direction,
    /// When it was stored.
    pub stored_at: crate::At,
}

/// What receipts need of an inbound message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundFacts {
    /// The message.
    pub id: MessageId,
    /// Its author.
    pub from: PubKey,
    /// How it came.
    pub form: Form,
    /// Our agent acknowledged it.
    pub is_read: bool,
    /// Receipts already handed to the outbox.
    pub receipts: crate::ReceiptsSent,
}

/// What a receipt or a retry by hand needs of a stored outbound message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFacts {
    /// Whom it is for.
    pub to: PubKey,
    /// The form it was sealed in.
    pub form: Form,
    /// Its sealed event, when the store still has it.
    pub event: Option<EventId>,
    /// That event's kind (0 without one).
    pub kind: u16,
    /// When that event was wrapped.
    pub wrapped_at: crate::At,
    /// Where it stands.
    pub status: crate::Status,
}
