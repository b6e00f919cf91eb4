//! Events made before they are needed, by our own wire crate: presences of made-up agents and messages of one peer.

use std::{sync::Arc, thread, time::SystemTime};

use anyhow::{Context as _, Result};
use ocmesh_proto::{At, DirectDraft, Draft, DraftBody, Form, PeerStatus, PresenceDraft, PresenceVehicle, PubKey, RelayUrl};
use ocmesh_wire::{Keys, seal};

use crate::feeder::Corpus;

const VERSION: &str = "0.3.0";
const MINUTE_MS: u64 = 60_000;
/// As many as the machine of the laboratory has cores.
const THREADS: u64 = 2;

/// Now, as Nostr writes it.
pub(crate) fn now() -> At {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    At(u64::try_from(since.as_millis()).unwrap_or_default())
}

/// The same key for the same number and family.
pub(crate) fn keys(family: u8, number: u64) -> Result<Keys> {
    let mut bytes = [family; 32];
    let (_, last) = bytes.split_at_mut(24);
    last.copy_from_slice(&number.to_be_bytes());
    Ok(Keys::from_secret_bytes(&bytes)?)
}

/// What the newest presence of an agent calls it.
pub(crate) fn name(agent: u64, round: u64) -> String {
    format!("agent {agent} round {round}")
}

/// The family of made-up agents.
pub(crate) const AGENTS: u8 = 7;
/// The family of the peer that writes.
pub(crate) const WRITERS: u8 = 9;

/// `count` presences of `agents` agents, newest first, as a relay brings what it has stored: each agent announced itself `count / agents`
/// times, seconds apart.
pub(crate) fn presences(agents: u64, count: u64) -> Result<Corpus> {
    let rounds = count.checked_div(agents).unwrap_or(1).max(1);
    let now = now();
    in_parallel(count, |n| {
        let (agent, round) =
            (n.checked_rem(agents).unwrap_or(0), rounds.saturating_sub(1).saturating_sub(n.checked_div(agents).unwrap_or(0)));
        // Newest first: the newest is some seconds old, each round before it ten seconds older.
        let created_at = now.minus(rounds.saturating_sub(round).saturating_mul(10_000));
        presence(agent, &name(agent, round), created_at, now)
    })
}

/// The presence of an agent that is in no corpus, older than every other.
pub(crate) fn straggler(number: u64) -> Result<Arc<str>> {
    let now = now();
    presence(u64::MAX.saturating_sub(number), &format!("straggler {number}"), now.minus(5 * MINUTE_MS), now)
}

/// One presence.
pub(crate) fn presence(agent: u64, name: &str, created_at: At, now: At) -> Result<Arc<str>> {
    let draft = PresenceDraft {
        vehicle: PresenceVehicle::Note,
        name: name.to_owned(),
        features: vec!["messaging".to_owned(), "query".to_owned()],
        status: PeerStatus::Online,
        next_at: created_at.plus(5 * MINUTE_MS),
        expires_at: now.plus(60 * MINUTE_MS),
        relays: vec![RelayUrl::parse("wss://relay.example.com")?],
        created_at,
        work_asked: 0,
    };
    Ok(seal(&keys(AGENTS, agent)?, VERSION, &Draft::Presence(draft), None, now)?.event.json)
}

/// `count` messages from one peer to `to`, numbered from `first`.
pub(crate) fn messages(form: Form, to: &str, first: u64, count: u64) -> Result<Corpus> {
    let to: PubKey = to.parse()?;
    let now = now();
    in_parallel(count, |n| message(&keys(WRITERS, 1)?, form, to, first.saturating_add(n), now))
}

/// One message.
pub(crate) fn message(from: &Keys, form: Form, to: PubKey, number: u64, now: At) -> Result<Arc<str>> {
    let draft = DirectDraft {
        to,
        form,
        body: DraftBody::Text(text(number)),
        written_at: now,
        reply_to: None,
        subject: None,
        chain: None,
        place: None,
        urgent: false,
        own_copy: false,
    };
    Ok(seal(from, VERSION, &Draft::Direct(draft), None, now)?.event.json)
}

/// `count` messages to `to` that look like the peer's until their signature is checked.
pub(crate) fn forged(to: &str, count: u64) -> Result<Corpus> {
    let to: PubKey = to.parse()?;
    let now = now();
    in_parallel(count, |n| with_another_signature(&message(&keys(WRITERS, 1)?, Form::Nip17, to, n, now)?))
}

/// The last digit of the signature is another.
fn with_another_signature(json: &str) -> Result<Arc<str>> {
    const MARK: &str = "\"sig\":\"";
    let end = json.find(MARK).context("an event without a signature")?.saturating_add(MARK.len() + 127);
    let (head, last) = json.split_at_checked(end).context("a short signature")?;
    let (digit, tail) = last.split_at_checked(1).context("a short signature")?;
    Ok(format!("{head}{}{tail}", if digit == "0" { "1" } else { "0" }).into())
}

/// A message of about 200 bytes.
pub(crate) fn text(number: u64) -> String {
    format!("Message {number}: {}", "lorem ipsum dolor sit amet ".repeat(7))
}

fn in_parallel(count: u64, one: impl Fn(u64) -> Result<Arc<str>> + Sync) -> Result<Corpus> {
    let share = count.div_ceil(THREADS);
    let parts: Vec<Result<Vec<Arc<str>>>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|part| {
                let one = &one;
                scope.spawn(move || (part * share..count.min((part + 1) * share)).map(one).collect())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().ok().context("a thread gave up")?).collect()
    });
    let mut all = Vec::new();
    for part in parts {
        all.extend(part?);
    }
    Ok(all.into())
}

#[cfg(test)]
mod tests {
    use ocmesh_proto::Opened;
    use ocmesh_wire::{OpenError, open};

    use super::*;

    #[test]
    fn every_agent_announces_itself_newest_first() {
        let corpus = presences(5, 20).unwrap();
        let opened: Vec<_> = corpus.iter().map(|json| open(&keys(1, 1).unwrap(), json, now()).unwrap()).collect();
        let presences: Vec<_> = opened.iter().filter_map(|opened| if let Opened::Presence(p) = opened { Some(p) } else { None }).collect();
        assert_eq!(presences.len(), 20);
        assert!(presences.windows(2).all(|pair| pair[0].created_at >= pair[1].created_at));
        assert_eq!(presences[0].name.as_deref(), Some("agent 0 round 3"));
        assert_eq!(presences[19].name.as_deref(), Some("agent 4 round 0"));
    }

    #[test]
    fn only_the_signature_of_a_forgery_is_wrong() {
        let reader = keys(3, 1).unwrap();
        for json in forged(&reader.public().to_hex(), 3).unwrap().iter() {
            let wrong = open(&reader, json, now()).unwrap_err();
            assert!(matches!(wrong, OpenError::BadSignature), "{wrong:?}");
        }
    }

    #[test]
    fn messages_are_for_their_reader() {
        let reader = keys(3, 1).unwrap();
        for form in [Form::Nip17, Form::Nip04] {
            let corpus = messages(form, &reader.public().to_hex(), 10, 3).unwrap();
            assert!(corpus.iter().all(|json| matches!(open(&reader, json, now()), Ok(Opened::Direct(_)))));
        }
    }
}
