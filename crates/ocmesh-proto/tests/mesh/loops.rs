//! Agents that answer everything, and what stops them: not their owners, and nothing else that is sent.

use std::collections::BTreeSet;

use ocmesh_proto::{
    Answer, Body, Chain, Command, Direction, Draft, DraftBody, Effect, Envelope, Facts, Form, Input, LoopChange, MessageId, Notice, Opened,
    Origin, ParentFacts, PubKey, Recipient, Refusal, SendRequest,
    time::{HOUR, MINUTE, SECOND},
};

use super::{
    A, B, announce,
    disk::blank,
    presence_of, request,
    world::{World, key, url},
};

/// How an agent answers.
#[derive(Clone, Copy)]
struct Manner {
    origin: Origin,
    /// Names the message it answers.
    replies: bool,
    subject: Option<&'static str>,
    /// Whom it writes to when it gets a message: its author, or always the same agent.
    to: Option<usize>,
    /// How long it takes.
    thinks_ms: u64,
}

const AGENT: Manner = Manner { origin: Origin::Agent, replies: false, subject: None, to: None, thinks_ms: 3 * SECOND };

/// Agents in a world, each with its manner, and what they have answered.
struct Talk {
    world: World,
    manners: Vec<Manner>,
    answered: BTreeSet<(usize, MessageId)>,
    refusals: Vec<Refusal>,
}

impl Talk {
    fn new(manners: &[Manner]) -> Self {
        let mut world = World::new(&[A, B]);
        for name in ["ada", "bob", "cat"].iter().take(manners.len()) {
            world.add(name, &[A, B]);
        }
        world.pass(10 * SECOND);
        Self { world, manners: manners.to_vec(), answered: BTreeSet::new(), refusals: Vec::new() }
    }

    fn try_send(&mut self, from: usize, to: usize, origin: Origin) -> Result<MessageId, Refusal> {
        let request = SendRequest { origin, ..request(to, "Thank you, that is kind.") };
        self.ask(from, request)
    }

    fn ask(&mut self, from: usize, request: SendRequest) -> Result<MessageId, Refusal> {
        match self.world.command(from, Command::Send(request))? {
            Answer::Queued { id, .. } => Ok(id),
            other => panic!("{other:?}"),
        }
    }

    /// Answers what came and is not answered. Whether anything was sent.
    fn answer(&mut self, node: usize) -> bool {
        let manner = self.manners[node];
        let came: Vec<_> = self.world.inbox(node).into_iter().map(|m| (m.id, m.peer)).collect();
        let mut sent = false;
        for (id, author) in came {
            if !self.answered.insert((node, id)) {
                continue;
            }
            self.world.pass(manner.thinks_ms);
            let to = manner.to.map_or(author, |to| self.world.nodes[to].me);
            let reply_to = manner.replies.then(|| Box::new(parent(&self.world, node, id)));
            let content = "Thank you, that is kind.".to_owned();
            let subject = manner.subject.map(str::to_owned);
            let request = SendRequest { to: Recipient::Key(to), content, reply_to, subject, origin: manner.origin, ..blank() };
            match self.ask(node, request) {
                Ok(_) => sent = true,
                Err(refusal) => self.refusals.push(refusal),
            }
        }
        sent
    }

    /// Until nobody has anything more to say, at most for so many rounds. How many messages there are then.
    fn run(&mut self, rounds: usize) -> usize {
        for _ in 0..rounds {
            self.world.pass(SECOND);
            let spoke = (0..self.manners.len()).filter(|node| self.answer(*node)).count();
            if spoke == 0 {
                break;
            }
        }
        self.messages()
    }

    fn messages(&self) -> usize {
        self.world.nodes.iter().map(|node| node.disk.messages.values().filter(|m| m.direction == Direction::Out).count()).sum()
    }

    fn restart(&mut self, node: usize) {
        self.world.kill(node);
        self.world.start(node);
        self.world.pass(5 * SECOND);
    }

