//! What must be found, what must not, and that what is said of it is never the secret itself.

use ocmesh_wire::Keys;

use super::*;
use crate::home::Home;

/// One text a line, with the kind that is to be found, or nothing. Tokens are put together here, so that no scanner takes the file for a leak.
fn corpus(file: &str) -> Vec<(Option<String>, String)> {
    let read = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = value["text"].as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect::<String>();
        (value["kind"].as_str().map(str::to_owned), text)
    };
    file.lines().map(read).collect()
}

fn kinds(text: &str) -> Vec<&'static str> {
    find(MessagePart::Content, text, &OwnSecrets::default()).iter().map(|seen| seen.kind).collect()
}

#[test]
fn every_secret_of_the_corpus_is_found_for_what_it_is() {
    let corpus = corpus(include_str!("corpus/secrets.jsonl"));
    assert!(corpus.len() >= 100, "{}", corpus.len());
    for (kind, text) in corpus {
        let kind = kind.unwrap();
        for text in [text.clone(), format!("As you asked:\n{text}\nRegards"), format!("({text})."), format!("Schlüssel „{text}“")] {
            assert!(kinds(&text).contains(&kind.as_str()), "{kind}: {:?} in {text}", kinds(&text));
        }
    }
}

#[test]
fn honest_texts_hold_no_secret() {
    let corpus = corpus(include_str!("corpus/honest.jsonl"));
    assert!(corpus.len() >= 200, "{}", corpus.len());
    let found: Vec<_> = corpus.iter().map(|(_, text)| (kinds(text), text)).filter(|(kinds, _)| !kinds.is_empty()).collect();
    assert!(found.is_empty(), "{} of {}: {found:#?}", found.len(), corpus.len());
}

#[test]
fn it_says_where_the_secret_stands() {
    let token = format!("gh{}{}", "p_", "0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uV1wX");
    let seen = find(MessagePart::Subject, &format!("hällo,\n\nthe key: {token} and {token}"), &OwnSecrets::default());
    let places: Vec<_> = seen.iter().map(|seen| (seen.kind, seen.part, seen.line, seen.column)).collect();
    assert_eq!(places, [("GitHub token", MessagePart::Subject, 3, 10), ("GitHub token", MessagePart::Subject, 3, 55)]);
    assert_eq!(find(MessagePart::Content, &format!("{token} ").repeat(50), &OwnSecrets::default()).len(), SEEN_MAX);
}

#[test]
fn our_own_secrets_are_known_however_they_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::locate(|name| (name == "OCMESH_HOME").then(|| dir.path().as_os_str().to_owned())).unwrap();
    let token = "T0ken-of-this-home_0123456789abcdefABCDEF-x";
    std::fs::write(home.token(), format!("{token}\n")).unwrap();
    std::fs::write(home.database_key(), "5e".repeat(32)).unwrap();
    // The key of the examples of NIP-19.
    let nsec = format!("ns{}", "ec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5");
    let keys = Keys::parse_secret(&nsec).unwrap();
    let own = OwnSecrets::of(&home, &keys);
    let hexed = hex::encode(*keys.secret_bytes());
    for text in [token.to_owned(), "5e".repeat(32), hexed.to_uppercase(), format!("take {hexed}, please"), nsec.to_uppercase(), nsec] {
        let is_own = |own: &OwnSecrets| find(MessagePart::Content, &text, own).iter().any(|seen| seen.own);
        assert!(is_own(&own), "{text}");
        assert!(!is_own(&OwnSecrets::default()));
    }
    assert!(!format!("{own:?}").contains(&hexed));
    let other = hex::encode(*Keys::generate().secret_bytes());
    assert!(find(MessagePart::Content, &other, &own).is_empty());
}

#[test]
fn seed_words_are_known_by_their_checksum() {
    let phrase = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    for text in [phrase.to_owned(), format!("able about {phrase} zoo zoo"), phrase.replace(' ', ", "), phrase.to_uppercase()] {
        assert_eq!(kinds(&text), ["seed words"], "{text}");
    }
    assert!(kinds(&phrase.replace("yellow", "year")).is_empty(), "these words are no seed");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in proptest::prelude::any::<String>()) {
        kinds(&text);
    }

    #[test]
    fn no_piece_of_a_secret_makes_it_panic(index in 0usize..100, cut in 0usize..200, tail in "\\PC{0,8}") {
        let corpus = corpus(include_str!("corpus/secrets.jsonl"));
        let (_, text) = &corpus[index];
        let cut: String = text.chars().take(cut).collect();
        for seen in find(MessagePart::Content, &(cut + &tail), &OwnSecrets::default()) {
            proptest::prop_assert!(seen.kind.len() < 40 && seen.line >= 1 && seen.column >= 1);
        }
    }
}
