//! NIP-42 on one relay: one signature for each challenge, and not many challenges. Signs nothing itself.

use tokio::time::Instant;

use crate::{
    AuthState, Tuning,
    frame::{client_auth, event_id},
};

/// Signs for us. Called from connection tasks: it must not block for long.
pub trait Authenticator: Send + Sync + 'static {
    /// A signed kind 22242 event as JSON for this relay and challenge, or `None` to refuse
    /// ([NIP-42](https://github.com/nostr-protocol/nips/blob/master/42.md)).
    fn sign_auth(&self, relay: &str, challenge: &str) -> Option<String>;
}

/// Longest challenge that is answered, in bytes; real ones are 16 to 64.
const CHALLENGE_BYTES_MAX: usize = 256;

/// How many signatures a relay may have. Outlives connections, so that reconnecting brings no new ones.
#[derive(Debug)]
pub(crate) struct Allowance {
    tokens: u32,
    filled_at: Instant,
}

impl Allowance {
    pub(crate) fn new(tuning: &Tuning, now: Instant) -> Self {
        Self { tokens: tuning.auth_burst, filled_at: now }
    }

    /// Takes one, or says when there will be one.
    fn take(&mut self, tuning: &Tuning, now: Instant) -> Result<(), Instant> {
        while self.tokens < tuning.auth_burst && now.saturating_duration_since(self.filled_at) >= tuning.auth_every {
            self.tokens += 1;
            self.filled_at += tuning.auth_every;
        }
        if self.tokens == 0 {
            return Err(self.filled_at + tuning.auth_every);
        }
        if self.tokens == tuning.auth_burst {
            self.filled_at = now;
        }
        self.tokens -= 1;
        Ok(())
    }
}

/// Where the exchange stands.
#[derive(Debug)]
enum Stage {
    /// No challenge.
    Quiet,
    /// A challenge to answer at that time.
    Owed { challenge: String, at: Instant },
    /// Answered; the relay has until then to say OK. `challenge` is the newest: some relays send one with every refusal, and
    /// mean the same by all of them.
    Sent { challenge: String, event_id: String, until: Instant, is_newer: bool },
    /// Answered, and no OK came in time. Some relays never send one (NIP-42 asks for it), so silence is neither yes nor no.
    Unconfirmed { challenge: String, event_id: String },
    /// The relay knows us.
    Done { challenge: String },
    /// The relay or we said no; another challenge starts again.
    Refused { challenge: String },
}

/// The exchange on one connection.
#[derive(Debug)]
pub(crate) struct Auth {
    stage: Stage,
    /// Stays true while a second challenge is answered: the relay still knows us.
    known: bool,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// Send this frame.
    Send(String),
    /// Nothing yet: a newer challenge is to be answered.
    Wait,
    /// The relay knows us now.
    Succeeded,
    /// The relay says nothing to our answer: try what waited for it.
    Unconfirmed,
    /// It does not work, for this reason.
    Failed(String),
}

impl Auth {
    pub(crate) fn new() -> Self {
        Self { stage: Stage::Quiet, known: false }
    }

    /// A challenge came. The same one again is not answered again.
    pub(crate) fn challenged(&mut self, challenge: &str, now: Instant) {
        let current = match &self.stage {
            Stage::Quiet => None,
            Stage::Owed { challenge, .. }
            | Stage::Sent { challenge, .. }
            | Stage::Unconfirmed { challenge, .. }
            | Stage::Done { challenge }
            | Stage::Refused { challenge } => Some(challenge.as_str()),
        };
        if current == Some(challenge) || challenge.len() > CHALLENGE_BYTES_MAX {
            return;
        }
        let challenge = challenge.to_owned();
        self.stage = match std::mem::replace(&mut self.stage, Stage::Quiet) {
            Stage::Sent { event_id, until, .. } => Stage::Sent { challenge, event_id, until, is_newer: true },
            // It waits for the moment an older one was already waiting for.
            Stage::Owed { at, .. } => Stage::Owed { challenge, at },
            _ => Stage::Owed { challenge, at: now },
        };
    }

