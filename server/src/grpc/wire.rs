//! The parts of a protobuf message, as they lie on the wire. What is the default of its type is left
//! out, as the protocol says; numbers of fields are below 16, so that a tag is one byte.

use bytes::BufMut;

/// How a field's value lies: as a number of any length, or behind its length in bytes.
const VARINT: u8 = 0;
const SIZED: u8 = 2;

/// Bytes that are put together before they are written.
const CHUNK: usize = 512;

/// Bytes of a number.
pub(super) fn varint_bytes(number: u64) -> usize {
    // Seven bits a byte.
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

/// Bytes of a field that takes so many behind its length.
pub(super) fn sized_bytes(length: usize) -> usize {
    1 + varint_bytes(length as u64) + length
}

/// The same of one that is left out where it is empty.
pub(super) fn filled_bytes(length: usize) -> usize {
    if length == 0 { 0 } else { sized_bytes(length) }
}

/// Bytes of a field with a number, which is left out where it is 0.
pub(super) fn number_bytes(number: u64) -> usize {
    if number == 0 { 0 } else { 1 + varint_bytes(number) }
}

pub(super) fn put_varint(mut number: u64, out: &mut impl BufMut) {
    let mut bytes = [0; 10];
    let mut length = 0;
    for byte in &mut bytes {
        length += 1;
        *byte = number as u8 | 0x80;
        number >>= 7;
        if number == 0 {
            *byte &= 0x7f;
            break;
        }
    }
    out.put_slice(bytes.get(..length).unwrap_or_default());
}

/// What stands before so many bytes.
pub(super) fn put_head(field: u8, length: usize, out: &mut impl BufMut) {
    out.put_u8(field << 3 | SIZED);
    put_varint(length as u64, out);
}

/// A field of bytes, left out where there are none.
pub(super) fn put_filled(field: u8, bytes: &[u8], out: &mut impl BufMut) {
    if !bytes.is_empty() {
        put_head(field, bytes.len(), out);
        out.put_slice(bytes);
    }
}

/// A field with a number, left out where it is 0.
pub(super) fn put_number(field: u8, number: u64, out: &mut impl BufMut) {
    if number != 0 {
        out.put_u8(field << 3 | VARINT);
        put_varint(number, out);
    }
}

/// Values of a fixed width behind one another, left out where there are none.
pub(super) fn put_fixed<T, const N: usize>(
    field: u8,
    values: &[T],
    bytes_of: impl Fn(&T) -> [u8; N],
    out: &mut impl BufMut,
) {
    if values.is_empty() {
        return;
    }
    put_head(field, values.len() * N, out);
    let mut chunk = [0; CHUNK];
    for values in values.chunks(CHUNK / N) {
        let (slots, _) = chunk.as_chunks_mut::<N>();
        slots.iter_mut().zip(values).for_each(|(slot, value)| *slot = bytes_of(value));
        out.put_slice(chunk.get(..values.len() * N).unwrap_or_default());
    }
}

/// Numbers of any length behind one another, left out where there are none; `bytes` is what
/// [`varints_bytes`] gives of them.
pub(super) fn put_varints(
    field: u8,
    bytes: usize,
    numbers: impl Iterator<Item = u64>,
    out: &mut impl BufMut,
) {
    if bytes > 0 {
        put_head(field, bytes, out);
        numbers.for_each(|number| put_varint(number, out));
    }
}

/// Bytes of numbers behind one another.
pub(super) fn varints_bytes(numbers: impl Iterator<Item = u64>) -> usize {
    numbers.map(varint_bytes).sum()
}

/// A signed number as an unsigned one, small where it is near 0.
pub(super) fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63) as u64
}
