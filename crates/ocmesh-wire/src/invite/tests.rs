//! Codes, proofs and phrases.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::Keys;

fn seed(n: u8) -> InviteSecret {
    InviteSecret([n; 32])
}

fn url(text: &str) -> RelayUrl {
    RelayUrl::parse(text).unwrap()
}

const AT: At = At::from_secs(1_800_000_000);

fn code() -> (Keys, String) {
    let keys = Keys::from_secret_bytes(&[7; 32]).unwrap();
    let text = write(&keys.public(), &seed(1), AT, &[url("wss://relay.example.com"), url("ws://127.0.0.1:7777")]);
    (keys, text)
}

#[test]
fn a_code_says_what_was_put_in_and_never_changes() {
    let (keys, text) = code();
    let read = read(&text).unwrap();
    assert_eq!((read.inviter, read.expires_at), (keys.public(), AT));
    assert_eq!(read.relays, [url("wss://relay.example.com"), url("ws://127.0.0.1:7777")]);
    assert_eq!(read.id(), id_of(&seed(1)));
    // Other versions of ocmesh must read it, so the code of these parts is fixed.
    assert_eq!(
        text,
        "ocmesh1qxvfczmkedtrju0aexl0x8kqds6kpueyn4hwnewc83tky4vkup0k78lftep5qlpgur7q2qskpff3wrntf8fqq9mhwden5te0wfjkccte9ejhsctdwpkx2tnrdak3xamn8ghj7vfjxuhrqt3s9ccn5dehxumsf9utp8"
    );
    assert!(text.len() < 200, "{}", text.len());
}

#[test]
fn how_a_code_was_copied_does_not_matter() {
    let (_, text) = code();
    let read_plain = read(&text).unwrap();
    let (first, second) = text.split_at(60);
    for copy in [text.to_uppercase(), format!("  {first}\n  {second}\r\n"), format!("{first} {second}")] {
        assert!(read(&copy).unwrap() == read_plain, "{copy}");
    }
}

#[test]
fn every_mistake_has_its_own_words() {
    let (keys, text) = code();
    let changed = |place: usize, c: char| text.chars().enumerate().map(|(n, old)| if n == place { c } else { old }).collect::<String>();
    let other = if text.chars().nth(20) == Some('q') { 'p' } else { 'q' };
    assert_eq!(read(&changed(20, 'b')), Err(CodeError::Character { character: 'b', place: 21 }));
    assert_eq!(read(&changed(7, 'é')), Err(CodeError::Character { character: 'é', place: 8 }));
    assert_eq!(read(&changed(20, other)), Err(CodeError::Checksum { length: text.len() }));
    assert_eq!(read(text.split_at(text.len() - 1).0), Err(CodeError::Checksum { length: text.len() - 1 }));
    assert_eq!(read("ocmesh1"), Err(CodeError::Checksum { length: 7 }));
    for nothing in ["", "hello", "ocmesh", "ocmesh2qqqq", "bc1qqqq"] {
        assert_eq!(read(nothing), Err(CodeError::NotACode), "{nothing}");
    }
    assert_eq!(read(&crate::npub(&keys.public())), Err(CodeError::PublicKey));
    assert_eq!(read("nsec1xyz"), Err(CodeError::SecretKey));
    let encode = |bytes: &[u8]| bech32::encode::<Bech32m>(Hrp::parse(PREFIX).unwrap(), bytes).unwrap();
    assert_eq!(read(&encode(&[2, 1, 2, 3])), Err(CodeError::Version(2)));
    for damaged in [vec![], vec![1], vec![1; 30], [vec![1], vec![0xff; 52]].concat()] {
        assert_eq!(read(&encode(&damaged)), Err(CodeError::Damaged), "{damaged:?}");
    }
    // Bech32 without the m has a weakness, and is not what we write.
    assert!(matches!(
        read(&bech32::encode::<bech32::Bech32>(Hrp::parse(PREFIX).unwrap(), &[1; 53]).unwrap()),
        Err(CodeError::Checksum { .. })
    ));
}