    fn is_suspected(&self) -> bool {
        !self.refusals.is_empty() && self.refusals.iter().all(|refusal| matches!(refusal, Refusal::LoopSuspected { .. }))
    }
}

#[test]
fn thanks_for_thanks_end_within_ten_messages_however_they_are_written() {
    let manners = [
        AGENT,
        Manner { replies: true, ..AGENT },
        Manner { subject: Some("Re: Thanks"), ..AGENT },
        Manner { subject: Some("Re: Thanks"), replies: true, thinks_ms: 20 * MINUTE, ..AGENT },
        Manner { origin: Origin::Unsaid, thinks_ms: 0, replies: true, ..AGENT },
    ];
    for (index, manner) in manners.into_iter().enumerate() {
        let mut talk = Talk::new(&[manner, manner]);
        talk.try_send(0, 1, manner.origin).unwrap();
        let messages = talk.run(100);
        assert!((5..=10).contains(&messages), "manner {index}: {messages} messages");
        assert!(talk.is_suspected(), "manner {index}: {:?}", talk.refusals);
    }
}

#[test]
fn one_guarded_side_is_enough() {
    for replies in [false, true] {
        let mut talk = Talk::new(&[Manner { replies, ..AGENT }, Manner { origin: Origin::Owner, ..AGENT }]);
        talk.try_send(0, 1, Origin::Agent).unwrap();
        // Who says of itself that it is the owner begins a chain each time, as a person would: the hourly allowance is what holds then.
        let messages = talk.run(200);
        assert!((60..=150).contains(&messages), "{messages}");
        assert!(talk.refusals.iter().all(|refusal| matches!(refusal, Refusal::TooManySends { per_hour: 60, .. })), "{:?}", talk.refusals);
    }
}

#[test]
fn agents_without_chains_are_counted_too() {
    let mut world = World::new(&[A]);
    world.add("ada", &[A]);
    let at = world.now;
    announce(&mut world, presence_of(60, at)); // a Node agent: kind 4, no chain, no parents
    world.pass(3 * MINUTE);
    let mut sent = 0;
    let refusal = loop {
        match world.command(0, Command::Send(SendRequest { to: Recipient::Key(key(60)), origin: Origin::Agent, ..request(1, "Thanks!") })) {
            Ok(_) => sent += 1,
            Err(refusal) => break refusal,
        }
        assert!(sent < 20);
        world.pass(20 * SECOND);
        hear(&mut world, 0, key(60), "Thank you!", None);
        world.pass(20 * SECOND);
    };
    assert_eq!(sent, 5);
    assert!(matches!(refusal, Refusal::LoopSuspected { .. }), "{refusal:?}");
}

#[test]
fn a_peer_that_does_not_count_hops_is_stopped_by_our_own_turns() {
    let mut talk = Talk::new(&[AGENT, AGENT]);
    let id = talk.try_send(0, 1, Origin::Agent).unwrap();
    let chain = talk.world.nodes[0].disk.messages[&id].chain.unwrap();
    let author = talk.world.nodes[1].me;
    let stopped = (1..20).find(|_| {
        talk.world.pass(5 * SECOND);
        hear(&mut talk.world, 0, author, "Thanks!", Some(Chain { hops: 1, ..chain }));
        talk.try_send(0, 1, Origin::Agent).is_err()
    });
    assert_eq!(stopped, Some(5), "after five turns of ours");
}

#[test]
fn a_person_with_any_client_chats_with_an_agent_as_long_as_it_likes() {
    let mut world = World::new(&[A]);
    world.add("ada", &[A]);
    for turn in 0..40u64 {
        hear(&mut world, 0, key(61), "And what about the other one?", None);
        world.pass(10 * SECOND);
        let answer = SendRequest { to: Recipient::Key(key(61)), origin: Origin::Agent, ..request(1, "It is blue.") };
        assert!(world.command(0, Command::Send(answer)).is_ok(), "turn {turn}");
        world.pass(60 * SECOND);
    }
    // The same words, quicker than anybody types.
    let stopped = (0..20).find(|_| {
        hear(&mut world, 0, key(61), "And what about the other one?", None);
        world.pass(SECOND);
        world
            .command(0, Command::Send(SendRequest { to: Recipient::Key(key(61)), origin: Origin::Agent, ..request(1, "It is blue.") }))
            .is_err()
    });
    assert!(stopped.is_some_and(|turns| turns <= 10), "{stopped:?}");
}

