//! A corpus of texts that want out of the envelope: none gets out, whether it is a message, a name, a subject or a feature.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use ocmesh_api::untrusted::{Author, Fence, NAME_CHARS_MAX, Untrusted, label, untrusted};
use ocmesh_testkit::injections::{Attack, corpus, harmless, unfence};
use proptest::prelude::*;

const KEY: &str = "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e";

fn wrap(name: Option<&str>, body: &str) -> Untrusted {
    untrusted(Author { pubkey: KEY, name, trust: "unknown" }, body, 4_096, Fence::new([0xab; 16]))
}

fn assert_contained(text: &str) {
    let short = label(text, NAME_CHARS_MAX);
    harmless(&short).unwrap();
    assert!(!short.contains(['\n', '\t']));
    let words = wrap(Some(text), text);
    assert!(words.untrusted && words.verified && words.from == KEY && words.trust == "unknown");
    harmless(&words.body).unwrap();
    harmless(words.from_name.as_deref().unwrap()).unwrap();
    // As text nothing stands outside of the fence.
    let (outside, inside) = unfence(&words.text(&[("subject", &short), ("type", &short)]), &["name: ", "subject: ", "type: "])
        .map(|(outside, inside)| (outside.len(), inside.len()))
        .unwrap();
    assert!(outside == 0 && inside >= 4);
    // As JSON it is one string and nothing else.
    let json = serde_json::to_string(&words).unwrap();
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&value["untrusted"], &value["trust"], value["body"].as_str()),
        (&true.into(), &"unknown".into(), Some(words.body.as_str()))
    );
}

#[test]
fn no_attack_gets_out() {
    let corpus = corpus().unwrap();
    assert!(corpus.len() >= 300, "the corpus has shrunk to {}", corpus.len());
    for Attack { family, text } in &corpus {
        let caught = std::panic::catch_unwind(|| assert_contained(text));
        assert!(caught.is_ok(), "{family}: {text:?} got out");
    }
}

#[test]
fn no_attack_gets_out_of_another_ones_company() {
    let corpus = corpus().unwrap();
    for pair in corpus.windows(2) {
        let [one, two] = pair else { continue };
        assert_contained(&format!("{}{}", one.text, two.text));
        assert_contained(&format!("{}\n{}", two.text, one.text));
        // Split by something that is taken out of sight.
        assert_contained(&one.text.chars().flat_map(|c| [c, '\u{200b}']).collect::<String>());
    }
}

#[test]
fn the_marks_of_the_corpus_are_really_changed() {
    for Attack { family, text } in corpus().unwrap() {
        let must_change = matches!(family.as_str(), "template" | "agent-tag" | "hidden-split" | "look-alike" | "hidden" | "terminal");
        let words = wrap(None, &text);
        assert!(words.altered || !must_change, "{family}: {text:?} was left as it is");
    }
}

proptest! {
    #[test]
    fn no_mixture_gets_out(picks in prop::collection::vec((0_usize..1_000, any::<char>(), 0_usize..3), 1..6)) {
        let corpus = corpus().unwrap();
        let mut text = String::new();
        for (pick, c, how) in picks {
            let part = &corpus[pick % corpus.len()].text;
            match how {
                0 => text.push_str(part),
                1 => text.extend(part.chars().take(5)),
                _ => text.extend(part.chars().flat_map(|p| if p == 'e' { vec![p, c] } else { vec![p] })),
            }
            text.push(c);
        }
        // The independent reader knows few look-alikes; whatever it finds is a real one.
        assert_contained(&text);
    }
}
