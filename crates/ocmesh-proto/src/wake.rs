//! Waking the agent: who is to be woken, how that stands, and what the shell is asked and answers. The rules are in `wake/queue.rs`.

mod gate;
mod queue;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{At, MessageId};

pub use gate::{QuietHours, WakeHold};
pub(crate) use queue::Wakes;

/// What a target is called: the owner's word for it.
pub type WakeTargetId = Arc<str>;

/// A target as its owner wishes it. How it is reached is the shell's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WakeTarget {
    /// Its name.
    pub id: WakeTargetId,
    /// Wakes begun within an hour at most.
    pub budget_per_hour: u32,
    /// When it is not woken.
    pub quiet: Option<QuietHours>,
    /// Urgent messages wake it in quiet hours too.
    pub urgent_passes_quiet: bool,
}

/// How much a wake matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WakeClass {
    /// There is something to read.
    Normal,
    /// A trusted peer says that it cannot wait.
    Urgent,
}

impl WakeClass {
    /// `normal` or `urgent`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Urgent => "urgent",
        }
    }
}

/// One wake: the same, with the same number, however often it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wake {
    /// Its number among its target's.
    pub number: u64,
    /// How much it matters.
    pub class: WakeClass,
    /// How many messages it is about, at most [`crate::limit::WAKE_COUNT_MAX`].
    pub unread: u32,
    /// The newest of them.
    pub newest: MessageId,
    /// When it was begun.
    pub raised_at: At,
    /// How often it was tried, counting the try that is in the air.
    pub tries: u32,
}

/// Where a target stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum WakeState {
    /// Nothing is on its way.
    Idle,
    /// A wake failed and is tried again.
    Waiting {
        /// Which.
        wake: Wake,
        /// When it was tried last.
        tried_at: At,
        /// When it is tried again.
        next_at: At,
        /// The target itself named that moment.
        asked: bool,
    },
    /// A wake is in the air.
    InFlight {
        /// Which.
        wake: Wake,
        /// Since when.
        since: At,
    },
    /// The target took a wake, and the agent has not acknowledged anything since.
    Woken {
        /// Which.
        wake: Wake,
        /// When.
        at: At,
    },
    /// A wake was given up.
    Dead {
        /// Which.
        wake: Wake,
        /// When.
        at: At,
    },
}

impl WakeState {
    /// `idle waiting in_flight woken dead`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Waiting { .. } => "waiting",
            Self::InFlight { .. } => "in_flight",
            Self::Woken { .. } => "woken",
            Self::Dead { .. } => "dead",
        }
    }

    /// The wake it speaks of.
    #[must_use]
    pub const fn wake(&self) -> Option<&Wake> {
        match self {
            Self::Idle => None,
            Self::Waiting { wake, .. } | Self::InFlight { wake, .. } | Self::Woken { wake, .. } | Self::Dead { wake, .. } => Some(wake),
        }
    }
}

/// What is kept of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakeRecord {
    /// Its name.
    pub target: WakeTargetId,
    /// The number of its newest wake.
    pub number: u64,
    /// Where it stands.
    pub state: WakeState,
    /// When the wakes of the last hour were begun, oldest first.
    pub begun: Vec<At>,
    /// When it last took a wake.
    pub woke_at: Option<At>,
    /// When the agent acknowledged something after that, at first.
    pub acknowledged_at: Option<At>,
    /// What went wrong last, since it last took one.
    pub last_error: Option<WakeError>,
    /// Wakes given up, in all.
    pub given_up: u64,
}

/// Why a try failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakeError {
    /// When.
    pub at: At,
    /// In words, cleaned and bounded by the shell.
    pub why: String,
}

impl WakeRecord {
    /// Changes every moment that something follows from: those that are over, and when it is tried next.
    pub(crate) fn move_times(&mut self, to: impl Fn(At) -> At, next: impl Fn(At) -> At) {
        self.begun.iter_mut().for_each(|at| *at = to(*at));
        match &mut self.state {
            WakeState::Idle => {}
            WakeState::Waiting { wake, tried_at, next_at, .. } => {
                (wake.raised_at, *tried_at, *next_at) = (to(wake.raised_at), to(*tried_at), next(*next_at));
            }
            WakeState::InFlight { wake, since: at } | WakeState::Woken { wake, at } | WakeState::Dead { wake, at } => {
                (wake.raised_at, *at) = (to(wake.raised_at), to(*at));
            }
        }
    }

    /// A target of which nothing is known yet.
    #[must_use]
    pub const fn new(target: WakeTargetId) -> Self {
        Self {
            target,
            number: 0,
            state: WakeState::Idle,
            begun: Vec::new(),
            woke_at: None,
            acknowledged_at: None,
            last_error: None,
            given_up: 0,
        }
    }
}

/// What became of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WakeOutcome {
    /// The target took it.
    Woke,
    /// It could not be reached, or has no time: worth another try.
    Failed {
        /// In words.
        why: String,
        /// How long it asked us to wait, in milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// It will not take it until its owner changes something.
    Refused {
        /// In words.
        why: String,
    },
}

/// What the store knows of messages that are worth a wake: unread, not held, of accepted peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnreadFacts {
    /// How many, at most [`crate::limit::WAKE_COUNT_MAX`].
    pub unread: u32,
    /// How many of them are urgent, and of trusted peers.
    pub urgent: u32,
    /// The newest of them.
    pub newest: Option<MessageId>,
}

/// A target for the owner to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WakeStanding {
    /// What is kept of it.
    pub record: WakeRecord,
    /// Wakes begun within an hour at most.
    pub budget_per_hour: u32,
    /// Why nothing is begun right now though something is unread.
    pub hold: Option<WakeHold>,
    /// When it is looked at next.
    pub next_at: Option<At>,
}
