//! What strangers may cause, and what not.

use ocmesh_proto::{
    Answer, Body, Command, Envelope, Form, InboxPolicy, Input, MessageId, Notice, Opened, PeerChange, Presence, Recipient, Refusal,
    SendRequest, Trust,
    time::{MINUTE, SECOND},
};

use super::{
    A, announce, pair, presence_of, request,
    world::{World, key, url},
};

#[test]
fn a_private_relay_hint_is_never_used() {
    let mut world = World::new(&[A]);
    world.add("ada", &[A]);
    let at = world.now;
    announce(&mut world, Presence { relays: vec![url("wss://10.0.0.1"), url("ws://plain.example.com")], ..presence_of(61, at) });
    world.pass(3 * MINUTE);
    world.command(0, Command::Send(SendRequest { to: Recipient::Key(key(61)), ..request(1, "x") })).unwrap();
    assert!(world.nodes[0].connected.iter().all(|relay| *relay == url(A)), "{:?}", world.nodes[0].connected);
}

#[test]
fn a_receipt_from_somebody_else_moves_nothing() {
    let mut world = pair();
    let id: MessageId = world.send(0, 1, "for bob");
    world.pass(SECOND);
    let (fake, event_id, me, now) = (world.fresh_id(), world.fresh_id(), world.nodes[0].me, world.now);
    let opened = Opened::Direct(Envelope {
        id: fake,
        event_id,
        author: key(200),
        recipient: me,
        form: Form::Nip17,
        written_at: now,
        reply_to: None,
        subject: None,
        chain: None,
        place: None,
        urgent: false,
        work: 0,
        body: Body::Read(id),
    });
    let facts = ocmesh_proto::Facts {
        receipt_for: Some(Box::new(ocmesh_proto::StoredFacts {
            to: key(2),
            form: Form::Nip17,
            event: None,
            kind: 0,
            wrapped_at: now,
            status: world.status(0, id),
        })),
        ..Default::default()
    };
    let step = world.nodes[0].mesh.as_mut().unwrap().handle(Input::EventOpened { relay: url(A), opened, facts }, now);
    assert!(!step.changes.iter().any(|change| matches!(change, ocmesh_proto::Change::SetStatus { .. })));
}

/// What somebody writes to the first node, as it is opened there.
fn from(world: &mut World, author: [u8; 32], body: Body) -> (MessageId, Opened) {
    let (id, event_id, me, now) = (world.fresh_id(), world.fresh_id(), world.nodes[0].me, world.now);
    let envelope = Envelope {
        id,
        event_id,
        author: ocmesh_proto::PubKey::from_bytes(author),
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
    };
    (id, Opened::Direct(envelope))
}

/// A stranger's ping, handed to the first node; gives what follows from it.
fn ping_from(world: &mut World, author: [u8; 32]) -> ocmesh_proto::Step {
    let (_, opened) = from(world, author, Body::Ping);
    let (facts, now) = (ocmesh_proto::Facts::default(), world.now);
    world.nodes[0].mesh.as_mut().unwrap().handle(Input::EventOpened { relay: url(A), opened, facts }, now)
}

fn author(n: u32) -> [u8; 32] {
    let mut bytes = [9u8; 32];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    bytes
}

#[test]
fn a_relay_that_never_ends_a_look_up_does_not_end_looking_up() {
    let mut world = World::new(&[A]);
    world.add("ada", &[A]);
    world.pass(5 * SECOND);
    let looks_up = |step: &ocmesh_proto::Step| {
        step.effects.iter().any(|effect| matches!(effect, ocmesh_proto::Effect::Subscribe { sub: ocmesh_proto::Sub::Lookup(_), .. }))
    };
    // These look-ups reach no relay here, so none of them is ever answered.
    let begun = (0..40).filter(|n| looks_up(&ping_from(&mut world, author(*n)))).count();
    assert_eq!(begun, 32, "bounded");
    world.now = world.now.plus(MINUTE + SECOND);
    assert!(looks_up(&ping_from(&mut world, author(1_000))), "old ones make room");
}

#[test]
fn a_flood_of_pings_is_answered_within_bounds() {
    let mut world = World::new(&[A]);
    world.add("ada", &[A]);
    world.pass(5 * SECOND);
    let is_pong =
        |effect: &ocmesh_proto::Effect| matches!(effect, ocmesh_proto::Effect::Seal { draft: ocmesh_proto::Draft::Direct(_), .. });
    let pongs = |step: &ocmesh_proto::Step| step.effects.iter().filter(|effect| is_pong(effect)).count();
    assert_eq!(pongs(&ping_from(&mut world, author(1))), 1);
    assert_eq!(pongs(&ping_from(&mut world, author(1))), 0, "one peer, once in ten seconds");
    let answered: usize = (2..6_000).map(|n| pongs(&ping_from(&mut world, author(n)))).sum();
    assert_eq!(answered, 255, "256 with the one before");
    let friend = ocmesh_proto::PubKey::from_bytes(author(7_000));
    world.command(0, Command::AddPeer { peer: friend, hints: Vec::new(), petname: None }).unwrap();
    assert_eq!(pongs(&ping_from(&mut world, author(7_000))), 1, "a flood takes no friend's place");
    world.now = world.now.plus(11 * MINUTE);
    assert_eq!(pongs(&ping_from(&mut world, author(9_999))), 1, "the flood is over");
}

