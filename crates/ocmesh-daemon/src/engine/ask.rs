//! What the Local API asks of the mesh, and the handle it asks through.

use std::sync::Arc;

use ocmesh_proto::{
    Answer, At, Form, InviteId, InviteSecret, Lookalikes, LoopState, MessageId, Notice, Origin, PeerStatus, PubKey, Refusal, RelayUrl,
    RouteReason, SecretSeen, Status, Trust, WakeStanding,
};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// A question from the Local API. Texts are as the caller wrote them; the engine resolves and checks them.
#[derive(Debug, Clone)]
pub enum Ask {
    /// Send a message. `to` is hex, npub, nprofile, a petname or a unique name.
    Send {
        /// Whom to.
        to: String,
        /// What to say.
        content: String,
        /// The parent message.
        reply_to: Option<MessageId>,
        /// Subject of the thread.
        subject: Option<String>,
        /// The caller's key for "the same call again".
        idempotency_key: Option<String>,
        /// Who wants it sent.
        origin: Origin,
        /// It cannot wait.
        urgent: bool,
        /// What in it looks like a secret.
        secrets: Vec<SecretSeen>,
        /// It may hold one.
        allow_secret: bool,
        /// Only say what would become of it.
        dry_run: bool,
    },
    /// Acknowledge messages; unknown ids are left out.
    MarkRead(Vec<MessageId>),
    /// Acknowledge everything unread.
    MarkAllRead,
    /// Make a peer known: hex, npub or nprofile.
    AddPeer {
        /// The key.
        peer: String,
        /// What to call it.
        petname: Option<String>,
    },
    /// Change trust and petname of a peer; `Some(None)` removes the petname.
    SetPeer {
        /// Whom.
        peer: PubKey,
        /// How far it is trusted.
        trust: Option<Trust>,
        /// What to call it.
        petname: Option<Option<String>>,
    },
    /// Make an invite.
    Invite {
        /// Its name.
        id: InviteId,
        /// Its seed.
        seed: InviteSecret,
        /// How long it is of use.
        life_ms: u64,
        /// What to call whoever joins.
        petname: Option<String>,
    },
    /// Join by a code.
    Join {
        /// The code.
        code: ocmesh_wire::invite::Code,
        /// What to call the inviter.
        petname: Option<String>,
    },
    /// Take an invite back.
    RevokeInvite(InviteId),
    /// Drop what a stranger left to be asked about.
    RefuseRequest(PubKey),
    /// Forget a peer.
    ForgetPeer(PubKey),
    /// Give up a waiting message.
    Cancel(MessageId),
    /// Try a waiting or failed message now.
    Retry(MessageId),
    /// Wake a target now, if anything is unread.
    RetryWake(String),
    /// Use one more relay.
    AddRelay(RelayUrl),
    /// Stop using a relay.
    RemoveRelay(RelayUrl),
    /// Change our profile; `None` leaves a part as it is.
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
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
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
    /// What would become of a message; nothing was stored or sent.
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

impl From<Answer> for Told {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Done => Self::Done,
            Answer::Queued { id, to, written_at, status, secrets } => Self::Queued { id, to, written_at, status, secrets },
            Answer::WouldQueue { to, form, relays, why, secrets, refused, work } => {
                Self::WouldQueue { to, form, relays, why, secrets, refused, work }
            }
            Answer::Marked(count) => Self::Marked(count),
            Answer::Peer(peer) => Self::Peer(peer),
            Answer::Invited { id, expires_at, relays } => Self::Invited { id, expires_at, relays },
            Answer::Invite(id) => Self::Invite(id),
        }
    }
}

/// Why a question was not answered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AskError {
    /// The text is neither a key nor a name we could look for.
    #[error("{0:?} is not a public key")]
    NotAKey(String),
    /// The parent message is not in the store.
    #[error("no message {0} to reply to")]
    ParentUnknown(MessageId),
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    NoRandom,
    /// The mesh refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The disk is full.
    #[error("the disk is full")]
    DiskFull,
    /// The store cannot write.
    #[error("the store cannot write: {0}")]
    Store(String),
    /// The database is damaged.
    #[error("the database is damaged")]
    Damaged,
    /// Another program holds the database.
    #[error("another program holds the database")]
    Locked,
    /// The mesh is busy: too many questions wait.
    #[error("too many requests are waiting")]
    Busy,
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
}

