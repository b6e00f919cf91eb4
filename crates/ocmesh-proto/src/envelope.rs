//! What a verified, opened event means to the mesh. Only `ocmesh-wire::open` makes these: holding one is proof that id, signature and
//! decryption were good. The words inside are still a stranger's.

use crate::{At, EventId, Form, InviteId, InviteState, JoinFrame, JoinedFrame, LineId, MessageId, Place, PubKey, RelayUrl};

/// An event that passed every check, as a mesh value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// An agent announced itself (kind 1 or 31337 with `app=ocmesh`).
    Presence(Presence),
    /// A direct message or protocol frame in any of the three forms.
    Direct(Envelope),
    /// A relay list (kind 10050 or 10002).
    RelayList(RelayList),
    /// A kind 0 profile.
    Profile(Profile),
}

impl Opened {
    /// Who signed it (for a NIP-17 message: who sealed it).
    #[must_use]
    pub const fn author(&self) -> PubKey {
        match self {
            Self::Presence(presence) => presence.author,
            Self::Direct(envelope) => envelope.author,
            Self::RelayList(list) => list.author,
            Self::Profile(profile) => profile.author,
        }
    }
}

/// An agent's announcement. Strings are already bounded and cleaned by [`crate::label::clean`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// The announcing agent.
    pub author: PubKey,
    /// The event's `created_at`.
    pub created_at: At,
    /// Software version, if given.
    pub version: Option<String>,
    /// What it calls itself.
    pub name: Option<String>,
    /// `feature` tags.
    pub features: Vec<String>,
    /// `dm` tags; empty for Node agents, which means NIP-04.
    pub forms: Vec<Form>,
    /// What it says it is doing.
    pub status: PeerStatus,
    /// The next announcement it promised, if any.
    pub next_at: Option<At>,
    /// Where it reads direct messages (`relay` tags). Not yet filtered for private addresses.
    pub relays: Vec<RelayUrl>,
    /// Zero bits of work that it asks of strangers' messages (`pow` tag), 0 to [`crate::limit::WORK_BITS_MAX`].
    pub work_asked: u32,
}

/// The `status` of a presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum PeerStatus {
    /// Ready.
    #[default]
    Online,
    /// Working; answers may be slow.
    Busy,
    /// Reads, rarely answers.
    Quiet,
    /// Said goodbye.
    Offline,
}

impl PeerStatus {
    /// `online`, `busy`, `quiet` or `offline`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Busy => "busy",
            Self::Quiet => "quiet",
            Self::Offline => "offline",
        }
    }

    /// The reverse of [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Online, Self::Busy, Self::Quiet, Self::Offline].into_iter().find(|status| status.as_str() == text)
    }
}

/// A direct message, verified and opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The message's id: rumor id (NIP-17) or event id (kind 4).
    pub id: MessageId,
    /// The outermost event's id (the gift wrap, or the kind 4 event itself).
    pub event_id: EventId,
    /// Who wrote it: the seal's key, equal to the rumor's.
    pub author: PubKey,
    /// Whom it is for: us, or, on an own copy, the peer we wrote to.
    pub recipient: PubKey,
    /// How it came.
    pub form: Form,
    /// The author's claim of when it was written.
    pub written_at: At,
    /// The parent message, from the `e` tag.
    pub reply_to: Option<MessageId>,
    /// The `subject` tag, cleaned and bounded.
    pub subject: Option<String>,
    /// The `chain` tag: where this conversation of agents began and how many hops ago.
    pub chain: Option<Chain>,
    /// The `seq` tag: its place among its author's messages to us.
    pub place: Option<Place>,
    /// The `class` tag says `urgent`: its author thinks that it cannot wait.
    pub urgent: bool,
    /// Work that its outermost event shows (NIP-13), in zero bits.
    pub work: u32,
    /// What it says.
    pub body: Body,
}

/// The `chain` tag: identifies a run of agent-made messages and how long it already is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Chain {
    /// The first message of the run.
    pub id: MessageId,
    /// Agent-made hops so far.
    pub hops: u32,
}

/// The content of a direct message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Plain text, or a Node `text` frame's body.
    Text(String),
    /// A hello (`intro`, or the 0.1 `ocmesh-hello`).
    Intro {
        /// What the peer calls itself, cleaned.
        name: Option<String>,
        /// What it says it can do, cleaned and bounded.
        capabilities: Vec<String>,
        /// Its software version.
        version: Option<String>,
    },
    /// Asks for a [`Body::Pong`].
    Ping,
    /// Answers a ping.
    Pong,
    /// A message to ourselves, to see whether a relay brings it.
    Canary,
    /// The peer stored our message.
    Delivered(MessageId),
    /// The peer's agent acknowledged our message.
    Read(MessageId),
    /// The peer misses messages of ours.
    Missing {
        /// In which line.
        line: LineId,
        /// Which, at most [`crate::limit::ASK_NUMBERS_MAX`].
        numbers: Vec<u64>,
    },
    /// Messages that we asked for will not come.
    Gone {
        /// In which line.
        line: LineId,
        /// Which, at most [`crate::limit::ASK_NUMBERS_MAX`].
        numbers: Vec<u64>,
    },
    /// Somebody has a code of ours.
    Join(JoinFrame),
    /// The inviter whose code we have answers.
    Joined(JoinedFrame),
    /// The inviter whose code we have says why not.
    JoinRefused {
        /// Which invite.
        invite: InviteId,
        /// `Expired`, `Revoked` or `Used`.
        why: InviteState,
    },
    /// Any other structured message: `task result error profile file` and unknown types. Stored and shown.
    Structured {
        /// The `type` field, cleaned and bounded.
        kind: String,
        /// The whole content as it came.
        json: String,
    },
}

/// A relay list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayList {
    /// Whose.
    pub author: PubKey,
    /// The event's `created_at`: the newest list wins.
    pub created_at: At,
    /// Which list.
    pub purpose: ListPurpose,
    /// The addresses, in order, bounded, not yet filtered for private ones.
    pub relays: Vec<RelayUrl>,
}

/// Which relay list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListPurpose {
    /// Kind 10050: where the author reads direct messages (NIP-17).
    DirectMessages,
    /// Kind 10002: the author's read relays (NIP-65).
    Read,
}

/// A kind 0 profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Whose.
    pub author: PubKey,
    /// The event's `created_at`.
    pub created_at: At,
    /// `name`, cleaned and bounded.
    pub name: Option<String>,
    /// `about`, cleaned and bounded.
    pub about: Option<String>,
}
