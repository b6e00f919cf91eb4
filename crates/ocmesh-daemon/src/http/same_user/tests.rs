//! The parser on tables as kernels print them, and the look-up on a real connection.

use super::{table::find, *};

/// Written on a little-endian machine, where nearly all are.
const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     
   0: 0100007F:1D08 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 31337 1 0000000000000000 100 0 0 10 0                     
   1: 0100007F:1D08 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 31338 1 0000000000000000 20 4 30 10 -1                    
   2: 0100007F:C350 0100007F:1D08 01 00000000:00000000 00:00000000 00000000  1001        0 31339 1 0000000000000000 20 4 30 10 -1                    
   3: 0100007F:C351 0100007F:1D08 06 00000000:00000000 03:00000A2B 00000000     0        0 0 3 0000000000000000                                      
   4: 0100007F:C352 0100007F:1D08 04 00000000:00000000 01:00000014 00000000     0        0 0 1 0000000000000000 20 4 30 10 -1                        
   5: 0100007F:C353 0100007F:1D08 01 00000000:00000000 00:00000000 00000000     0        0 31340 1 0000000000000000 20 4 30 10 -1                    
   6: 0200007F:C350 0100007F:1D08 01 00000000:00000000 00:00000000 00000000  1002        0 31341 1 0000000000000000 20 4 30 10 -1                    
";

const TCP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:C350 00000000000000000000000001000000:1D08 01 00000000:00000000 00:00000000 00000000  1003        0 41 1 0000000000000000 20 4 30 10 -1
   1: 0000000000000000FFFF00000100007F:C360 0000000000000000FFFF00000100007F:1D08 01 00000000:00000000 00:00000000 00000000  1004        0 42 1 0000000000000000 20 4 30 10 -1
";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[cfg(target_endian = "little")]
#[test]
fn the_owner_of_the_clients_end_is_found() {
    let server = at("127.0.0.1:7432");
    assert_eq!(find(TCP, at("127.0.0.1:50000"), server), Some(1001));
    assert_eq!(find(TCP, at("127.0.0.2:50000"), server), Some(1002));
    assert_eq!(find(TCP, at("127.0.0.1:50003"), server), Some(0));
    assert_eq!(find(TCP, at("127.0.0.1:50009"), server), None);
    assert_eq!(find(TCP6, at("[::1]:50000"), at("[::1]:7432")), Some(1003));
    // An IPv6 socket that speaks to the IPv4 address.
    assert_eq!(find(TCP6, at("127.0.0.1:50016"), server), Some(1004));
    assert_eq!(find(TCP6, at("[::1]:50001"), at("[::1]:7432")), None);
}

#[cfg(target_endian = "little")]
#[test]
fn a_socket_its_program_has_closed_belongs_to_nobody() {
    // Rows 3 and 4 (TIME_WAIT, FIN_WAIT1 without inode) read uid 0, whoever made them.
    assert_eq!(find(TCP, at("127.0.0.1:50001"), at("127.0.0.1:7432")), None);
    assert_eq!(find(TCP, at("127.0.0.1:50002"), at("127.0.0.1:7432")), None);
}

#[test]
fn our_user_and_root_may_call_and_nobody_else() {
    assert!(Owner::User(1000).may_call(1000));
    assert!(Owner::User(0).may_call(1000));
    assert!(!Owner::User(1001).may_call(1000));
    assert!(!Owner::User(1001).may_call(0));
    assert!(!Owner::Unknown.may_call(1000));
}

#[test]
fn a_mangled_table_finds_nobody() {
    for table in ["", "x", "head\nrow", "head\n0: zz:zz 00:00 01", "head\n0: 0100007F:1D08", "head\n 0: é:é é:é 0 0 0 0 0 0 0"] {
        assert_eq!(find(table, at("127.0.0.1:1"), at("127.0.0.1:2")), None, "{table}");
    }
}

#[tokio::test]
async fn a_real_connection_is_ours_by_both_ways() {
    let own = rustix::process::geteuid().as_raw();
    for (listen, dial) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1"), ("127.0.0.1:0", "::ffff:127.0.0.1")] {
        // A machine without IPv6 has nothing to look up there.
        let Ok(listener) = std::net::TcpListener::bind(listen) else { continue };
        let dial: std::net::IpAddr = dial.parse().unwrap();
        let Ok(client) = std::net::TcpStream::connect((dial, listener.local_addr().unwrap().port())) else { continue };
        let (accepted, peer) = listener.accept().unwrap();
        let server = accepted.local_addr().unwrap();
        assert_eq!(owner(peer, server).await, Owner::User(own), "{dial}");
        assert_eq!(table::owner(peer, server), Owner::User(own), "{dial}");
        if let Ok(told) = diag::owner(peer, server) {
            assert_eq!(told, Owner::User(own), "{dial}");
        }
        // The program is gone; its socket lingers in the kernel, and is nobody's.
        drop(client);
        assert_eq!(owner(peer, server).await, Owner::Unknown, "{dial}");
    }
}
