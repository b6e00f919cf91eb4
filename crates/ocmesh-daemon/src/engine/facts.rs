//! What the core cannot hold in memory, looked up in the store inside the open transaction.

use ocmesh_proto::{
    At, Body, Command, Envelope, Facts, Idempotency, InviteFacts, JoinRequest, Mesh, MessageId, Opened, PubKey, Recipient, SendRequest,
    StrangerFacts, time::HOUR,
};
use ocmesh_store::{ReadError, Store};
use ocmesh_wire::invite::{self, Code};

use super::ask::{Ask, AskError};

/// Unread messages marked by one "all" at a time: one transaction's worth.
const MARK_ALL_MAX: usize = 10_000;

/// Facts about an event that came in.
pub(crate) fn of_event(store: &Store, opened: &Opened, mesh: &Mesh, now: At) -> Result<Facts, ReadError> {
    let Opened::Direct(envelope) = opened else { return Ok(Facts::default()) };
    let parent_thread = envelope.reply_to.map(|parent| store.thread_of(&parent)).transpose()?.flatten();
    let parent_thread = parent_thread.map(|parent| thread_in(envelope, &mesh.me(), parent));
    let receipt_for = match envelope.body {
        Body::Delivered(message) | Body::Read(message) => store.stored_facts(&message)?.map(Box::new),
        _ => None,
    };
    let seen = store.is_seen(&envelope.id)?;
    // A known message in a wrap that is new: its author sends it again.
    let in_new_wrap = seen && envelope.event_id != envelope.id && !store.is_seen(&envelope.event_id)?;
    let resent = if in_new_wrap { store.inbound_facts(&[envelope.id])?.pop().map(Box::new) } else { None };
    let place = match &envelope.place {
        Some(place) if !seen => Some(Box::new(store.place_facts(&envelope.author, place)?)),
        _ => None,
    };
    let asked = match &envelope.body {
        Body::Missing { line, numbers } if !seen => store.asked_facts(&envelope.author, *line, numbers)?,
        _ => Vec::new(),
    };
    let stranger = match envelope.body {
        Body::Text(_) | Body::Structured { .. } if !seen && mesh.is_stranger(&envelope.author) => {
            store.stranger_facts(&envelope.author, now.minus(HOUR))?
        }
        _ => StrangerFacts::default(),
    };
    let invite = if seen { None } else { of_invite(store, &mesh.me(), envelope)?.map(Box::new) };
    Ok(Facts { seen, parent_thread, receipt_for, resent, place, asked, stranger, invite })
}

/// A reply belongs to the thread of what it answers, unless that was exchanged with somebody else: ids of kind 4 are public, and nobody
/// writes into a talk of others. Then it begins a thread of its own.
fn thread_in(envelope: &Envelope, me: &PubKey, (thread, with): (MessageId, PubKey)) -> MessageId {
    let other = if envelope.author == *me { envelope.recipient } else { envelope.author };
    if with == other { thread } else { envelope.id }
}

/// What the secret of an invite that we have says to a frame of it.
fn of_invite(store: &Store, me: &PubKey, envelope: &Envelope) -> Result<Option<InviteFacts>, ReadError> {
    let author = &envelope.author;
    Ok(match &envelope.body {
        Body::Join(frame) => store.invite_secret(frame.invite)?.map(|seed| invite::check_join(&seed, me, author, frame)),
        Body::Joined(frame) => store.invite_secret(frame.invite)?.map(|kept| invite::check_joined(&kept, author, me, frame)),
        _ => None,
    })
}

/// The same code again goes on with the number that was drawn for it.
fn join(store: &Store, me: &PubKey, code: Code, petname: Option<String>) -> Result<Command, NotAsked> {
    let secret = match store.invite_secret(code.id())? {
        Some(kept) => kept,
        None => code.keep().map_err(|_| NotAsked::Refused(AskError::NoRandom))?,
    };
    let frame = invite::join(&secret, &code.inviter, me);
    let Code { inviter, expires_at, relays: hints, .. } = code;
    Ok(Command::Join(Box::new(JoinRequest { inviter, hints, expires_at, secret, frame, petname })))
}

/// Why a question did not become commands.
pub(crate) enum NotAsked {
    /// The caller's mistake.
    Refused(AskError),
    /// The store cannot read.
    Store(ReadError),
}

impl From<ReadError> for NotAsked {
    fn from(error: ReadError) -> Self {
        Self::Store(error)
    }
}

