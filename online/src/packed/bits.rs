//! Bitmaps: bit i is bit i % 8 of byte i / 8.

/// Whether a bit is set; one beyond the end is not.
pub(crate) fn is_set(bits: &[u8], bit: usize) -> bool {
    bits.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
}

/// Sets a bit; one beyond the end is left alone.
pub(crate) fn set(bits: &mut [u8], bit: usize) {
    if let Some(byte) = bits.get_mut(bit / 8) {
        *byte |= 1 << (bit % 8);
    }
}

/// How many of the first `within` bits are set.
pub(crate) fn count_ones(bits: &[u8], within: usize) -> usize {
    let (whole, rest) = bits.split_at(bits.len().min(within / 8));
    let (words, bytes) = whole.as_chunks::<8>();
    let ones: u32 = words.iter().map(|word| u64::from_le_bytes(*word).count_ones()).sum::<u32>()
        + bytes.iter().map(|byte| byte.count_ones()).sum::<u32>();
    let last = rest.first().map_or(0, |byte| (byte & ((1 << (within % 8)) - 1)).count_ones());
    (ones + last) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ones_are_counted_up_to_any_bit(bytes in prop::collection::vec(any::<u8>(), 0..30), within in 0_usize..260) {
            let expected = (0..within).filter(|bit| is_set(&bytes, *bit)).count();
            prop_assert_eq!(count_ones(&bytes, within), expected);
        }
    }
}
