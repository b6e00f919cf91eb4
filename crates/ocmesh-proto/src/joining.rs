//! First contact by invite: one code, one use, one round trip, both ends known. The secret and its proofs never come here; the shell says
//! whether a proof is good.

use crate::{
    Answer, At, Change, DraftBody, Form, InviteFacts, InviteId, InviteRecord, InviteRole, InviteSecret, InviteState, JoinFrame,
    JoinRequest, Mesh, Notice, PeerSource, PubKey, Refusal, RelayUrl, Trust,
    agenda::Timer,
    label,
    limit::{INVITE_GUESSES_MAX, INVITE_RELAYS_MAX, INVITES_MAX, INVITES_OPEN_MAX, NAME_CHARS_MAX, PEER_RELAYS_MAX},
    time::{DAY, MINUTE},
};

/// Time enough to read a code to somebody.
pub const INVITE_LIFE_MS_MIN: u64 = MINUTE;
/// A code that lies about for longer is found by others.
pub const INVITE_LIFE_MS_MAX: u64 = 7 * DAY;
/// An invite that is over is remembered this long, so that who comes late is told why.
const KEPT_MS: u64 = 7 * DAY;
/// The inviter's answer is tried as long as messages are.
const ANSWER_TTL_MS: u64 = 7 * DAY;
/// Answers to one invite, in all: a joiner may ask again, and a late one is told why not; more is a flood by somebody with the code.
const ANSWERS_MAX: u32 = 64;

impl Mesh {
    /// Makes an invite. The secret goes to the store and nowhere else.
    pub(crate) fn invite(&mut self, id: InviteId, secret: InviteSecret, life_ms: u64, petname: Option<&str>) -> Result<Answer, Refusal> {
        if !(INVITE_LIFE_MS_MIN..=INVITE_LIFE_MS_MAX).contains(&life_ms) {
            return Err(Refusal::InviteLife);
        }
        let relays = self.invite_relays();
        let record = self.new_invite(id, InviteRole::Inviter, None, self.now.plus(life_ms), petname)?;
        let expires_at = record.expires_at;
        self.change(Change::AddInvite { record: Box::new(record), secret });
        self.notice(Notice::InviteChanged { id });
        Ok(Answer::Invited { id, expires_at, relays })
    }

    /// Joins by a code. The same code again sends again what was sent.
    pub(crate) fn join(&mut self, request: JoinRequest) -> Result<Answer, Refusal> {
        let JoinRequest { inviter, hints, expires_at, secret, frame, petname } = request;
        let id = frame.invite;
        if inviter == self.me {
            return Err(Refusal::OwnInvite);
        }
        match self.invites.get(&id).map(|record| record.state) {
            Some(InviteState::Joined) => return Ok(Answer::Invite(id)),
            Some(InviteState::Open) if expires_at > self.now => {
                self.send_join(inviter, expires_at, frame);
                return Ok(Answer::Invite(id));
            }
            Some(InviteState::Open) | None if expires_at <= self.now => return Err(Refusal::InviteClosed(InviteState::Expired)),
            Some(InviteState::Open) | None => {}
            Some(state) => return Err(Refusal::InviteClosed(state)),
        }
        if self.directory.trust(&inviter) == Some(Trust::Blocked) {
            return Err(Refusal::PeerBlocked);
        }
        // No code lives longer than seven days; one that says so was not made by us.
        let expires_at = expires_at.min(self.now.plus(INVITE_LIFE_MS_MAX));
        let record = self.new_invite(id, InviteRole::Joiner, Some(inviter), expires_at, petname.as_deref())?;
        self.change(Change::AddInvite { record: Box::new(record), secret });
        self.meet(inviter, PeerSource::Added);
        let hints = self.usable(&hints);
        self.directory.edit(&inviter, self.now, |record| {
            let known = std::mem::take(&mut record.seen_on);
            record.seen_on = hints.iter().cloned().chain(known.into_iter().filter(|relay| !hints.contains(relay))).collect();
            record.seen_on.truncate(PEER_RELAYS_MAX);
        });
        self.put_peer(&inviter);
        self.look_up(inviter, true);
        self.send_join(inviter, expires_at, frame);
        self.notice(Notice::InviteChanged { id });
        Ok(Answer::Invite(id))
    }

