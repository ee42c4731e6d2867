//! Bytes as hexadecimal digits, two small ones each: how hashes, tokens and ids of traces are written.

/// The digits of some bytes.
///
/// ```
/// # use twinstore_feature as feature;
/// assert_eq!(feature::hexadecimal(&[0, 0xaf]), "00af");
/// assert_eq!(feature::from_hexadecimal("00af"), Some([0, 0xaf]));
/// ```
pub fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit =
        |half: u8| DIGITS.get(usize::from(half)).copied().expect("invariant: half a byte is below 16");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes of exactly so many digits; `None` of anything else, capitals too: what is written so has one spelling.
pub fn from_hexadecimal<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}
