//! Public keys as people compare them: the start and the end of the npub.

/// `npub1…` of a key ([NIP-19](https://github.com/nostr-protocol/nips/blob/master/19.md)); `None` when it is not one.
pub(crate) fn npub(key: &str) -> Option<String> {
    crate::keys::parse_key(key).ok().map(|key| crate::keys::npub(&key.pubkey))
}

/// 64 hexadecimal digits: a whole key or id.
pub(crate) fn is_hex(text: &str) -> bool {
    text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit())
}

/// A key short enough for a line: `npub1abcdefg…uvwxyz`. Long enough at both ends that a look-alike costs more work than it is worth.
pub(crate) fn short_key(key: &str) -> String {
    let key = npub(key).unwrap_or_else(|| super::safe(key));
    let (head, tail): (String, Vec<char>) = (key.chars().take(13).collect(), key.chars().rev().take(6).collect());
    if key.chars().count() <= 20 { key } else { format!("{head}…{}", tail.iter().rev().collect::<String>()) }
}

/// An id short enough for a line; the commands take it back in this form.
pub(crate) fn short_id(id: &str) -> String {
    super::safe(&id.chars().take(12).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_spelled_as_nip_19_does() {
        let hex = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
        assert_eq!(npub(hex).as_deref(), Some("npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6"));
        assert_eq!(short_key(hex), "npub180cvv07t…yjh6w6");
        assert_eq!((npub("zz"), short_key("\u{1b}x")), (None, "\\u{1b}x".to_owned()));
        assert_eq!(short_id(hex), "3bf0c63fcb93");
    }
}
