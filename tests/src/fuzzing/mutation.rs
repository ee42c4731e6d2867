//! What becomes of a seed: bits flipped, parts cut, repeated, moved and taken from other seeds, lengths and numbers set to
//! what nobody expects.

use feature::oracle::Numbers;

/// Bytes of an input, at most.
const MOST_BYTES: usize = 256 << 10;

/// Numbers of which programs make mistakes.
const EXTREMES: [u64; 14] = [
    0,
    1,
    7,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// What formats of text give a meaning to.
const WORDS: [&str; 40] = [
    "null",
    "true",
    "NaN",
    "Infinity",
    "-Infinity",
    "-0.0",
    "1e400",
    "-1e-400",
    "9223372036854775808",
    "-1",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "+10000-01-01",
    "\u{202e}",
    "\u{1b}[2J",
    "\u{0}",
    "\r\n",
    "\n---\n",
    "\u{feff}",
    "é",
    "\"",
    "\"\"",
    "'",
    "\\u0000",
    "\\ud800",
    "{}",
    "[]",
    "[[",
    "((",
    "{\"",
    ": ",
    "- ",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "# ",
    ",",
    "%",
    "@4294967296",
];

/// A seed that was changed in a few ways.
pub(super) fn mutated(numbers: &mut Numbers, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = drawn(numbers, seeds).to_vec();
    for _ in 0..=numbers.below(4) {
        changed(numbers, seeds, &mut bytes);
        bytes.truncate(MOST_BYTES);
    }
    bytes
}

fn drawn<'a>(numbers: &mut Numbers, seeds: &'a [Vec<u8>]) -> &'a [u8] {
    &seeds[numbers.below(seeds.len() as u64) as usize]
}

fn changed(numbers: &mut Numbers, seeds: &[Vec<u8>], bytes: &mut Vec<u8>) {
    let at = numbers.below(bytes.len() as u64 + 1) as usize;
    let (from, to) = range(numbers, bytes.len());
    match numbers.below(13) {
        0 | 1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << numbers.below(8);
            }
        }
        2 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = numbers.draw() as u8;
            }
        }
        3 => drop(bytes.drain(from..to)),
        4 => bytes.truncate(at),
        5 => {
            let part = bytes[from..to].to_vec();
            let most = MOST_BYTES / part.len().max(1);
            let times = 1 << numbers.below(14);
            insert(bytes, at, &part.repeat(times.min(most)));
        }
        6 => {
            let other = drawn(numbers, seeds);
            let (from, to) = range(numbers, other.len());
            insert(bytes, at, &other[from..to]);
        }
        7 | 8 => number_at(numbers, bytes, at),
        9 => varint_at(numbers, bytes, at),
        10 => written_number(numbers, bytes, at),
        11 => {
            let word = WORDS[numbers.below(WORDS.len() as u64) as usize];
            let times = if numbers.once_in(8) { 1 << numbers.below(12) } else { 1 };
            insert(bytes, at, word.repeat(times).as_bytes());
        }
        _ => {
            let part: Vec<u8> = bytes.drain(from..to).collect();
            let at = at.min(bytes.len());
            insert(bytes, at, &part);
        }
    }
}

/// A part of so many bytes: mostly a short one.
fn range(numbers: &mut Numbers, length: usize) -> (usize, usize) {
    let from = numbers.below(length as u64 + 1);
    let most = length as u64 - from;
    let most = if numbers.once_in(4) { most } else { most.min(16) };
    (from as usize, (from + numbers.below(most + 1)) as usize)
}

fn insert(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    bytes.splice(at..at, part.iter().copied());
}

fn extreme(numbers: &mut Numbers, length: usize) -> u64 {
    match numbers.below(4) {
        // What is nearly right.
        0 => (length as u64).wrapping_add(numbers.below(3)).wrapping_sub(1),
        _ => EXTREMES[numbers.below(EXTREMES.len() as u64) as usize],
    }
}

/// A number of fixed width in either order of bytes.
fn number_at(numbers: &mut Numbers, bytes: &mut [u8], at: usize) {
    let width = 1 << numbers.below(4);
    let number = extreme(numbers, bytes.len());
    let mut written = number.to_le_bytes()[..width].to_vec();
    if numbers.once_in(3) {
        written.reverse();
    }
    bytes.iter_mut().skip(at).zip(written).for_each(|(old, new)| *old = new);
}

/// A number as protobuf, Avro and Thrift write it, instead of one.
fn varint_at(numbers: &mut Numbers, bytes: &mut Vec<u8>, at: usize) {
    let end =
        bytes.iter().skip(at).take(10).position(|byte| byte & 0x80 == 0).map_or(at, |last| at + last + 1);
    let mut number = extreme(numbers, bytes.len());
    let mut written = Vec::new();
    while number > 0x7f {
        written.push(number as u8 | 0x80);
        number >>= 7;
    }
    written.push(number as u8);
    bytes.splice(at..end, written);
}

/// A number as text, instead of the next one.
fn written_number(numbers: &mut Numbers, bytes: &mut Vec<u8>, at: usize) {
    let Some(from) = bytes.iter().skip(at).position(u8::is_ascii_digit).map(|first| at + first) else {
        return;
    };
    let digits = bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let number = extreme(numbers, bytes.len()).to_string();
    bytes.splice(from..from + digits, number.into_bytes());
}
