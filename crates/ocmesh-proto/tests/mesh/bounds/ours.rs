//! What we say and keep of ourselves, filled past its bound: work, invites, our lines, and what relays never answer.

use ocmesh_proto::{InviteFacts, JoinFrame, JoinedFrame, Place, time::MINUTE};

use super::*;

#[test]
fn work_is_done_for_no_more_messages_at_a_time() {
    let mut flooded = Flooded::new();
    for n in 0..2 * limit::WORKS_MAX as u64 {
        flooded.presence(Presence { author: peer(n), work_asked: 16, forms: vec![Form::Nip17], ..presence_of(2, flooded.now) });
        flooded.send(n, Origin::Owner);
    }
    flooded.was_full("works");
    // Whatever else was to be sealed is sealed, and forgotten.
    flooded.was_full("drafts unsealed");
}

#[test]
fn invites_are_kept_for_no_more_than_so_many() {
    let mut flooded = Flooded::new();
    let over = limit::INVITES_MAX as u64 + 100;
    for n in 0..over + 100 {
        let invite = InviteId(n);
        flooded.command(Command::Invite { id: invite, secret: InviteSecret(id(6, n)), life_ms: DAY, petname: None });
        if n < over {
            flooded.command(Command::RevokeInvite { id: invite });
        }
    }
    let held = flooded.most["invites"];
    assert!(held >= limit::INVITES_MAX + limit::INVITES_OPEN_MAX, "{held} invites: this test does not fill them");
}

#[test]
fn answers_to_invites_are_counted_as_long_as_these_are_kept() {
    let mut flooded = Flooded::new();
    for n in 0..limit::INVITES_MAX as u64 + 100 {
        let (invite, secret) = (InviteId(n), InviteSecret(id(6, n)));
        flooded.command(Command::Invite { id: invite, secret, life_ms: DAY, petname: None });
        let answer = Some(JoinedFrame { invite, seed: secret, proof: [2; 32] });
        let facts = InviteFacts { good: true, phrase: "two words".to_owned(), answer };
        let join = JoinFrame { invite, nonce: [3; 16], proof: [1; 32] };
        flooded.writes(n, Body::Join(join), Facts { invite: Some(Box::new(facts)), ..Facts::default() });
    }
    let held = flooded.most["invites answered"];
    assert!(held >= limit::INVITES_MAX, "{held} invites answered: this test does not fill them");
}

impl Flooded {
    /// The place that the next message to this peer would have.
    fn next_place(&mut self, n: u64) -> Place {
        let input = Input::Commanded { id: CommandId(0), command: self.to_send(n, Origin::Owner) };
        let drafted = |effect| if let Effect::Seal { draft: Draft::Direct(draft), .. } = effect { draft.place } else { None };
        self.mesh.handle(input, self.now).effects.into_iter().find_map(drafted).unwrap()
    }
}

#[test]
fn our_lines_lead_to_no_more_than_so_many_peers_and_a_forgotten_one_begins_anew() {
    let mut flooded = Flooded::new();
    let past = limit::OWN_LINES_MAX as u64;
    for n in 0..=past {
        flooded.presence(Presence { author: peer(n), forms: vec![Form::Nip17], ..presence_of(2, flooded.now) });
        flooded.send(n, Origin::Owner);
        if n == 0 {
            flooded.send(n, Origin::Owner);
        }
    }
    flooded.was_full("lines of ours");
    let numbers = [0, 1, past].map(|n| flooded.next_place(n).number);
    assert_eq!(numbers, [3, 1, 2], "the longer line goes on, a short one made room, and the newest found it");
}

#[test]
fn relays_that_never_answer_are_told_no_more_than_so_much() {
    let relays: Vec<RelayUrl> = (0..limit::OWN_RELAYS_MAX).map(|n| url(&format!("wss://own-{n}.example.net"))).collect();
    let mut flooded = Flooded::at(relays.clone());
    for relay in relays {
        for sub in [Sub::Wraps, Sub::Legacy] {
            flooded.take(Input::CaughtUp { relay: relay.clone(), sub, cut: None });
        }
    }
    // Long enough for a beat and a canary more than there is room for.
    for _ in 0..100 {
        flooded.pass(5 * MINUTE);
    }
    flooded.was_full("announcements unanswered");
    assert_eq!(flooded.most["canaries unanswered"], limit::OWN_DM_RELAYS_MAX * limit::CANARIES_PER_RELAY_MAX, "where we read");
}
