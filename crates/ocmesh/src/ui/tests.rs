//! The corpus of injections against everything that shows a message.

use ocmesh_testkit::injections::{corpus, harmless, unfence};
use time::macros::datetime;

use super::*;

#[test]
fn no_injection_gets_out_whichever_way_it_is_shown() {
    let now = datetime!(2026-11-23 13:00:00 UTC);
    let attacks = corpus().unwrap();
    assert!(attacks.len() >= 300);
    for attack in attacks {
        let hostile = |text: &str| Some(text.to_owned());
        let message = Message {
            content: attack.text.clone(),
            subject: hostile(&attack.text),
            kind: attack.text.clone(),
            from_name: hostile(&attack.text),
            to_name: hostile(&attack.text),
            ..Message::example()
        };
        let ours = Message { direction: "out".to_owned(), fail_reason: hostile(&attack.text), ..message.clone() };
        for shown in [message, ours] {
            let text = message::fenced(&shown, now, Fence::new([0xab; 16]));
            let (outside, inside) = unfence(&text, &["name: ", "subject: ", "type: "]).unwrap();
            assert!(outside.len() == 2 && inside.len() >= 4, "{}: {text}", attack.family);
            assert!(outside[0].contains("npub1") && outside[0].ends_with(&shown.id) && outside[1].is_empty(), "{text}");
            harmless(&message::message(&Ui::plain(), &shown, now)).unwrap();
            let json = message::value(&shown, Fence::new([0xab; 16]));
            let json = safe::safe_value(json);
            harmless(json["body"].as_str().unwrap()).unwrap();
            harmless(&json["body"].to_string()).unwrap();
            ["from_name", "to_name", "subject", "type"].iter().for_each(|key| harmless(json[key].as_str().unwrap()).unwrap());
            assert_eq!((json["untrusted"].as_bool(), json["from"].as_str()), (Some(true), Some(shown.from.as_str())));
        }
    }
}
