//! Websocket frames as a server writes and reads them (RFC 6455): enough for text, ping and close of well-behaved clients.

use anyhow::{Result, bail, ensure};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Longest message taken: far above any event.
const MESSAGE_BYTES_MAX: u64 = 1 << 20;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Text(String),
    Ping(Vec<u8>),
    Other,
    Close,
}

/// Appends a text frame.
pub(super) fn write_text(out: &mut Vec<u8>, parts: &[&str]) {
    write(out, TEXT, parts);
}

/// Appends the answer to a ping.
pub(super) fn write_pong(out: &mut Vec<u8>, payload: &[u8]) {
    head(out, PONG, payload.len());
    out.extend_from_slice(payload);
}

fn write(out: &mut Vec<u8>, code: u8, parts: &[&str]) {
    head(out, code, parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}

fn head(out: &mut Vec<u8>, code: u8, length: usize) {
    out.push(FINAL | code);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => out.push(short),
        (_, Ok(middle)) => {
            out.push(126);
            out.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// Reads one frame, and says how many bytes it took.
pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<(Heard, u64)> {
    let (first, second) = (from.read_u8().await?, from.read_u8().await?);
    ensure!(first & FINAL != 0, "a message in parts: no contestant sends one");
    ensure!(second & MASKED != 0, "a client's frame without a mask");
    let (length, more) = match second & !MASKED {
        126 => (u64::from(from.read_u16().await?), 2),
        127 => (from.read_u64().await?, 8),
        short => (u64::from(short), 0),
    };
    ensure!(length <= MESSAGE_BYTES_MAX, "a frame of {length} bytes");
    let mut mask = [0; 4];
    from.read_exact(&mut mask).await?;
    let mut payload = vec![0; usize::try_from(length)?];
    from.read_exact(&mut payload).await?;
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    let heard = match first & 0x0F {
        TEXT => Heard::Text(String::from_utf8(payload)?),
        PING => Heard::Ping(payload),
        CLOSE => Heard::Close,
        PONG => Heard::Other,
        code => bail!("a frame of kind {code}"),
    };
    Ok((heard, length.saturating_add(6).saturating_add(more)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(code: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![FINAL | code, MASKED | u8::try_from(payload.len()).unwrap(), 1, 2, 3, 4];
        frame.extend(payload.iter().zip([1, 2, 3, 4].iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    #[tokio::test]
    async fn a_clients_frames_are_read_with_their_length() {
        let bytes = masked(TEXT, b"[\"CLOSE\"]");
        let (heard, length) = read(&mut bytes.as_slice()).await.unwrap();
        assert_eq!((heard, length), (Heard::Text("[\"CLOSE\"]".to_owned()), bytes.len() as u64));
        assert_eq!(read(&mut masked(PING, b"hi").as_slice()).await.unwrap().0, Heard::Ping(b"hi".to_vec()));
        assert!(read(&mut [FINAL | TEXT, 1, 65].as_slice()).await.is_err());
    }

    #[test]
    fn lengths_are_written_in_their_three_forms() {
        for (length, head) in [(5, vec![5]), (300, vec![126, 1, 44]), (70_000, vec![127, 0, 0, 0, 0, 0, 1, 17, 112])] {
            let mut out = Vec::new();
            write_text(&mut out, &[&"a".repeat(length)]);
            assert_eq!(out[1..=head.len()], head);
            assert_eq!(out.len(), 1 + head.len() + length);
        }
    }
}