    fn send_join(&mut self, inviter: PubKey, expires_at: At, frame: JoinFrame) {
        self.send_frame(inviter, Form::Nip17, DraftBody::Join(frame), expires_at.since(self.now));
    }

    /// Takes an open invite back; of one that is over, nothing changes.
    pub(crate) fn revoke_invite(&mut self, id: InviteId) -> Result<Answer, Refusal> {
        let state = self.invites.get(&id).map(|record| record.state).ok_or(Refusal::InviteUnknown)?;
        if state == InviteState::Open {
            self.close_invite(id, InviteState::Revoked);
        }
        Ok(Answer::Done)
    }

    /// Somebody shows that it has one of our codes.
    pub(crate) fn join_came(&mut self, author: PubKey, id: InviteId, facts: Option<Box<InviteFacts>>) {
        let Some(facts) = facts else { return };
        let Some(record) = self.invites.get_mut(&id).filter(|record| record.role == InviteRole::Inviter) else { return };
        if !facts.good {
            record.guesses = record.guesses.saturating_add(1);
            let guessed_out = record.guesses >= INVITE_GUESSES_MAX && record.state == InviteState::Open;
            let record = Box::new(record.clone());
            self.change(Change::PutInvite(record));
            if guessed_out {
                self.close_invite(id, InviteState::Revoked);
            }
            return; // Who does not have the code is told nothing.
        }
        if record.state == InviteState::Open && record.expires_at <= self.now {
            self.close_invite(id, InviteState::Expired);
        }
        let Some(record) = self.invites.get(&id) else { return };
        // Another number would give another phrase, and who knows the seed could choose it: the first one stands.
        let same = record.peer == Some(author) && record.phrase.as_deref() == Some(facts.phrase.as_str());
        match record.state {
            InviteState::Open => self.both_known(id, author, facts.phrase),
            InviteState::Joined if same => {}
            InviteState::Joined | InviteState::Used => return self.refuse_join(author, id, InviteState::Used),
            state @ (InviteState::Expired | InviteState::Revoked) => return self.refuse_join(author, id, state),
        }
        if let Some(answer) = facts.answer.filter(|_| self.may_answer_join(id)) {
            self.send_frame(author, Form::Nip17, DraftBody::Joined(answer), ANSWER_TTL_MS);
        }
    }

    /// The inviter answers.
    pub(crate) fn joined_came(&mut self, author: PubKey, id: InviteId, facts: Option<Box<InviteFacts>>) {
        if self.waits_for(author, id)
            && let Some(facts) = facts.filter(|facts| facts.good)
        {
            self.both_known(id, author, facts.phrase);
        }
    }

    /// The inviter says why not.
    pub(crate) fn join_refused(&mut self, author: PubKey, id: InviteId, why: InviteState) {
        if self.waits_for(author, id) {
            self.close_invite(id, why);
        }
    }

    /// We were given this invite by that peer, and it is not settled. An answer may be late where we were away.
    fn waits_for(&self, inviter: PubKey, id: InviteId) -> bool {
        self.invites.get(&id).is_some_and(|record| {
            let open = matches!(record.state, InviteState::Open | InviteState::Expired);
            record.role == InviteRole::Joiner && record.peer == Some(inviter) && open
        })
    }

