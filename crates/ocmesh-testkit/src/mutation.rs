//! Signed events as a forger or a broken relay would change them: every field, every spelling, other people's parts, seals put into new
//! wraps. Whatever comes out says something that its author never signed, or says it in a way that no event is spelled.

use nostr::{
    key::{Keys, PublicKey, SecretKey},
    nips::nip44,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::dice::Dice;

/// One way to change an event; `None` where this event cannot be changed so.
type Change = fn(&mut Forger, &Value) -> Option<String>;

/// Every way, by what is wrong afterwards.
pub const MUTATIONS: &[(&str, Change)] = &[
    ("the id is bent", |forger, event| forger.bent_hex(event, "id")),
    ("the id of another event", |forger, event| forger.lent(event, "id")),
    ("the signature is bent", |forger, event| forger.bent_hex(event, "sig")),
    ("the signature of another event", |forger, event| forger.lent(event, "sig")),
    ("the signature is mirrored", |_, event| with(event, "sig", json!(mirrored(text(event, "sig")?)?))),
    ("the author is bent", |forger, event| forger.bent_hex(event, "pubkey")),
    ("the author of another event", |forger, event| forger.lent(event, "pubkey")),
    ("the author is the forger", |forger, event| with(event, "pubkey", json!(forger.keys.public_key().to_hex()))),
    ("another time", Forger::another_time),
    ("a time no event has", |forger, event| {
        forger.spelled(event, "created_at", &["-1", "1e400", "null", "\"now\"", "[]", "18446744073709551616"])
    }),
    ("the time as a fraction or a text", |forger, event| {
        let at = event.get("created_at")?.as_u64()?;
        forger.raw_of(
            event,
            "created_at",
            &[format!("{at}.0"), format!("{at}e0"), format!("\"{at}\""), format!("0{at}"), format!("{at}0e-1")],
        )
    }),
    ("another kind", Forger::another_kind),
    ("the kind as a fraction or a text", |forger, event| {
        let kind = event.get("kind")?.as_u64()?;
        forger.raw_of(event, "kind", &[format!("{kind}.0"), format!("\"{kind}\""), format!("{}", kind + 65_536), format!("-{}", kind + 1)])
    }),
    ("one tag less", |forger, event| forger.tags(event, |forger, tags| drop(tags.remove(forger.dice.index(tags.len()))))),
    ("one tag more", |forger, event| {
        let tag = json!([forger.dice.pick(&["p", "relay", "app", "", "expiration"])?, "x"]);
        let mut tags = event.get("tags")?.as_array()?.clone();
        tags.insert(forger.dice.index(tags.len() + 1), tag);
        with(event, "tags", json!(tags))
    }),
    ("tags in another order", |forger, event| forger.tags(event, |_, tags| tags.reverse())),
    ("a tag twice", |_, event| {
        let mut tags = event.get("tags")?.as_array()?.clone();
        tags.push(tags.last()?.clone());
        with(event, "tags", json!(tags))
    }),
    ("a word of a tag is bent", Forger::bent_tag),
    ("a tag with one word more", |forger, event| {
        forger.tags(event, |forger, tags| {
            let index = forger.dice.index(tags.len());
            if let Some(tag) = tags.get_mut(index).and_then(Value::as_array_mut) {
                tag.push(json!(""));
            }
        })
    }),
    ("the tags of another event", |forger, event| forger.lent(event, "tags")),
    ("tags of another shape", |forger, event| {
        forger.spelled(event, "tags", &["null", "{}", "\"\"", "[null]", "[[1]]", "[[[\"p\"]]]", "[{}]"])
    }),
    ("the content is bent", |forger, event| {
        let bent = forger.bend(text(event, "content")?);
        with(event, "content", json!(bent))
    }),
    ("the content of another event", |forger, event| forger.lent(event, "content")),
    ("the content is no text", |forger, event| {
        forger.spelled(event, "content", &["null", "0", "[]", "{}", "true", "\"\\ud800\"", "\"\\x\""])
    }),
    ("other content with its own id", |forger, event| {
        let mut forged = event.clone();
        *forged.get_mut("content")? = json!(forger.bend(text(event, "content")?));
        rehashed(forged)
    }),
    ("other tags with their own id", |forger, event| {
        let forged = forger.bent_tag(event)?;
        rehashed(serde_json::from_str(&forged).ok()?)
    }),
    ("another time with its own id", |forger, event| {
        let forged = forger.another_time(event)?;
        rehashed(serde_json::from_str(&forged).ok()?)
    }),
    ("other content, signed by the forger", |forger, event| {
        let mut forged = event.clone();
        *forged.get_mut("content")? = json!(forger.bend(text(event, "content")?));
        forger.signed(forged)
    }),
    ("the same, signed by the forger", |forger, event| forger.signed(event.clone())),
    ("a field twice", Forger::a_field_twice),
    ("a field is missing", |forger, event| {
        let mut fields = event.as_object()?.clone();
        let name = fields.keys().nth(forger.dice.index(fields.len()))?.clone();
        fields.remove(&name);
        Some(json!(fields).to_string())
    }),
    ("not one object", |forger, event| {
        let good = event.to_string();
        let cut = good.char_indices().nth(1 + forger.dice.index(good.chars().count() - 1))?.0;
        let values: Vec<&Value> =
            ["id", "pubkey", "created_at", "kind", "tags", "content", "sig"].iter().filter_map(|name| event.get(name)).collect();
        let texts = [
            format!("[{good}]"),
            format!("\u{feff}{good}"),
            format!("{good}{good}"),
            format!("{good},"),
            format!("{good}\0"),
            good.replace('"', "'"),
            good.replacen('{', "{,", 1),
            good.get(..cut)?.to_owned(),
            json!(good).to_string(),
            json!(values).to_string(),
        ];
        forger.dice.pick(&texts).cloned()
    }),
    ("a bent seal in a new wrap", Forger::bent_seal),
    ("a seal by the forger around another's rumor", Forger::borrowed_rumor),
    ("a seal for another in a new wrap", Forger::strange_seal),
];

/// Somebody who has seen many events, holds a key of their own, and knows the recipient's secret too: more than any forger could.
pub struct Forger {
    /// Decides everything.
    pub dice: Dice,
    keys: Keys,
    recipient: Keys,
    seen: Vec<Value>,
}

impl Forger {
    /// A forger by a seed. With the recipient's secret the inside of wraps is changed too.
    #[must_use]
    pub fn new(seed: u64, recipient: &[u8; 32]) -> Option<Self> {
        let keys = Keys::new(SecretKey::from_slice(&[99; 32]).ok()?);
        Some(Self { dice: Dice::new(seed), keys, recipient: Keys::new(SecretKey::from_slice(recipient).ok()?), seen: Vec::new() })
    }

    /// Keeps a genuine event, whose parts may be used from now on.
    pub fn see(&mut self, event: &Value) {
        // Few are enough, and old ones are as good as new ones.
        if self.seen.len() < 64 {
            self.seen.push(event.clone());
        }
    }

    /// Changes an event in the given way; never gives the event itself.
    pub fn change(&mut self, event: &Value, change: Change) -> Option<String> {
        let forged = change(self, event)?;
        // A number that was spelled otherwise, a key twice: not the same text, whatever a tolerant reader makes of it.
        let unchanged = event.to_string();
        (forged != unchanged).then_some(forged)
    }

    /// A text that is not this one, by one of the slips and tricks that texts meet.
    fn bend(&mut self, text: &str) -> String {
        let chars: Vec<char> = text.chars().collect();
        let place = self.dice.index(chars.len());
        let (head, tail) = (chars.iter().take(place).collect::<String>(), chars.iter().skip(place + 1).collect::<String>());
        let here = chars.get(place).copied().unwrap_or('x');
        let look_alike = match here {
            'a' => '\u{430}',
            'e' => '\u{435}',
            'o' => '\u{43e}',
            ' ' => '\u{a0}',
            '/' => '\u{2215}',
            other => char::from_u32(u32::from(other) ^ 1).unwrap_or('x'),
        };
        let other_case = if here.is_lowercase() { here.to_ascii_uppercase() } else { here.to_ascii_lowercase() };
        let bent = match self.dice.below(10) {
            0 => format!("{head}{look_alike}{tail}"),
            1 => format!("{head}{other_case}{tail}"),
            2 => format!("{head}{tail}"),
            3 => format!("{head}{here}{here}{tail}"),
            4 => head,
            5 => format!("{text} "),
            6 => format!("{text}\0"),
            7 => format!("{head}{here}\u{301}{tail}"),
            8 => format!("{head}\u{200b}{here}{tail}"),
            _ => format!("{text}\n{}", self.dice.next()),
        };
        if bent == text { format!("{text}!") } else { bent }
    }

    /// Hexadecimal digits that are others, too few, too many, or no longer in the one spelling.
    fn bent_hex(&mut self, event: &Value, field: &str) -> Option<String> {
        let good = text(event, field)?;
        let place = self.dice.index(good.len());
        let (head, digit, tail) = (good.get(..place)?, good.get(place..=place)?, good.get(place + 1..)?);
        let other = char::from_digit((u32::from_str_radix(digit, 16).ok()? + 1 + u32::try_from(self.dice.below(15)).ok()?) % 16, 16)?;
        let bent = match self.dice.below(9) {
            0 => json!(good.to_uppercase()),
            1 => json!(good.get(1..)?),
            2 => json!(format!("{good}{digit}")),
            3 => json!(format!("{good}00")),
            4 => self
                .dice
                .pick(&[Value::Null, json!(""), json!(0), json!([good]), json!(format!("0x{good}")), json!(format!(" {good}"))])?
                .clone(),
            5 => json!("0".repeat(good.len())),
            6 => json!(good.chars().rev().collect::<String>()),
            _ => json!(format!("{head}{other}{tail}")),
        };
        with(event, field, bent)
    }

    /// A part of another genuine event.
    fn lent(&mut self, event: &Value, field: &str) -> Option<String> {
        let other = self.dice.pick(&self.seen)?.get(field)?.clone();
        with(event, field, other)
    }

    fn another_time(&mut self, event: &Value) -> Option<String> {
        let at = event.get("created_at")?.as_u64()?;
        let times = [at + 1, at.checked_sub(1)?, 0, 1, at + 60, at * 1_000, u64::MAX, 1 << 53, self.dice.below(at)];
        let time = *self.dice.pick(&times)?;
        with(event, "created_at", json!(time))
    }

    fn another_kind(&mut self, event: &Value) -> Option<String> {
        let kind = *self.dice.pick(&[0_u16, 1, 3, 4, 5, 13, 14, 1_059, 10_002, 10_050, 22_242, 31_337, u16::MAX])?;
        with(event, "kind", json!(kind))
    }

    fn spelled(&mut self, event: &Value, field: &str, raw: &[&str]) -> Option<String> {
        let raw = *self.dice.pick(raw)?;
        spell(event, field, raw)
    }

    fn raw_of(&mut self, event: &Value, field: &str, raw: &[String]) -> Option<String> {
        let raw = self.dice.pick(raw)?.clone();
        spell(event, field, &raw)
    }

    fn tags(&mut self, event: &Value, change: impl Fn(&mut Self, &mut Vec<Value>)) -> Option<String> {
        let mut tags = event.get("tags")?.as_array()?.clone();
        if tags.is_empty() {
            return None;
        }
        change(self, &mut tags);
        with(event, "tags", json!(tags))
    }

    fn bent_tag(&mut self, event: &Value) -> Option<String> {
        let mut tags = event.get("tags")?.as_array()?.clone();
        let index = self.dice.index(tags.len());
        let words = tags.get_mut(index)?.as_array_mut()?;
        let index = self.dice.index(words.len());
        let word = words.get_mut(index)?;
        *word = json!(self.bend(word.as_str()?));
        with(event, "tags", json!(tags))
    }

    /// JSON readers differ in which of two they take, and in whether `\u0069d` is `id`.
    fn a_field_twice(&mut self, event: &Value) -> Option<String> {
        let name = *self.dice.pick(&["id", "pubkey", "created_at", "kind", "tags", "content", "sig"])?;
        let other = self.dice.pick(&self.seen)?.get(name)?.clone();
        let first = u32::from(*name.as_bytes().first()?);
        let spelled = if self.dice.chance(300) { format!("\\u{first:04x}{}", name.get(1..)?) } else { name.to_owned() };
        let good = event.to_string();
        Some(if self.dice.chance(500) {
            good.replacen('{', &format!("{{\"{spelled}\":{other},"), 1)
        } else {
            format!("{},\"{spelled}\":{other}}}", good.strip_suffix('}')?)
        })
    }

    /// A good id for the author that it names, and the forger's signature.
    fn signed(&self, mut forged: Value) -> Option<String> {
        let id = id_of(&forged)?;
        *forged.get_mut("id")? = json!(hex(&id));
        *forged.get_mut("sig")? = json!(self.keys.sign_schnorr(id).to_string());
        Some(forged.to_string())
    }

    /// A good wrap by a key that is thrown away: anybody can make one, around anything.
    fn wrap(&self, wrap: &Value, seal: &str) -> Option<String> {
        let content = nip44::encrypt(self.keys.secret_key(), &self.recipient.public_key(), seal, nip44::Version::V2).ok()?;
        let mut forged = wrap.clone();
        *forged.get_mut("pubkey")? = json!(self.keys.public_key().to_hex());
        *forged.get_mut("content")? = json!(content);
        self.signed(forged)
    }

    /// The seal in a wrap for the recipient.
    fn seal_in(&self, wrap: &Value) -> Option<Value> {
        self.decrypted(wrap).filter(|seal| seal.get("kind").and_then(Value::as_u64) == Some(13))
    }

    fn decrypted(&self, outer: &Value) -> Option<Value> {
        let author = PublicKey::parse(text(outer, "pubkey")?).ok()?;
        let inside = nip44::decrypt(self.recipient.secret_key(), &author, text(outer, "content")?).ok()?;
        serde_json::from_str(&inside).ok()
    }

    fn bent_seal(&mut self, wrap: &Value) -> Option<String> {
        let seal = self.seal_in(wrap)?;
        // The three around wraps are at the end; the parts of other events fit a seal as well.
        let (_, change) = *self.dice.pick(MUTATIONS.get(..MUTATIONS.len().checked_sub(3)?)?)?;
        let bent = self.change(&seal, change)?;
        self.wrap(wrap, &bent)
    }

    fn borrowed_rumor(&mut self, wrap: &Value) -> Option<String> {
        let mut rumor = self.decrypted(&self.seal_in(wrap)?)?;
        if self.dice.chance(500) {
            *rumor.get_mut("content")? = json!(self.bend(text(&rumor, "content")?));
            *rumor.get_mut("id")? = json!(hex(&id_of(&rumor)?));
        }
        let content = nip44::encrypt(self.keys.secret_key(), &self.recipient.public_key(), rumor.to_string(), nip44::Version::V2).ok()?;
        let seal = json!({"id": "", "pubkey": self.keys.public_key().to_hex(), "created_at": rumor.get("created_at")?, "kind": 13, "tags": [], "content": content, "sig": ""});
        let seal = self.signed(seal)?;
        self.wrap(wrap, &seal)
    }

    /// As the forger would who got a seal of their own from the author, and passes it on.
    fn strange_seal(&mut self, wrap: &Value) -> Option<String> {
        let mut seal = self.seal_in(wrap)?;
        let rumor = self.decrypted(&seal)?;
        let content = nip44::encrypt(self.recipient.secret_key(), &self.keys.public_key(), rumor.to_string(), nip44::Version::V2).ok()?;
        *seal.get_mut("content")? = json!(content);
        let seal = if self.dice.chance(500) { rehashed(seal)? } else { seal.to_string() };
        self.wrap(wrap, &seal)
    }
}

/// The id of an event by its content, as NIP-01 counts it.
#[must_use]
pub fn id_of(event: &Value) -> Option<[u8; 32]> {
    let field = |name| event.get(name);
    let parts = json!([0, field("pubkey")?, field("created_at")?, field("kind")?, field("tags")?, field("content")?]);
    Some(Sha256::digest(parts.to_string()).into())
}

fn rehashed(mut event: Value) -> Option<String> {
    *event.get_mut("id")? = json!(hex(&id_of(&event)?));
    Some(event.to_string())
}

fn text<'a>(event: &'a Value, field: &str) -> Option<&'a str> {
    event.get(field)?.as_str()
}