/// Turns a question into commands for the core, in order; the last one's answer is the question's. Idempotency keys used since then stand.
pub(crate) fn commands(store: &Store, me: &PubKey, ask: Ask, keys_since: At) -> Result<Vec<Command>, NotAsked> {
    Ok(vec![match ask {
        Ask::Send { to, content, reply_to, subject, idempotency_key, origin, urgent, secrets, allow_secret, dry_run } => {
            let to = recipient(&to)?;
            let reply_to = match reply_to {
                None => None,
                Some(id) => Some(Box::new(store.parent_facts(&id)?.ok_or(NotAsked::Refused(AskError::ParentUnknown(id)))?)),
            };
            let idempotency = match idempotency_key {
                None => None,
                Some(key) => {
                    let earlier = store.earlier_send(&key, keys_since, &content)?;
                    Some(Idempotency { key, earlier })
                }
            };
            Command::Send(SendRequest { to, content, reply_to, subject, idempotency, origin, urgent, secrets, allow_secret, dry_run })
        }
        Ask::MarkRead(mut ids) => {
            ids.sort_unstable();
            ids.dedup(); // Each message is marked, and receipted, once.
            Command::MarkRead { messages: store.inbound_facts(&ids)? }
        }
        Ask::MarkAllRead => Command::MarkRead { messages: store.unread_facts(MARK_ALL_MAX)? },
        Ask::AddPeer { peer, petname } => {
            let key = ocmesh_wire::parse_key(&peer).map_err(|_| NotAsked::Refused(AskError::NotAKey(peer)))?;
            Command::AddPeer { peer: key.pubkey, hints: key.relays, petname }
        }
        Ask::SetPeer { peer, trust, petname } => {
            let trust = trust.map(|trust| Command::SetTrust { peer, trust });
            let petname = petname.map(|petname| Command::SetPetname { peer, petname });
            return Ok(trust.into_iter().chain(petname).collect());
        }
        Ask::Invite { id, seed, life_ms, petname } => Command::Invite { id, secret: seed, life_ms, petname },
        Ask::Join { code, petname } => join(store, me, code, petname)?,
        Ask::RevokeInvite(id) => Command::RevokeInvite { id },
        Ask::RefuseRequest(peer) => Command::RefuseRequest { peer },
        Ask::ForgetPeer(peer) => Command::ForgetPeer { peer },
        Ask::Cancel(id) => Command::CancelMessage { id },
        Ask::Retry(id) => Command::RetryMessage { id, stored: store.stored_facts(&id)? },
        Ask::RetryWake(target) => Command::RetryWake { target },
        Ask::AddRelay(relay) => Command::AddRelay { relay },
        Ask::RemoveRelay(relay) => Command::RemoveRelay { relay },
        Ask::SetIdentity { name, about, features, status } => Command::SetIdentity { name, about, features, status },
    }])
}

/// A key in any spelling, else a name. What looks like a key but is none is not taken for a name.
fn recipient(text: &str) -> Result<Recipient, NotAsked> {
    let text = text.trim();
    if let Ok(key) = ocmesh_wire::parse_key(text) {
        return Ok(Recipient::Key(key.pubkey));
    }
    let lower = text.to_ascii_lowercase();
    let hexlike = text.len() >= 60 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let keylike = ["npub1", "nprofile1", "nsec1", "nostr:"].iter().any(|start| lower.starts_with(start));
    if text.is_empty() || hexlike || keylike {
        // A pasted secret must not come back in an error or a log.
        let shown = if lower.contains("nsec1") { "nsec…".to_owned() } else { text.chars().take(80).collect() };
        return Err(NotAsked::Refused(AskError::NotAKey(shown)));
    }
    Ok(Recipient::Name(text.into()))
}

#[cfg(test)]
mod tests {
    use ocmesh_proto::{Body, Form};

    use super::*;

    #[test]
    fn a_stranger_does_not_write_into_a_talk_of_others() {
        let [me, friend, stranger] = [1, 2, 3].map(|n| PubKey::from_bytes([n; 32]));
        let [talk, parent, id] = [7, 8, 9].map(|n| MessageId::from_bytes([n; 32]));
        let envelope = |author: PubKey, recipient: PubKey| Envelope {
            id,
            event_id: id,
            author,
            recipient,
            form: Form::Nip04,
            written_at: At(0),
            reply_to: Some(parent),
            subject: None,
            chain: None,
            place: None,
            urgent: false,
            work: 0,
            body: Body::Text("and me?".to_owned()),
        };
        assert_eq!(thread_in(&envelope(friend, me), &me, (talk, friend)), talk);
        assert_eq!(thread_in(&envelope(me, friend), &me, (talk, friend)), talk, "our own copy");
        assert_eq!(thread_in(&envelope(stranger, me), &me, (talk, friend)), id);
    }
}
