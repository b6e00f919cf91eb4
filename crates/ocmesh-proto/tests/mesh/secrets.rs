//! What becomes of a message that looks as if it held a secret.

use ocmesh_proto::{
    Answer, Command, MessagePart, MessageRecord, Origin, Recipient, Refusal, SecretSeen, SecretsPolicy, SendRequest, Trust,
};

use super::{pair, request, world::World};

const TOKEN: SecretSeen = SecretSeen { kind: "GitHub token", own: false, part: MessagePart::Content, line: 1, column: 1 };
const OURS: SecretSeen = SecretSeen { kind: "secret of this agent", own: true, part: MessagePart::Content, line: 3, column: 9 };

fn ask(world: &mut World, secrets: &[SecretSeen], more: impl FnOnce(&mut SendRequest)) -> Result<Answer, Refusal> {
    let mut send = SendRequest { secrets: secrets.to_vec(), ..request(1, "here it is") };
    more(&mut send);
    world.command(0, Command::Send(send))
}

/// A pair whose first agent treats secrets so and trusts the second so.
fn world_with(secrets: SecretsPolicy, trust: Trust) -> World {
    let mut world = pair();
    world.nodes[0].policy.secrets = secrets;
    world.kill(0);
    world.start(0);
    let peer = world.nodes[1].me;
    world.command(0, Command::SetTrust { peer, trust }).unwrap();
    world
}

fn told(answer: Result<Answer, Refusal>) -> Vec<SecretSeen> {
    let Ok(Answer::Queued { secrets, .. }) = answer else { panic!("{answer:?}") };
    secrets
}

fn stored(world: &World) -> usize {
    world.nodes[0].disk.messages.values().filter(|message: &&MessageRecord| message.content == "here it is").count()
}

#[test]
fn a_secret_goes_to_nobody_who_is_not_trusted_unless_its_sender_insists() {
    for trust in [Trust::Unknown, Trust::Known] {
        let mut world = world_with(SecretsPolicy::Refuse, trust);
        assert_eq!(ask(&mut world, &[TOKEN, OURS], |_| {}), Err(Refusal::LooksLikeSecret(vec![TOKEN, OURS])));
        assert_eq!(ask(&mut world, &[TOKEN], |send| send.origin = Origin::Agent), Err(Refusal::LooksLikeSecret(vec![TOKEN])));
        assert_eq!(stored(&world), 0);
        assert_eq!(told(ask(&mut world, &[TOKEN, OURS], |send| send.allow_secret = true)), [TOKEN, OURS]);
        assert_eq!(told(ask(&mut world, &[], |_| {})), []);
        assert_eq!(stored(&world), 2);
    }
}

#[test]
fn a_trusted_peer_may_get_a_secret_but_none_of_this_agent() {
    let mut world = world_with(SecretsPolicy::Refuse, Trust::Trusted);
    assert_eq!(told(ask(&mut world, &[TOKEN], |_| {})), []);
    assert_eq!(ask(&mut world, &[TOKEN, OURS], |_| {}), Err(Refusal::LooksLikeSecret(vec![OURS])));
    let refusal = Refusal::LooksLikeSecret(vec![TOKEN, OURS]).to_string();
    let places = "GitHub token (content, line 1, character 1), secret of this agent (content, line 3, character 9)";
    assert_eq!(refusal, format!("the message looks as if it held a secret: {places}"));
}

#[test]
fn an_owner_may_have_itself_warned_or_left_alone() {
    assert_eq!(told(ask(&mut world_with(SecretsPolicy::Warn, Trust::Known), &[TOKEN], |_| {})), [TOKEN]);
    assert_eq!(told(ask(&mut world_with(SecretsPolicy::Off, Trust::Known), &[TOKEN, OURS], |_| {})), []);
}

#[test]
fn a_dry_run_says_what_it_would_refuse_for_and_stores_nothing() {
    for (policy, insists, expected, refused) in [
        (SecretsPolicy::Refuse, false, vec![TOKEN], true),
        (SecretsPolicy::Refuse, true, vec![TOKEN], false),
        (SecretsPolicy::Warn, false, vec![TOKEN], false),
        (SecretsPolicy::Off, false, vec![], false),
    ] {
        let mut world = world_with(policy, Trust::Known);
        let answer = ask(&mut world, &[TOKEN], |send| (send.dry_run, send.allow_secret) = (true, insists));
        let Ok(Answer::WouldQueue { secrets, refused: would, .. }) = answer else { panic!("{answer:?}") };
        assert_eq!((secrets, would), (expected, refused), "{policy:?}");
        assert_eq!(stored(&world), 0);
    }
}

#[test]
fn whom_nobody_may_write_to_is_said_before_what_it_holds() {
    let mut world = world_with(SecretsPolicy::Refuse, Trust::Blocked);
    assert_eq!(ask(&mut world, &[TOKEN], |_| {}), Err(Refusal::PeerBlocked));
    let me = world.nodes[0].me;
    assert_eq!(ask(&mut world, &[TOKEN], |send| send.to = Recipient::Key(me)), Err(Refusal::Ourselves));
}
