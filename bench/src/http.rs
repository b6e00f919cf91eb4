//! One kept-alive connection to a contestant's Local API, and its stream of server-sent events.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request,
    body::{Bytes, Incoming},
    client::conn::http1::{SendRequest, handshake},
    header::{CONTENT_TYPE, HOST, LINK},
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// A connection. One request at a time.
#[derive(Debug)]
pub(crate) struct Http {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

/// An answer: its body, and the path of the next page.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    pub(crate) next: Option<String>,
}

impl Http {
    pub(crate) async fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, host: format!("127.0.0.1:{port}") })
    }

    async fn ask(&mut self, method: Method, path: &str, body: Option<&Value>) -> Result<hyper::Response<Incoming>> {
        let text = body.map(ToString::to_string).unwrap_or_default();
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.host);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        self.sender.ready().await?;
        Ok(self.sender.send_request(request.body(Full::new(Bytes::from(text)))?).await?)
    }

    /// Any answer, whatever its status.
    pub(crate) async fn call(&mut self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let response = self.ask(method, path, body).await?;
        let status = response.status().as_u16();
        let next = response.headers().get(LINK).and_then(|link| link.to_str().ok()).and_then(next_path);
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, body, next })
    }

    /// A page or an object; anything but a success is an error.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer> {
        let answer = self.call(Method::GET, path, None).await?;
        ensure!(answer.status == 200, "GET {path} answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        Ok(answer)
    }

    pub(crate) async fn get_json(&mut self, path: &str) -> Result<Value> {
        Ok(serde_json::from_slice(&self.get(path).await?.body)?)
    }

    /// `/status`, which a degraded daemon answers with 503.
    pub(crate) async fn status(&mut self) -> Result<Value> {
        Ok(serde_json::from_slice(&self.call(Method::GET, "/status", None).await?.body)?)
    }

    /// A POST or PATCH that must succeed.
    pub(crate) async fn write(&mut self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let answer = self.call(method, path, Some(body)).await?;
        ensure!(answer.status == 200, "{path} answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// Turns the connection into the stream of events.
    pub(crate) async fn events(mut self) -> Result<Events> {
        let response = self.ask(Method::GET, "/events", None).await?;
        ensure!(response.status() == 200, "/events answered {}", response.status());
        Ok(Events { body: response.into_body(), text: Vec::new(), _sender: self.sender })
    }
}

/// `Link: <PATH>; rel="next"`.
fn next_path(link: &str) -> Option<String> {
    let (target, rest) = link.strip_prefix('<')?.split_once('>')?;
    rest.contains("next")
        .then(|| target.strip_prefix("http://").and_then(|url| url.find('/').and_then(|at| url.get(at..))).unwrap_or(target).to_owned())
}

/// The stream of `/events`.
#[derive(Debug)]
pub(crate) struct Events {
    body: Incoming,
    text: Vec<u8>,
    _sender: SendRequest<Full<Bytes>>,
}

impl Events {
    /// The data of the next event called so.
    pub(crate) async fn next(&mut self, name: &str) -> Result<Value> {
        loop {
            while let Some(at) = self.text.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = self.text.drain(..at.saturating_add(2)).collect();
                if let Some(data) = data_of(&String::from_utf8_lossy(&event), name) {
                    return Ok(serde_json::from_str(&data)?);
                }
            }
            let frame = self.body.frame().await.context("the stream of events ended")??;
            if let Some(data) = frame.data_ref() {
                self.text.extend_from_slice(data);
            }
        }
    }
}

fn data_of(event: &str, name: &str) -> Option<String> {
    let field = |wanted: &str| event.lines().find_map(|line| line.strip_prefix(wanted)).map(|rest| rest.trim_start().to_owned());
    (field("event:")? == name).then(|| field("data:"))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_in_the_header() {
        assert_eq!(next_path("</peers?limit=5&cursor=a>; rel=\"next\"").as_deref(), Some("/peers?limit=5&cursor=a"));
        assert_eq!(next_path("<http://127.0.0.1:1/peers?cursor=a>; rel=\"next\"").as_deref(), Some("/peers?cursor=a"));
        assert_eq!(next_path("</peers>; rel=\"first\""), None);
    }

    #[test]
    fn only_events_of_the_name_count() {
        let event = "id: 4\nevent: message\ndata: {\"id\":\"a\"}\n";
        assert_eq!(data_of(event, "message").as_deref(), Some("{\"id\":\"a\"}"));
        assert_eq!(data_of(event, "peer"), None);
        assert_eq!(data_of(": nothing\n", "message"), None);
    }
}
