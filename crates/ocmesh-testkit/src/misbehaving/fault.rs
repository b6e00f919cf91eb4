//! The ways in which a relay can misbehave. Each names one behaviour; several can be on at a time.

use std::{mem::discriminant, sync::Arc, time::Duration};

use tokio::sync::watch;

/// One behaviour. Rows are those of the relay battery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// R1: nobody listens on the port; connections are cut.
    RefuseTcp,
    /// R1: connections are accepted and reset.
    ResetTcp,
    /// R1: any HTTP request gets this status.
    HttpStatus(u16),
    /// R2: TCP is accepted, the websocket handshake never answered.
    NoHandshake,
    /// R2: the websocket opens, then nothing, not even a pong.
    AcceptThenSilent,
    /// R2: each connection falls silent when it is so old. It speaks again when the fault is lifted, as a network does.
    Blackhole(Duration),
    /// R3: no more bytes a second than this to each client.
    Slow {
        /// At least 1.
        bytes_per_s: usize,
    },
    /// R3: everything arrives at the client so much later.
    Latency(Duration),
    /// R4: says OK true and forgets the event.
    OkThenDrop,
    /// R6: says OK false with these words.
    OkFalse(String),
    /// R7: takes the event and never says OK.
    NoOk,
    /// R7: says every OK twice.
    OkTwice,
    /// R7: says OK for another id.
    OkOtherId,
    /// R8: closes each subscription after its EOSE, with these words.
    ClosedAfterEose(String),
    /// R8: closes each subscription at once, with these words.
    ClosedAtOnce(String),
    /// R8: closes all subscriptions of a connection this often.
    ClosedEvery(Duration),
    /// R9: no EOSE.
    NeverEose,
    /// R9: every EOSE twice.
    EoseTwice,
    /// R9: EOSE before the stored events.
    EoseEarly,
    /// R9: EOSE with a third element, as NIP-67 has it.
    EoseThird(String),
    /// R10: a challenge on connect; no answer is needed.
    AuthOnConnect,
    /// R10: REQ is CLOSED with these words until the client authenticates.
    AuthRequiredRead {
        /// For instance `auth-required: please` or `ERROR: auth-required: please`.
        text: String,
    },
    /// R10: EVENT gets OK false with these words until the client authenticates.
    AuthRequiredWrite {
        /// See [`Self::AuthRequiredRead`].
        text: String,
    },
    /// R10: a new challenge this often; the one before is void.
    NewChallengeEvery(Duration),
    /// R10: so many challenges on connect.
    ChallengeFlood {
        /// How many.
        n: usize,
    },
    /// R11: direct messages (kinds 4 and 1059) are left out in silence when a REQ asks for other kinds too.
    SilentDmFilter,
    /// R11: direct messages (kinds 4 and 1059) are taken, said OK to, and never shown to anybody, live or stored.
    SilentDms,
    /// R12: before every event a copy with a signature that is wrong.
    BadSignature,
    /// R12: before every event a copy under an id that is wrong.
    BadId,
    /// R12: before every event a copy with the same id and other content.
    SameIdOtherContent,
    /// R13: before each EOSE a valid event nobody asked for.
    NonMatching,
    /// R13: before each EOSE an event that fits the filter and is dated in the year 2100.
    FutureDated,
    /// R13: before each EOSE events dated -1, 2^53, 1e400, 0.5 and "now".
    OddDates,
    /// R14: before each EOSE so many valid events that fit the filter, each by a new key.
    Flood {
        /// How many.
        n: usize,
    },
    /// R15: each REQ is answered first with a text frame of so many bytes.
    HugeFrame {
        /// How many.
        bytes: u64,
    },
    /// R15: each REQ is answered first with the header of a frame of so many bytes, which never come.
    HugeHeader {
        /// How many.
        bytes: u64,
    },
    /// R15: each REQ is answered first with a message in so many fragments of one byte.
    Fragments {
        /// How many.
        n: u64,
    },
    /// R15: each REQ is answered first with arrays in arrays.
    DeepJson {
        /// How deep.
        levels: usize,
    },
    /// R15: before each EOSE a valid event that fits the filter and has so many tags.
    ManyTags {
        /// How many.
        n: usize,
    },
    /// R15: each REQ is answered first with a text frame that is not UTF-8.
    InvalidUtf8,
    /// R15: each REQ is answered first with an event whose content is a lone surrogate.
    LoneSurrogate,
    /// R16: every event comes so many times more.
    Replay {
        /// How many.
        times: usize,
    },
    /// R17: one event of so many is never shown to anybody.
    WithholdEvery(usize),
    /// R17: one gift wrap of so many for this key is never shown to anybody.
    WithholdWraps {
        /// Whom for, hexadecimal.
        to: String,
        /// One of so many; 1 is every one.
        every: usize,
    },
    /// R18: so many NOTICEs a second.
    NoticeSpam {
        /// How many.
        per_s: u32,
    },
    /// R19: NIP-77 is neither listed nor known.
    NoNegentropy,
    /// R19: NIP-77 is listed, and answered wrongly.
    Negentropy(Nip77),
    /// R19: no more stored events for a filter than this, whatever its limit.
    PageCap(u64),
    /// The first so many EVENTs (of all clients together) get OK false `rate-limited:`.
    RateLimited {
        /// How many.
        first_n: usize,
    },
    /// R21: the NIP-11 document is not what it should be.
    Nip11(Nip11),
    /// Each connection is cut when it is so old.
    DropConnectionEvery(Duration),
}

/// What is wrong with the NIP-11 document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nip11 {
    /// 404.
    Absent,
    /// Claims NIPs and limits that are not so.
    Lying,
    /// Valid JSON of so many bytes.
    Huge {
        /// How many.
        bytes: u64,
    },
    /// 302 to this address.
    Redirect(String),
}

/// What is wrong with the answers to NEG-OPEN and NEG-MSG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nip77 {
    /// None comes.
    Silent,
    /// NEG-ERR with these words.
    Error(String),
    /// A NOTICE, as relays without NIP-77 have it.
    Notice,
    /// Text that is no message of the protocol.
    Garbage,
    /// The right answer, for another subscription.
    OtherSubscription,
    /// The same question again and again, whatever is said.
    ForEver,
    /// A list of so many ids that nobody has.
    Phantoms {
        /// How many.
        n: usize,
    },
    /// An empty set.
    Nothing,
}

/// The faults that are on.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    active: watch::Sender<Arc<Vec<Fault>>>,
}

impl Faults {
    pub(crate) fn new() -> Self {
        Self { active: watch::Sender::new(Arc::new(Vec::new())) }
    }

    /// Switches one on, in place of one of its sort with other numbers, or off, whatever its numbers.
    pub(crate) fn set(&self, fault: Fault, on: bool) {
        self.active.send_modify(|active| {
            let mut next: Vec<_> = active.iter().filter(|other| discriminant(*other) != discriminant(&fault)).cloned().collect();
            if on {
                next.push(fault);
            }
            *active = Arc::new(next);
        });
    }

    pub(crate) fn lift_all(&self) {
        self.active.send_replace(Arc::new(Vec::new()));
    }

    /// What `read` makes of the first active fault it knows.
    pub(crate) fn find<T>(&self, read: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        self.active.borrow().iter().find_map(read)
    }

    pub(crate) fn has(&self, fault: &Fault) -> bool {
        self.active.borrow().iter().any(|other| discriminant(other) == discriminant(fault))
    }

    pub(crate) fn all(&self) -> Arc<Vec<Fault>> {
        Arc::clone(&self.active.borrow())
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Vec<Fault>>> {
        self.active.subscribe()
    }
}
