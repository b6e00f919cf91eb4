//! What a step of the mesh asks of the shell: changes in one transaction, then notices, then effects.

use std::sync::Arc;

use crate::{
    At, CommandId, Draft, EventId, Filter, Gap, HistoryEntry, InviteId, InviteRecord, InviteSecret, JobId, LineId, MessageId,
    MessageRecord, OwnLine, Parcel, ParcelClass, PeerLine, PeerRecord, PubKey, ReceiptsSent, RelayUrl, SignedEvent, Status, Sub, Trust,
    Wake, WakeRecord, WakeTargetId,
};

/// The outcome of one input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// To be written, all or nothing, before anything else happens.
    pub changes: Vec<Change>,
    /// To be started after the changes are on disk, in order. A [`Effect::Seal`] may run before, as nobody sees it.
    pub effects: Vec<Effect>,
    /// To be told to listeners after the changes are on disk.
    pub notices: Vec<Notice>,
}

/// A change to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Insert or replace a peer.
    PutPeer(Box<PeerRecord>),
    /// Remove a peer (its messages stay).
    DropPeer(PubKey),
    /// Insert a message; an existing id is left alone.
    AddMessage(Box<MessageRecord>),
    /// A message stands elsewhere now.
    SetStatus {
        /// Which.
        id: MessageId,
        /// Where.
        status: Status,
    },
    /// A line in a message's delivery history.
    AddHistory {
        /// Which message.
        id: MessageId,
        /// When.
        at: At,
        /// What happened.
        entry: HistoryEntry,
    },
    /// The agent acknowledged a message.
    SetRead {
        /// Which.
        id: MessageId,
        /// When.
        at: At,
    },
    /// Receipts were handed to the outbox.
    SetReceipts {
        /// For which message.
        id: MessageId,
        /// Which ones, in all.
        receipts: ReceiptsSent,
    },
    /// Show the held messages of a peer.
    ReleaseHeld(PubKey),
    /// Forget the held messages of a peer, but for their ids, so that they do not come again.
    DropHeld(PubKey),
    /// Insert or replace a parcel of the outbox.
    PutParcel(Box<Parcel>),
    /// Remove a parcel and its sealed event, when nothing else needs it.
    DropParcel {
        /// Its message.
        message: MessageId,
        /// Its class.
        class: ParcelClass,
    },
    /// Keep a sealed event for publishing.
    PutSealed {
        /// The message it carries.
        message: MessageId,
        /// The event.
        event: SignedEvent,
    },
    /// Keep a rumor for wrapping it again.
    PutRumor {
        /// The message.
        message: MessageId,
        /// The rumor as JSON.
        json: Arc<str>,
    },
    /// An id never to be handled again: a frame, or a message's wrap.
    AddSeen {
        /// Which.
        id: EventId,
        /// When.
        at: At,
    },
    /// Insert or replace what we know of one of our relays.
    PutRelay(Box<RelayRecord>),
    /// Replace what we know of ourselves.
    PutOwn(Box<OwnRecord>),
    /// Our line to a peer has another newest message.
    PutOwnLine(OwnLine),
    /// The next message to this peer begins another line.
    DropOwnLine(PubKey),
    /// Insert or replace what we know of a peer's line.
    PutLine(PeerLine),
    /// Forget a peer's line.
    DropLine {
        /// Whose.
        peer: PubKey,
        /// Which.
        line: LineId,
    },
    /// Insert a gap, or replace the one of the same line with the same last number.
    PutGap(Gap),
    /// Remove a gap.
    DropGap {
        /// Whose messages were missing.
        peer: PubKey,
        /// In which line.
        line: LineId,
        /// Its last number.
        last: u64,
    },
    /// Insert an invite.
    AddInvite {
        /// What we know of it.
        record: Box<InviteRecord>,
        /// What the store alone keeps.
        secret: InviteSecret,
    },
    /// An invite stands elsewhere now; its secret stays.
    PutInvite(Box<InviteRecord>),
    /// Forget an invite.
    DropInvite(InviteId),
    /// Our owner took a message back: its peer gets it no more when it asks for its number.
    ForgetNumber(MessageId),
    /// Insert or replace what is kept of a target to be woken.
    PutWake(Box<WakeRecord>),
    /// Forget a target.
    DropWake(WakeTargetId),
}

