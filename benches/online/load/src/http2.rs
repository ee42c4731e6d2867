//! gRPC over HTTP/2 as a client that asks one method: as few instructions a request as can be, so that
//! one core of requests keeps many of answers busy (RFC 9113, and RFC 7541 for header blocks).
//!
//! Header blocks of answers are not decoded. A unary gRPC call that fails has no message, so an answer
//! with one whole message between headers and trailers is a success, and everything else a refusal.

use std::collections::HashMap;

use crate::wire::{Answer, Unexpected};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEAD: usize = 9;
/// What a peer may send before it must wait; given back in halves.
const WINDOW: u32 = 1 << 30;
/// Of SETTINGS: what a stream's window is at first, and how many streams may be open.
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
/// The table that the first request's headers are kept in has at least this size.
const LEAST_HEADER_TABLE: u32 = 1_024;

mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
}

mod flag {
    pub const ACK: u8 = 1;
    pub const END_STREAM: u8 = 1;
    pub const END_HEADERS: u8 = 4;
    pub const PADDED: u8 = 8;
}

/// One connection.
pub struct Http2 {
    /// The headers of the next request: literal in the first, indexed in all later ones.
    first_headers: Option<Vec<u8>>,
    next_stream: u32,
    open: HashMap<u32, Stream>,
    /// How many streams are wanted open, and how many the server allows.
    wanted_streams: usize,
    allowed_streams: usize,
    /// Bytes of bodies that the server takes in before it says more, over all streams and in one.
    send_window: i64,
    stream_window: i64,
    /// Bytes of bodies that came in and were not given back to the server's window.
    received: u32,
    /// Whether the server's settings are known.
    settled: bool,
    pending: Vec<u8>,
    /// Emptied buffers of bodies.
    spare: Vec<Vec<u8>>,
}

struct Stream {
    ticket: u32,
    body: Vec<u8>,
}

impl Http2 {
    /// A connection that asks one method, and the bytes that open it.
    pub fn new(host: &str, path: &str, streams: usize) -> (Self, Vec<u8>) {
        let mut opening = PREFACE.to_vec();
        frame(&mut opening, kind::SETTINGS, 0, 0, &{
            let mut settings = Vec::new();
            setting(&mut settings, ENABLE_PUSH, 0);
            setting(&mut settings, INITIAL_WINDOW_SIZE, WINDOW);
            settings
        });
        frame(&mut opening, kind::WINDOW_UPDATE, 0, 0, &WINDOW.to_be_bytes());
        let wire = Self {
            first_headers: Some(literal_headers(host, path)),
            next_stream: 1,
            open: HashMap::with_capacity(streams),
            wanted_streams: streams,
            allowed_streams: streams,
            send_window: 65_535,
            stream_window: 65_535,
            received: 0,
            settled: false,
            pending: Vec::new(),
            spare: Vec::new(),
        };
        (wire, opening)
    }

    pub fn has_capacity(&self, body: usize) -> bool {
        let length = i64::try_from(body).unwrap_or(i64::MAX).saturating_add(5);
        self.settled
            && self.open.len() < self.wanted_streams.min(self.allowed_streams)
            && length <= self.send_window.min(self.stream_window)
    }

    pub fn send(&mut self, ticket: u32, body: &[u8], out: &mut Vec<u8>) {
        let stream = self.next_stream;
        self.next_stream += 2;
        match self.first_headers.take() {
            Some(headers) => frame(out, kind::HEADERS, flag::END_HEADERS, stream, &headers),
            None => frame(out, kind::HEADERS, flag::END_HEADERS, stream, &INDEXED_HEADERS),
        }
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        frame_head(out, kind::DATA, flag::END_STREAM, stream, length.saturating_add(5));
        out.push(0);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(body);
        self.send_window -= i64::from(length) + 5;
        let body = self.spare.pop().unwrap_or_default();
        self.open.insert(stream, Stream { ticket, body });
    }