#[test]
fn a_join_and_its_answer_prove_themselves_and_give_one_phrase() {
    let (inviter, joiner) = (Keys::generate().public(), Keys::generate().public());
    let code = read(&write(&inviter, &seed(1), AT, &[])).unwrap();
    let kept = code.keep().unwrap();
    let asked = join(&kept, &inviter, &joiner);
    assert_eq!(asked.invite, code.id());
    let at_inviter = check_join(&seed(1), &inviter, &joiner, &asked);
    assert!(at_inviter.good);
    let answer = at_inviter.answer.unwrap();
    let at_joiner = check_joined(&kept, &inviter, &joiner, &answer);
    assert!(at_joiner.good);
    assert_eq!(at_inviter.phrase, at_joiner.phrase);
    assert_eq!(at_joiner.phrase.split(' ').count(), 4);
    // Bound to both keys, the number, the seed, and the direction.
    let mallory = Keys::generate().public();
    for (seed_of, a, b, frame) in [
        (seed(2), inviter, joiner, asked),
        (seed(1), mallory, joiner, asked),
        (seed(1), inviter, mallory, asked),
        (seed(1), joiner, inviter, asked),
        (seed(1), inviter, joiner, JoinFrame { nonce: [9; 16], ..asked }),
        (seed(1), inviter, joiner, JoinFrame { proof: answer.proof, ..asked }),
    ] {
        let facts = check_join(&seed_of, &a, &b, &frame);
        assert!(!facts.good && facts.answer.is_none(), "{frame:?}");
    }
    for (a, b, frame) in [
        (mallory, joiner, answer),
        (inviter, mallory, answer),
        (inviter, joiner, JoinedFrame { seed: seed(2), ..answer }),
        (inviter, joiner, JoinedFrame { proof: asked.proof, ..answer }),
    ] {
        assert!(!check_joined(&kept, &a, &b, &frame).good, "{frame:?}");
    }
    // A second joiner with the same code has a number of its own.
    assert_ne!(code.keep().unwrap(), kept);
}

#[test]
fn an_inviter_cannot_answer_with_another_seed_than_its_code_commits_it_to() {
    let (inviter, joiner) = (Keys::generate().public(), Keys::generate().public());
    let kept = read(&write(&inviter, &seed(1), AT, &[])).unwrap().keep().unwrap();
    let asked = join(&kept, &inviter, &joiner);
    // It has the secret, so the proof fits; but a seed chosen now would choose the words.
    let answer = |seed: InviteSecret| {
        let proof = joined_mac(&secret_of(&InviteSecret([1; 32])), &inviter, &joiner, &asked.nonce, &seed).finalize().into_bytes().into();
        JoinedFrame { invite: asked.invite, seed, proof }
    };
    assert!(check_joined(&kept, &inviter, &joiner, &answer(seed(1))).good);
    assert!(!check_joined(&kept, &inviter, &joiner, &answer(seed(2))).good);
}

#[test]
fn whoever_stands_between_gets_two_phrases_that_do_not_fit() {
    // Mallory joins Ada with her code, and gives Bob a code of its own.
    let [ada, bob, mallory] = [3u8, 4, 5].map(|n| Keys::from_secret_bytes(&[n; 32]).unwrap().public());
    let at_ada = check_join(&seed(1), &ada, &mallory, &join(&InviteSecret([8; 32]), &ada, &mallory)).phrase;
    let at_bob = check_join(&seed(2), &mallory, &bob, &join(&InviteSecret([9; 32]), &mallory, &bob)).phrase;
    assert_ne!(at_ada, at_bob);
}

#[test]
fn a_secret_is_not_shown_and_not_sent() {
    let (_, text) = code();
    let code = read(&text).unwrap();
    let kept = code.keep().unwrap();
    let inviter = code.inviter;
    let frame = join(&kept, &inviter, &inviter);
    let hex: String = code.secret.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!format!("{kept:?} {frame:?}").contains(&hex) && format!("{kept:?}") == "InviteSecret(…)");
    assert_ne!(secret_of(&seed(1)), seed(1).0[..16], "the code does not tell the seed");
}

#[test]
fn words_are_many_and_no_two_are_close() {
    assert_eq!(words::WORDS.iter().collect::<BTreeSet<_>>().len(), 256);
    for (n, one) in words::WORDS.iter().enumerate() {
        assert!((3..=8).contains(&one.len()) && one.bytes().all(|byte| byte.is_ascii_lowercase()), "{one}");
        for other in &words::WORDS[n + 1..] {
            let differ = one.bytes().zip(other.bytes()).filter(|(a, b)| a != b).count();
            assert!(one.len() != other.len() || differ > 1, "{one} {other}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_is_more_than_a_code_or_a_reason(text in "\\PC{0,300}") {
        let _ = read(&text);
        let _ = read(&format!("ocmesh1{text}"));
    }

    #[test]
    fn up_to_three_wrong_characters_are_always_found(places in prop::collection::btree_set(7usize..150, 1..4), shift in 1usize..32) {
        const ALPHABET: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
        let (_, text) = code();
        let mut bytes = text.into_bytes();
        for place in places {
            let index = ALPHABET.iter().position(|c| *c == bytes[place]).unwrap();
            bytes[place] = ALPHABET[(index + shift) % 32];
        }
        let is_checksum = matches!(read(&String::from_utf8(bytes).unwrap()), Err(CodeError::Checksum { .. }));
        prop_assert!(is_checksum);
    }
}