#[test]
fn a_triangle_ends_within_ten_messages_though_nobody_hears_from_whom_it_writes_to() {
    for replies in [false, true] {
        let next = |to| Manner { to: Some(to), replies, ..AGENT };
        let mut talk = Talk::new(&[next(1), next(2), next(0)]);
        // Somebody else writes to ada all the time; that hides nothing.
        talk.try_send(0, 1, Origin::Agent).unwrap();
        for n in 0..30 {
            let noise = hear(&mut talk.world, 0, key(70 + n % 5), "news", None);
            talk.answered.insert((0, noise));
            talk.run(1);
        }
        let messages = talk.messages();
        assert!((5..=10).contains(&messages), "{messages}");
        assert!(talk.is_suspected(), "{:?}", talk.refusals);
    }
}

#[test]
fn an_agent_that_answers_itself_ends_within_ten_messages() {
    let mut talk = Talk::new(&[AGENT, AGENT]);
    let mut last = talk.try_send(0, 1, Origin::Agent).unwrap();
    let mut sent = 1;
    while let Ok(id) = {
        let reply_to = Some(Box::new(parent(&talk.world, 0, last)));
        talk.ask(0, SendRequest { reply_to, origin: Origin::Agent, ..request(1, "and another thing") })
    } {
        (last, sent) = (id, sent + 1);
        assert!(sent <= 10);
    }
    assert_eq!(sent, 10);
}

#[test]
fn an_owner_is_never_stopped_and_what_it_writes_ends_the_loop() {
    let mut talk = Talk::new(&[AGENT, AGENT]);
    talk.try_send(0, 1, Origin::Agent).unwrap();
    talk.run(100);
    assert!(talk.is_suspected());
    let stopped = (0..2).find(|node| !talk.world.nodes[*node].mesh.as_ref().unwrap().loops().is_empty()).unwrap();
    let other = 1 - stopped;
    assert!(talk.try_send(stopped, other, Origin::Agent).is_err());
    talk.try_send(stopped, other, Origin::Owner).unwrap();
    assert!(talk.world.nodes[stopped].mesh.as_ref().unwrap().loops().is_empty());
    let closed = |notice: &Notice| matches!(notice, Notice::LoopChanged { what: LoopChange::Closed, .. });
    assert!(talk.world.nodes[stopped].notices.iter().any(closed));
    let before = talk.messages();
    assert!(talk.run(100) > before + 2, "they may talk on now, for a while");
    assert!(talk.messages() <= before + 10);
}

