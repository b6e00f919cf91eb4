//! Inputs, changes and effects in a few words, for the trace.

use ocmesh_proto::{Body, Change, Effect, Input, Opened};

use super::{trace::short, world::World};

pub(super) fn input(input: &Input) -> String {
    match input {
        Input::RelayChanged { relay, link } => format!("{relay} is {}", World::link_word(link)),
        Input::EventOpened { relay, opened: Opened::Direct(envelope), facts } => {
            let what = match &envelope.body {
                Body::Delivered(id) => format!("delivered({})", short(*id)),
                Body::Read(id) => format!("read({})", short(*id)),
                Body::Text(text) => format!("text {text:?}"),
                Body::Intro { .. } => "intro".to_owned(),
                other => format!("{other:?}"),
            };
            let seen = if facts.seen { ", seen" } else { "" };
            format!("{} (event {}) from {relay}: {what}{seen}", short(envelope.id), short(envelope.event_id))
        }
        Input::EventOpened { relay, opened: Opened::Presence(presence), .. } => {
            format!("presence of {:?} from {relay}: {:?} {:?}", presence.author, presence.status, presence.relays)
        }
        Input::PublishAnswered { relay, event, verdict, said } => format!("{relay} on {}: {verdict:?} {said}", short(*event)),
        Input::DraftSealed { sealed, .. } => match sealed {
            Ok(sealed) => format!("sealed {} as {}", short(sealed.message_id), short(sealed.event.id)),
            Err(error) => error.to_string(),
        },
        other => format!("{other:?}"),
    }
}

pub(super) fn change(change: &Change) -> String {
    match change {
        Change::PutParcel(parcel) => {
            let hops: Vec<String> = parcel.hops.iter().map(|hop| format!("{} {:?}", hop.relay, hop.state)).collect();
            format!("keep {:?} {} as {}: {}", parcel.class, short(parcel.message), short(parcel.event), hops.join(", "))
        }
        Change::DropParcel { message, class } => format!("drop {class:?} {}", short(*message)),
        Change::SetStatus { id, status } => format!("{} is {}", short(*id), status.as_str()),
        Change::AddHistory { id, entry, .. } => format!("{}: {entry:?}", short(*id)),
        Change::AddMessage(message) => format!("store {} ({:?}) {:?}", short(message.id), message.direction, message.content),
        Change::PutPeer(peer) => format!("peer {:?} {:?} {:?}", peer.pubkey, peer.trust, peer.handshake),
        Change::PutSealed { message, event } => format!("sealed {} of {}", short(event.id), short(*message)),
        Change::PutOwn(_) => "own".to_owned(),
        other => format!("{other:?}"),
    }
}

pub(super) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Publish { relay, event, lane, .. } => format!("publish {} to {relay} ({lane:?})", short(*event)),
        Effect::Subscribe { relay, sub, filters, .. } => {
            let since = filters.first().and_then(|filter| filter.since).map(|at| at.secs());
            format!("subscribe {sub} at {relay} since {since:?}")
        }
        other => format!("{other:?}"),
    }
}
