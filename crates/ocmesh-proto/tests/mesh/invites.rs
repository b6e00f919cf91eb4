//! First contact by invite: one use, in its time, both ends known, and nobody else.

use ocmesh_proto::{
    Answer, Body, Command, Envelope, Form, Input, InviteFacts, InviteId, InviteSecret, InviteState, JoinFrame, JoinRequest, Opened, PubKey,
    Refusal, RelayUrl, Trust,
    limit::INVITES_OPEN_MAX,
    time::{DAY, HOUR, MINUTE, SECOND},
};

use super::{
    A, B, pair,
    world::{World, key, url},
};

/// What this world holds for the secret of an invite: the first half is in the code, the second is the joiner's.
fn secret(n: u8, nonce: u8) -> InviteSecret {
    let mut bytes = [n; 32];
    bytes[16..].fill(nonce);
    InviteSecret(bytes)
}

fn id(n: u8) -> InviteId {
    InviteId(u64::from(n))
}

fn frame(n: u8, nonce: u8) -> JoinFrame {
    JoinFrame { invite: id(n), nonce: [nonce; 16], proof: [1; 32] }
}

/// The owner of `index` makes invite `n`.
fn invite(world: &mut World, index: usize, n: u8, life_ms: u64) -> Result<Vec<RelayUrl>, Refusal> {
    let command = Command::Invite { id: id(n), secret: secret(n, n), life_ms, petname: Some("friend".to_owned()) };
    world.command(index, command).map(|answer| if let Answer::Invited { relays, .. } = answer { relays } else { panic!("{answer:?}") })
}

/// The owner of `index` joins by invite `n` of the first node.
fn join(world: &mut World, index: usize, n: u8, nonce: u8) -> Result<Answer, Refusal> {
    let (inviter, expires_at) = (world.nodes[0].me, world.now.plus(10 * MINUTE));
    let (hints, frame, secret) = (vec![url(A)], frame(n, nonce), secret(n, nonce));
    world.command(index, Command::Join(Box::new(JoinRequest { inviter, hints, expires_at, secret, frame, petname: None })))
}

fn state(world: &World, index: usize, n: u8) -> Option<InviteState> {
    world.nodes[index].disk.invites.get(&id(n)).map(|(record, _)| record.state)
}

fn trust(world: &World, me: usize, other: usize) -> Trust {
    world.peer(me, other).unwrap().trust
}

fn phrase(world: &World, index: usize, n: u8) -> Option<String> {
    world.nodes[index].disk.invites.get(&id(n)).unwrap().0.phrase.clone()
}

/// Two who have never met: the first reads at A, the second has A and B.
fn strangers() -> World {
    let mut world = World::new(&[A, B]);
    world.add("ada", &[A]);
    world.add("bob", &[A, B]);
    world.add("eve", &[A, B]);
    world.pass(10 * SECOND);
    world
}

#[test]
fn one_round_trip_makes_both_known_and_gives_both_the_same_phrase() {
    let mut world = strangers();
    assert_eq!(invite(&mut world, 0, 7, 15 * MINUTE), Ok(vec![url(A)]));
    join(&mut world, 1, 7, 3).unwrap();
    world.pass(10 * SECOND);
    assert_eq!((state(&world, 0, 7), state(&world, 1, 7)), (Some(InviteState::Joined), Some(InviteState::Joined)));
    assert_eq!((trust(&world, 0, 1), trust(&world, 1, 0)), (Trust::Known, Trust::Known));
    assert_eq!(phrase(&world, 0, 7).unwrap(), phrase(&world, 1, 7).unwrap());
    assert_eq!(world.peer(0, 1).unwrap().petname.as_deref(), Some("friend"), "as the inviter wished");
    assert_eq!(world.nodes[0].disk.invites[&id(7)].0.peer, Some(world.nodes[1].me));
    // Once more changes nothing.
    assert_eq!(join(&mut world, 1, 7, 3), Ok(Answer::Invite(id(7))));
    assert_eq!(trust(&world, 0, 2), Trust::Unknown, "and nobody else");
}

#[test]
fn the_second_to_come_is_told_that_it_was_used() {
    let mut world = strangers();
    invite(&mut world, 0, 7, 15 * MINUTE).unwrap();
    join(&mut world, 1, 7, 3).unwrap();
    world.pass(10 * SECOND);
    join(&mut world, 2, 7, 4).unwrap();
    world.pass(10 * SECOND);
    assert_eq!(state(&world, 2, 7), Some(InviteState::Used));
    assert_eq!((trust(&world, 0, 2), trust(&world, 2, 0)), (Trust::Unknown, Trust::Unknown));
    assert_eq!(join(&mut world, 2, 7, 4), Err(Refusal::InviteClosed(InviteState::Used)));
}