/// What is kept of a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayRecord {
    /// Its address.
    pub url: RelayUrl,
    /// How it came to us.
    pub origin: RelayOrigin,
    /// Our own clock at the last proven-good moment: caught up, and alive. Catch-up looks back from here.
    pub good_at: Option<At>,
}

/// How a relay came to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayOrigin {
    /// From the configuration.
    Config,
    /// The owner added it at run time.
    Added,
    /// From the configuration, but the owner removed it at run time.
    Removed,
    /// Stands in for one from the configuration that is no use.
    Substitute,
}

impl RelayOrigin {
    /// `config`, `added`, `removed` or `substitute`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Substitute => "substitute",
        }
    }

    /// The reverse of [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Config, Self::Added, Self::Removed, Self::Substitute].into_iter().find(|origin| origin.as_str() == text)
    }
}

/// What is kept of ourselves, beside the key. A `None` follows the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnRecord {
    /// Name set at run time.
    pub name: Option<String>,
    /// Description set at run time.
    pub about: Option<String>,
    /// Features set at run time.
    pub features: Option<Vec<String>>,
    /// Status set at run time.
    pub status: Option<crate::PeerStatus>,
    /// `created_at` of our newest presence, profile and lists: the next is later.
    pub published_at: At,
    /// Hash-free fingerprint of the profile and lists last published, so that a restart does not publish them again.
    pub published_profile: Option<String>,
    /// Hellos sent in the current day, with the day's number since the epoch.
    pub hellos_today: (u64, u32),
}

/// What the shell is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Keep a connection to a relay.
    Connect {
        /// Which.
        relay: RelayUrl,
        /// What for.
        role: RelayRole,
    },
    /// Drop a connection.
    Disconnect {
        /// Which.
        relay: RelayUrl,
    },
    /// Answer the relay's last NIP-42 challenge once more. Nothing where it never asked.
    SignInAgain {
        /// Where.
        relay: RelayUrl,
    },
    /// Open a subscription, page its stored events past every cap, and report [`crate::Input::CaughtUp`].
    /// Replaces one of the same name. The engine keeps it open over reconnects.
    Subscribe {
        /// Where.
        relay: RelayUrl,
        /// Its name.
        sub: Sub,
        /// What to ask for.
        filters: Vec<Filter>,
        /// Stay open for new events; otherwise it ends once caught up.
        live: bool,
        /// What to compare with the relay's own set, where the relay can (NIP-77): looks back further than `filters`, as it costs next to
        /// nothing.
        reconcile: Option<Filter>,
    },
    /// Close a subscription.
    Unsubscribe {
        /// Where.
        relay: RelayUrl,
        /// Its name.
        sub: Sub,
    },
    /// Send an event; answered by [`crate::Input::PublishAnswered`], always.
    Publish {
        /// Where.
        relay: RelayUrl,
        /// Which event.
        event: EventId,
        /// The event, or `None` when the store has it.
        json: Option<Arc<str>>,
        /// What goes first.
        lane: Lane,
    },
    /// Sign or seal; answered by [`crate::Input::DraftSealed`] in the same transaction.
    Seal {
        /// Names the request.
        job: JobId,
        /// What.
        draft: Draft,
    },
    /// Wrap a stored rumor anew, with so much work (NIP-13). Takes its time: answered by [`crate::Input::DraftSealed`] later, unless it is
    /// stopped.
    Work {
        /// Names the request.
        job: JobId,
        /// Which message.
        message: MessageId,
        /// Whom the wrap is for.
        to: PubKey,
        /// Zero bits that the wrap's id needs.
        bits: u32,
    },
    /// Nobody waits for this work any more.
    StopWork {
        /// Which.
        job: JobId,
    },
    /// Find a peer's messages without receipts; answered by [`crate::Input::UnreceiptedFound`] in the same transaction.
    FindUnreceipted {
        /// Whose.
        peer: PubKey,
    },
    /// Find what is unread and worth a wake; answered by [`crate::Input::UnreadFound`] in the same transaction.
    FindUnread,
    /// Wake a target; answered by [`crate::Input::WakeAnswered`], always. The same wake may be asked for again after a crash.
    Wake {
        /// Which target.
        target: WakeTargetId,
        /// Which wake.
        wake: Wake,
    },
    /// Answer a command.
    Reply {
        /// Which.
        to: CommandId,
        /// The answer.
        answer: Result<crate::Answer, crate::Refusal>,
    },
    /// Everything is said: the daemon may close.
    Finish,
}

