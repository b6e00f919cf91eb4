//! Names of things on the mesh: keys, events, relays, commands. No cryptography: a key here is 32 bytes that somebody else has checked.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limit::RELAY_URL_BYTES_MAX;

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not 64 hexadecimal digits")]
pub struct HexError;

fn decode_hex(text: &str) -> Result<[u8; 32], HexError> {
    // The library reads as much as there is room for.
    if text.len() != 64 {
        return Err(HexError);
    }
    let mut out = [0u8; 32];
    faster_hex::hex_decode(text.as_bytes(), &mut out).map_err(|_| HexError)?;
    Ok(out)
}

macro_rules! hex_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps 32 bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// 64 lower-case hexadecimal digits, as NIP-01 writes them.
            #[must_use]
            pub fn to_hex(&self) -> String {
                faster_hex::hex_string(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))?;
                f.write_str("(")?;
                self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str("…)")
            }
        }

        impl FromStr for $name {
            type Err = HexError;
            fn from_str(text: &str) -> Result<Self, HexError> {
                decode_hex(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.to_hex())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

hex_name! {
    /// A public key: the x coordinate of a secp256k1 point (BIP-340). It is the only identity a peer has.
    PubKey
}
hex_name! {
    /// The id of a Nostr event, or of a rumor (NIP-01: sha256 of the serialised event).
    EventId
}

/// The id of a message: the rumor id (NIP-17) or the kind-4 event id. It never changes over retries.
pub type MessageId = EventId;

/// Names a request of the Local API until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// Names a request to sign or seal until its answer comes back as an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// Why a text is not a relay address we use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelayUrlError {
    /// Not a URL at all.
    #[error("not a URL")]
    NotAUrl,
    /// A scheme other than `ws` or `wss`.
    #[error("a relay address starts with wss:// (or ws:// for one on this machine)")]
    Scheme,
    /// No host name.
    #[error("the address has no host")]
    NoHost,
    /// User name, password or fragment in the address.
    #[error("a relay address has no user name, password or fragment")]
    Extra,
    /// Longer than [`RELAY_URL_BYTES_MAX`].
    #[error("the address is longer than {RELAY_URL_BYTES_MAX} bytes")]
    TooLong,
}

/// The address of a relay, in one spelling: lower-case host, no default port, no trailing slash on an empty path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RelayUrl(Arc<str>);

impl RelayUrl {
    /// Reads and normalises an address. `ws` is allowed here; who may use it is [`Self::is_public`]'s question.
    ///
    /// # Errors
    /// Says what is wrong; show it to whoever wrote the address, or drop a stranger's hint.
    pub fn parse(text: &str) -> Result<Self, RelayUrlError> {
        if text.len() > RELAY_URL_BYTES_MAX {
            return Err(RelayUrlError::TooLong);
        }
        let url = url::Url::parse(text.trim()).map_err(|_| RelayUrlError::NotAUrl)?;
        if !matches!(url.scheme(), "ws" | "wss") {
            return Err(RelayUrlError::Scheme);
        }
        if url.host().is_none() {
            return Err(RelayUrlError::NoHost);
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(RelayUrlError::Extra);
        }
        let plain = url.as_str();
        let plain = if url.path() == "/" && url.query().is_none() { plain.trim_end_matches('/') } else { plain };
        // Normalising makes a text longer (an `é` becomes six letters), and what is kept must be readable again.
        if plain.len() > RELAY_URL_BYTES_MAX {
            return Err(RelayUrlError::TooLong);
        }
        Ok(Self(plain.into()))
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Encrypted on the way (`wss`).
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.0.starts_with("wss://")
    }

    /// May be dialled on a stranger's word: `wss`, and a host that does not spell a private, loopback or local address.
    /// What a public name resolves to is checked again when it is dialled.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.is_secure() && !self.has_private_host()
    }

    /// The host is a loopback, private, link-local or otherwise local address or name.
    #[must_use]
    pub fn has_private_host(&self) -> bool {
        let Ok(url) = url::Url::parse(&self.0) else { return true };
        match url.host() {
            None => true,
            Some(url::Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                !name.contains('.')
                    || [".localhost", ".local", ".internal", ".lan", ".home.arpa", ".onion"].iter().any(|end| name.ends_with(end))
            }
            Some(url::Host::Ipv4(ip)) => !is_global_v4(ip),
            Some(url::Host::Ipv6(ip)) => !is_global_v6(ip),
        }
    }

    /// The host is this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let Ok(url) = url::Url::parse(&self.0) else { return false };
        match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        }
    }
}

