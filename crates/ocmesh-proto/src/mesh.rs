//! The hub: takes an input, hands it to the part it concerns, gives back the step. Every rule lives in the parts.

use std::collections::BTreeMap;

use crate::{
    At, Change, Command, CommandId, Draft, Effect, Input, InviteId, InviteRecord, JobId, MessageId, Notice, OwnLine, OwnRecord, PeerStatus,
    Policy, PubKey, SealRefused, Sealed, Snapshot, Step,
    agenda::{Agenda, Timer},
    chains::Chains,
    command::PendingSend,
    directory::Directory,
    handshake::Hellos,
    outbox::Outbox,
    presence::{Announcer, Published},
    random::Random,
    relay_set::RelaySet,
    sequence::{Gaps, Given},
    strangers::LeftAside,
    wake::Wakes,
    work::Works,
};

/// The whole mesh as this agent sees it.
#[derive(Debug)]
pub struct Mesh {
    pub(crate) me: PubKey,
    pub(crate) policy: Policy,
    pub(crate) own: OwnRecord,
    pub(crate) directory: Directory,
    pub(crate) outbox: Outbox,
    pub(crate) relays: RelaySet,
    pub(crate) announcer: Announcer,
    pub(crate) hellos: Hellos,
    pub(crate) agenda: Agenda,
    pub(crate) random: Random,
    pub(crate) stopping: Option<CommandId>,
    pub(crate) answered: crate::inbox::Answered,
    pub(crate) strangers_answered: crate::inbox::Answered,
    pub(crate) receipted: crate::inbox::Receipted,
    pub(crate) left_aside: LeftAside,
    /// [`crate::limit::OWN_LINES_MAX`] of them.
    pub(crate) own_lines: BTreeMap<PubKey, OwnLine>,
    pub(crate) gaps: Gaps,
    pub(crate) given: Given,
    pub(crate) invites: BTreeMap<InviteId, InviteRecord>,
    /// Answers to each invite that somebody used; forgotten with it.
    pub(crate) invite_answers: BTreeMap<InviteId, u32>,
    pub(crate) chains: Chains,
    pub(crate) wakes: Wakes,
    pub(crate) works: Works,
    /// Drafts not sealed yet. The shell seals them before the next input; what lasts longer is work, which is bounded.
    jobs: BTreeMap<JobId, Job>,
    next_job: u64,
    pub(crate) now: At,
    pub(crate) out: Step,
}

/// What a draft was for.
#[derive(Debug)]
pub(crate) enum Job {
    /// A message of our agent.
    Send(Box<PendingSend>),
    /// A hello, pong or receipt.
    Frame { to: PubKey, form: crate::Form, ttl_ms: u64 },
    /// A new wrap for a parcel.
    Rewrap { message: MessageId, class: crate::ParcelClass },
    /// A new wrap for a parcel, with so much work.
    Work { message: MessageId, class: crate::ParcelClass, bits: u32 },
    /// A message that left the outbox, for the peer that asked for it again.
    Again { message: MessageId, to: PubKey },
    /// Presence, profile or a list.
    Announcement(Published),
    /// A message to ourselves through this relay.
    Canary(crate::RelayUrl),
}

impl Mesh {
    /// The mesh of `me`, from what the store holds. `seed` moves jitter only.
    #[must_use]
    pub fn new(me: PubKey, policy: Policy, mut snapshot: Snapshot, seed: u64, now: At) -> Self {
        snapshot.fit(&policy, now);
        let mut mesh = Self {
            me,
            own: snapshot.own,
            directory: Directory::load(snapshot.peers, now),
            outbox: Outbox::default(),
            relays: RelaySet::load(snapshot.relays, &policy),
            announcer: Announcer::default(),
            hellos: Hellos::new(&policy, now),
            agenda: Agenda::default(),
            random: Random::new(seed),
            stopping: None,
            answered: crate::inbox::Answered::new(),
            strangers_answered: crate::inbox::Answered::new(),
            receipted: crate::inbox::Receipted::new(),
            left_aside: LeftAside::default(),
            own_lines: snapshot.own_lines.into_iter().map(|own| (own.peer, own)).collect(),
            gaps: Gaps::load(snapshot.gaps),
            given: Given::default(),
            invites: snapshot.invites.into_iter().map(|record| (record.id, record)).collect(),
            invite_answers: BTreeMap::new(),
            chains: Chains::load(&snapshot.turns, now),
            wakes: Wakes::load(&policy.wakes, snapshot.wakes),
            works: Works::default(),
            jobs: BTreeMap::new(),
            next_job: 0,
            policy,
            now,
            out: Step::default(),
        };
        mesh.directory.call_ourselves(me, mesh.own.name.as_deref().unwrap_or(&mesh.policy.name));
        for parcel in snapshot.parcels {
            mesh.outbox.load(parcel, now);
        }
        mesh
    }

