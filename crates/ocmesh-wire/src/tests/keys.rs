//! Keys as people write them, secrets that stay secret, and backups.

use ocmesh_proto::RelayUrl;

use super::*;
use crate::{
    KeyError, KeyTextError,
    backup::{self, BackupError},
    npub, parse_key,
};

// The examples of NIP-19.
const NPUB: &str = "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6";
const NPUB_HEX: &str = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
const NSEC: &str = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5";
const NSEC_HEX: &str = "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa";
const NPROFILE: &str =
    "nprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69uhhytnc9e3k7mgpz4mhxue69uhkg6nzv9ejuumpv34kytnrdaksjlyr9p";

#[test]
fn a_public_key_is_read_in_every_spelling() {
    let key: PubKey = NPUB_HEX.parse().unwrap();
    let plain = [NPUB.to_owned(), NPUB_HEX.to_owned(), NPUB_HEX.to_uppercase(), format!(" nostr:{NPUB}\n"), NPUB.to_uppercase()];
    for text in plain {
        assert_eq!(parse_key(&text).map(|key| (key.pubkey, key.relays.len())), Ok((key, 0)), "{text}");
    }
    assert_eq!(npub(&key), NPUB);
    for text in [NPROFILE.to_owned(), format!("nostr:{NPROFILE}")] {
        let profile = parse_key(&text).unwrap();
        assert_eq!(profile.pubkey, key);
        assert_eq!(profile.relays.iter().map(RelayUrl::as_str).collect::<Vec<_>>(), ["wss://r.x.com", "wss://djbas.sadkb.com"]);
    }
}

#[test]
fn what_is_no_public_key_is_told_apart() {
    let typo = NPUB.replace("180cvv", "180cvw");
    for (text, error) in [
        (NSEC, KeyTextError::SecretKey),
        (&NSEC.to_uppercase(), KeyTextError::SecretKey),
        (&format!("nostr:{NSEC}"), KeyTextError::SecretKey),
        (NSEC.get(..40).unwrap(), KeyTextError::SecretKey),
        ("ncryptsec1qgg9947rlpvqu76pj5", KeyTextError::EncryptedSecretKey),
        ("note1fntxtkcy9pjwucqwa9mddn7v03wwwsu9j330jj350nvhpky2tuaspk6nqc", KeyTextError::Event),
        ("nevent1x", KeyTextError::Event),
        (&typo, KeyTextError::Typo),
        ("npub1", KeyTextError::Typo),
        (&format!("{}05", "0".repeat(62)), KeyTextError::NotOnCurve),
        ("", KeyTextError::NotAKey),
        ("ada", KeyTextError::NotAKey),
        (NPUB_HEX.get(1..).unwrap(), KeyTextError::NotAKey),
        (&"npub1".repeat(5_000), KeyTextError::NotAKey),
    ] {
        assert_eq!(parse_key(text), Err(error), "{text}");
        assert!(!error.to_string().contains("vl029"), "an error never repeats what it was given");
    }
    assert!(KeyTextError::SecretKey.to_string().contains("never share"));
}

#[test]
fn a_secret_key_is_read_and_kept_out_of_sight() {
    for text in [NSEC, NSEC_HEX, &format!("  {NSEC}\n")] {
        let keys = Keys::parse_secret(text).unwrap();
        assert_eq!(Keys::from_secret_bytes(&keys.secret_bytes()).unwrap().public(), keys.public());
        let shown = format!("{keys:?} {keys:#?}").to_lowercase();
        assert!(shown.contains("npub1"), "{shown}");
        for secret in [NSEC, NSEC_HEX, NSEC_HEX.get(..12).unwrap(), "nsec", "103, 222, 162"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    for (text, error) in [
        (NPUB, KeyError::PublicKeyGiven),
        (NPROFILE, KeyError::PublicKeyGiven),
        ("ncryptsec1abc", KeyError::EncryptedGiven),
        (&NSEC.replace("vl029", "vl02a"), KeyError::NotASecretKey),
        ("", KeyError::NotASecretKey),
        (&"0".repeat(64), KeyError::NotASecretKey),
        (&format!("{NSEC_HEX}0"), KeyError::NotASecretKey),
        (&format!("{NSEC_HEX}{NSEC_HEX}"), KeyError::NotASecretKey),
        (NSEC_HEX.get(..63).unwrap(), KeyError::NotASecretKey),
    ] {
        assert_eq!(Keys::parse_secret(text).unwrap_err(), error);
    }
    assert_eq!(Keys::from_secret_bytes(&[0; 32]).unwrap_err(), KeyError::OutOfRange);
    assert_eq!(Keys::from_secret_bytes(&[0xff; 32]).unwrap_err(), KeyError::OutOfRange);
    assert_ne!(Keys::generate().public(), Keys::generate().public());
}

#[test]
fn a_backup_opens_with_its_passphrase_only() {
    // Cost 2 keeps the test quick; the form is the same.
    let text = backup::encrypt(&alice(), "correct horse", 2).unwrap();
    assert!(text.starts_with("ncryptsec1"));
    assert_eq!(backup::decrypt(&format!(" {text}\n"), "correct horse").unwrap().public(), alice().public());
    assert_eq!(backup::decrypt(&text, "wrong").unwrap_err(), BackupError::WrongPassphrase);
    assert_eq!(backup::decrypt(text.get(1..).unwrap(), "correct horse").unwrap_err(), BackupError::NotABackup);
    assert_eq!(backup::decrypt("hello", "x").unwrap_err(), BackupError::NotABackup);
    assert_eq!(backup::encrypt(&alice(), "", 2).unwrap_err(), BackupError::PassphraseEmpty);
    for cost in [0, 21, 255] {
        assert_eq!(backup::encrypt(&alice(), "x", cost).unwrap_err(), BackupError::Cost(cost));
    }
    assert_ne!(backup::encrypt(&alice(), "correct horse", 2).unwrap(), text, "salt and nonce are new each time");
}

#[test]
fn a_backup_that_asks_for_all_memory_is_refused_before_it_gets_it() {
    use nostr::nips::{
        nip19::{FromBech32, ToBech32},
        nip49::EncryptedSecretKey,
    };
    let text = backup::encrypt(&alice(), "x", 2).unwrap();
    let mut bytes = EncryptedSecretKey::from_bech32(&text).unwrap().as_vec();
    bytes[1] = 40;
    let greedy = EncryptedSecretKey::from_slice(&bytes).unwrap().to_bech32().unwrap();
    assert_eq!(backup::decrypt(&greedy, "x").unwrap_err(), BackupError::Cost(40));
}
