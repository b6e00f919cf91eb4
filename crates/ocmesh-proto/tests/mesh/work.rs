//! Work (NIP-13) that an agent asks of strangers, and does for peers that ask it.

use ocmesh_proto::{
    Answer, Body, Command, Envelope, Form, HistoryEntry, HopState, Input, MessageId, Opened, Presence, PubKey, SendRequest, Status, Trust,
    kind,
    limit::WORK_BITS_MAX,
    time::{HOUR, MINUTE, SECOND},
};

use super::{
    A, B, announce, presence_of, request,
    world::{World, key, url},
};

/// Ada, and Bob, who asks strangers for so many bits.
fn pair_that_asks(bits: u32) -> World {
    let mut world = World::new(&[A, B]);
    world.add("ada", &[A, B]);
    world.add("bob", &[A, B]);
    world.kill(1);
    world.nodes[1].policy.inbox_work = bits;
    world.start(1);
    world.pass(2 * MINUTE + 20 * SECOND);
    assert_eq!(world.peer(0, 1).unwrap().work_asked, bits, "its presence says so");
    world
}

/// A message of a stranger to Bob that shows so much work.
fn write_to_bob(world: &mut World, author: PubKey, work: u32, body: Body) -> MessageId {
    let (id, event_id, recipient, now) = (world.fresh_id(), world.fresh_id(), world.nodes[1].me, world.now);
    let opened = Opened::Direct(Envelope {
        id,
        event_id,
        author,
        recipient,
        form: Form::Nip17,
        written_at: now,
        reply_to: None,
        subject: None,
        chain: None,
        place: None,
        urgent: false,
        work,
        body,
    });
    world.input(1, Input::EventOpened { relay: url(A), opened, facts: ocmesh_proto::Facts::default() });
    id
}

fn texts(world: &World, node: usize) -> Vec<String> {
    world.inbox(node).iter().map(|message| message.content.clone()).collect()
}

/// Bits of every wrap of a message that a relay took.
fn shown(world: &World, id: MessageId) -> Vec<u32> {
    let taken = world.relays.values().flat_map(|relay| &relay.taken).filter_map(|event| match &world.events[event].opened {
        Opened::Direct(envelope) if envelope.id == id => Some((world.events[event].tags.clone(), envelope.work)),
        _ => None,
    });
    let bob = world.nodes[1].me.to_hex();
    taken.filter(|(tags, _)| tags.contains(&('p', bob.clone()))).map(|(_, work)| work).collect()
}

#[test]
fn a_strangers_message_needs_the_work_and_an_accepted_peers_does_not() {
    let mut world = pair_that_asks(12);
    let stranger = key(50);
    write_to_bob(&mut world, stranger, 11, Body::Text("too little".to_owned()));
    let mesh = |world: &World| world.nodes[1].mesh.as_ref().unwrap().left_aside();
    assert!(texts(&world, 1).is_empty() && mesh(&world) == 1);
    assert!(!world.nodes[1].disk.peers.contains_key(&stranger), "no trace of it");
    write_to_bob(&mut world, stranger, 12, Body::Text("enough".to_owned()));
    assert_eq!(texts(&world, 1), ["enough"]);
    world.command(1, Command::SetTrust { peer: stranger, trust: Trust::Known }).unwrap();
    write_to_bob(&mut world, stranger, 0, Body::Text("as a friend".to_owned()));
    assert!(texts(&world, 1).contains(&"as a friend".to_owned()));
    // A frame is no message: a join by a code of ours must come through from whoever has it.
    write_to_bob(&mut world, key(51), 0, Body::Intro { name: Some("node".to_owned()), capabilities: Vec::new(), version: None });
    assert!(world.nodes[1].disk.peers.contains_key(&key(51)));
    assert_eq!(mesh(&world), 1);
    world.input(1, Input::KeptOut { times: 41 });
    assert_eq!(mesh(&world), 42, "who was kept out at the door counts too");
}

#[test]
fn a_message_to_a_peer_that_asks_is_worked_for_before_it_leaves_and_arrives() {
    let mut world = pair_that_asks(16);
    let dry = SendRequest { dry_run: true, ..request(1, "hello") };
    let Ok(Answer::WouldQueue { work: 16, .. }) = world.command(0, Command::Send(dry)) else { panic!("a dry run says what it costs") };
    let id = world.send(0, 1, "hello");
    world.pass(SECOND);
    assert_eq!(texts(&world, 1), ["hello"]);
    assert_eq!(world.works.len(), 1, "once for all relays: {:?}", world.works);
    assert_eq!(shown(&world, id).iter().filter(|work| **work != 16).count(), 0);
    assert!(world.nodes[0].disk.history[&id].contains(&HistoryEntry::Worked { bits: 16 }));
    // Once Bob has answered, Ada is known to him.
    world.send(1, 0, "hello yourself");
    world.pass(SECOND);
    let id = world.send(0, 1, "how are you?");
    world.pass(SECOND);
    assert!(matches!(world.status(0, id), Status::Delivered { .. }), "{:?}", world.status(0, id));
    assert_eq!(world.works.len(), 1, "{:?}", world.works);
    assert!(shown(&world, id).iter().all(|work| *work == 0));
}