#[test]
fn a_stopped_loop_says_so_goes_on_by_single_turns_and_is_forgotten() {
    let mut talk = Talk::new(&[AGENT, AGENT]);
    talk.try_send(0, 1, Origin::Agent).unwrap();
    talk.run(100);
    let stopped = (0..2).find(|node| !talk.world.nodes[*node].mesh.as_ref().unwrap().loops().is_empty()).unwrap();
    let other = 1 - stopped;
    let state = talk.world.nodes[stopped].mesh.as_ref().unwrap().loops()[0];
    assert_eq!((state.peer, state.trips, state.half_open), (talk.world.nodes[other].me, 1, false));
    let tripped = |notice: &&Notice| matches!(notice, Notice::LoopChanged { what: LoopChange::Tripped, .. });
    assert_eq!(talk.world.nodes[stopped].notices.iter().filter(tripped).count(), 1, "said once, however often it is tried");
    assert!(talk.refusals[0].to_string().contains("5 turns of this agent"), "{}", talk.refusals[0]);

    // An agent that tries every minute, and a peer that bounces at once: one turn after five minutes, the next after ten more, and so on.
    let mut passed = Vec::new();
    let begin = talk.world.now;
    for _ in 0..120 {
        talk.world.pass(MINUTE);
        let Ok(id) = talk.try_send(stopped, other, Origin::Agent) else { continue };
        passed.push(talk.world.now.since(begin) / MINUTE);
        talk.world.pass(SECOND);
        let chain = talk.world.nodes[stopped].disk.messages[&id].chain.unwrap();
        let author = talk.world.nodes[other].me;
        hear(&mut talk.world, stopped, author, "Thanks!", Some(Chain { hops: chain.hops + 1, ..chain }));
    }
    assert_eq!(passed.len(), 4, "{passed:?}");
    assert!(passed.windows(2).all(|pair| pair[1] - pair[0] >= 10), "{passed:?}");

    talk.world.pass(12 * HOUR);
    assert!(talk.world.nodes[stopped].mesh.as_ref().unwrap().loops().is_empty(), "it expires");
    assert!(talk.try_send(stopped, other, Origin::Agent).is_ok());
}

#[test]
fn a_peer_that_takes_its_time_closes_the_circuit() {
    let mut talk = Talk::new(&[AGENT, AGENT]);
    talk.try_send(0, 1, Origin::Agent).unwrap();
    talk.run(100);
    let stopped = (0..2).find(|node| !talk.world.nodes[*node].mesh.as_ref().unwrap().loops().is_empty()).unwrap();
    let (other, author) = (1 - stopped, talk.world.nodes[1 - stopped].me);
    talk.world.pass(6 * MINUTE);
    let id = talk.try_send(stopped, other, Origin::Agent).unwrap();
    let chain = talk.world.nodes[stopped].disk.messages[&id].chain.unwrap();
    assert!(chain.hops >= 10, "{chain:?}");
    talk.world.pass(15 * MINUTE);
    hear(&mut talk.world, stopped, author, "Back again.", Some(Chain { hops: chain.hops + 1, ..chain }));
    let id = talk.try_send(stopped, other, Origin::Agent).unwrap();
    assert_eq!(talk.world.nodes[stopped].disk.messages[&id].chain.unwrap().hops, 0, "another chain begins");
    assert!(talk.world.nodes[stopped].mesh.as_ref().unwrap().loops().is_empty());
}

#[test]
fn a_restart_gives_a_loop_no_new_life() {
    for after in [3, 100] {
        let mut talk = Talk::new(&[AGENT, AGENT]);
        talk.try_send(0, 1, Origin::Agent).unwrap();
        talk.run(after);
        talk.restart(0);
        talk.restart(1);
        let messages = talk.run(100);
        assert!((5..=10).contains(&messages), "{messages}");
    }
}

#[test]
fn whoever_does_not_say_what_it_is_has_longer_when_it_names_no_parent_or_is_as_slow_as_a_person_and_not_for_ever() {
    let unsaid = |thinks_ms, replies| Manner { origin: Origin::Unsaid, thinks_ms, replies, ..AGENT };
    let cases = [
        (unsaid(0, true), 5..=10),
        (unsaid(30 * SECOND, true), 25..=30),
        (unsaid(0, false), 55..=60),
        (unsaid(30 * SECOND, false), 170..=180),
    ];
    for (manner, expected) in cases {
        let mut talk = Talk::new(&[manner, manner]);
        talk.try_send(0, 1, Origin::Unsaid).unwrap();
        let messages = talk.run(400);
        assert!(expected.contains(&messages), "{messages}, not {expected:?}");
        assert!(talk.is_suspected(), "{:?}", talk.refusals);
    }
}

