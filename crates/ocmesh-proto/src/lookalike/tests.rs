//! Confusable names are flagged, every one; honest ones are not.

use super::*;
use crate::{At, PeerSource, label, limit::NAME_CHARS_MAX};

fn key(n: usize) -> PubKey {
    let mut bytes = [0u8; 32];
    bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
    PubKey::from_bytes(bytes)
}

fn peer(n: usize, name: &str, trust: Trust) -> PeerRecord {
    PeerRecord { name: Some(name.to_owned()), trust, ..PeerRecord::new(key(n), PeerSource::Presence, At(0)) }
}

/// A directory in which these are known.
fn known(names: &[&str]) -> Lookalikes {
    let mut known = Lookalikes::default();
    for (n, name) in names.iter().enumerate() {
        known.put(&peer(n, name, Trust::Known));
    }
    known
}

const STRANGER: usize = 100_000;

/// What a stranger that calls itself so is flagged with. Names are cleaned before they get anywhere.
fn flagged(known: &Lookalikes, name: &str) -> Option<NameWarning> {
    known.warning(&key(STRANGER), label::clean(name, NAME_CHARS_MAX).as_deref(), None, Trust::Unknown)
}

/// Letters that pass for a Latin one: Cyrillic, Greek, Armenian, full-width, mathematical, digits. Written down from sight, not from the
/// table that is tested.
const TWINS: &[(char, &str)] = &[
    ('a', "аαаɑａ𝐚𝒶"),
    ('b', "Ьƅｂ𝗯"),
    ('c', "сϲⅽｃ"),
    ('d', "ԁⅾｄ𝕕"),
    ('e', "еҽｅ𝑒"),
    ('g', "ɡցｇ"),
    ('h', "һհｈ"),
    ('i', "іıⅰｉ1"),
    ('j', "јϳｊ"),
    ('k', "кκ𝗄ｋ"),
    ('l', "ӏⅼ1I|"),
    ('m', "мⅿｍ𝓂"),
    ('n', "ոｎ𝐧"),
    ('o', "оοօ0ｏ"),
    ('p', "рρｐ"),
    ('r', "гｒ𝗋"),
    ('s', "ѕꜱｓ"),
    ('t', "тｔ𝘁"),
    ('u', "սυｕ"),
    ('v', "νѵⅴｖ"),
    ('w', "ѡաｗ"),
    ('x', "хχⅹｘ"),
    ('y', "уүｙ"),
];

/// The name with each letter in turn, and then all of them, put in disguise.
fn disguises(name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (letter, twins) in TWINS {
        for twin in twins.chars() {
            if let Some(at) = name.find(*letter) {
                let mut one = name.to_owned();
                one.replace_range(at..at + letter.len_utf8(), &twin.to_string());
                found.push(one);
            }
        }
    }
    let all = name.chars().map(|c| TWINS.iter().find(|(letter, _)| *letter == c).and_then(|(_, twins)| twins.chars().next()).unwrap_or(c));
    found.push(all.collect());
    found.push(name.to_uppercase());
    found.push(format!("{name}."));
    found.push(format!("{name} ✔"));
    found.push(name.chars().flat_map(|c| [c, '\u{200b}']).collect());
    found.push(name.chars().map(|c| format!("{c} ")).collect());
    found.push(name.replacen(['a', 'o', 'e'], "é", 1).replacen(
        'é',
        &format!("{}\u{301}", name.chars().find(|c| "aoe".contains(*c)).unwrap_or('e')),
        1,
    ));
    found.push(name.replace('m', "rn"));
    found.retain(|disguise| label::clean(disguise, NAME_CHARS_MAX).as_deref() != Some(name));
    found
}

#[test]
fn every_one_of_more_than_two_hundred_confusable_names_is_flagged() {
    let names = ["ada", "Paypal Support", "research-bot", "alice", "max", "judge", "kevin", "deploy", "owner", "system"];
    let known = known(&names);
    let mut missed = Vec::new();
    let mut count = 0;
    for (n, name) in names.iter().enumerate() {
        for disguise in disguises(name) {
            count += 1;
            let like = flagged(&known, &disguise).and_then(|warning| warning.looks_like);
            if like.as_ref().map(|like| (like.peer, like.name.as_str())) != Some((key(n), *name)) {
                missed.push(format!("{disguise:?} for {name:?}: {like:?}"));
            }
        }
    }
    assert!(count >= 200, "{count}");
    assert!(missed.is_empty(), "{} of {count}: {missed:#?}", missed.len());
}

