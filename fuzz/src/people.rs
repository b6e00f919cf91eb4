//! The people of the targets, and a pen that signs whatever it is given. Written apart from `ocmesh-wire`, so that one mistake is not made twice.

use nostr::{
    key::{Keys, PublicKey, SecretKey},
    nips::{nip04, nip44},
};
use ocmesh_proto::{At, PubKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Our clock in every target.
pub(crate) const NOW: At = At::from_secs(1_800_000_000);

/// Tags of an event.
pub(crate) type Tags = Vec<Vec<String>>;

/// Somebody with a key that everybody knows.
pub(crate) struct Person(Keys);

/// Writes to Bob, and would like to be taken for Ada.
pub(crate) fn mallory() -> Person {
    Person::of([3; 32])
}

/// Never writes anything in the targets.
pub(crate) fn ada() -> Person {
    Person::of([1; 32])
}

/// Wraps what others sealed, as a one-time key does.
pub(crate) fn nobody() -> Person {
    Person::of([4; 32])
}

/// Whom everything is opened for.
pub(crate) fn bob() -> Person {
    Person::of(BOB)
}

const BOB: [u8; 32] = [2; 32];

/// Bob's keys as the daemon holds them.
pub(crate) fn bobs_keys() -> ocmesh_wire::Keys {
    ocmesh_wire::Keys::from_secret_bytes(&BOB).expect("a key")
}

/// An event that somebody signed.
pub(crate) struct Signed {
    pub(crate) id: String,
    pub(crate) json: String,
}

impl Person {
    fn of(secret: [u8; 32]) -> Self {
        Self(Keys::new(SecretKey::from_slice(&secret).expect("a key")))
    }

    pub(crate) fn key(&self) -> PubKey {
        PubKey::from_bytes(self.0.public_key().to_bytes())
    }

    fn public(&self) -> PublicKey {
        self.0.public_key()
    }

    /// A good signature around anything.
    pub(crate) fn sign(&self, kind: u16, created_at: u64, tags: &Tags, content: &str) -> Signed {
        let id = hash(&json!([0, self.key(), created_at, kind, tags, content]));
        let signature = self.0.sign_schnorr(id).to_string();
        let id = hex(&id);
        let event = json!({
            "id": id, "pubkey": self.key(), "created_at": created_at, "kind": kind, "tags": tags, "content": content, "sig": signature,
        });
        Signed { id, json: event.to_string() }
    }

    /// NIP-44; `None` for what the cipher does not take: nothing, and more than 64 KiB.
    pub(crate) fn nip44(&self, to: &Self, text: &str) -> Option<String> {
        nip44::encrypt(self.0.secret_key(), &to.public(), text, nip44::Version::V2).ok()
    }

    /// NIP-04.
    pub(crate) fn nip04(&self, to: &Self, text: &str) -> Option<String> {
        nip04::encrypt(self.0.secret_key(), &to.public(), text).ok()
    }
}

/// The id of an unsigned event, as NIP-01 counts it.
pub(crate) fn id_of(event: &Value) -> Option<String> {
    let field = |name| event.get(name).cloned();
    let parts = json!([0, field("pubkey")?, field("created_at")?, field("kind")?, field("tags")?, field("content")?]);
    Some(hex(&hash(&parts)))
}

fn hash(value: &Value) -> [u8; 32] {
    Sha256::digest(value.to_string()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads `tags as JSON`, a line break, and the rest.
pub(crate) fn tags_and_text(text: &str) -> (Tags, &str) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    (serde_json::from_str(first).unwrap_or_default(), rest)
}

/// Puts keys where a short word stands for them: inputs stay short, and hold no keys.
pub(crate) fn with_keys(text: &str) -> String {
    [("@mallory", mallory()), ("@ada", ada()), ("@bob", bob())]
        .into_iter()
        .fold(text.to_owned(), |text, (word, person)| text.replace(word, &person.key().to_hex()))
}
