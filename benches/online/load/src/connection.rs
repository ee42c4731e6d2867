//! A connection to the server that never waits: what can be read is read, what can be written is
//! written, and the rest stays for the next turn.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::http1::Http1;
use crate::http2::Http2;
use crate::question::Protocol;
use crate::wire::{Answer, Unexpected, Wire};

/// One connection.
pub struct Connection {
    stream: TcpStream,
    wire: Wire,
    out: Vec<u8>,
}

/// Why a connection is of no use any more.
pub type Broken = Box<dyn std::error::Error>;

impl Connection {
    /// Connects, waiting for it, and has events reported under `token`.
    pub fn open(
        to: SocketAddr,
        protocol: Protocol,
        streams: usize,
        poll: (&Registry, Token),
    ) -> Result<Self, Broken> {
        let stream = std::net::TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.0.register(&mut stream, poll.1, Interest::READABLE | Interest::WRITABLE)?;
        let host = to.to_string();
        let (wire, out) = match protocol {
            Protocol::Grpc => {
                let (wire, opening) = Http2::new(&host, protocol.path(), streams);
                (Wire::Http2(wire), opening)
            }
            Protocol::Http | Protocol::Feast => (Wire::Http1(Http1::new(&host, protocol.path())), Vec::new()),
        };
        let mut connection = Self { stream, wire, out };
        connection.flush()?;
        Ok(connection)
    }

    pub fn has_capacity(&self, body: &[u8]) -> bool {
        self.wire.has_capacity(body)
    }

    /// Takes a request; `flush` sends it.
    pub fn send(&mut self, ticket: u32, body: &[u8]) {
        self.wire.send(ticket, body, &mut self.out);
    }

    /// Whether something waits to be written.
    pub fn has_output(&self) -> bool {
        !self.out.is_empty()
    }

    /// Reads all that is there, with `space` to read into.
    pub fn receive(&mut self, space: &mut [u8], done: &mut dyn FnMut(Answer<'_>)) -> Result<(), Broken> {
        loop {
            match self.stream.read(space) {
                Ok(0) => return Err(Unexpected("the server closed a connection".to_owned()).into()),
                Ok(count) => {
                    let bytes = space.get(..count).unwrap_or_default();
                    self.wire.receive(bytes, &mut self.out, done)?;
                    // A short read emptied the socket, and what comes later is a new event.
                    if count < space.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes as much as the socket takes.
    pub fn flush(&mut self) -> Result<(), Broken> {
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(count) => drop(self.out.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
