//! Promises that several targets check: what a cleaned label is, and what a relay address is. Written apart from the code that keeps them.

use std::net::IpAddr;

use ocmesh_proto::{RelayUrl, limit::RELAY_URL_BYTES_MAX};

/// Control, direction and zero-width characters: what disguises a line or moves a cursor.
pub(crate) fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{e0000}'..='\u{e007f}')
}

/// One visible line that is not longer than it may be, and that cleaning leaves as it is.
pub(crate) fn is_label(text: &str, chars_max: usize) {
    assert!(!text.is_empty(), "an empty label is none");
    assert!(text.chars().count() <= chars_max, "longer than {chars_max}: {text:?}");
    assert!(!text.chars().any(is_dangerous), "a dangerous character: {text:?}");
    assert_eq!(text.trim(), text, "blanks around it");
    assert_eq!(ocmesh_proto::label::clean(text, chars_max).as_deref(), Some(text), "cleaning it again changes it");
}

/// The same for a list whose entries differ.
pub(crate) fn are_labels(texts: &[String], count_max: usize, chars_max: usize) {
    assert!(texts.len() <= count_max, "more than {count_max}: {texts:?}");
    for (index, text) in texts.iter().enumerate() {
        is_label(text, chars_max);
        assert!(!texts.iter().take(index).any(|earlier| earlier == text), "{text:?} is there twice");
    }
}

/// Addresses as the mesh keeps them: bounded, different, each readable again as itself. One that is not would be written to the database
/// and could not be read from it.
pub(crate) fn are_relays(relays: &[RelayUrl], count_max: usize) {
    assert!(relays.len() <= count_max, "more than {count_max}: {relays:?}");
    for (index, relay) in relays.iter().enumerate() {
        is_relay(relay);
        assert!(!relays.iter().take(index).any(|earlier| earlier == relay), "{relay} is there twice");
    }
}

/// One address.
pub(crate) fn is_relay(relay: &RelayUrl) {
    let text = relay.as_str();
    assert_eq!(RelayUrl::parse(text).as_ref(), Ok(relay), "an address is not itself when it is read again");
    assert!(text.len() <= RELAY_URL_BYTES_MAX, "longer than an address may be: {text}");
    assert!(!text.chars().any(|c| is_dangerous(c) || c.is_whitespace()), "a dangerous character: {text:?}");
    if relay.is_public() {
        assert!(text.starts_with("wss://"), "public without encryption: {text}");
        assert!(!leads_home(text), "public, and leads to this machine or its network: {text}");
    }
}

/// The host is spelled as an address that no stranger may send us to.
fn leads_home(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let host = match authority.strip_prefix('[') {
        Some(inner) => inner.split(']').next().unwrap_or(inner),
        None => authority.split(':').next().unwrap_or(authority),
    };
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local(),
        Err(_) => host == "localhost" || host.ends_with(".localhost") || host.ends_with(".local"),
    }
}