#[test]
fn nothing_is_sent_to_a_name_that_looks_like_one_we_know() {
    let mut world = pair();
    let to = |world: &mut World, name: &str| {
        let send = SendRequest { to: Recipient::Name(name.into()), ..request(1, "the password is …") };
        world.command(0, Command::Send(send)).map(|answer| if let Answer::Queued { to, .. } = answer { to } else { panic!("{answer:?}") })
    };
    let at = world.now;
    announce(&mut world, Presence { name: Some("bоb".to_owned()), ..presence_of(61, at) });
    announce(&mut world, Presence { name: Some("eve".to_owned()), ..presence_of(62, at) });
    world.pass(3 * MINUTE);
    let bob = world.nodes[1].me;
    // As long as nobody knows bob, nobody can say who is who: the whole name counts, and each is the only one of its name.
    assert_eq!(to(&mut world, "bоb").unwrap(), key(61));
    world.command(0, Command::SetTrust { peer: key(61), trust: Trust::Unknown }).unwrap();
    assert_eq!(to(&mut world, "bob").unwrap(), bob);
    // Now bob is known, and its twin is told apart.
    let refused = Refusal::NameLooksLike { name: "bоb".to_owned(), like: "bob".to_owned() };
    assert_eq!(to(&mut world, "bоb"), Err(refused));
    assert_eq!(to(&mut world, "bob").unwrap(), bob);
    assert_eq!(to(&mut world, "Eve").unwrap(), key(62), "an honest name still works");
    // Somebody with exactly the name makes it say nothing; what our owner calls bob wins over all of them.
    let at = world.now;
    announce(&mut world, Presence { name: Some("BOB".to_owned()), ..presence_of(63, at) });
    world.pass(3 * MINUTE);
    assert!(matches!(to(&mut world, "bob"), Err(Refusal::NameAmbiguous { count: 2, .. })));
    world.command(0, Command::SetPetname { peer: bob, petname: Some("bob".to_owned()) }).unwrap();
    assert_eq!(to(&mut world, "bob").unwrap(), bob);
    // What our owner named is what it is called.
    world.command(0, Command::SetPetname { peer: key(61), petname: Some("the other one".to_owned()) }).unwrap();
    assert_eq!(to(&mut world, "bоb").unwrap(), key(61));
    // Our own name is nobody else's.
    let at = world.now;
    announce(&mut world, Presence { name: Some("ada.".to_owned()), ..presence_of(64, at) });
    world.pass(3 * MINUTE);
    assert!(matches!(to(&mut world, "ada."), Err(Refusal::NameLooksLike { .. })));
}

/// A message of somebody through the relay, as anybody may send one.
fn message_from(world: &mut World, author: [u8; 32], text: &str) -> MessageId {
    let (id, opened) = from(world, author, Body::Text(text.to_owned()));
    world.input(0, Input::EventOpened { relay: url(A), opened, facts: ocmesh_proto::Facts::default() });
    id
}

fn alone() -> World {
    let mut world = World::new(&[A]);
    world.add("ada", &[A]);
    world.pass(5 * SECOND);
    world
}

/// How many of so many new strangers' messages find room.
fn find_room(world: &mut World, strangers: std::ops::Range<u32>) -> usize {
    let before = world.inbox(0).len();
    for n in strangers {
        message_from(world, author(n), "hello");
    }
    world.inbox(0).len() - before
}

fn left_aside(world: &World) -> u64 {
    world.nodes[0].mesh.as_ref().unwrap().left_aside()
}

#[test]
fn a_stranger_has_room_for_twenty_unread_messages_and_for_more_once_they_are_read() {
    let mut world = alone();
    let ids: Vec<MessageId> = (0..30).map(|n| message_from(&mut world, author(1), &n.to_string())).collect();
    assert_eq!(world.inbox(0).iter().map(|message| message.id).collect::<Vec<_>>(), ids[..20]);
    assert_eq!(left_aside(&world), 10);
    // Nothing is written of what was left aside: when room is made it may come again.
    assert!(ids[20..].iter().all(|id| !world.nodes[0].disk.seen.contains(id)));
    world.read(0, &ids[..20]);
    assert_eq!(find_room(&mut world, 1..2), 1);
    // Whom we accepted may write as much as it likes.
    world.command(0, Command::SetTrust { peer: ocmesh_proto::PubKey::from_bytes(author(1)), trust: Trust::Known }).unwrap();
    for n in 0..300 {
        message_from(&mut world, author(1), &n.to_string());
    }
    assert_eq!(world.inbox(0).len(), 321);
    world.pass(61 * MINUTE);
    assert_eq!(left_aside(&world), 0, "forgotten after an hour");
}

