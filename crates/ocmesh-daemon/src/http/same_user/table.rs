//! The owner of a socket from `/proc/net/tcp`: works everywhere, and costs some milliseconds, as the kernel walks its whole table.

use std::{
    fs::File,
    io::{self, Read},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::Owner;

/// Largest table read: about 200,000 sockets. Past that the caller is not found, and refused.
const TABLE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// A table that changes while it is read may miss an entry; a second look finds it.
const LOOKS: usize = 3;

/// Looks up the socket whose own address is `client` and whose peer is `server`. Blocking.
pub(super) fn owner(client: SocketAddr, server: SocketAddr) -> Owner {
    for _ in 0..LOOKS {
        // A client may have used an IPv6 socket for the IPv4 address.
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            match read_table(table).map(|text| find(&text, client, server)) {
                Ok(Some(uid)) => return Owner::User(uid),
                Ok(None) => {}
                Err(error) => tracing::debug!(table, %error, "the kernel's list of sockets cannot be read"),
            }
        }
    }
    Owner::Unknown
}

fn read_table(path: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(TABLE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// The user id in the row of that connection. Rows look like
/// `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …`.
pub(super) fn find(table: &str, client: SocketAddr, server: SocketAddr) -> Option<u32> {
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        let local = address(columns.nth(1)?)?;
        let remote = address(columns.next()?)?;
        let uid = columns.nth(4)?.parse().ok()?;
        let inode: u64 = columns.nth(1)?.parse().ok()?;
        // A socket that its program has closed has no inode, and its owner reads 0: that is nobody, not root.
        (inode != 0 && same(local, client) && same(remote, server)).then_some(uid)
    })
}

fn same(listed: SocketAddr, wanted: SocketAddr) -> bool {
    listed.port() == wanted.port() && listed.ip().to_canonical() == wanted.ip().to_canonical()
}

/// `0100007F:1D08`, or the same with 32 digits: 32-bit words in the byte order of the machine, then the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(ip)?)),
        32 => {
            let mut octets = [0u8; 16];
            for (slot, digits) in octets.chunks_exact_mut(4).zip(ip.as_bytes().chunks_exact(8)) {
                slot.copy_from_slice(&word(std::str::from_utf8(digits).ok()?)?);
            }
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn word(digits: &str) -> Option<[u8; 4]> {
    u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
}