/// What the daemon knows without asking the store; replaced whole after each batch.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// What is known of peers is still being read: nothing is known of them, and nobody is asked for anything.
    pub opening: bool,
    /// Our name.
    pub name: String,
    /// Our description.
    pub about: String,
    /// Our features.
    pub features: Vec<String>,
    /// Our status.
    pub status: PeerStatus,
    /// Every relay we use or try to use.
    pub relays: Vec<RelayView>,
    /// Where we read direct messages.
    pub dm_relays: Vec<RelayUrl>,
    /// Parcels in the outbox that wait for a relay.
    pub outbox_waiting: usize,
    /// Messages that some relay has, without a receipt yet.
    pub outbox_relayed: usize,
    /// Messages given up since the start.
    pub outbox_failed: u64,
    /// Peers known.
    pub peers: usize,
    /// Peers online.
    pub peers_online: usize,
    /// Zero bits of work that a stranger's message needs.
    pub work_asked: u32,
    /// The names that no peer's should look like.
    pub lookalikes: Arc<Lookalikes>,
    /// Agents that answer each other without end and were stopped, newest first.
    pub loops: Vec<LoopState>,
    /// The targets that are woken, as they stand.
    pub wakes: Vec<WakeStanding>,
    /// What the owner should know, in plain words.
    pub warnings: Vec<String>,
    /// By how much this machine's clock is ahead of the relays' (negative: behind), where that is worth a word.
    pub clock_ahead_ms: Option<i64>,
    /// What is wrong with the store, as a sentence for the owner: it could not write the last time it tried, or is damaged.
    pub store_failing: Option<String>,
}

/// One relay in the [`View`].
#[derive(Debug, Clone)]
pub struct RelayView {
    /// Its address.
    pub url: RelayUrl,
    /// `own` for ours, `route` for a peer's.
    pub own: bool,
    /// `config`, `added` or `substitute` (own relays).
    pub origin: &'static str,
    /// `connecting connected authenticating limited ready deaf waiting`.
    pub state: String,
    /// Since when.
    pub since: At,
    /// The last thing that went wrong, cleaned and bounded.
    pub last_error: Option<String>,
    /// Round trip of the last ping.
    pub latency_ms: Option<u64>,
    /// We read direct messages here.
    pub is_inbox: bool,
    /// Up to when everything stored here was seen.
    pub good_at: Option<At>,
    /// It takes messages for us and does not bring them, whether it is connected right now or not.
    pub is_deaf: bool,
    /// The earliest second of which it may hold more direct messages than it shows.
    pub cut_at: Option<At>,
    /// Why it is not used for something, calmly ("asks for payment").
    pub note: Option<String>,
}

/// A notice with its number in the store, for `/events`.
#[derive(Debug, Clone)]
pub struct NumberedNotice {
    /// Its number; grows by one.
    pub seq: u64,
    /// When.
    pub at: At,
    /// What.
    pub notice: Notice,
}

/// A question on its way to the mesh task.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) ask: Ask,
    pub(crate) answer: oneshot::Sender<Result<Told, AskError>>,
}

/// The Local API's way to the mesh. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MeshHandle {
    questions: mpsc::Sender<Question>,
    view: watch::Receiver<Arc<View>>,
    notices: broadcast::Sender<Arc<NumberedNotice>>,
}

impl MeshHandle {
    pub(crate) fn new(
        questions: mpsc::Sender<Question>,
        view: watch::Receiver<Arc<View>>,
        notices: broadcast::Sender<Arc<NumberedNotice>>,
    ) -> Self {
        Self { questions, view, notices }
    }

    /// Asks, and waits until the answer is on disk.
    ///
    /// # Errors
    /// See [`AskError`]; nothing was changed then.
    pub async fn ask(&self, ask: Ask) -> Result<Told, AskError> {
        let (answer, told) = oneshot::channel();
        // Full means the mesh task is far behind: say so rather than queue without bound.
        self.questions.try_send(Question { ask, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AskError::Busy,
            mpsc::error::TrySendError::Closed(_) => AskError::Stopping,
        })?;
        told.await.unwrap_or(Err(AskError::Stopping))
    }

    /// Waits until the mesh has read what the store holds; `false` when it never will.
    pub(crate) async fn opened(&self) -> bool {
        self.view.clone().wait_for(|view| !view.opening).await.is_ok()
    }

    /// The newest view.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// Notices from now on. A slow listener sees `Lagged` and must resume from the store.
    #[must_use]
    pub fn notices(&self) -> broadcast::Receiver<Arc<NumberedNotice>> {
        self.notices.subscribe()
    }
}
