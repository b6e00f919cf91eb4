//! A message on its way through the core, from the agent that sends it to the receipt of the one that has it.

use ocmesh_proto::{
    At, Body, Command, CommandId, Draft, Effect, Envelope, EventId, Facts, Form, Input, Mesh, Opened, Origin, Recipient, Sealed,
    SendRequest, SignedEvent, Status, StoredFacts, Verdict, kind,
};
use ocmesh_wire::open;

use super::{NIP17, NOW, PEERS, Work, agent, handle, keys, mesh, spread, url};

/// Asked for, sealed with a copy for ourselves, taken by the relay, and receipted, so that nothing of it waits in the outbox.
pub(super) fn message() -> Work {
    let (mut mesh, mut now, mut number) = (mesh(), NOW, 0);
    let Ok(Opened::Direct(first)) = open(&keys(2), NIP17, NOW) else { unreachable!() };
    Box::new(move || {
        number += 1;
        // No more to one peer than an agent may send.
        now = now.plus(6_000);
        send(&mut mesh, number, &first, now);
    })
}

fn send(mesh: &mut Mesh, number: u64, first: &Envelope, now: At) {
    let to = agent(number % PEERS);
    let step = mesh.handle(Input::Commanded { id: CommandId(number), command: Command::Send(request(number)) }, now);
    let sealing = |effect| if let Effect::Seal { job, draft: Draft::Direct(_) } = effect { Some(job) } else { None };
    let job = step.effects.into_iter().find_map(sealing).unwrap();

    let id = EventId::from_bytes(spread(5, number));
    let step = mesh.handle(Input::DraftSealed { job, sealed: Ok(sealed(id, number)) }, now);
    let publishing = |effect| if let Effect::Publish { relay, event, .. } = effect { Some((relay, event)) } else { None };
    let mut published = 0;
    for (relay, event) in step.effects.into_iter().filter_map(publishing) {
        handle(mesh, Input::PublishAnswered { relay, event, verdict: Verdict::Accepted, said: String::new() }, now);
        published += 1;
    }
    assert_eq!(published, 2, "the message and our copy");

    let frame = EventId::from_bytes(spread(0, number));
    let receipt = Envelope { id: frame, event_id: frame, author: to, body: Body::Delivered(id), ..first.clone() };
    let stored = StoredFacts {
        to,
        form: Form::Nip17,
        event: None,
        kind: kind::GIFT_WRAP,
        wrapped_at: now,
        status: Status::Relayed { at: now, accepted: 1, of: 1 },
    };
    let facts = Facts { receipt_for: Some(Box::new(stored)), ..Facts::default() };
    handle(mesh, Input::EventOpened { relay: url(), opened: Opened::Direct(receipt), facts }, now);
    assert_eq!(mesh.outbox_counts(), (0, 0), "nothing waits");
}

fn request(number: u64) -> SendRequest {
    SendRequest {
        to: Recipient::Key(agent(number % PEERS)),
        content: "lorem ipsum dolor sit amet ".repeat(8),
        reply_to: None,
        subject: None,
        idempotency: None,
        origin: Origin::Agent,
        urgent: false,
        secrets: Vec::new(),
        allow_secret: false,
        dry_run: false,
    }
}

/// What the shell makes of the draft.
fn sealed(id: EventId, number: u64) -> Sealed {
    let wrap = |family| SignedEvent { id: EventId::from_bytes(spread(family, number)), kind: kind::GIFT_WRAP, json: NIP17.into() };
    Sealed { message_id: id, event: wrap(6), own_copy: Some(wrap(7)), rumor: Some(NIP17.into()), chain: None }
}
