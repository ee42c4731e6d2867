//! HTTP/1.1 as a client that keeps its connection: one POST at a time, answers with a known length.

use crate::wire::{Answer, Unexpected};

/// Bytes of a head beyond which the server is not understood.
const MAX_HEAD: usize = 16 << 10;

/// One connection.
pub struct Http1 {
    /// Everything of a request but the length and the body.
    head: String,
    in_flight: Option<u32>,
    /// What came in of an answer that is not complete.
    pending: Vec<u8>,
}

impl Http1 {
    /// A connection that posts JSON to one path.
    pub fn new(host: &str, path: &str) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\ncontent-type: application/json\r\ncontent-length: "
        );
        Self { head, in_flight: None, pending: Vec::new() }
    }

    pub fn has_capacity(&self) -> bool {
        self.in_flight.is_none()
    }

    pub fn send(&mut self, ticket: u32, body: &[u8], out: &mut Vec<u8>) {
        self.in_flight = Some(ticket);
        out.extend_from_slice(self.head.as_bytes());
        out.extend_from_slice(body.len().to_string().as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(body);
    }

    pub fn receive(&mut self, bytes: &[u8], done: &mut dyn FnMut(Answer<'_>)) -> Result<(), Unexpected> {
        self.pending.extend_from_slice(bytes);
        let Some(end) = self.pending.windows(4).position(|four| four == b"\r\n\r\n") else {
            return match self.pending.len() {
                0..MAX_HEAD => Ok(()),
                _ => Err(Unexpected("the head of an answer does not end".to_owned())),
            };
        };
        let (status, length) = head_of(self.pending.get(..end).unwrap_or_default())?;
        let body = self.pending.get(end + 4..).unwrap_or_default();
        if body.len() < length {
            return Ok(());
        }
        if body.len() > length {
            return Err(Unexpected("bytes come after an answer that nobody requested".to_owned()));
        }
        let Some(ticket) = self.in_flight.take() else {
            return Err(Unexpected("an answer came that nobody requested".to_owned()));
        };
        done(Answer { ticket, body: (status == 200).then_some(body) });
        self.pending.clear();
        Ok(())
    }
}

/// The status and the length of the body.
fn head_of(head: &[u8]) -> Result<(u16, usize), Unexpected> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    match (status, length) {
        (Some(status), Some(length)) => Ok((status, length)),
        _ => Err(Unexpected(format!("an answer has no status or no content-length: {head}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(pieces: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
        let mut wire = Http1::new("h", "/p");
        wire.send(7, b"{}", &mut Vec::new());
        let mut found = Vec::new();
        for piece in pieces {
            wire.receive(piece, &mut |answer| found.push(answer.body.map(<[u8]>::to_vec))).unwrap();
        }
        found
    }

    #[test]
    fn an_answer_in_pieces_is_one_answer() {
        let pieces: [&[u8]; 3] = [b"HTTP/1.1 200 OK\r\nContent-", b"Length: 5\r\n\r\nab", b"cde"];
        assert_eq!(answers(&pieces), [Some(b"abcde".to_vec())]);
    }

    #[test]
    fn another_status_than_200_is_a_refusal() {
        assert_eq!(answers(&[b"HTTP/1.1 503 Busy\r\ncontent-length: 1\r\n\r\nx"]), [None]);
    }

    #[test]
    fn one_request_is_in_flight_at_a_time() {
        let mut wire = Http1::new("h", "/p");
        assert!(wire.has_capacity());
        let mut out = Vec::new();
        wire.send(1, b"{}", &mut out);
        assert!(!wire.has_capacity());
        assert!(out.ends_with(b"content-length: 2\r\n\r\n{}"));
        wire.receive(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", &mut |_| ()).unwrap();
        assert!(wire.has_capacity());
    }

    #[test]
    fn an_answer_without_a_length_is_not_understood() {
        let mut wire = Http1::new("h", "/p");
        wire.send(1, b"{}", &mut Vec::new());
        assert!(wire.receive(b"HTTP/1.1 200 OK\r\n\r\n", &mut |_| ()).is_err());
    }
}
