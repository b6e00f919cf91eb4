//! The mesh as a pure state machine: `Mesh::handle(input, now) -> Step`.
//!
//! No clock, no socket, no file, no key, no lock, no await. Whoever owns a [`Mesh`] writes a step's changes in one transaction, then
//! starts its effects, then sends its notices; effects answer later as inputs.

mod agenda;
mod answer;
mod canary;
mod chains;
mod circuit;
mod command;
mod directory;
mod draft;
mod envelope;
mod filter;
mod form;
mod handshake;
mod id;
mod inbox;
mod input;
mod invite;
mod joining;
pub mod kind;
pub mod label;
pub mod limit;
mod loading;
mod lookalike;
mod loops;
mod mesh;
mod message;
mod outbox;
mod parcel;
mod peer;
mod peers;
mod place;
mod policy;
mod presence;
mod random;
mod relay_set;
mod replacement;
mod route;
mod secret;
mod sequence;
mod sizes;
pub mod skew;
mod snapshot;
mod step;
mod strangers;
pub mod time;
mod verdict;
mod wake;
mod work;

pub use answer::{Answer, Refusal};
pub use canary::Hearing;
pub use chains::{LoopState, Origin};
pub use draft::{DirectDraft, Draft, DraftBody, PresenceDraft, PresenceVehicle, Sealed, SignedEvent};
pub use envelope::{Body, Chain, Envelope, ListPurpose, Opened, PeerStatus, Presence, Profile, RelayList};
pub use filter::{Filter, Sub};
pub use form::Form;
pub use id::{CommandId, EventId, HexError, JobId, MessageId, PubKey, RelayUrl, RelayUrlError, is_global_v4, is_global_v6};
pub use input::{
    Command, EarlierSend, Facts, Idempotency, InboundFacts, Input, Link, ParentFacts, Recipient, RelayInfo, SealRefused, SendRequest,
    StoredFacts,
};
pub use invite::{InviteFacts, InviteId, InviteRecord, InviteRole, InviteSecret, InviteState, JoinFrame, JoinRequest, JoinedFrame};
pub use joining::{INVITE_LIFE_MS_MAX, INVITE_LIFE_MS_MIN};
pub use lookalike::{Lookalikes, LooksLike, NameWarning};
pub use mesh::Mesh;
pub use message::{Direction, FailReason, HistoryEntry, MessageRecord, ReceiptsSent, RouteReason, Status};
pub use parcel::{Hop, HopState, Parcel, ParcelClass, Resend};
pub use peer::{Handshake, PeerRecord, PeerRelays, PeerSource, Trust};
pub use peers::Peers;
pub use place::{AskedFacts, Gap, LineId, Lost, OwnLine, PeerLine, Place, PlaceFacts};
pub use policy::{EncryptionPolicy, HandshakeMode, InboxPolicy, NotePolicy, Policy};
pub use relay_set::{FORGED_MAX, RelayStanding};
pub use secret::{MessagePart, SecretSeen, SecretsPolicy};
pub use sizes::Size;
pub use snapshot::{Snapshot, Turn};
pub use step::{Change, Effect, GapChange, Lane, LoopChange, Notice, OwnRecord, PeerChange, RelayOrigin, RelayRecord, RelayRole, Step};
pub use strangers::StrangerFacts;
pub use time::At;
pub use verdict::Verdict;
pub use wake::{
    QuietHours, UnreadFacts, Wake, WakeClass, WakeError, WakeHold, WakeOutcome, WakeRecord, WakeStanding, WakeState, WakeTarget,
    WakeTargetId,
};
pub use work::Door;