/// An IPv4 address that belongs to the public internet.
#[must_use]
pub fn is_global_v4(ip: std::net::Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_unspecified()
        || ip.is_broadcast()
        || ip.is_multicast()
        || ip.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b)) // RFC 6598, carrier NAT
        || (a == 192 && b == 0 && c == 0) // RFC 6890
        || (a == 198 && (18..20).contains(&b))) // RFC 2544
}

/// An IPv6 address that belongs to the public internet.
#[must_use]
pub fn is_global_v6(ip: std::net::Ipv6Addr) -> bool {
    let [first, second, third, ..] = ip.segments();
    if let Some(v4) = ip.to_ipv4_mapped() {
        return is_global_v4(v4);
    }
    if first == 0x64 && second == 0xff9b && third == 0 {
        // RFC 6052, NAT64: the last 32 bits are an IPv4 address.
        let [.., a, b, c, d] = ip.octets();
        return is_global_v4(std::net::Ipv4Addr::new(a, b, c, d));
    }
    // Only 2000::/3 is global unicast; 2001:db8::/32 is documentation, 2002::/16 hides an IPv4 address (6to4).
    (first & 0xe000) == 0x2000 && first != 0x2002 && !(first == 0x2001 && (second == 0x0db8 || second == 0))
}

impl fmt::Display for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RelayUrl {
    type Err = RelayUrlError;
    fn from_str(text: &str) -> Result<Self, RelayUrlError> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for RelayUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_relay_has_one_spelling() {
        let plain = RelayUrl::parse("wss://relay.example.com").unwrap();
        for text in ["wss://relay.example.com/", "WSS://Relay.Example.Com", "wss://relay.example.com:443/", " wss://relay.example.com "] {
            assert_eq!(RelayUrl::parse(text).unwrap(), plain, "{text}");
        }
        assert_ne!(RelayUrl::parse("wss://relay.example.com/x").unwrap(), plain);
    }

    #[test]
    fn hints_to_private_addresses_are_not_public() {
        for text in [
            "ws://relay.example.com",
            "wss://127.0.0.1",
            "wss://localhost",
            "wss://10.1.2.3",
            "wss://192.168.1.1:7777",
            "wss://172.20.0.1",
            "wss://169.254.169.254",
            "wss://[::1]",
            "wss://[fe80::1]",
            "wss://[fd00::1]",
            "wss://[::ffff:10.0.0.1]",
            "wss://router.lan",
            "wss://nas.local",
            "wss://intranet",
            "wss://abc.onion",
            "wss://0.0.0.0",
            "wss://100.64.1.1",
            "wss://2130706433",
            "wss://0x7f.1",
            "wss://[2002:7f00:1::]",
            "wss://[64:ff9b::127.0.0.1]",
        ] {
            assert!(!RelayUrl::parse(text).unwrap().is_public(), "{text}");
        }
        assert!(RelayUrl::parse("wss://relay.example.com").unwrap().is_public());
        assert!(RelayUrl::parse("wss://1.1.1.1").unwrap().is_public());
    }

    #[test]
    fn bad_addresses_say_why() {
        assert_eq!(RelayUrl::parse("https://x.com"), Err(RelayUrlError::Scheme));
        assert_eq!(RelayUrl::parse("wss://a:b@x.com"), Err(RelayUrlError::Extra));
        assert_eq!(RelayUrl::parse("relay"), Err(RelayUrlError::NotAUrl));
        assert_eq!(RelayUrl::parse(&format!("wss://x.com/{}", "a".repeat(300))), Err(RelayUrlError::TooLong));
    }

    #[test]
    fn an_address_that_is_kept_can_be_read_again() {
        for chars in 0..130 {
            if let Ok(relay) = RelayUrl::parse(&format!("wss://x.com/{}", "é".repeat(chars))) {
                assert_eq!(RelayUrl::parse(relay.as_str()), Ok(relay), "{chars}");
            }
        }
    }

    #[test]
    fn hex_names_round_trip_and_refuse_the_rest() {
        let key = PubKey::from_bytes([0xab; 32]);
        assert_eq!(key.to_hex().parse::<PubKey>().unwrap(), key);
        assert!("zz".repeat(32).parse::<PubKey>().is_err());
        for text in ["", "ab", &"ab".repeat(31), &"ab".repeat(33), &"a".repeat(63), &format!("{}g", "a".repeat(63))] {
            assert!(text.parse::<PubKey>().is_err(), "{text}");
        }
        assert_eq!("AB".repeat(32).parse(), Ok(key));
        assert!("é".repeat(32).parse::<PubKey>().is_err());
    }
}
