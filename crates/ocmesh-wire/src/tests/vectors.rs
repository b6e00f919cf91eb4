//! Published test vectors: the ciphers and checks agree with everybody else's.

use super::*;
use crate::{
    backup,
    direct_message::{nip04, nip44},
    event::Event,
};

fn keys(hex: &str) -> Keys {
    Keys::parse_secret(hex).unwrap()
}

fn small(number: u8) -> Keys {
    let mut bytes = [0; 32];
    bytes[31] = number;
    Keys::from_secret_bytes(&bytes).unwrap()
}

/// From the vectors that NIP-44 names by their sha256.
#[test]
fn nip44_payloads_open_and_damaged_ones_do_not() {
    let vectors = [
        (
            small(1),
            small(2),
            "a",
            "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABee0G5VSK0/9YypIObAtDKfYEAjD35uVkHyB0F4DwrcNaCXlCWZKaArsGrY6M9wnuTMxWfp1RTN9Xga8no+kF5Vsb",
        ),
        (
            small(2),
            small(1),
            "🍕🫃",
            "AvAAAAAAAAAAAAAAAAAAAPAAAAAAAAAAAAAAAAAAAAAPSKSK6is9ngkX2+cSq85Th16oRTISAOfhStnixqZziKMDvB0QQzgFZdjLTPicCJaV8nDITO+QfaQ61+KbWQIOO2Yj",
        ),
        (
            keys("5c0c523f52a5b6fad39ed2403092df8cebc36318b39383bca6c00808626fab3a"),
            keys("4b22aa260e4acb7021e32f38a6cdf4b673c6a277755bfce287e370c924dc936d"),
            "表ポあA鷗ŒéＢ逍Üßªąñ丂㐀𠀀",
            "ArY1I2xC2yDwIbuNHN/1ynXdGgzHLqdCrXUPMwELJPc7s7JqlCMJBAIIjfkpHReBPXeoMCyuClwgbT419jUWU1PwaNl4FEQYKCDKVJz+97Mp3K+Q2YGa77B6gpxB/lr1QgoqpDf7wDVrDmOqGoiPjWDqy8KzLueKDcm9BVP8xeTJIxs=",
        ),
        (
            keys("8f40e50a84a7462e2b8d24c28898ef1f23359fff50d8c509e6fb7ce06e142f9c"),
            keys("b9b0a1e9cc20100c5faa3bbe2777303d25950616c4c6a3fa2e3e046f936ec2ba"),
            "ability🤝的 ȺȾ",
            "ArIJia3D3cQc0sQ1lSwNWakTFdjFIY1QQFc/w3SVQ6yvbG2S0x4Yu86QGwPTy7mP3961I1XqB6SFFTzqDZZavhxoWMj7mEVGMQIsh2RLWI5EYQaQDIePSnXPlzf7CIt+voTD",
        ),
    ];
    for (one, two, plain, payload) in vectors {
        // Both sides have the same key, so both can open it.
        assert_eq!(nip44::decrypt(&one, &two.public(), payload).as_deref(), Ok(plain));
        assert_eq!(nip44::decrypt(&two, &one.public(), payload).as_deref(), Ok(plain));
        // As the content of a kind 4 event it is told apart from NIP-04 and read.
        let event = signed(&one, 4, NOW, vec![tag(["p", &two.public().to_hex()])], payload);
        let envelope = direct(&two, &event);
        assert_eq!((envelope.form, envelope.body), (Form::Nip44, text(plain)));
        for damaged in [
            payload.replacen("Ag", "Aw", 1).replacen("Av", "Bv", 1).replacen("Ar", "Br", 1),
            format!("#{payload}"),
            payload.get(..payload.len() - 4).unwrap().to_owned(),
            payload.replacen('C', "D", 1),
        ] {
            assert_eq!(nip44::decrypt(&two, &one.public(), &damaged), Err(OpenError::Undecryptable), "{damaged}");
        }
        assert_eq!(nip44::decrypt(&mallory(), &one.public(), payload), Err(OpenError::Undecryptable));
    }
    let bomb = "A".repeat(crate::EVENT_BYTES_MAX + 1);
    assert_eq!(nip44::decrypt(&alice(), &bob().public(), &bomb), Err(OpenError::ContentTooLong));
}

/// A payload made by another implementation.
#[test]
fn nip04_payloads_of_others_open() {
    let sender = keys("6b911fd37cdf5c81d4c0adb1ab7fa822ed253ab0ad9aa18d77257c88b29b718e");
    let receiver = keys("7b911fd37cdf5c81d4c0adb1ab7fa822ed253ab0ad9aa18d77257c88b29b718e");
    let payload = "dJc+WbBgaFCD2/kfg1XCWJParplBDxnZIdJGZ6FCTOg=?iv=M6VxRPkMZu7aIdD+10xPuw==";
    assert_eq!(nip04::decrypt(&receiver, &sender.public(), payload).as_deref(), Ok("Saturn, bringer of old age"));
    let event = signed(&sender, 4, NOW, vec![tag(["p", &receiver.public().to_hex()])], payload);
    let envelope = direct(&receiver, &event);
    assert_eq!((envelope.form, envelope.body), (Form::Nip04, text("Saturn, bringer of old age")));
    for damaged in
        ["?iv=", "AAAA?iv=AAAA", "x?iv=M6VxRPkMZu7aIdD+10xPuw==", "dJc+?iv=M6VxRPkMZu7aIdD+10xPuw==", "?iv=M6VxRPkMZu7aIdD+10xPuw==?iv="]
    {
        assert_eq!(nip04::decrypt(&receiver, &sender.public(), damaged), Err(OpenError::Undecryptable), "{damaged}");
    }
}

/// A well-known event from the network: our id and signature check is everybody's.
#[test]
fn a_real_event_is_good() {
    let json = r#"{"id":"2be17aa3031bdcb006f0fce80c146dea9c1c0268b0af2398bb673365c6444d45","pubkey":"f86c44a2de95d9149b51c6a29afeabba264c18e2fa7c49de93424a0c56947785","created_at":1640839235,"kind":4,"tags":[["p","13adc511de7e1cfcf1c6b7f6365fb5a03442d7bcacf565ea57fa7770912c023d"]],"content":"uRuvYr585B80L6rSJiHocw==?iv=oh6LVqdsYYol3JfFnXTbPA==","sig":"a5d9290ef9659083c490b303eb7ee41356d8778ff19f2f91776c8dc4443388a64ffcf336e61af4c25c05ac3ae952d1ced889ed655b67790891222aaa15b99fdd"}"#;
    let event: Event = serde_json::from_str(json).unwrap();
    assert!(event.is_genuine());
    assert_eq!(refused(&bob(), json), OpenError::NotForUs);
}

/// The example of NIP-49.
#[test]
fn a_nip49_backup_of_others_opens() {
    let text = "ncryptsec1qgg9947rlpvqu76pj5ecreduf9jxhselq2nae2kghhvd5g7dgjtcxfqtd67p9m0w57lspw8gsq6yphnm8623nsl8xn9j4jdzz84zm3frztj3z7s35vpzmqf6ksu8r89qk5z2zxfmu5gv8th8wclt0h4p";
    let opened = backup::decrypt(text, "nostr").unwrap();
    assert_eq!(opened.public(), keys("3501454135014541350145413501453fefb02227e449e57cf4d3a3ce05378683").public());
}