    /// Takes one input and says what follows from it. `now` never matters beyond this call, except as the past.
    pub fn handle(&mut self, input: Input, now: At) -> Step {
        // Whoever keeps the time starts a mesh anew where it goes back; a moment's disorder between threads is none.
        let now = now.max(self.now);
        let slept = now.since(self.now) > crate::relay_set::SLEPT_MS;
        self.now = now;
        if slept {
            self.prove_relays_again();
        }
        match input {
            Input::Started => self.start(),
            Input::Commanded { id, command } => self.command(id, command),
            Input::RelayChanged { relay, link } => self.relay_changed(&relay, link),
            Input::RelayDescribed { relay, info } => self.relay_described(&relay, info),
            Input::TimeTold { relay, base_ms } => self.time_told(&relay, base_ms),
            Input::ForgeriesSeen { relay, times } => self.forgeries_seen(&relay, times),
            Input::EventOpened { relay, opened, facts } => self.event_opened(&relay, opened, facts),
            Input::UnreceiptedFound { peer, messages } => self.send_receipts(peer, messages),
            Input::CaughtUp { relay, sub, cut } => self.caught_up(&relay, sub, cut),
            Input::SubscriptionClosed { relay, sub, said } => self.subscription_closed(&relay, sub, said),
            Input::Authenticated { relay } => self.authenticated(&relay),
            Input::PublishAnswered { relay, event, verdict, said } => self.publish_answered(&relay, event, verdict, said),
            Input::DraftSealed { job, sealed } => self.sealed(job, sealed),
            Input::UnreadFound(facts) => self.unread_found(&facts),
            Input::WakeAnswered { target, number, outcome } => self.wake_answered(&target, number, outcome),
            Input::LocalTimeTold { ahead_ms } => self.local_time_told(ahead_ms),
            Input::KeptOut { times } => self.leave_aside(times),
            Input::Ticked => {}
        }
        self.run_due();
        std::mem::take(&mut self.out)
    }