#[test]
fn an_invite_waits_for_an_inviter_that_is_away_and_survives_its_restart() {
    let mut world = strangers();
    invite(&mut world, 0, 7, HOUR).unwrap();
    world.kill(0);
    join(&mut world, 1, 7, 3).unwrap();
    world.pass(5 * MINUTE);
    assert_eq!(state(&world, 1, 7), Some(InviteState::Open), "nobody answers");
    world.kill(1);
    world.start(0);
    world.pass(MINUTE);
    assert_eq!(state(&world, 0, 7), Some(InviteState::Joined));
    world.start(1);
    world.pass(MINUTE);
    assert_eq!((state(&world, 1, 7), trust(&world, 1, 0)), (Some(InviteState::Joined), Trust::Known));
    assert_eq!(phrase(&world, 0, 7), phrase(&world, 1, 7));
}

#[test]
fn an_answer_that_was_late_still_counts_at_the_joiner() {
    let mut world = strangers();
    invite(&mut world, 0, 7, HOUR).unwrap();
    join(&mut world, 1, 7, 3).unwrap();
    world.kill(1);
    world.pass(2 * HOUR);
    world.start(1);
    world.pass(MINUTE);
    assert_eq!((state(&world, 1, 7), trust(&world, 1, 0)), (Some(InviteState::Joined), Trust::Known));
}

#[test]
fn an_invite_that_is_over_makes_nobody_known_and_says_why() {
    for revoke in [false, true] {
        let mut world = strangers();
        invite(&mut world, 0, 7, MINUTE).unwrap();
        if revoke {
            world.command(0, Command::RevokeInvite { id: id(7) }).unwrap();
        }
        world.pass(2 * MINUTE);
        let wanted = if revoke { InviteState::Revoked } else { InviteState::Expired };
        assert_eq!(state(&world, 0, 7), Some(wanted));
        join(&mut world, 1, 7, 3).unwrap();
        world.pass(10 * SECOND);
        assert_eq!(state(&world, 1, 7), Some(wanted));
        assert_eq!((trust(&world, 0, 1), trust(&world, 1, 0)), (Trust::Unknown, Trust::Unknown));
    }
    // Forgotten after a week.
    let mut world = World::new(&[]);
    world.add("ada", &[]);
    invite(&mut world, 0, 7, MINUTE).unwrap();
    world.pass(8 * DAY);
    assert_eq!(state(&world, 0, 7), None);
    assert_eq!(world.command(0, Command::RevokeInvite { id: id(7) }), Err(Refusal::InviteUnknown));
}

#[test]
fn a_joiner_that_never_gets_an_answer_is_told_so_and_stays_a_stranger() {
    let mut world = strangers();
    join(&mut world, 1, 7, 3).unwrap(); // The first node made no such invite, so it says nothing.
    world.pass(11 * MINUTE);
    assert_eq!((state(&world, 1, 7), trust(&world, 1, 0)), (Some(InviteState::Expired), Trust::Unknown));
    assert_eq!(join(&mut world, 1, 7, 3), Err(Refusal::InviteClosed(InviteState::Expired)));
}

/// A frame of an invite from anybody, with what the shell says of its proof; gives whether it was answered.
fn hand(world: &mut World, author: PubKey, body: Body, facts: Option<Box<InviteFacts>>) -> bool {
    let (id, event_id, me, now) = (world.fresh_id(), world.fresh_id(), world.nodes[0].me, world.now);
    let opened = Opened::Direct(Envelope {
        id,
        event_id,
        author,
        recipient: me,
        form: Form::Nip17,
        written_at: now,
        reply_to: None,
        subject: None,
        chain: None,
        place: None,
        urgent: false,
        work: 0,
        body,
    });
    let facts = ocmesh_proto::Facts { invite: facts, ..ocmesh_proto::Facts::default() };
    let step = world.nodes[0].mesh.as_mut().unwrap().handle(Input::EventOpened { relay: url(A), opened, facts }, now);
    let answers = step.effects.iter().any(|effect| {
        matches!(effect, ocmesh_proto::Effect::Seal { draft: ocmesh_proto::Draft::Direct(draft), .. }
            if matches!(draft.body, ocmesh_proto::DraftBody::Joined(_) | ocmesh_proto::DraftBody::JoinRefused { .. }))
    });
    for change in step.changes {
        world.nodes[0].disk.apply(change);
    }
    answers
}

fn proven(good: bool, phrase: &str) -> Option<Box<InviteFacts>> {
    let answer = ocmesh_proto::JoinedFrame { invite: id(7), seed: secret(7, 7), proof: [1; 32] };
    Some(Box::new(InviteFacts { good, phrase: phrase.to_owned(), answer: good.then_some(answer) }))
}

#[test]
fn guesses_are_not_answered_and_a_few_end_the_invite() {
    let mut world = strangers();
    invite(&mut world, 0, 7, HOUR).unwrap();
    for n in 0..5 {
        assert_eq!(state(&world, 0, 7), Some(InviteState::Open), "{n}");
        assert!(!hand(&mut world, key(100 + n), Body::Join(frame(7, n)), proven(false, "x")));
    }
    assert_eq!(state(&world, 0, 7), Some(InviteState::Revoked));
    assert!(!hand(&mut world, key(120), Body::Join(frame(9, 1)), None), "and of an invite that is not ours we know nothing");
    assert!((100..121).all(|n| world.nodes[0].disk.peers.get(&key(n)).is_none_or(|peer| peer.trust == Trust::Unknown)));
}