#[test]
fn three_that_do_not_say_what_they_are_stop_too() {
    let next = |to| Manner { origin: Origin::Unsaid, to: Some(to), thinks_ms: 0, ..AGENT };
    let mut talk = Talk::new(&[next(1), next(2), next(0)]);
    talk.try_send(0, 1, Origin::Unsaid).unwrap();
    let messages = talk.run(400);
    assert!((40..=60).contains(&messages), "{messages}");
    assert!(talk.is_suspected(), "{:?}", talk.refusals);
}

#[test]
fn an_agent_that_says_so_ends_it_early_whatever_the_other_side_says() {
    for replies in [false, true] {
        let mut talk = Talk::new(&[AGENT, Manner { origin: Origin::Unsaid, thinks_ms: 0, replies, ..AGENT }]);
        talk.try_send(0, 1, Origin::Agent).unwrap();
        let messages = talk.run(400);
        assert!((5..=10).contains(&messages), "{messages}");
    }
}

#[test]
fn what_a_stranger_says_of_a_chain_stops_nobody() {
    let mut talk = Talk::new(&[AGENT, AGENT]);
    for n in 0..20 {
        let id = talk.world.fresh_id();
        let liar = Some(Chain { id, hops: u32::MAX });
        hear(&mut talk.world, 0, key(90), "answer me", liar);
        let to_liar = SendRequest { to: Recipient::Key(key(90)), origin: Origin::Agent, ..request(1, "no") };
        assert!(n >= 10 || talk.ask(0, to_liar).is_ok());
        hear(&mut talk.world, 0, key(91), "answer me", liar);
        assert!(talk.try_send(0, 1, Origin::Agent).is_ok(), "nor its messages to others");
        talk.world.pass(SECOND);
    }
}

#[test]
fn an_agent_has_an_hourly_allowance_for_each_peer_and_its_owner_has_none() {
    let mut talk = Talk::new(&[AGENT, AGENT, AGENT]);
    let mut sent = 0;
    let refusal = loop {
        match talk.try_send(0, 1, Origin::Agent) {
            Ok(_) => sent += 1,
            Err(refusal) => break refusal,
        }
        assert!(sent <= 60);
        talk.world.pass(SECOND / 10);
    };
    assert_eq!(sent, 60);
    let Refusal::TooManySends { per_hour: 60, wait_ms } = refusal else { panic!("{refusal:?}") };
    assert!(wait_ms <= MINUTE, "one comes back every minute");
    assert!(talk.try_send(0, 2, Origin::Agent).is_ok(), "each peer has its own");
    assert!((0..100).all(|_| talk.try_send(0, 1, Origin::Owner).is_ok()));
    let unsaid = (0..).find(|_| talk.try_send(0, 2, Origin::Unsaid).is_err());
    assert_eq!(unsaid, Some(590), "ten times as many for who does not say what it is; the agent's one counts for ten");
    talk.world.pass(MINUTE);
    assert!(talk.try_send(0, 1, Origin::Agent).is_ok());
    assert!(talk.try_send(0, 1, Origin::Agent).is_err());
}

