//! A line of the sample of served answers: the checksum of the answer, and the answer as JSON, as in
//! `1c291ca3 {"at":…}`. Lines of earlier releases are the JSON alone. A line that is not as it was written is
//! damaged: nothing is taken from it.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The digits of a checksum, and the space behind them.
const SUM: usize = 9;

/// What a line holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Line<A> {
    /// Nothing: it was never written, or its answer was taken out.
    Empty,
    /// An answer, as it was written.
    Answer(A),
    /// Something that was not written there.
    Damaged,
}

/// Adds the line of an answer.
pub(super) fn write(lines: &mut Vec<u8>, answer: &impl Serialize) -> serde_json::Result<()> {
    let json = serde_json::to_vec(answer)?;
    lines.extend_from_slice(format!("{:08x} ", crc32fast::hash(&json)).as_bytes());
    lines.extend_from_slice(&json);
    lines.push(b'\n');
    Ok(())
}

/// What a line holds.
pub(super) fn read<A: DeserializeOwned>(line: &[u8]) -> Line<A> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Line::Empty;
    }
    let json = match line.split_at_checked(SUM) {
        _ if line.starts_with(b"{") => line,
        Some((sum, json)) if sum == format!("{:08x} ", crc32fast::hash(json)).as_bytes() => json,
        _ => return Line::Damaged,
    };
    serde_json::from_slice(json).map_or(Line::Damaged, Line::Answer)
}

/// The JSON of a line, however damaged that is.
pub(super) fn json(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii();
    match line.get(SUM..) {
        Some(json) if !line.starts_with(b"{") => json,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn line() -> Vec<u8> {
        let mut line = Vec::new();
        write(&mut line, &json!({ "value": 17, "outcome": "same" })).unwrap();
        line
    }

    #[test]
    fn no_flipped_bit_of_a_line_is_taken_for_an_answer() {
        let line = line();
        assert_eq!(read(&line), Line::Answer(json!({ "value": 17, "outcome": "same" })));
        for bit in 0..(line.len() - 1) * 8 {
            let mut flipped = line.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read::<Value>(&flipped), Line::Damaged, "bit {bit}");
        }
        for length in 1..line.len() - 1 {
            assert_eq!(read::<Value>(&line[..length]), Line::Damaged, "cut to {length} bytes");
        }
    }

    #[test]
    fn a_line_without_a_checksum_is_read_as_an_earlier_release_wrote_it() {
        assert_eq!(read(b"{\"value\":17}\n"), Line::Answer(json!({ "value": 17 })));
        assert_eq!(read::<Value>(b"{\"value\":17\n"), Line::Damaged);
        assert_eq!(read::<Value>(b"          \n"), Line::Empty);
        assert_eq!((json(&line()), json(b"{}\n")), (&b"{\"value\":17,\"outcome\":\"same\"}"[..], &b"{}"[..]));
    }
}
