//! Who listens on a port of this machine: another ocmesh, a program, or nobody knows.

use std::{
    fmt,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// How long another ocmesh may take to answer: it is on this machine and answers `/status` in a millisecond, unless the machine is busy.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// A status is a few kilobytes; whatever sends more is not ours.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Who has a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortHolder {
    /// Another ocmesh.
    Ocmesh {
        /// Its process id, where it tells.
        pid: Option<u32>,
    },
    /// A program of this user.
    Program {
        /// Its process id.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// A program of another user.
    OtherUser {
        /// That user's id.
        uid: u32,
    },
    /// The system does not tell.
    Unknown,
}

impl PortHolder {
    /// Finds out who listens on `port` of 127.0.0.1. Blocks for little more than a second at most.
    #[must_use]
    pub fn find(port: u16) -> Self {
        Self::find_within(port, ANSWER_WITHIN)
    }

    fn find_within(port: u16, within: Duration) -> Self {
        if let Some(answer) = ask(port, within)
            && answer.contains("\"daemon_version\"")
        {
            return Self::Ocmesh { pid: number_after(&answer, "\"pid\":") };
        }
        match by_system(port) {
            Self::Program { pid, name } if name == "ocmesh" => Self::Ocmesh { pid: Some(pid) },
            other => other,
        }
    }
}

impl fmt::Display for PortHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ocmesh { pid: Some(pid) } => write!(f, "another ocmesh (process {pid})"),
            Self::Ocmesh { pid: None } => f.write_str("another ocmesh"),
            Self::Program { pid, name } => write!(f, "{name} (process {pid})"),
            Self::OtherUser { uid } => write!(f, "a program of another user (id {uid})"),
            Self::Unknown => f.write_str("another program"),
        }
    }
}

/// Asks for `/status`, as our own client would. The answer is a stranger's text.
fn ask(port: u16, within: Duration) -> Option<String> {
    let deadline = Instant::now() + within;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, within).ok()?;
    stream.set_write_timeout(Some(within)).ok()?;
    write!(stream, "GET /status HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    let mut part = [0; 4_096];
    while u64::try_from(answer.len()).ok()? < ANSWER_BYTES_MAX {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            break;
        }
        match stream.read(&mut part) {
            Ok(0) | Err(_) => break,
            Ok(length) => answer.extend_from_slice(part.get(..length)?),
        }
    }
    Some(String::from_utf8_lossy(&answer).into_owned())
}

fn number_after(text: &str, key: &str) -> Option<u32> {
    let (_, rest) = text.split_once(key)?;
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Linux tells which socket listens, whose it is, and, for our own processes, which process holds it.
#[cfg(target_os = "linux")]
fn by_system(port: u16) -> PortHolder {
    use std::fs;
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let Some((uid, inode)) = tables.iter().find_map(|table| table.lines().find_map(|line| listener(line, port))) else {
        return PortHolder::Unknown;
    };
    let link = format!("socket:[{inode}]");
    let holds = |pid: u32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        open.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|target| target.as_os_str() == link.as_str())
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    match processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(|pid| holds(*pid)) {
        Some(pid) => {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            PortHolder::Program { pid, name: ocmesh_proto::label::clean(&name, 64).unwrap_or_else(|| "a program".to_owned()) }
        }
        None if uid != rustix::process::geteuid().as_raw() => PortHolder::OtherUser { uid },
        None => PortHolder::Unknown,
    }
}

#[cfg(not(target_os = "linux"))]
fn by_system(_: u16) -> PortHolder {
    PortHolder::Unknown
}

/// User and inode of a line of `/proc/net/tcp` that listens on this port where 127.0.0.1 would meet it.
#[cfg(target_os = "linux")]
fn listener(line: &str, port: u16) -> Option<(u32, u64)> {
    const LISTEN: &str = "0A";
    let mut words = line.split_whitespace().skip(1);
    let (address, its_port) = words.next()?.split_once(':')?;
    let state = words.nth(1)?;
    if state != LISTEN || u16::from_str_radix(its_port, 16).ok()? != port {
        return None;
    }
    // 127.0.0.1 in this machine's byte order, any IPv4 address, or any address of both families.
    let loopback = format!("{:08X}", u32::from_ne_bytes(Ipv4Addr::LOCALHOST.octets()));
    if address != loopback && address.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let uid = words.nth(3)?.parse().ok()?;
    let inode = words.nth(1)?.parse().ok()?;
    Some((uid, inode))
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_line_of_the_table_is_read() {
        let line = "   4: 0100007F:1D08 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 123456 1 0000000000000000 100 0 0 10 0";
        assert_eq!(listener(line, 0x1D08), Some((1000, 123_456)));
        assert_eq!(listener(line, 0x1D09), None);
        assert_eq!(listener(&line.replace(" 0A ", " 01 "), 0x1D08), None, "connected, not listening");
        assert_eq!(listener(&line.replace("0100007F", "0200007F"), 0x1D08), None, "127.0.0.2 is in nobody's way");
        assert_eq!(listener(&line.replace("0100007F", "00000000000000000000000000000000"), 0x1D08), Some((1000, 123_456)));
        assert_eq!(listener("  sl  local_address rem_address   st", 0x1D08), None);
    }

    #[test]
    fn a_silent_program_is_named_within_the_time() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let begun = Instant::now();
        let holder = PortHolder::find(listener.local_addr().unwrap().port());
        assert!(begun.elapsed() < Duration::from_secs(20));
        assert!(matches!(&holder, PortHolder::Program { pid, name } if *pid == std::process::id() && !name.is_empty()), "{holder:?}");
    }

    #[test]
    fn another_ocmesh_is_told_apart_by_its_answer() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // It comes in as many parts as it likes.
            let (mut request, mut part) = (String::new(), [0; 1_024]);
            while !request.ends_with("\r\n\r\n") {
                let length = stream.read(&mut part).unwrap();
                assert!(length > 0, "{request}");
                request.push_str(std::str::from_utf8(&part[..length]).unwrap());
            }
            let body = "{\"state\":\"ok\",\"daemon_version\":\"0.3.0\",\"pid\":4242}";
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
            request
        });
        assert_eq!(PortHolder::find_within(port, Duration::from_secs(60)), PortHolder::Ocmesh { pid: Some(4242) });
        let request = server.join().unwrap();
        assert!(request.starts_with("GET /status ") && request.contains(&format!("Host: 127.0.0.1:{port}\r\n")), "{request}");
    }

    #[test]
    fn a_free_port_has_no_holder() {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        assert_eq!(PortHolder::find(port), PortHolder::Unknown);
    }
}
