//! A hook that answers as it is told, and addresses that are none.

use hyper::header::AUTHORIZATION;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use super::*;

const WAIT: Duration = Duration::from_secs(20);

/// Takes one request, answers with these bytes, and gives back what came; `hold` keeps the connection open after that.
async fn hook(answer: &'static [u8], hold: bool) -> (HookUrl, oneshot::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = HookUrl::parse(&format!("http://127.0.0.1:{}/a/b", listener.local_addr().unwrap().port())).unwrap();
    let (heard, hear) = oneshot::channel();
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let request = read_request(&mut tcp).await;
        let _ = heard.send(request);
        // Whoever is not read to the end may be gone by then.
        let _ = tcp.write_all(answer).await;
        if hold {
            std::future::pending::<()>().await;
        }
    });
    (url, hear)
}

async fn read_request(tcp: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"{}") {
        let mut buffer = [0; 1_024];
        let read = tcp.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the request ends early");
        request.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8(request).unwrap()
}

async fn post(url: &HookUrl, wait: Duration) -> Result<HookAnswer, HookError> {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
    HookClient::new("ocmesh/test".to_owned()).post(url, headers, "{}".to_owned(), wait).await
}

#[tokio::test]
async fn a_post_carries_what_it_should_and_the_answer_is_read() {
    let (url, heard) = hook(b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"ok\":true}", true).await;
    assert_eq!(post(&url, WAIT).await, Ok(HookAnswer { status: 200, retry_after: None, said: "{\"ok\":true}".to_owned() }));
    let request = heard.await.unwrap();
    let host = url.as_str().strip_prefix("http://").unwrap().strip_suffix("/a/b").unwrap();
    for part in
        ["POST /a/b HTTP/1.1\r\n", "authorization: Bearer x\r\n", "content-type: application/json\r\n", "user-agent: ocmesh/test\r\n"]
    {
        assert!(request.contains(part), "{request}");
    }
    assert!(request.contains(&format!("host: {host}\r\n")), "{request}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (url, _heard) = hook(b"HTTP/1.1 307 X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", true).await;
    assert_eq!(post(&url, WAIT).await.unwrap().status, 307);
}

#[tokio::test]
async fn a_target_that_asks_to_wait_is_understood() {
    let (url, _heard) = hook(b"HTTP/1.1 429 X\r\nretry-after: 17\r\ncontent-length: 0\r\n\r\n", true).await;
    assert_eq!(post(&url, WAIT).await.unwrap().retry_after, Some(Duration::from_secs(17)));
    let dated =
        b"HTTP/1.1 503 X\r\ndate: Sat, 28 Nov 2026 12:00:00 GMT\r\nretry-after: Sat, 28 Nov 2026 12:02:00 GMT\r\ncontent-length: 0\r\n\r\n";
    let (url, _heard) = hook(dated, true).await;
    assert_eq!(post(&url, WAIT).await.unwrap().retry_after, Some(Duration::from_secs(120)));
}

#[tokio::test]
async fn a_body_that_is_huge_or_never_ends_does_not_matter() {
    let huge: &'static [u8] =
        Box::leak([b"HTTP/1.1 200 OK\r\ncontent-length: 5000000\r\n\r\n".to_vec(), vec![b'x'; 5_000_000]].concat().into());
    let (url, _heard) = hook(huge, true).await;
    assert_eq!(post(&url, WAIT).await, Ok(HookAnswer { status: 200, retry_after: None, said: String::new() }));
    let (url, _heard) = hook(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab", true).await;
    assert_eq!(post(&url, Duration::from_millis(500)).await.map(|answer| answer.status), Ok(200));
}

#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    let (url, _heard) = hook(b"", true).await;
    assert_eq!(post(&url, Duration::from_millis(300)).await, Err(HookError::TimedOut(Duration::from_millis(300))));
    let (url, _heard) = hook(b"", false).await;
    assert!(matches!(post(&url, WAIT).await, Err(HookError::Broken(_))));
    let (url, _heard) = hook(b"220 smtp.example.com\r\n", false).await;
    assert!(matches!(post(&url, WAIT).await, Err(HookError::Broken(_))));
    let head: &'static [u8] = Box::leak([b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'x'; 100_000]].concat().into());
    let (url, _heard) = hook(head, false).await;
    assert!(matches!(post(&url, WAIT).await, Err(HookError::Broken(_))));
    // Nobody listens on a port that was just given back.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let url = HookUrl::parse(&format!("http://localhost:{port}")).unwrap();
    assert!(matches!(post(&url, WAIT).await, Err(HookError::NoConnection(_))));
}

#[test]
fn plain_http_is_for_this_machine_alone() {
    for good in [
        "http://127.0.0.1:18789",
        "http://127.8.9.1/x",
        "http://[::1]:1/",
        "http://localhost/hooks",
        "https://example.com/a",
        "HTTPS://EXAMPLE.com",
    ] {
        assert!(HookUrl::parse(good).is_ok(), "{good}");
    }
    for (bad, why) in [
        ("http://example.com", HookUrlError::InTheClear),
        ("http://192.168.1.5:80", HookUrlError::InTheClear),
        ("http://localhost.example.com", HookUrlError::InTheClear),
        ("http://127.0.0.1.example.com", HookUrlError::InTheClear),
        ("http://0.0.0.0", HookUrlError::InTheClear),
        ("ftp://127.0.0.1", HookUrlError::NotHttp),
        ("127.0.0.1:80", HookUrlError::NotHttp),
        ("unix:/run/x", HookUrlError::NotHttp),
        ("", HookUrlError::NotHttp),
        ("https://a:b@example.com", HookUrlError::Credentials),
        ("http://token@localhost", HookUrlError::Credentials),
        ("https://example.com/?token=x", HookUrlError::Query),
        ("https://example.com/#x", HookUrlError::Query),
    ] {
        assert_eq!(HookUrl::parse(bad), Err(why), "{bad}");
    }
    let url = HookUrl::parse("http://localhost:1/").unwrap();
    assert_eq!((url.path(), url.with_path("/hooks/wake").as_str()), ("", "http://localhost:1/hooks/wake"));
}
