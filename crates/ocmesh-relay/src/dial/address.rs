//! Which addresses belong to the public Internet. Looks nothing up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Not loopback, private, link-local, shared, multicast, documentation, reserved, or a way around (mapped, NAT64, 6to4, Teredo)
/// to one of these, by the [IANA](https://www.iana.org/assignments/iana-ipv6-special-registry) special-purpose registries.
pub(super) fn is_global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_global_v4(ip),
        IpAddr::V6(ip) => is_global_v6(ip),
    }
}

fn is_global_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(a == 0
        || ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_documentation()
        || ip.is_multicast()
        || a >= 240
        || (a == 100 && (b & 0xC0) == 64)
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (b & 0xFE) == 18))
}

fn is_global_v6(ip: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let low = Ipv4Addr::from((u32::from(g) << 16) | u32::from(h));
    match (a, b) {
        (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => is_global_v4(low),
        (0x2002, _) => is_global_v4(Ipv4Addr::from((u32::from(b) << 16) | u32::from(c))),
        // Teredo, ORCHID and their neighbours, documentation.
        (0x2001, b) if b < 0x0200 || b == 0x0db8 => false,
        (0x3fff, b) if b < 0x1000 => false,
        _ => match ip.to_ipv4_mapped() {
            Some(mapped) => is_global_v4(mapped),
            // Global unicast is 2000::/3; all else is local, reserved or multicast.
            None => (a & 0xE000) == 0x2000,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::is_global;

    #[test]
    fn ways_into_private_networks_are_known() {
        for ip in [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "198.18.0.1",
            "192.0.0.8",
            "203.0.113.9",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "2001::1",
            "2001:db8::1",
            "fec0::1",
            "100::1",
            "3fff::1",
            "5f00::1",
        ] {
            assert!(!is_global(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn public_addresses_pass() {
        for ip in [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2a01:4f8::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            assert!(is_global(ip.parse().unwrap()), "{ip}");
        }
    }
}
