//! An event as NIP-01 writes it: strict reading, our own check of id and signature, and signing. Knows nothing of what a kind means.

use std::{borrow::Cow, io::Write as _, str::FromStr};

use nostr::{
    event::{Event as NostrEvent, EventId as NostrId, Kind, Signature},
    key::PublicKey,
    types::Timestamp,
};
use ocmesh_proto::{EventId, PubKey, SignedEvent};
use serde::{Deserialize, Deserializer, Serialize, de};
use sha2::{Digest, Sha256};

use crate::{keys::Keys, tag::Tags};

/// A signed event, read but not yet checked.
#[derive(Deserialize)]
pub(crate) struct Event {
    #[serde(deserialize_with = "lower_hex")]
    pub(crate) id: EventId,
    #[serde(deserialize_with = "lower_hex")]
    pub(crate) pubkey: PubKey,
    pub(crate) created_at: u64,
    pub(crate) kind: u16,
    pub(crate) tags: Tags,
    pub(crate) content: String,
    #[serde(deserialize_with = "signature")]
    sig: Signature,
}

/// Reads a JSON object, and only an object: left alone, the reader would take an array of the fields' values too.
pub(crate) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
}

impl Event {
    /// Checks the id against the content, then the BIP-340 signature against the id. There is no cache: an id that was good once says
    /// nothing of the next event that claims it.
    pub(crate) fn is_genuine(&self) -> bool {
        self.has_its_id() && self.is_signed()
    }

    /// The id is the hash of the content.
    pub(crate) fn has_its_id(&self) -> bool {
        id_of(&self.pubkey, self.created_at, self.kind, &self.tags, &self.content) == self.id
    }

    /// The signature is the author's. It covers nothing but the id, so that is all the library is given.
    pub(crate) fn is_signed(&self) -> bool {
        let author = PublicKey::from_byte_array(*self.pubkey.as_bytes());
        let id = NostrId::from_byte_array(*self.id.as_bytes());
        NostrEvent::new(id, author, Timestamp::zero(), Kind::from(0), [], "", self.sig).verify_signature()
    }

    /// The signature as it came.
    pub(crate) fn signature(&self) -> &[u8; 64] {
        self.sig.as_bytes()
    }
}

/// NIP-01 spells ids, keys and signatures in lower case; a second spelling of the same event is refused.
pub(crate) fn lower_hex<'de, D: Deserializer<'de>, T: FromStr>(deserializer: D) -> Result<T, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    // To the end, whatever is found: that takes sixteen at a time.
    let has_upper = text.bytes().fold(false, |found, byte| found | byte.is_ascii_uppercase());
    text.parse().ok().filter(|_| !has_upper).ok_or_else(|| de::Error::custom("not lower-case hexadecimal of the right length"))
}

/// A signature as text.
struct SignatureText(Signature);

impl FromStr for SignatureText {
    type Err = ();

    /// The library reads 128 digits and ignores what stands behind them; that would be a second spelling too.
    fn from_str(text: &str) -> Result<Self, ()> {
        if text.len() == 128 { text.parse().map(Self).map_err(drop) } else { Err(()) }
    }
}

fn signature<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Signature, D::Error> {
    lower_hex::<D, SignatureText>(deserializer).map(|text| text.0)
}

/// The sha256 of the serialised event ([NIP-01](https://github.com/nostr-protocol/nips/blob/master/01.md)).
pub(crate) fn id_of(author: &PubKey, created_at: u64, kind: u16, tags: &Tags, content: &str) -> EventId {
    EventId::from_bytes(Sha256::digest(serialised(author, created_at, kind, tags, content)).into())
}

/// Room for what stands around an event's content when it is hashed: author, date, kind and the usual tags.
const FRAME_BYTES: usize = 384;

/// What an id is the hash of.
pub(crate) fn serialised(author: &PubKey, created_at: u64, kind: u16, tags: &Tags, content: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len().saturating_add(FRAME_BYTES));
    // Writing numbers to memory cannot fail; if it did, the id would match nothing and the event would be refused.
    let _ = write!(out, "[0,\"{}\",{created_at},{kind},", author.to_hex());
    list(&mut out, tags, |out, tag| list(out, tag, |out, word| text(out, word)));
    out.push(b',');
    text(&mut out, content);
    out.push(b']');
    out
}

fn list<T>(out: &mut Vec<u8>, items: &[T], item: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, entry) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        item(out, entry);
    }
    out.push(b']');
}

/// Most texts need no escapes; the general way looks at one byte after the other.
fn text(out: &mut Vec<u8>, text: &str) {
    if is_plain(text) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // As above.
        let _ = serde_json::to_writer(out, text);
    }
}

/// No byte is a control character, a quote or a backslash: looked at eight at a time, as the release does not make loops wide by itself.
fn is_plain(text: &str) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);
    // Some byte of `word` is less than `limit`, which is 128 at most.
    let has_less = |word: u64, limit: u8| word.wrapping_sub(ONES.wrapping_mul(u64::from(limit))) & !word & TOPS != 0;
    let has = |word: u64, byte: u8| has_less(word ^ ONES.wrapping_mul(u64::from(byte)), 1);
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let plain = |bytes: &[u8; 8]| {
        let word = u64::from_ne_bytes(*bytes);
        !(has_less(word, b' ') | has(word, b'"') | has(word, b'\\'))
    };
    words.iter().all(plain) && rest.iter().all(|byte| *byte >= b' ' && *byte != b'"' && *byte != b'\\')
}

/// An event without author and signature: what a draft becomes.
pub(crate) struct Template {
    pub(crate) created_at: u64,
    pub(crate) kind: u16,
    pub(crate) tags: Tags,
    pub(crate) content: String,
}

#[derive(Serialize)]
struct SignedText<'a> {
    id: &'a EventId,
    pubkey: &'a PubKey,
    created_at: u64,
    kind: u16,
    tags: &'a Tags,
    content: &'a str,
    sig: Signature,
}

impl Template {
    /// Signs as the owner of `keys`.
    pub(crate) fn sign(&self, keys: &Keys) -> SignedEvent {
        let author = keys.public();
        let id = id_of(&author, self.created_at, self.kind, &self.tags, &self.content);
        let text = SignedText {
            id: &id,
            pubkey: &author,
            created_at: self.created_at,
            kind: self.kind,
            tags: &self.tags,
            content: &self.content,
            sig: keys.signer().sign_schnorr(id.as_bytes()),
        };
        // As above: writing to memory cannot fail.
        SignedEvent { id, kind: self.kind, json: serde_json::to_string(&text).unwrap_or_default().into() }
    }
}