#[test]
fn no_frame_is_answered_with_a_message_and_no_receipt_with_anything() {
    let mut talk = Talk::new(&[AGENT, AGENT]);
    let id = talk.try_send(0, 1, Origin::Agent).unwrap();
    talk.world.pass(MINUTE);
    talk.try_send(1, 0, Origin::Agent).unwrap(); // both accept each other
    talk.world.pass(MINUTE);
    let author = talk.world.nodes[1].me;
    let intro = Body::Intro { name: None, capabilities: Vec::new(), version: None };
    for body in [intro, Body::Ping, Body::Pong, Body::Delivered(id), Body::Read(id), Body::Delivered(id)] {
        let is_receipt = matches!(body, Body::Delivered(_) | Body::Read(_) | Body::Pong);
        let (frame, event_id, me, now) = (talk.world.fresh_id(), talk.world.fresh_id(), talk.world.nodes[0].me, talk.world.now);
        let opened = Opened::Direct(Envelope {
            id: frame,
            event_id,
            author,
            recipient: me,
            form: Form::Nip17,
            written_at: now,
            reply_to: None,
            subject: None,
            chain: Some(Chain { id, hops: 3 }),
            place: None,
            urgent: false,
            work: 0,
            body,
        });
        talk.world.watched = Some(Vec::new());
        talk.world.input(0, Input::EventOpened { relay: url(A), opened, facts: Facts::default() });
        let sealed = |effect: &&Effect| matches!(effect, Effect::Seal { draft: Draft::Direct(_), .. });
        let text = |effect: &&Effect| matches!(effect, Effect::Seal { draft: Draft::Direct(draft), .. } if matches!(draft.body, DraftBody::Text(_)));
        let watched = talk.world.watched.take().unwrap();
        let effects: Vec<&Effect> = watched.iter().filter(|(node, ..)| *node == 0).flat_map(|(_, _, step)| &step.effects).collect();
        assert_eq!(effects.iter().copied().filter(|effect| text(effect)).count(), 0);
        assert!(!is_receipt || effects.iter().copied().filter(|effect| sealed(effect)).count() == 0);
        talk.world.pass(MINUTE);
    }
}

#[test]
fn a_dry_run_says_what_would_be_and_changes_nothing() {
    let mut talk = Talk::new(&[AGENT, AGENT]);
    let dry = || SendRequest { dry_run: true, origin: Origin::Agent, ..request(1, "hello") };
    talk.world.watched = Some(Vec::new());
    let told = talk.world.command(0, Command::Send(dry())).unwrap();
    let Answer::WouldQueue { to, form: Form::Nip17, relays, .. } = told else { panic!("{told:?}") };
    assert_eq!((to, relays.len()), (talk.world.nodes[1].me, 2));
    for (_, _, step) in talk.world.watched.take().unwrap() {
        assert!(step.changes.is_empty() && step.notices.is_empty() && step.effects.len() == 1, "only the answer: {step:?}");
    }
    talk.try_send(0, 1, Origin::Agent).unwrap();
    talk.run(100);
    // In a loop it says so too, and that trips nothing.
    let stopped = (0..2).find(|node| !talk.world.nodes[*node].mesh.as_ref().unwrap().loops().is_empty()).unwrap();
    talk.world.pass(6 * MINUTE);
    let before = talk.world.nodes[stopped].mesh.as_ref().unwrap().loops();
    let asked = SendRequest { dry_run: true, origin: Origin::Agent, ..request(1 - stopped, "hello") };
    assert!(talk.world.command(stopped, Command::Send(asked)).is_ok(), "half-open");
    assert_eq!(talk.world.nodes[stopped].mesh.as_ref().unwrap().loops(), before);
    let too_long = SendRequest { content: "x".repeat(4_097), ..dry() };
    assert!(matches!(talk.world.command(0, Command::Send(too_long)), Err(Refusal::ContentTooLong { .. })));
}

fn parent(world: &World, node: usize, id: MessageId) -> ParentFacts {
    let m = &world.nodes[node].disk.messages[&id];
    ParentFacts { id, thread: m.thread, chain: m.chain, direction: m.direction, stored_at: m.stored_at }
}

/// A message of somebody without a core reaches a node.
fn hear(world: &mut World, node: usize, author: PubKey, text: &str, chain: Option<Chain>) -> MessageId {
    let (id, me, now) = (world.fresh_id(), world.nodes[node].me, world.now);
    let (form, body) = (Form::Nip04, Body::Text(text.to_owned()));
    let (reply_to, subject, place) = (None, None, None);
    let envelope = Envelope {
        id,
        event_id: id,
        author,
        recipient: me,
        form,
        written_at: now,
        reply_to,
        subject,
        chain,
        place,
        urgent: false,
        work: 0,
        body,
    };
    world.input(node, Input::EventOpened { relay: url(A), opened: Opened::Direct(envelope), facts: Facts::default() });
    id
}