/// Names as people and agents have them, in the scripts of the world.
const HONEST: &[&str] = &[
    "ada",
    "Grace Hopper",
    "alan",
    "alba",
    "alma",
    "bob",
    "rob",
    "ali",
    "alla",
    "eve",
    "Eva Lu",
    "node-1",
    "node-2",
    "node-12",
    "gpt5 helper",
    "R2-D2",
    "build bot (ci)",
    "O'Brien",
    "Anne-Marie",
    "Zoë",
    "Bjørn",
    "Łukasz",
    "Müller & Söhne",
    "Nguyễn Văn An",
    "Iñaki",
    "São Paulo 3",
    "Алексей",
    "Ольга Ивановна",
    "Мария",
    "Юрій",
    "Ђорђе",
    "Нұрсұлтан",
    "Алексей (Alex)",
    "Ελένη",
    "Γιώργος",
    "Νίκος 2",
    "Արամ",
    "გიორგი",
    "דוד",
    "שרה לוי",
    "محمد",
    "فاطمة الزهراء",
    "علی",
    "नरेंद्र",
    "सीता",
    "রবীন্দ্রনাথ",
    "ਗੁਰਪ੍ਰੀਤ",
    "தமிழ்",
    "వేంకట",
    "ಕನ್ನಡ",
    "മലയാളം",
    "සිංහල",
    "สมชาย",
    "ພອນ",
    "မောင်",
    "ភាសា",
    "አበበ",
    "ᏣᎳᎩ",
    "李小龍",
    "王伟",
    "東京タワー",
    "さくらbot",
    "ひらがな",
    "カタカナ",
    "김철수",
    "한국어bot",
    "ㄅㄆㄇ",
    "日本語 agent 7",
    "🦀 crab",
    "🤖",
    "✨🚀",
    "C++ reviewer",
    "x",
    "7",
    "µ-kernel",
    "naïve",
    "b2b",
];

#[test]
fn honest_names_in_many_scripts_are_not_flagged() {
    let mut wrong = Vec::new();
    for (n, name) in HONEST.iter().enumerate() {
        let others: Vec<&str> = HONEST.iter().enumerate().filter(|(other, _)| *other != n).map(|(_, name)| *name).collect();
        if let Some(warning) = flagged(&known(&others), name) {
            wrong.push(format!("{name}: {warning:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_word_of_ascii_mixes_scripts() {
    for one in '\0'..='\u{7f}' {
        for other in '\0'..='\u{7f}' {
            assert!(!word_mixes(&format!("{one}{other}")), "{one:?} {other:?}");
        }
    }
}

#[test]
fn a_look_put_together_from_pieces_is_the_look_of_the_whole() {
    let ascii: Vec<char> = ('\0'..='\u{7f}').collect();
    for one in &ascii {
        for other in &ascii {
            for text in [format!("{one}{other}"), format!("{one}a{other}")] {
                assert!(plain_look(&text).is_none_or(|plain| plain == look(&text)), "{text:?}");
            }
        }
    }
    assert_eq!(plain_look("Agent 10"), Some(look("Agent 10")), "most names take the short way");
    assert_eq!(plain_look("é"), None);
}

#[test]
fn a_word_of_several_scripts_is_flagged_whomever_it_looks_like() {
    for name in ["pаypal", "Gооgle", "ωallet", "Ωmega-3", "админbot", "Ꭺlice", "ada аdа1x"] {
        assert!(
            flagged(&Lookalikes::default(), name).is_some_and(|warning| warning.mixed_scripts && warning.looks_like.is_none()),
            "{name}"
        );
    }
}

#[test]
fn what_our_owner_calls_a_peer_settles_it_and_is_protected_too() {
    let mut known = Lookalikes::default();
    known.put(&PeerRecord { petname: Some("boss".to_owned()), ..peer(1, "xk-19", Trust::Trusted) });
    assert_eq!(flagged(&known, "Воss").unwrap().looks_like.unwrap(), LooksLike { peer: key(1), name: "boss".to_owned() });
    assert_eq!(flagged(&known, "xk-l9").unwrap().looks_like.unwrap().name, "boss");
    assert_eq!(known.warning(&key(2), Some("Воss"), Some("my other boss"), Trust::Known), None);
    // Ourselves.
    known.put_own(key(9), "ada");
    assert_eq!(flagged(&known, "аdа").unwrap().looks_like.unwrap().peer, key(9));
    known.put_own(key(9), "lovelace");
    assert_eq!(flagged(&known, "ada"), None);
}

#[test]
fn only_who_is_trusted_as_far_is_looked_like_and_only_while_that_lasts() {
    let mut known = Lookalikes::default();
    known.put(&peer(1, "ada", Trust::Trusted));
    known.put(&peer(2, "ADA", Trust::Known));
    let of = |known: &Lookalikes, n: usize, name: &str, trust| {
        known.warning(&key(n), Some(name), None, trust).and_then(|w| w.looks_like).map(|l| l.peer)
    };
    assert_eq!(of(&known, 1, "ada", Trust::Trusted), None, "the trusted one is the one that is meant");
    assert_eq!(of(&known, 2, "ADA", Trust::Known), Some(key(1)));
    assert_eq!(of(&known, 3, "ada", Trust::Unknown), Some(key(1)));
    assert_eq!(of(&known, 4, "ada", Trust::Blocked), Some(key(1)));
    known.put(&peer(1, "ada", Trust::Unknown));
    assert_eq!(of(&known, 3, "ada", Trust::Unknown), Some(key(2)));
    known.remove(&key(2));
    assert_eq!(known, Lookalikes::default());
}