#[test]
fn a_join_that_is_the_first_thing_heard_after_the_end_comes_too_late() {
    let mut world = strangers();
    invite(&mut world, 0, 7, HOUR).unwrap();
    world.now = world.now.plus(HOUR);
    assert!(hand(&mut world, key(100), Body::Join(frame(7, 1)), proven(true, "x")), "it is told why");
    assert_eq!(state(&world, 0, 7), Some(InviteState::Expired));
    assert_eq!(world.nodes[0].disk.peers[&key(100)].trust, Trust::Unknown);
}

#[test]
fn the_first_number_stands_and_answers_are_bounded() {
    let mut world = strangers();
    invite(&mut world, 0, 7, HOUR).unwrap();
    assert!(hand(&mut world, key(100), Body::Join(frame(7, 1)), proven(true, "first")));
    assert!(hand(&mut world, key(100), Body::Join(frame(7, 1)), proven(true, "first")), "the answer may have been lost");
    assert!(hand(&mut world, key(100), Body::Join(frame(7, 2)), proven(true, "second")), "refused");
    assert_eq!(phrase(&world, 0, 7).as_deref(), Some("first"), "who knows the seed cannot choose another phrase");
    let answered = (0..200).filter(|_| hand(&mut world, key(101), Body::Join(frame(7, 3)), proven(true, "x"))).count();
    assert!(answered <= 64, "{answered}");
}

#[test]
fn only_the_inviter_can_confirm_or_refuse_and_only_what_was_asked() {
    let mut world = strangers();
    // The first node is the joiner here, and key 50 the one that invited it.
    let frame = frame(7, 3);
    let expires_at = world.now.plus(HOUR);
    let request =
        JoinRequest { inviter: key(50), hints: Vec::new(), expires_at, secret: secret(7, 3), frame, petname: Some("boss".to_owned()) };
    world.command(0, Command::Join(Box::new(request))).unwrap();
    let joined = Body::Joined(ocmesh_proto::JoinedFrame { invite: id(7), seed: secret(7, 7), proof: [1; 32] });
    hand(&mut world, key(51), joined.clone(), proven(true, "x"));
    hand(&mut world, key(51), Body::JoinRefused { invite: id(7), why: InviteState::Used }, None);
    hand(&mut world, key(50), joined.clone(), proven(false, "x"));
    assert_eq!(state(&world, 0, 7), Some(InviteState::Open));
    assert!(world.nodes[0].disk.peers[&key(50)].trust == Trust::Unknown && world.nodes[0].disk.peers[&key(51)].trust == Trust::Unknown);
    hand(&mut world, key(50), joined, proven(true, "right"));
    assert_eq!((state(&world, 0, 7), phrase(&world, 0, 7).as_deref()), (Some(InviteState::Joined), Some("right")));
    let boss = &world.nodes[0].disk.peers[&key(50)];
    assert_eq!((boss.trust, boss.petname.as_deref()), (Trust::Known, Some("boss")));
    // A refusal that comes late takes nothing back.
    hand(&mut world, key(50), Body::JoinRefused { invite: id(7), why: InviteState::Revoked }, None);
    assert_eq!(state(&world, 0, 7), Some(InviteState::Joined));
}

#[test]
fn what_an_owner_may_not_do_is_refused_with_the_reason() {
    let mut world = pair();
    for life_ms in [0, MINUTE - 1, 7 * DAY + 1] {
        assert_eq!(invite(&mut world, 0, 7, life_ms), Err(Refusal::InviteLife));
    }
    assert_eq!(join(&mut world, 0, 7, 1), Err(Refusal::OwnInvite));
    let ada = world.nodes[0].me;
    world.command(1, Command::SetTrust { peer: ada, trust: Trust::Blocked }).unwrap();
    assert_eq!(join(&mut world, 1, 7, 1), Err(Refusal::PeerBlocked));
    for n in 0..u8::try_from(INVITES_OPEN_MAX).unwrap() {
        invite(&mut world, 0, n, HOUR).unwrap();
    }
    assert_eq!(invite(&mut world, 0, 200, HOUR), Err(Refusal::InvitesFull(INVITES_OPEN_MAX)));
    world.pass(2 * HOUR);
    invite(&mut world, 0, 200, HOUR).unwrap();
}

#[test]
fn a_code_names_public_relays_and_others_only_where_there_is_no_public_one() {
    for (own, wanted) in [(vec!["ws://127.0.0.1:7777", A, B], vec![A, B]), (vec!["ws://127.0.0.1:7777"], vec!["ws://127.0.0.1:7777"])] {
        let mut world = World::new(&own);
        world.add("ada", &own);
        world.pass(10 * SECOND);
        assert_eq!(invite(&mut world, 0, 7, HOUR).unwrap(), wanted.iter().map(|text| url(text)).collect::<Vec<_>>());
    }
}