    /// The challenge that was answered last is to be answered once more: the relay may have forgotten us.
    pub(crate) fn again(&mut self, now: Instant) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Quiet) {
            Stage::Unconfirmed { challenge, .. } | Stage::Done { challenge } | Stage::Refused { challenge } => {
                Stage::Owed { challenge, at: now }
            }
            other => other,
        };
    }

    /// Answers a challenge that is due, or gives up on a relay that does not say OK.
    pub(crate) fn advance(
        &mut self,
        now: Instant,
        relay: &str,
        signer: &dyn Authenticator,
        allowance: &mut Allowance,
        tuning: &Tuning,
    ) -> Option<Move> {
        match &mut self.stage {
            Stage::Owed { challenge, at } if *at <= now => {
                if let Err(later) = allowance.take(tuning, now) {
                    *at = later;
                    return None;
                }
                let challenge = std::mem::take(challenge);
                let signed = signer.sign_auth(relay, &challenge);
                let Some((json, event_id)) = signed.and_then(|json| event_id(&json).map(|id| (json, id))) else {
                    return Some(self.fail(challenge, "we did not sign in here".to_owned()));
                };
                self.stage = Stage::Sent { challenge, event_id, until: now + tuning.auth_wait, is_newer: false };
                Some(Move::Send(client_auth(&json)))
            }
            Stage::Sent { challenge, event_id, until, is_newer } if *until <= now => {
                let (challenge, event_id) = (std::mem::take(challenge), std::mem::take(event_id));
                if *is_newer {
                    self.stage = Stage::Owed { challenge, at: now };
                    return None;
                }
                self.stage = Stage::Unconfirmed { challenge, event_id };
                Some(Move::Unconfirmed)
            }
            _ => None,
        }
    }

    /// An OK came: `None` when it is not about our AUTH.
    pub(crate) fn answered(&mut self, id: &str, accepted: bool, said: &str, now: Instant) -> Option<Move> {
        let (challenge, event_id, is_newer) = match &mut self.stage {
            Stage::Sent { challenge, event_id, is_newer, .. } => (challenge, event_id, *is_newer),
            Stage::Unconfirmed { challenge, event_id } => (challenge, event_id, false),
            _ => return None,
        };
        if event_id != id {
            return None;
        }
        let challenge = std::mem::take(challenge);
        if !accepted && is_newer {
            self.stage = Stage::Owed { challenge, at: now };
            return Some(Move::Wait);
        }
        if !accepted {
            return Some(self.fail(challenge, said.to_owned()));
        }
        self.stage = Stage::Done { challenge };
        self.known = true;
        Some(Move::Succeeded)
    }

    fn fail(&mut self, challenge: String, why: String) -> Move {
        self.stage = Stage::Refused { challenge };
        self.known = false;
        Move::Failed(why)
    }

    /// The relay knows us on this connection.
    pub(crate) fn is_done(&self) -> bool {
        self.known
    }

    /// An answer of ours is owed or on its way: what needs it should wait for it.
    pub(crate) fn is_under_way(&self) -> bool {
        matches!(self.stage, Stage::Owed { .. } | Stage::Sent { .. })
    }

    /// It failed on this connection.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.stage, Stage::Refused { .. })
    }

    /// When [`Self::advance`] has something to do.
    pub(crate) fn next(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Owed { at, .. } => Some(*at),
            Stage::Sent { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// Time in which nothing was read does not count.
    pub(crate) fn postpone(&mut self, by: std::time::Duration) {
        if let Stage::Sent { until, .. } = &mut self.stage {
            *until += by;
        }
    }

    /// For the status.
    pub(crate) fn state(&self) -> AuthState {
        match &self.stage {
            Stage::Quiet => AuthState::None,
            Stage::Refused { .. } => AuthState::Refused,
            _ if self.known => AuthState::Done,
            _ => AuthState::Challenged,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicU32, sync::atomic::Ordering, time::Duration};

    use super::{Allowance, Auth, Authenticator, Move};
    use crate::{AuthState, Tuning};
    use tokio::time::Instant;

    struct Counting(AtomicU32);

    impl Authenticator for Counting {
        fn sign_auth(&self, _: &str, _: &str) -> Option<String> {
            let n = self.0.fetch_add(1, Ordering::Relaxed);
            Some(format!("{{\"id\":\"{n:064x}\"}}"))
        }
    }

    #[test]
    fn ten_thousand_challenges_cost_one_signature_a_minute_after_three() {
        let (tuning, signer, start) = (Tuning::default(), Counting(AtomicU32::new(0)), Instant::now());
        let mut allowance = Allowance::new(&tuning, start);
        let mut auth = Auth::new();
        for n in 0..10_000_u32 {
            // Spread over ten minutes, with a new connection in the middle.
            let now = start + Duration::from_millis(60 * u64::from(n));
            if n == 5_000 {
                auth = Auth::new();
            }
            auth.challenged(&format!("c{n}"), now);
            auth.advance(now, "r", &signer, &mut allowance, &tuning);
        }
        let signed = signer.0.load(Ordering::Relaxed);
        assert!((11..=13).contains(&signed), "{signed}");
    }

    #[test]
    fn one_challenge_is_signed_once() {
        let (tuning, signer, now) = (Tuning::default(), Counting(AtomicU32::new(0)), Instant::now());
        let mut allowance = Allowance::new(&tuning, now);
        let mut auth = Auth::new();
        auth.challenged("c", now);
        assert!(matches!(auth.advance(now, "r", &signer, &mut allowance, &tuning), Some(Move::Send(_))));
        assert_eq!(auth.answered(&"f".repeat(64), true, "", now), None);
        assert_eq!(auth.answered(&"0".repeat(64), true, "", now), Some(Move::Succeeded));
        auth.challenged("c", now);
        assert_eq!(auth.advance(now, "r", &signer, &mut allowance, &tuning), None);
        assert_eq!((auth.state(), signer.0.load(Ordering::Relaxed)), (AuthState::Done, 1));
    }

    #[test]
    fn a_challenge_with_every_refusal_is_one_sign_in() {
        let (tuning, signer, now) = (Tuning::default(), Counting(AtomicU32::new(0)), Instant::now());
        let mut allowance = Allowance::new(&tuning, now);
        let mut auth = Auth::new();
        for n in 0..10 {
            auth.challenged(&format!("c{n}"), now);
            auth.advance(now, "r", &signer, &mut allowance, &tuning);
        }
        assert_eq!(auth.answered(&"0".repeat(64), true, "", now), Some(Move::Succeeded));
        assert_eq!(auth.advance(now, "r", &signer, &mut allowance, &tuning), None);
        assert_eq!(signer.0.load(Ordering::Relaxed), 1);
        // Where the first answer was too late for the relay, the newest challenge is answered.
        auth.challenged("d0", now);
        auth.advance(now, "r", &signer, &mut allowance, &tuning);
        auth.challenged("d1", now);
        assert_eq!(auth.answered(&format!("{:064x}", 1), false, "old challenge", now), Some(Move::Wait));
        assert!(matches!(auth.advance(now, "r", &signer, &mut allowance, &tuning), Some(Move::Send(_))));
    }

    #[test]
    fn silence_after_our_answer_is_neither_yes_nor_no() {
        let (tuning, signer, now) = (Tuning::default(), Counting(AtomicU32::new(0)), Instant::now());
        let mut allowance = Allowance::new(&tuning, now);
        let mut auth = Auth::new();
        auth.challenged("c", now);
        auth.advance(now, "r", &signer, &mut allowance, &tuning);
        let late = auth.next().unwrap();
        assert_eq!(auth.advance(late, "r", &signer, &mut allowance, &tuning), Some(Move::Unconfirmed));
        assert_eq!((auth.state(), auth.is_done(), auth.is_under_way()), (AuthState::Challenged, false, false));
        assert_eq!(auth.next(), None);
        // A late answer still counts, whichever it is.
        let super::Stage::Unconfirmed { event_id, .. } = &auth.stage else { panic!("{:?}", auth.stage) };
        let id = event_id.clone();
        assert_eq!(auth.answered(&id, true, "", late), Some(Move::Succeeded));
        assert_eq!(auth.state(), AuthState::Done);
    }

    #[test]
    fn the_last_challenge_can_be_answered_once_more_within_the_allowance() {
        let (tuning, signer, now) = (Tuning::default(), Counting(AtomicU32::new(0)), Instant::now());
        let mut allowance = Allowance::new(&tuning, now);
        let mut auth = Auth::new();
        auth.again(now);
        assert_eq!(auth.advance(now, "r", &signer, &mut allowance, &tuning), None, "the relay never asked");
        auth.challenged("c", now);
        auth.advance(now, "r", &signer, &mut allowance, &tuning);
        auth.again(now);
        assert_eq!(auth.advance(now, "r", &signer, &mut allowance, &tuning), None, "an answer is on its way");
        assert_eq!(auth.answered(&"0".repeat(64), true, "", now), Some(Move::Succeeded));
        for _ in 0..10 {
            auth.again(now);
            auth.advance(now, "r", &signer, &mut allowance, &tuning);
            let id = format!("{:064x}", signer.0.load(Ordering::Relaxed) - 1);
            auth.answered(&id, true, "", now);
        }
        assert_eq!(signer.0.load(Ordering::Relaxed), 3, "no way around the allowance");
        assert!(auth.is_done(), "it knows us all the while");
    }
}