/// The event with another value; `None` when it is the same.
fn with(event: &Value, field: &str, value: Value) -> Option<String> {
    let mut forged = event.clone();
    let slot = forged.get_mut(field)?;
    if *slot == value {
        return None;
    }
    *slot = value;
    Some(forged.to_string())
}

/// The event with something in place of a value that may be no JSON.
fn spell(event: &Value, field: &str, raw: &str) -> Option<String> {
    const PLACE: &str = "\u{1}here\u{1}";
    let mut forged = event.clone();
    *forged.get_mut(field)? = json!(PLACE);
    Some(forged.to_string().replacen(&json!(PLACE).to_string(), raw, 1))
}

/// `n - s` in place of `s`: for ECDSA as good as `s`, for BIP-340 no signature at all.
fn mirrored(signature: &str) -> Option<String> {
    const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    let (r, s) = signature.split_at_checked(64)?;
    let mut borrow = 0_i32;
    let mut digits = Vec::with_capacity(64);
    for (a, b) in ORDER.chars().rev().zip(s.chars().rev()) {
        let difference = i32::try_from(a.to_digit(16)?).ok()? - i32::try_from(b.to_digit(16)?).ok()? - borrow;
        borrow = i32::from(difference < 0);
        digits.push(char::from_digit(u32::try_from(difference.rem_euclid(16)).ok()?, 16)?);
    }
    Some(format!("{r}{}", digits.iter().rev().collect::<String>()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn every_mutation_changes_an_event_and_none_leaves_it() {
        let event = fixture::presence(&fixture::keys(1).unwrap(), "Ada \u{e9}", 31_337).unwrap();
        let event: Value = serde_json::from_str(&event.as_json()).unwrap();
        let other = fixture::note(&fixture::keys(2).unwrap(), "hello", &[&["t", "ocmesh"]]).unwrap();
        let mut forger = Forger::new(7, &[2; 32]).unwrap();
        forger.see(&event);
        forger.see(&serde_json::from_str(&other.as_json()).unwrap());
        for (name, change) in MUTATIONS.iter().take(MUTATIONS.len() - 3) {
            let made = (0..50).filter_map(|_| forger.change(&event, *change)).count();
            assert!(made >= 20, "{name}: {made} of 50");
        }
        assert_eq!(hex(&id_of(&event).unwrap()), event["id"]);
    }

    #[test]
    fn a_signature_that_is_mirrored_twice_is_itself() {
        let good = format!("{}{}", "ab".repeat(32), "0123456789abcdef".repeat(4));
        let once = mirrored(&good).unwrap();
        assert_ne!(once, good);
        assert_eq!(mirrored(&once).unwrap(), good);
    }
}
