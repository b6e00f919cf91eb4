//! The keys that begin with some hexadecimal digits, or whose `npub` begins with some characters, as a range of 32-byte values.

/// The alphabet of bech32 (NIP-19): five bits a character, in this order.
const BECH32: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// Characters of an `npub` that carry the key: 256 bits, five each, and six of checksum after them.
const NPUB_KEY_CHARS: usize = 52;

/// The lowest and the highest key that fit what the user has typed so far; `None` when it is not the beginning of a key.
pub(crate) fn key_range(text: &str) -> Option<([u8; 32], [u8; 32])> {
    let text = text.to_ascii_lowercase();
    match text.strip_prefix("npub1") {
        Some(rest) => {
            let known: Vec<u8> = rest
                .chars()
                .take(NPUB_KEY_CHARS)
                .map(|c| BECH32.find(c).and_then(|value| u8::try_from(value).ok()))
                .collect::<Option<_>>()?;
            range(&known, 5)
        }
        None if text.len() <= 64 => {
            let known: Vec<u8> = text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect::<Option<_>>()?;
            range(&known, 4)
        }
        None => None,
    }
}

/// Every key whose first bits are `known`, `width` bits a value. None are known: that is no question.
fn range(known: &[u8], width: usize) -> Option<([u8; 32], [u8; 32])> {
    if known.is_empty() {
        return None;
    }
    let (mut lowest, mut highest) = ([0u8; 32], [0xffu8; 32]);
    let bits = known.iter().flat_map(|value| (0..width).rev().map(move |shift| (value >> shift) & 1));
    for (place, bit) in bits.take(256).enumerate() {
        let mask = 0x80u8 >> (place % 8);
        if bit == 1 {
            lowest.get_mut(place / 8).map(|byte| *byte |= mask)?;
        } else {
            highest.get_mut(place / 8).map(|byte| *byte &= !mask)?;
        }
    }
    Some((lowest, highest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NIP-19's own example of an `npub` and its key.
    const NPUB: &str = "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg";
    const HEX: &str = "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e";

    #[test]
    fn a_whole_key_is_a_range_of_one() {
        let mut key = [0u8; 32];
        hex::decode_to_slice(HEX, &mut key).unwrap();
        assert_eq!(key_range(HEX), Some((key, key)));
        assert_eq!(key_range(NPUB), Some((key, key)));
        assert_eq!(key_range(&HEX.to_uppercase()), Some((key, key)));
    }

    #[test]
    fn every_beginning_holds_the_key_and_the_longer_the_narrower() {
        let mut key = [0u8; 32];
        hex::decode_to_slice(HEX, &mut key).unwrap();
        for text in [HEX, NPUB] {
            let first = if text == NPUB { 6 } else { 1 };
            let mut widest = ([0u8; 32], [0xffu8; 32]);
            for length in first..=text.len() {
                let beginning: String = text.chars().take(length).collect();
                let (lowest, highest) = key_range(&beginning).unwrap();
                assert!(lowest <= key && key <= highest, "{beginning}");
                assert!(lowest >= widest.0 && highest <= widest.1);
                widest = (lowest, highest);
            }
        }
    }

    #[test]
    fn other_text_is_no_key() {
        for text in ["", "adam", "npub1", "npub1b", "npub", &"a".repeat(65), "é"] {
            assert_eq!(key_range(text), None, "{text}");
        }
    }
}