#[test]
fn of_a_thousand_strangers_two_hundred_find_room_and_a_friend_always_does() {
    let mut world = alone();
    let friend = author(9_999);
    world.command(0, Command::AddPeer { peer: ocmesh_proto::PubKey::from_bytes(friend), hints: vec![], petname: None }).unwrap();
    assert_eq!(find_room(&mut world, 0..500), 100, "as many as one relay may bring at once");
    world.pass(5 * MINUTE);
    assert_eq!(find_room(&mut world, 500..600), 50, "ten a minute");
    world.pass(60 * MINUTE);
    assert_eq!(find_room(&mut world, 600..1_000), 50, "two hundred in all");
    assert_eq!(find_room(&mut world, 9_999..10_000), 1, "a friend is no stranger");
    assert_eq!(find_room(&mut world, 0..1), 1, "who waits already takes no more room");
    // Strangers that found no room leave no trace, not even as peers.
    assert!(!world.nodes[0].disk.peers.contains_key(&ocmesh_proto::PubKey::from_bytes(author(999))));
    let ids: Vec<MessageId> = world.inbox(0).iter().map(|message| message.id).collect();
    world.read(0, &ids);
    world.pass(MINUTE);
    assert_eq!(find_room(&mut world, 2_000..2_005), 5, "room again");
}

#[test]
fn where_the_owner_is_asked_a_stranger_has_one_request() {
    let mut world = alone_with(InboxPolicy::Ask);
    for n in 0..5 {
        message_from(&mut world, author(1), &n.to_string());
    }
    assert_eq!(world.inbox(0).iter().map(|message| (message.held, message.content.as_str())).collect::<Vec<_>>(), [(true, "0")]);
}

/// Ada, with another policy for strangers.
fn alone_with(inbox: InboxPolicy) -> World {
    let mut world = alone();
    world.kill(0);
    world.nodes[0].policy.inbox = inbox;
    world.start(0);
    world.pass(5 * SECOND);
    world
}

#[test]
fn a_request_is_accepted_refused_or_ended_by_blocking() {
    let mut world = alone_with(InboxPolicy::Ask);
    let peers: Vec<ocmesh_proto::PubKey> = (1..4).map(|n| ocmesh_proto::PubKey::from_bytes(author(n))).collect();
    let ids: Vec<MessageId> = (1..4).map(|n| message_from(&mut world, author(n), "may I?")).collect();
    assert!(world.inbox(0).iter().all(|message| message.held));
    world.command(0, Command::AddPeer { peer: peers[0], hints: Vec::new(), petname: None }).unwrap();
    world.command(0, Command::RefuseRequest { peer: peers[1] }).unwrap();
    world.command(0, Command::SetTrust { peer: peers[2], trust: Trust::Blocked }).unwrap();
    assert_eq!(world.inbox(0).iter().map(|message| (message.id, message.held)).collect::<Vec<_>>(), [(ids[0], false)]);
    let told = |peer: &ocmesh_proto::PubKey, what: PeerChange| world.nodes[0].notices.contains(&Notice::PeerChanged { peer: *peer, what });
    assert!(told(&peers[0], PeerChange::Trust) && told(&peers[1], PeerChange::Refused) && told(&peers[2], PeerChange::Trust));
    // What was refused does not come again; its author may ask anew, and learns nothing.
    let again = world.nodes[0].disk.seen.clone();
    assert!(again.contains(&ids[1]) && again.contains(&ids[2]));
    assert_eq!(find_room(&mut world, 2..3), 1);
    assert_eq!(world.peer_trust(0, &peers[1]), Trust::Unknown);
    assert_eq!(find_room(&mut world, 3..4), 0, "who is blocked cannot ask");
    // Whoever is accepted keeps what it wrote.
    world.command(0, Command::RefuseRequest { peer: peers[0] }).unwrap();
    assert!(world.inbox(0).iter().any(|message| message.id == ids[0]));
}

#[test]
fn a_closed_inbox_takes_nothing_of_strangers_and_everything_of_friends() {
    let mut world = alone_with(InboxPolicy::Closed);
    let id = message_from(&mut world, author(1), "hello");
    assert!(world.inbox(0).is_empty());
    assert!(world.nodes[0].disk.seen.contains(&id), "it is done with");
    assert_eq!(left_aside(&world), 0, "nothing waits for room that will not be");
    let friend = ocmesh_proto::PubKey::from_bytes(author(2));
    world.command(0, Command::AddPeer { peer: friend, hints: Vec::new(), petname: None }).unwrap();
    assert_eq!(find_room(&mut world, 2..3), 1);
}

#[test]
fn a_strangers_pace_is_bounded_also_where_the_agent_reads_at_once() {
    let mut world = alone();
    let mut kept = 0;
    for minute in 0..50 {
        for n in 0..10 {
            let id = message_from(&mut world, author(1), &format!("{minute} {n}"));
            if world.inbox(0).iter().any(|message| message.id == id) {
                kept += 1;
                world.read(0, &[id]);
            }
        }
        world.pass(MINUTE);
    }
    assert_eq!(kept, 60, "sixty in an hour");
}
