//! What strangers may cause, and what not.

use ocmesh_proto::{
    Answer, Body, Command, Envelope, Form, Input, MessageId, Opened, Presence, Recipient, Refusal, SendRequest, Trust,
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

/// A stranger's text, handed to the first node; gives what follows from it.
fn text_from(world: &mut World, author: [u8; 32]) -> ocmesh_proto::Step {
    let (id, event_id, me, now) = (world.fresh_id(), world.fresh_id(), world.nodes[0].me, world.now);
    let opened = Opened::Direct(Envelope {
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
        body: Body::Ping,
    });
    let facts = ocmesh_proto::Facts::default();
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
    let begun = (0..40).filter(|n| looks_up(&text_from(&mut world, author(*n)))).count();
    assert_eq!(begun, 32, "bounded");
    world.now = world.now.plus(MINUTE + SECOND);
    assert!(looks_up(&text_from(&mut world, author(1_000))), "old ones make room");
}

#[test]
fn a_flood_of_pings_is_answered_within_bounds() {
    let mut world = World::new(&[A]);
    world.add("ada", &[A]);
    world.pass(5 * SECOND);
    let is_pong =
        |effect: &ocmesh_proto::Effect| matches!(effect, ocmesh_proto::Effect::Seal { draft: ocmesh_proto::Draft::Direct(_), .. });
    let pongs = |step: &ocmesh_proto::Step| step.effects.iter().filter(|effect| is_pong(effect)).count();
    assert_eq!(pongs(&text_from(&mut world, author(1))), 1);
    assert_eq!(pongs(&text_from(&mut world, author(1))), 0, "one peer, once in ten seconds");
    let answered: usize = (2..6_000).map(|n| pongs(&text_from(&mut world, author(n)))).sum();
    assert!(answered <= 4_096, "{answered}");
    world.now = world.now.plus(11 * MINUTE);
    assert_eq!(pongs(&text_from(&mut world, author(9_999))), 1, "the flood is over");
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
