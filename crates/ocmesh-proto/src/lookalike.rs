//! Names that look like one already known: confusable letters, mixed scripts. A flagged name is shown with its warning, and nothing is
//! sent to it by that name.
//!
//! Two names look alike when they share a key: the skeleton of [UTS 39](https://www.unicode.org/reports/tr39/#Confusable_Detection), taken
//! of the name as it stands, in lower case and in capitals, without accents, spaces and punctuation.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use unicode_normalization::UnicodeNormalization as _;
use unicode_security::{MixedScript as _, RestrictionLevel, RestrictionLevelDetection as _};

use crate::{PeerRecord, PubKey, Trust};

/// Why a name should not be believed at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameWarning {
    /// The one it looks like: an accepted peer, or ourselves.
    pub looks_like: Option<LooksLike>,
    /// One word of it is put together from letters of scripts that are not written together.
    pub mixed_scripts: bool,
}

/// Whom a name looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LooksLike {
    /// Its key.
    pub peer: PubKey,
    /// What we call it, else what it calls itself.
    pub name: String,
}

/// The names of accepted peers and our own, by how they look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lookalikes {
    by_look: BTreeMap<String, BTreeSet<PubKey>>,
    named: BTreeMap<PubKey, Named>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    name: Option<String>,
    petname: Option<String>,
    trust: Trust,
}

impl Named {
    fn texts(&self) -> impl Iterator<Item = &str> {
        [self.petname.as_deref(), self.name.as_deref()].into_iter().flatten()
    }
}

impl Lookalikes {
    /// What is wrong with a name that a peer gave itself. A peer that our owner has named is known by that name, so nothing is.
    #[must_use]
    pub fn warning(&self, peer: &PubKey, name: Option<&str>, petname: Option<&str>, trust: Trust) -> Option<NameWarning> {
        let named_by_owner = petname.is_some() || self.named.get(peer).is_some_and(|named| named.petname.is_some());
        let name = name.filter(|_| !named_by_owner)?;
        let warning = NameWarning { looks_like: self.looks_like(peer, name, trust), mixed_scripts: mixes_scripts(name) };
        (warning.looks_like.is_some() || warning.mixed_scripts).then_some(warning)
    }

    /// Somebody else who is trusted as far or further and whose name looks the same.
    fn looks_like(&self, peer: &PubKey, name: &str, trust: Trust) -> Option<LooksLike> {
        if self.named.is_empty() {
            return None;
        }
        let looks = looks(name);
        let others = looks.iter().filter_map(|look| self.by_look.get(look)).flatten().filter(|other| *other != peer);
        let like = others.filter_map(|other| self.named.get(other).map(|named| (other, named)));
        let stands = |named: &Named| !trust.is_accepted() || named.trust >= trust;
        let (other, named) = like.filter(|(_, named)| stands(named)).max_by_key(|(_, named)| named.trust)?;
        Some(LooksLike { peer: *other, name: named.texts().next().unwrap_or_default().to_owned() })
    }

    /// Whether [`Self::put`] would change anything.
    pub(crate) fn is_behind(&self, record: &PeerRecord) -> bool {
        match self.named.get(&record.pubkey) {
            None => record.trust.is_accepted(),
            Some(named) => named.trust != record.trust || named.name != record.name || named.petname != record.petname,
        }
    }

    /// Takes the names of a peer as they are now; only those of accepted ones are kept.
    pub(crate) fn put(&mut self, record: &PeerRecord) {
        self.remove(&record.pubkey);
        if record.trust.is_accepted() {
            let named = Named { name: record.name.clone(), petname: record.petname.clone(), trust: record.trust };
            self.insert(record.pubkey, named);
        }
    }

    /// Our own name: nobody else should look like us.
    pub(crate) fn put_own(&mut self, me: PubKey, name: &str) {
        self.remove(&me);
        self.insert(me, Named { name: Some(name.to_owned()), petname: None, trust: Trust::Trusted });
    }