    fn both_known(&mut self, id: InviteId, peer: PubKey, phrase: String) {
        let now = self.now;
        let Some(record) = self.invites.get_mut(&id) else { return };
        record.peer = Some(peer);
        record.phrase = Some(phrase);
        let petname = record.petname.clone();
        self.close_invite(id, InviteState::Joined);
        self.meet(peer, PeerSource::Added);
        self.directory.edit(&peer, now, |record| {
            record.petname = record.petname.take().or(petname);
        });
        self.accept(&peer);
        self.put_peer(&peer);
        self.look_up(peer, false);
        self.consider_hello(&peer);
    }

    fn refuse_join(&mut self, author: PubKey, invite: InviteId, why: InviteState) {
        if self.may_answer_join(invite) {
            self.send_frame(author, Form::Nip17, DraftBody::JoinRefused { invite, why }, ANSWER_TTL_MS);
        }
    }

    fn may_answer_join(&mut self, id: InviteId) -> bool {
        let count = self.invite_answers.entry(id).or_default();
        *count = count.saturating_add(1);
        *count <= ANSWERS_MAX
    }

    fn new_invite(
        &mut self,
        id: InviteId,
        role: InviteRole,
        peer: Option<PubKey>,
        expires_at: At,
        petname: Option<&str>,
    ) -> Result<InviteRecord, Refusal> {
        self.invites_due();
        let open = self.invites.values().filter(|record| record.role == role && record.state == InviteState::Open).count();
        if open >= INVITES_OPEN_MAX {
            return Err(Refusal::InvitesFull(INVITES_OPEN_MAX));
        }
        let petname = petname.and_then(|name| label::clean(name, NAME_CHARS_MAX));
        let (created_at, changed_at) = (self.now, self.now);
        let state = InviteState::Open;
        let record = InviteRecord { id, role, peer, petname, created_at, expires_at, state, changed_at, phrase: None, guesses: 0 };
        self.invites.insert(id, record.clone());
        self.agenda.set_earlier(Timer::Invites, expires_at);
        Ok(record)
    }

    fn close_invite(&mut self, id: InviteId, state: InviteState) {
        let now = self.now;
        let Some(record) = self.invites.get_mut(&id) else { return };
        record.state = state;
        record.changed_at = now;
        let record = Box::new(record.clone());
        self.change(Change::PutInvite(record));
        self.notice(Notice::InviteChanged { id });
    }

    /// Ends invites whose time is over, forgets what ended long ago, and sets the timer for the next.
    pub(crate) fn invites_due(&mut self) {
        let now = self.now;
        let over = |record: &&InviteRecord| record.state == InviteState::Open && record.expires_at <= now;
        for id in self.invites.values().filter(over).map(|record| record.id).collect::<Vec<_>>() {
            self.close_invite(id, InviteState::Expired);
        }
        let mut closed: Vec<(At, InviteId)> =
            self.invites.values().filter(|record| record.state != InviteState::Open).map(|record| (record.changed_at, record.id)).collect();
        closed.sort_unstable();
        let room = closed.len().saturating_sub(INVITES_MAX);
        for (index, (at, id)) in closed.into_iter().enumerate() {
            if index < room || now.since(at) >= KEPT_MS {
                self.invites.remove(&id);
                self.invite_answers.remove(&id);
                self.change(Change::DropInvite(id));
            }
        }
        let due =
            |record: &InviteRecord| if record.state == InviteState::Open { record.expires_at } else { record.changed_at.plus(KEPT_MS) };
        if let Some(at) = self.invites.values().map(due).min() {
            self.agenda.set(Timer::Invites, at);
        }
    }

    /// Where the code says that we read: public addresses; others only where we have no public one, as our owner set us up so.
    fn invite_relays(&self) -> Vec<RelayUrl> {
        let inbox = self.relays.dm_relays();
        let own = if inbox.is_empty() { self.relays.own_urls() } else { inbox };
        let (public, private): (Vec<RelayUrl>, Vec<RelayUrl>) = own.into_iter().partition(RelayUrl::is_public);
        let mut relays = if public.is_empty() { private } else { public };
        relays.truncate(INVITE_RELAYS_MAX);
        relays
    }
}