    /// When [`Input::Ticked`] is wanted at the latest.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<At> {
        [self.agenda.first(), self.directory.next_lease_end(), self.outbox.next_expiry()].into_iter().flatten().min()
    }

    fn start(&mut self) {
        self.open_own_relays();
        self.want_routes();
        self.plan_resend();
        if let Some(at) = self.gaps.next_due() {
            self.agenda.set(Timer::Gaps, at);
        }
        self.invites_due();
        self.start_wakes();
        self.agenda.set(Timer::Scan, self.now.plus(self.random.around(self.policy.discovery_interval_ms, 10)));
        self.agenda.set(Timer::Good, self.now.plus(crate::relay_set::GOOD_INTERVAL_MS));
    }

    fn run_due(&mut self) {
        while let Some(peer) = self.directory.pop_lapsed(self.now) {
            self.notice_peer(peer, crate::PeerChange::Offline);
        }
        self.expire_parcels();
        while let Some(timer) = self.agenda.pop_due(self.now) {
            match timer {
                Timer::Beat => self.beat(),
                Timer::Lists => self.publish_lists(),
                Timer::Scan => self.scan(),
                Timer::Hello => self.send_hellos(),
                Timer::Good => self.note_good_relays(),
                Timer::Resend => self.resend_due(),
                Timer::Gaps => self.gaps_due(),
                Timer::Invites => self.invites_due(),
                Timer::Loops => self.loops_due(),
                Timer::Wakes => self.wakes_due(),
                Timer::Pump(relay) => self.pump(&relay),
                Timer::Canary(relay) => self.canary_due(&relay),
                Timer::RouteIdle(relay) => self.close_idle_route(&relay),
                Timer::Finish => self.finish(),
            }
        }
    }

    pub(crate) fn seal(&mut self, job: Job, draft: Draft) {
        let job = self.new_job(job);
        self.out.effects.push(Effect::Seal { job, draft });
    }

    pub(crate) fn new_job(&mut self, job: Job) -> JobId {
        let id = JobId(self.next_job);
        self.next_job = self.next_job.wrapping_add(1);
        self.jobs.insert(id, job);
        id
    }

    /// Drafts that are not sealed yet.
    pub(crate) fn unsealed(&self) -> usize {
        self.jobs.len()
    }

    pub(crate) fn forget_job(&mut self, id: JobId) {
        self.jobs.remove(&id);
    }

    fn sealed(&mut self, id: JobId, sealed: Result<Sealed, SealRefused>) {
        match self.jobs.remove(&id) {
            None => {}
            Some(Job::Send(pending)) => self.message_sealed(*pending, sealed),
            Some(Job::Frame { to, form, ttl_ms }) => {
                if let Ok(sealed) = sealed {
                    self.frame_sealed(to, form, ttl_ms, sealed);
                }
            }
            Some(Job::Rewrap { message, class }) => self.rewrapped(message, class, 0, sealed),
            Some(Job::Work { message, class, bits }) => self.worked(message, class, bits, sealed),
            Some(Job::Canary(relay)) => self.canary_sealed(&relay, sealed),
            Some(Job::Again { message, to }) => self.again_sealed(message, to, sealed),
            Some(Job::Announcement(published)) => {
                if let Ok(sealed) = sealed {
                    self.announcement_sealed(published, sealed.event);
                }
            }
        }
    }

    pub(crate) fn change(&mut self, change: Change) {
        self.out.changes.push(change);
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        self.out.notices.push(notice);
    }

    pub(crate) fn notice_peer(&mut self, peer: PubKey, what: crate::PeerChange) {
        self.notice(Notice::PeerChanged { peer, what });
    }

    /// Writes a peer's record as it is now.
    pub(crate) fn put_peer(&mut self, peer: &PubKey) {
        if let Some(record) = self.directory.get(peer) {
            self.change(Change::PutPeer(Box::new(record)));
        }
    }

    pub(crate) fn put_own(&mut self) {
        let own = Box::new(self.own.clone());
        self.change(Change::PutOwn(own));
    }

    /// The time of the last input.
    #[must_use]
    pub const fn now(&self) -> At {
        self.now
    }

    /// Our key.
    #[must_use]
    pub const fn me(&self) -> PubKey {
        self.me
    }

    /// Our name: set at run time, else configured.
    #[must_use]
    pub fn name(&self) -> &str {
        self.own.name.as_deref().unwrap_or(&self.policy.name)
    }

    /// Our description.
    #[must_use]
    pub fn about(&self) -> &str {
        self.own.about.as_deref().unwrap_or(&self.policy.about)
    }

    /// Our features.
    #[must_use]
    pub fn features(&self) -> &[String] {
        self.own.features.as_deref().unwrap_or(&self.policy.features)
    }

    /// Our status.
    #[must_use]
    pub fn status(&self) -> PeerStatus {
        self.own.status.unwrap_or(self.policy.status)
    }

    /// Peers known, and peers online.
    #[must_use]
    pub fn peer_counts(&self) -> (usize, usize) {
        (self.directory.len(), self.directory.online())
    }

    /// A peer's record.
    #[must_use]
    pub fn peer(&self, peer: &PubKey) -> Option<crate::PeerRecord> {
        self.directory.get(peer)
    }

    /// The names that no other peer's should look like.
    #[must_use]
    pub const fn lookalikes(&self) -> &std::sync::Arc<crate::Lookalikes> {
        self.directory.lookalikes()
    }

    /// Peers that nothing is asked of before they are listened to.
    #[must_use]
    pub const fn accepted_peers(&self) -> &std::sync::Arc<std::collections::BTreeSet<PubKey>> {
        self.directory.accepted()
    }

    /// Zero bits of work that a stranger's message needs; 0 where none is asked for.
    #[must_use]
    pub const fn work_asked(&self) -> u32 {
        self.policy.inbox_work
    }

    /// Messages in the outbox that no relay has yet; messages that some relay has while others are tried or a receipt is waited for.
    #[must_use]
    pub fn outbox_counts(&self) -> (usize, usize) {
        self.outbox.counts()
    }

    /// The outbox as memory has it, for tests that hold it against the disk.
    #[doc(hidden)]
    pub fn parcels(&self) -> impl Iterator<Item = &crate::Parcel> {
        self.outbox.parcels()
    }

    fn event_opened(&mut self, relay: &crate::RelayUrl, opened: crate::Opened, facts: crate::Facts) {
        match opened {
            crate::Opened::Presence(presence) => self.presence_seen(relay, presence),
            crate::Opened::Direct(envelope) if envelope.author == self.me && envelope.body == crate::Body::Canary => {
                self.canary_came(relay, envelope.event_id);
            }
            crate::Opened::Direct(envelope) => self.direct_received(relay, envelope, facts),
            crate::Opened::RelayList(list) => self.relay_list_seen(list),
            crate::Opened::Profile(profile) => self.profile_seen(profile),
        }
    }

    fn command(&mut self, id: CommandId, command: Command) {
        if self.stopping.is_some() {
            self.reply(id, Err(crate::Refusal::Stopping));
            return;
        }
        self.obey(id, command);
    }
}
