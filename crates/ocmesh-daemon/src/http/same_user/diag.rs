//! The owner of a socket by one question to the kernel (netlink `SOCK_DIAG`, see `sock_diag(7)`): microseconds, however many sockets there are.

use std::net::{IpAddr, SocketAddr};

use rustix::{
    io::Errno,
    net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, netlink, recv, send, socket_with},
};

use super::Owner;

/// `SOCK_DIAG_BY_FAMILY`, the kind of the question and of its answer.
const BY_FAMILY: u16 = 20;
/// `NLMSG_ERROR`, an answer that holds an error number.
const ERROR: u16 = 2;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `nlmsghdr`: length, kind, flags, sequence, sender.
const HEADER_BYTES: usize = 16;
/// `inet_diag_req_v2`.
const QUESTION_BYTES: usize = 56;
/// An answer is about 130 bytes.
const ANSWER_BYTES_MAX: usize = 1_024;

/// Looks up the socket whose own address is `client` and whose peer is `server`. Does not wait: the kernel answers within `send`.
///
/// # Errors
/// The kernel takes no such questions.
pub(super) fn owner(client: SocketAddr, server: SocketAddr) -> Result<Owner, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG))?;
    // Connected to the kernel (sender 0): nobody else can answer.
    connect(&socket, &netlink::SocketAddrNetlink::new(0, 0))?;
    send(&socket, &question(client, server), SendFlags::empty())?;
    let mut buffer = [0u8; ANSWER_BYTES_MAX];
    let (length, _) = recv(&socket, &mut buffer, RecvFlags::empty())?;
    answer(buffer.get(..length).unwrap_or_default(), client, server)
}

/// The addresses and ports of a socket as the kernel writes them (`inet_diag_sockid`, without interface and cookie).
fn place(client: SocketAddr, server: SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(36);
    bytes.extend(client.port().to_be_bytes());
    bytes.extend(server.port().to_be_bytes());
    for address in [client.ip(), server.ip()] {
        match address {
            IpAddr::V4(ip) => {
                bytes.extend(ip.octets());
                bytes.extend([0; 12]);
            }
            IpAddr::V6(ip) => bytes.extend(ip.octets()),
        }
    }
    bytes
}

/// An IPv6 socket that speaks to an IPv4 address is listed with both addresses mapped (RFC 4291, 2.5.5.2).
fn is_at(listed: &[u8], client: SocketAddr, server: SocketAddr) -> bool {
    let mapped = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    };
    listed == place(client, server) || listed == place(mapped(client), mapped(server))
}

fn question(client: SocketAddr, server: SocketAddr) -> Vec<u8> {
    let family = if client.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let length = u32::try_from(HEADER_BYTES.saturating_add(QUESTION_BYTES)).unwrap_or_default();
    let mut bytes = Vec::with_capacity(HEADER_BYTES.saturating_add(QUESTION_BYTES));
    bytes.extend(length.to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST.to_ne_bytes());
    bytes.extend([0; 8]); // Sequence and sender: one question, one answer.
    bytes.push(u8::try_from(family.as_raw()).unwrap_or_default());
    bytes.extend([6, 0, 0]); // TCP; no extras.
    bytes.extend(u32::MAX.to_ne_bytes()); // In any state.
    bytes.extend(place(client, server));
    bytes.extend([0; 4]); // On any interface.
    bytes.extend([0xff; 8]); // Whatever its cookie.
    bytes
}

fn answer(bytes: &[u8], client: SocketAddr, server: SocketAddr) -> Result<Owner, Errno> {
    let word = |at: usize| bytes.get(at..at.saturating_add(4)).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes);
    let kind = bytes.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    match kind {
        Some(BY_FAMILY) => {
            // `inet_diag_msg`: four bytes, the place, …, at 64 the user and at 68 the inode.
            let listed = bytes.get(20..56);
            let (uid, inode) = (word(HEADER_BYTES.saturating_add(64)), word(HEADER_BYTES.saturating_add(68)));
            match (uid, inode) {
                // A socket that its program has closed has no inode, and its owner reads 0: that is nobody, not root.
                (Some(uid), Some(inode)) if inode != 0 && listed.is_some_and(|listed| is_at(listed, client, server)) => {
                    Ok(Owner::User(uid))
                }
                _ => Ok(Owner::Unknown),
            }
        }
        Some(ERROR) => match word(HEADER_BYTES).map(|code| Errno::from_raw_os_error(code.cast_signed().saturating_neg())) {
            Some(Errno::NOENT) => Ok(Owner::Unknown),
            Some(error) => Err(error),
            None => Err(Errno::BADMSG),
        },
        _ => Err(Errno::BADMSG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// An answer as a kernel gave it, with another user, inode and place.
    fn message(client: SocketAddr, server: SocketAddr, uid: u32, inode: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(88u32.to_ne_bytes());
        bytes.extend(BY_FAMILY.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend([2, 1, 0, 0]);
        bytes.extend(place(client, server));
        bytes.extend([0; 24]); // Interface, cookie, expiry, queues.
        bytes.extend(uid.to_ne_bytes());
        bytes.extend(inode.to_ne_bytes());
        bytes
    }

    #[test]
    fn an_answer_counts_only_for_a_living_socket_at_that_place() {
        let (client, server) = (at("127.0.0.1:50000"), at("127.0.0.1:7432"));
        assert_eq!(answer(&message(client, server, 1001, 5), client, server), Ok(Owner::User(1001)));
        let (mapped_client, mapped_server) = (at("[::ffff:127.0.0.1]:50000"), at("[::ffff:127.0.0.1]:7432"));
        assert_eq!(answer(&message(mapped_client, mapped_server, 1002, 5), client, server), Ok(Owner::User(1002)));
        assert_eq!(answer(&message(client, server, 0, 0), client, server), Ok(Owner::Unknown), "closed by its program");
        assert_eq!(answer(&message(server, client, 1000, 5), client, server), Ok(Owner::Unknown), "our own end");
        let listener = message(client, at("0.0.0.0:0"), 1000, 5);
        assert_eq!(answer(&listener, client, server), Ok(Owner::Unknown), "somebody who listens at the client's port");
    }

    #[test]
    fn an_error_is_nobody_or_a_reason_to_look_elsewhere() {
        let error = |code: i32| [36u32.to_ne_bytes().as_slice(), &ERROR.to_ne_bytes(), &[0; 10], &code.to_ne_bytes(), &[0; 16]].concat();
        let (client, server) = (at("127.0.0.1:1"), at("127.0.0.1:2"));
        assert_eq!(answer(&error(-2), client, server), Ok(Owner::Unknown));
        assert_eq!(answer(&error(-93), client, server), Err(Errno::PROTONOSUPPORT));
        let whole = message(client, server, 1, 1);
        for length in 0..whole.len() {
            assert_ne!(answer(&whole[..length], client, server), Ok(Owner::User(1)), "{length}");
        }
    }

    #[test]
    fn the_question_has_the_size_the_kernel_expects() {
        assert_eq!(question(at("127.0.0.1:1"), at("127.0.0.1:2")).len(), HEADER_BYTES + QUESTION_BYTES);
        assert_eq!(question(at("[::1]:1"), at("[::1]:2")).len(), HEADER_BYTES + QUESTION_BYTES);
    }
}