#[test]
fn a_message_waits_for_its_work_and_a_restart_begins_it_anew() {
    let mut world = pair_that_asks(20);
    world.slow_work = true;
    let id = world.send(0, 1, "hello");
    world.pass(10 * MINUTE);
    assert_eq!((world.works.len(), shown(&world, id).len()), (1, 0), "nothing leaves without it, and it is asked for once");
    assert_eq!(world.status(0, id), Status::Queued);
    let parcel = world.nodes[0].disk.parcels.values().find(|parcel| parcel.message == id).unwrap();
    let why = |state: &HopState| matches!(state, HopState::Waiting { last_error: Some(why), .. } if why.contains("20 bits"));
    assert!(parcel.hops.iter().any(|hop| why(&hop.state)), "the outbox says why: {:?}", parcel.hops);
    world.kill(0);
    world.slow_work = false;
    world.start(0);
    world.pass(2 * MINUTE);
    assert_eq!(texts(&world, 1), ["hello"]);
    assert!(shown(&world, id).iter().all(|work| *work == 20));
}

#[test]
fn work_for_a_message_that_is_taken_back_is_stopped() {
    let mut world = pair_that_asks(20);
    world.slow_work = true;
    let id = world.send(0, 1, "hello");
    world.pass(SECOND);
    let (_, job, _) = world.works[0];
    world.command(0, Command::CancelMessage { id }).unwrap();
    assert_eq!(world.stopped_works, [job]);
    let sealed = Err(ocmesh_proto::SealRefused("late"));
    world.input(0, Input::DraftSealed { job, sealed });
    world.pass(2 * HOUR);
    assert!(shown(&world, id).is_empty());
}

#[test]
fn nobody_makes_us_work_without_end() {
    let mut world = World::new(&[A]);
    world.add("ada", &[A]);
    world.pass(5 * SECOND);
    world.slow_work = true;
    let at = world.now;
    announce(&mut world, Presence { work_asked: WORK_BITS_MAX, forms: vec![Form::Nip17], ..presence_of(61, at) });
    world.pass(3 * MINUTE);
    let begun = world.now;
    for n in 0..30 {
        let to = ocmesh_proto::Recipient::Key(key(61));
        world.command(0, Command::Send(SendRequest { to, ..request(1, &n.to_string()) })).unwrap();
    }
    world.pass(5 * MINUTE);
    assert_eq!(world.works.len(), 8, "eight times half a minute in an hour");
    world.pass(HOUR);
    let hours = world.now.since(begun).div_ceil(HOUR);
    assert!(world.works.len() as u64 <= 8 * (hours + 1), "{}", world.works.len());
}

#[test]
fn who_asks_with_kind_4_alone_gets_none_and_a_message_without_receipt_is_worked_for_again() {
    let mut world = pair_that_asks(8);
    // Bob answered Ada once, and has forgotten her since: what she sends finds no room, and no receipt comes.
    world.send(1, 0, "hello");
    world.pass(SECOND);
    let ada = world.nodes[0].me;
    world.command(1, Command::SetTrust { peer: ada, trust: Trust::Unknown }).unwrap();
    let id = world.send(0, 1, "are you there?");
    world.pass(MINUTE);
    assert!(!texts(&world, 1).contains(&"are you there?".to_owned()));
    world.pass(30 * MINUTE);
    assert!(texts(&world, 1).contains(&"are you there?".to_owned()), "sent again with the work of a stranger");
    assert!(shown(&world, id).contains(&8));
    // Kind 4 is the message itself.
    let at = world.now;
    announce(&mut world, Presence { work_asked: 8, ..presence_of(62, at) });
    world.pass(3 * MINUTE);
    let works = world.works.len();
    let to = ocmesh_proto::Recipient::Key(key(62));
    world.command(0, Command::Send(SendRequest { to, ..request(1, "old friend") })).unwrap();
    world.pass(3 * MINUTE);
    assert_eq!(world.works.len(), works);
    assert!(world.events.values().any(|event| event.kind == kind::LEGACY_DIRECT && event.tags.contains(&('p', key(62).to_hex()))));
}