/// What goes first in a relay's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Direct messages.
    Direct,
    /// Presence, profile and lists.
    Presence,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayRole {
    /// One of our own: kept, subscribed, authenticated to, private addresses allowed because the owner wrote them.
    Own,
    /// A peer's: for delivery; authenticated to when it asks; never a private address.
    Route {
        /// The owner allows private addresses.
        private_ok: bool,
    },
}

/// Something listeners want to know. Carries no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A message arrived.
    MessageArrived {
        /// Which.
        id: MessageId,
        /// From whom.
        from: PubKey,
        /// How far its author is trusted.
        trust: Trust,
        /// Waits for consent.
        held: bool,
    },
    /// A message stands elsewhere now (a receipt, a relay's OK, a failure).
    MessageMoved {
        /// Which.
        id: MessageId,
        /// Where.
        status: Status,
    },
    /// A message was acknowledged here.
    MessageRead {
        /// Which.
        id: MessageId,
    },
    /// A peer changed.
    PeerChanged {
        /// Which.
        peer: PubKey,
        /// What about it.
        what: PeerChange,
    },
    /// A relay changed.
    RelayChanged {
        /// Which.
        relay: RelayUrl,
    },
    /// Something about a peer's missing messages changed.
    GapChanged {
        /// Whose.
        peer: PubKey,
        /// What.
        what: GapChange,
        /// How many of its messages are missing and asked for now.
        missing: u64,
        /// How many are lost for good.
        lost: u64,
    },
    /// An invite stands elsewhere now.
    InviteChanged {
        /// Which.
        id: InviteId,
    },
    /// Agents answer each other without end, or do not any more.
    LoopChanged {
        /// Whom our agent last wrote to.
        peer: PubKey,
        /// What.
        what: LoopChange,
        /// Until when agents do not go on.
        until: At,
    },
    /// Our own profile or state changed.
    OwnChanged,
}

/// What changed about a loop of agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopChange {
    /// It was stopped.
    Tripped,
    /// It is over.
    Closed,
}

impl LoopChange {
    /// `tripped` or `closed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tripped => "tripped",
            Self::Closed => "closed",
        }
    }

    /// The reverse of [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Tripped, Self::Closed].into_iter().find(|change| change.as_str() == text)
    }
}

/// What changed about a peer's missing messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapChange {
    /// Some are missing.
    Found,
    /// Those of one gap have come.
    Healed,
    /// Some will not come any more.
    Lost,
    /// A message names another one before it than the one we have, or uses a number twice. It was delivered all the same.
    Broken,
}

impl GapChange {
    /// `gap`, `gap_healed`, `gap_lost` or `chain_broken`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Found => "gap",
            Self::Healed => "gap_healed",
            Self::Lost => "gap_lost",
            Self::Broken => "chain_broken",
        }
    }

    /// The reverse of [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Found, Self::Healed, Self::Lost, Self::Broken].into_iter().find(|change| change.as_str() == text)
    }
}

/// What changed about a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerChange {
    /// New to us.
    Discovered,
    /// It answered.
    Handshaked,
    /// It came online.
    Online,
    /// It went offline.
    Offline,
    /// Its trust changed.
    Trust,
    /// Its request was refused.
    Refused,
    /// Its name, features or petname changed.
    Described,
    /// Forgotten.
    Forgotten,
}

impl PeerChange {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Discovered => "discovered",
            Self::Handshaked => "handshaked",
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Trust => "trust",
            Self::Refused => "refused",
            Self::Described => "described",
            Self::Forgotten => "forgotten",
        }
    }
}