    fn insert(&mut self, peer: PubKey, named: Named) {
        for look in named.texts().flat_map(looks) {
            self.by_look.entry(look).or_default().insert(peer);
        }
        self.named.insert(peer, named);
    }

    pub(crate) fn remove(&mut self, peer: &PubKey) {
        let Some(named) = self.named.remove(peer) else { return };
        for look in named.texts().flat_map(looks) {
            if let Some(peers) = self.by_look.get_mut(&look) {
                peers.remove(peer);
                if peers.is_empty() {
                    self.by_look.remove(&look);
                }
            }
        }
    }
}

/// How a name looks: as it stands, in small letters, in capitals, since a letter may be the twin of another in one of them only; and the
/// same with characters that are only variants of others replaced by those.
fn looks(name: &str) -> Vec<String> {
    let forms = if name.is_ascii() { vec![name.to_owned()] } else { vec![name.nfd().collect(), name.nfkd().collect()] };
    let mut texts: Vec<String> = Vec::new();
    for text in forms.into_iter().flat_map(|text: String| [text.to_lowercase(), text.to_uppercase(), text]) {
        // Most names are the same in several of these, and a look is dear.
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts.iter().map(|text| plain_look(text).unwrap_or_else(|| look(text))).filter(|look| !look.is_empty()).collect()
}

/// What each sign of ASCII adds to a look. None where its twin is no ASCII: there, what stands beside it may matter.
static PIECES: LazyLock<Vec<Option<String>>> = LazyLock::new(|| {
    let piece = |c: char| {
        let skeleton: String = unicode_security::confusable_detection::skeleton(c.encode_utf8(&mut [0; 4])).map(small).collect();
        skeleton.is_ascii().then(|| skeleton.chars().filter(char::is_ascii_alphanumeric).collect())
    };
    ('\0'..='\x7f').map(piece).collect()
});

/// The look of a name of ASCII, put together from its pieces: nearly all names are, and every message on a page has one.
fn plain_look(text: &str) -> Option<String> {
    let mut letters = String::with_capacity(text.len());
    for byte in text.bytes() {
        letters.push_str(PIECES.get(usize::from(byte))?.as_ref()?);
    }
    (!letters.is_empty()).then_some(letters)
}

fn look(text: &str) -> String {
    let skeleton: String = unicode_security::confusable_detection::skeleton(text).map(small).collect();
    // Accents are no letters by themselves, and easily overlooked; the vowel signs of many scripts are letters.
    let letters: String = skeleton.chars().filter(|c| c.is_alphanumeric()).collect();
    // A name of nothing but signs is compared by its signs.
    if letters.is_empty() { skeleton.split_whitespace().collect() } else { letters }
}

/// Small letters for capitals and for small capitals, which UTS 39 keeps apart. Not for `L`: a small one stands for `I` and `1` too.
fn small(c: char) -> char {
    match c {
        'L' | 'ʟ' => 'L',
        'ʙ' => 'b',
        'ʜ' => 'h',
        'ᴋ' | 'ĸ' => 'k',
        'ᴍ' | 'ʍ' => 'm',
        'ɴ' => 'n',
        'ᴛ' => 't',
        other => other.to_lowercase().next().unwrap_or(other),
    }
}

/// The accents of Latin, Greek and Cyrillic, which do not end a word.
const fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Some word has letters of several scripts that no language writes in one word. Latin beside Chinese, Japanese or Korean is usual, and
/// beside other scripts than Cyrillic and Greek harmless, as no letters of theirs look the same.
fn mixes_scripts(name: &str) -> bool {
    // All of its letters are Latin.
    if name.is_ascii() {
        return false;
    }
    let composed: String = name.nfkc().collect();
    let mut words = composed.split(|c: char| !c.is_alphanumeric() && !is_accent(c)).filter(|word| !word.is_empty());
    words.any(word_mixes)
}

fn word_mixes(word: &str) -> bool {
    !word.is_single_script() && !word.check_restriction_level(RestrictionLevel::ModeratelyRestrictive)
}

#[cfg(test)]
mod tests;