    pub fn receive(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        done: &mut dyn FnMut(Answer<'_>),
    ) -> Result<(), Unexpected> {
        // Most reads end with a whole frame, and nothing is copied.
        let mut joined = std::mem::take(&mut self.pending);
        let mut rest = if joined.is_empty() {
            bytes
        } else {
            joined.extend_from_slice(bytes);
            joined.as_slice()
        };
        while let Some((head, after)) = rest.split_first_chunk::<FRAME_HEAD>() {
            let [a, b, c, kind, flags, s0, s1, s2, s3] = *head;
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            let Some((payload, after)) = after.split_at_checked(length) else { break };
            let stream = u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff;
            self.frame(Frame { kind, flags, stream, payload }, out, done)?;
            rest = after;
        }
        self.pending = rest.to_vec();
        Ok(())
    }

    fn frame(
        &mut self,
        frame: Frame<'_>,
        out: &mut Vec<u8>,
        done: &mut dyn FnMut(Answer<'_>),
    ) -> Result<(), Unexpected> {
        match frame.kind {
            kind::DATA | kind::HEADERS => {
                if frame.kind == kind::DATA {
                    self.data(&frame, out)?;
                }
                if frame.flags & flag::END_STREAM != 0 {
                    self.end(&frame, done);
                }
            }
            kind::RST_STREAM => self.refused(frame.stream, done),
            kind::SETTINGS if frame.flags & flag::ACK == 0 => {
                self.settings(frame.payload)?;
                self::frame(out, kind::SETTINGS, flag::ACK, 0, &[]);
            }
            kind::PING if frame.flags & flag::ACK == 0 => {
                self::frame(out, kind::PING, flag::ACK, 0, frame.payload);
            }
            kind::WINDOW_UPDATE if frame.stream == 0 => {
                let more = frame.payload.first_chunk().map_or(0, |four| u32::from_be_bytes(*four));
                self.send_window += i64::from(more & 0x7fff_ffff);
            }
            kind::GOAWAY => return Err(Unexpected("the server ends a connection (GOAWAY)".to_owned())),
            kind::PUSH_PROMISE => return Err(Unexpected("the server pushes without a request".to_owned())),
            // A CONTINUATION only carries more headers; the rest has no effect on a client.
            _ => {}
        }
        Ok(())
    }

    fn data(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), Unexpected> {
        if frame.flags & flag::PADDED != 0 {
            return Err(Unexpected("the server pads its answers".to_owned()));
        }
        if let Some(stream) = self.open.get_mut(&frame.stream) {
            stream.body.extend_from_slice(frame.payload);
        }
        self.received += u32::try_from(frame.payload.len()).unwrap_or(u32::MAX);
        if self.received > WINDOW / 2 {
            self::frame(out, kind::WINDOW_UPDATE, 0, 0, &self.received.to_be_bytes());
            self.received = 0;
        }
        Ok(())
    }

    fn end(&mut self, frame: &Frame<'_>, done: &mut dyn FnMut(Answer<'_>)) {
        let Some(mut stream) = self.open.remove(&frame.stream) else { return };
        let message = (frame.kind == kind::HEADERS).then(|| message_of(&stream.body)).flatten();
        done(Answer { ticket: stream.ticket, body: message });
        stream.body.clear();
        self.spare.push(stream.body);
    }

    fn refused(&mut self, stream: u32, done: &mut dyn FnMut(Answer<'_>)) {
        if let Some(stream) = self.open.remove(&stream) {
            done(Answer { ticket: stream.ticket, body: None });
        }
    }

    fn settings(&mut self, payload: &[u8]) -> Result<(), Unexpected> {
        for setting in payload.chunks_exact(6) {
            let Some([k0, k1, v0, v1, v2, v3]) = setting.first_chunk() else { continue };
            let value = u32::from_be_bytes([*v0, *v1, *v2, *v3]);
            match u16::from_be_bytes([*k0, *k1]) {
                MAX_CONCURRENT_STREAMS => self.allowed_streams = value as usize,
                INITIAL_WINDOW_SIZE => self.stream_window = i64::from(value),
                HEADER_TABLE_SIZE if value < LEAST_HEADER_TABLE => {
                    return Err(Unexpected("the server keeps no table of headers".to_owned()));
                }
                _ => {}
            }
        }
        self.settled = true;
        Ok(())
    }
}

struct Frame<'a> {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &'a [u8],
}

/// The one message of a body, without its prefix; none where it is not whole or compressed.
fn message_of(body: &[u8]) -> Option<&[u8]> {
    let (prefix, message) = body.split_first_chunk::<5>()?;
    let [compressed, a, b, c, d] = *prefix;
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    (compressed == 0 && length == message.len()).then_some(message)
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    frame_head(out, kind, flags, stream, u32::try_from(payload.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(payload);
}

fn frame_head(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, length: u32) {
    let [_, a, b, c] = length.to_be_bytes();
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    out.extend_from_slice(&[a, b, c, kind, flags, s0, s1, s2, s3]);
}

fn setting(out: &mut Vec<u8>, key: u16, value: u32) {
    out.extend_from_slice(&key.to_be_bytes());
    out.extend_from_slice(&value.to_be_bytes());
}

/// The headers of the first request, each kept in the server's table: `:method POST` and `:scheme http`
/// by their indices in the static table, then path, authority, content-type, te and user-agent.
fn literal_headers(host: &str, path: &str) -> Vec<u8> {
    let mut out = vec![0x83, 0x86];
    for (name, value) in [(0x44, path), (0x41, host), (0x5f, "application/grpc")] {
        out.push(name);
        text(&mut out, value);
    }
    out.push(0x40);
    text(&mut out, "te");
    text(&mut out, "trailers");
    out.push(0x7a);
    text(&mut out, "bench-load");
    out
}

/// The same headers by their indices in the table, the newest of which is 62.
const INDEXED_HEADERS: [u8; 7] = [0x83, 0x86, 0x80 | 66, 0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62];

/// A string of at most 126 bytes, which paths and addresses are, without Huffman's code.
fn text(out: &mut Vec<u8>, value: &str) {
    out.push(u8::try_from(value.len()).unwrap_or(126).min(126));
    out.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled() -> Http2 {
        let (mut wire, _) = Http2::new("h:1", "/s/M", 2);
        let mut settings = Vec::new();
        frame(&mut settings, kind::SETTINGS, 0, 0, &[]);
        wire.receive(&settings, &mut Vec::new(), &mut |_| ()).unwrap();
        wire
    }

    fn answer(stream: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame(&mut bytes, kind::HEADERS, flag::END_HEADERS, stream, &[0x88]);
        frame(&mut bytes, kind::DATA, 0, stream, body);
        frame(&mut bytes, kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, &[0x88]);
        bytes
    }

    fn received(wire: &mut Http2, bytes: &[u8]) -> Vec<(u32, Option<Vec<u8>>)> {
        let mut found = Vec::new();
        let mut done = |answer: Answer<'_>| found.push((answer.ticket, answer.body.map(<[u8]>::to_vec)));
        wire.receive(bytes, &mut Vec::new(), &mut done).unwrap();
        found
    }

    #[test]
    fn nothing_is_sent_before_the_server_has_said_its_settings() {
        let (wire, opening) = Http2::new("h:1", "/s/M", 2);
        assert!(opening.starts_with(PREFACE));
        assert!(!wire.has_capacity(10));
        assert!(settled().has_capacity(10));
    }

    #[test]
    fn answers_come_in_any_order_and_any_pieces() {
        let mut wire = settled();
        let mut out = Vec::new();
        wire.send(10, b"a", &mut out);
        wire.send(11, b"b", &mut out);
        assert!(!wire.has_capacity(1));
        let bytes = [answer(3, b"\0\0\0\0\x01y"), answer(1, b"\0\0\0\0\x02xx")].concat();
        let mut found = Vec::new();
        for byte in bytes.chunks(1) {
            found.extend(received(&mut wire, byte));
        }
        assert_eq!(found, [(11, Some(b"y".to_vec())), (10, Some(b"xx".to_vec()))]);
        assert!(wire.has_capacity(1));
    }

    #[test]
    fn an_answer_without_a_message_is_a_refusal() {
        let mut wire = settled();
        wire.send(5, b"a", &mut Vec::new());
        let mut bytes = Vec::new();
        frame(&mut bytes, kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, &[0x88]);
        assert_eq!(received(&mut wire, &bytes), [(5, None)]);
        wire.send(6, b"a", &mut Vec::new());
        assert_eq!(received(&mut wire, &answer(3, b"\0\0\0\0\x09y")), [(6, None)]);
    }

    #[test]
    fn the_servers_window_is_kept() {
        let mut wire = settled();
        wire.send(0, &vec![0; 60_000], &mut Vec::new());
        assert!(!wire.has_capacity(10_000));
        let mut more = Vec::new();
        frame(&mut more, kind::WINDOW_UPDATE, 0, 0, &60_005_u32.to_be_bytes());
        received(&mut wire, &more);
        assert!(wire.has_capacity(10_000));
    }

    #[test]
    fn a_ping_is_answered() {
        let mut wire = settled();
        let (mut ping, mut out) = (Vec::new(), Vec::new());
        frame(&mut ping, kind::PING, 0, 0, b"12345678");
        wire.receive(&ping, &mut out, &mut |_| ()).unwrap();
        assert_eq!(out.get(3..5), Some([kind::PING, flag::ACK].as_slice()));
    }
}
