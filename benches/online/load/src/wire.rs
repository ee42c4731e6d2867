//! What a connection speaks: requests become bytes, bytes become answers. No socket and no clock are
//! in here.

use std::fmt;

use crate::http1::Http1;
use crate::http2::Http2;

/// A protocol on one connection.
pub enum Wire {
    /// HTTP/1.1, one request at a time.
    Http1(Http1),
    /// gRPC over HTTP/2, many at a time.
    Http2(Http2),
}

/// How one request ended.
pub struct Answer<'a> {
    /// The number that the request was sent under.
    pub ticket: u32,
    /// The body: JSON, or one encoded message. None where the server refused.
    pub body: Option<&'a [u8]>,
}

/// What a server may not say to this program.
#[derive(Debug)]
pub struct Unexpected(pub String);

impl fmt::Display for Unexpected {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Unexpected {}

impl Wire {
    /// Whether one more request of this size may be sent now.
    pub fn has_capacity(&self, body: &[u8]) -> bool {
        match self {
            Self::Http1(wire) => wire.has_capacity(),
            Self::Http2(wire) => wire.has_capacity(body.len()),
        }
    }

    /// Puts a request into `out`. The ticket comes back with its answer.
    pub fn send(&mut self, ticket: u32, body: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Http1(wire) => wire.send(ticket, body, out),
            Self::Http2(wire) => wire.send(ticket, body, out),
        }
    }

    /// Takes what came in, tells `done` of every answer that is complete, and puts into `out` what the
    /// protocol wants said.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        done: &mut dyn FnMut(Answer<'_>),
    ) -> Result<(), Unexpected> {
        match self {
            Self::Http1(wire) => wire.receive(bytes, done),
            Self::Http2(wire) => wire.receive(bytes, out, done),
        }
    }
}
