//! A whole number of any width: what two doubles, or 128 bits, cannot hold of a sum.

use num_bigint::BigInt;

/// Twice the exponent of the smallest double: every double, and the square of every double, is a
/// whole multiple of 2^−2148.
pub(super) const UNIT: i32 = -2148;

/// A whole number of any width, in two's complement, whose lowest limbs are left out where zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fixed {
    /// The number is `limbs` × 2^(64 × `low`).
    low: u32,
    /// Least significant first; the highest bit of the last is the sign.
    limbs: Vec<u64>,
}

impl Fixed {
    /// The widest sum of squares of doubles has fewer than 80 limbs.
    const MOST_LIMBS: usize = 80;
    /// Bytes of the longest stored number.
    pub(super) const MOST_BYTES: usize = 2 + 8 * Self::MOST_LIMBS;

    pub(super) fn add_double(&mut self, x: f64) {
        let (mantissa, exponent) = decompose(x);
        self.add(u128::from(mantissa), (exponent - UNIT) as u32, x < 0.0);
    }

    pub(super) fn add_square(&mut self, x: f64) {
        let (mantissa, exponent) = decompose(x);
        let square = u128::from(mantissa) * u128::from(mantissa);
        self.add(square, (2 * exponent - UNIT) as u32, false);
    }

    /// Adds ±magnitude × 2^shift.
    pub(super) fn add(&mut self, magnitude: u128, shift: u32, negative: bool) {
        if magnitude == 0 {
            return;
        }
        let bits = shift % 64;
        let low = magnitude << bits;
        let high = if bits == 0 { 0 } else { (magnitude >> (128 - bits)) as u64 };
        let limbs = vec![low as u64, (low >> 64) as u64, high, 0];
        let mut term = Fixed { low: shift / 64, limbs };
        if negative {
            term.negate();
        }
        self.merge(&term);
    }

    fn negate(&mut self) {
        let mut carry = true;
        for limb in &mut self.limbs {
            (*limb, carry) = (!*limb).overflowing_add(u64::from(carry));
        }
    }

    pub(super) fn merge(&mut self, other: &Fixed) {
        if other.limbs.is_empty() {
            return;
        }
        if self.limbs.is_empty() {
            self.low = other.low;
        }
        if other.low < self.low {
            let missing = (self.low - other.low) as usize;
            self.limbs.splice(0..0, std::iter::repeat_n(0, missing));
            self.low = other.low;
        }
        let offset = (other.low - self.low) as usize;
        // One limb of sign above both keeps the sum from wrapping.
        let width = self.limbs.len().max(offset + other.limbs.len()) + 1;
        let (sign, other_sign) = (self.sign_limb(), other.sign_limb());
        self.limbs.resize(width, sign);
        let terms = other.limbs.iter().copied().chain(std::iter::repeat(other_sign));
        let mut carry = false;
        for (limb, term) in self.limbs.iter_mut().skip(offset).zip(terms) {
            let (sum, over) = limb.overflowing_add(term);
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            *limb = sum;
            carry = over || over_again;
        }
        self.drop_sign_limbs();
    }

    fn sign_limb(&self) -> u64 {
        match self.limbs.last() {
            Some(top) if top >> 63 == 1 => u64::MAX,
            _ => 0,
        }
    }

    fn drop_sign_limbs(&mut self) {
        while let [.., below, top] = self.limbs.as_slice() {
            let sign = if below >> 63 == 1 { u64::MAX } else { 0 };
            if *top != sign {
                break;
            }
            self.limbs.pop();
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.limbs.iter().all(|limb| *limb == 0)
    }

    /// Brings the number into its one shortest form.
    pub(super) fn trim(&mut self) {
        if self.is_zero() {
            *self = Fixed::default();
            return;
        }
        self.drop_sign_limbs();
        let zeros = self.limbs.iter().take_while(|limb| **limb == 0).count();
        self.limbs.drain(..zeros);
        self.low += zeros as u32;
    }

    pub(super) fn to_big(&self) -> BigInt {
        let bytes: Vec<u8> = self.limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect();
        BigInt::from_signed_bytes_le(&bytes) << (64 * self.low as usize)
    }

    /// Limb offset, then the limbs, little-endian.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.low as u16).to_le_bytes());
        self.limbs.iter().for_each(|limb| out.extend_from_slice(&limb.to_le_bytes()));
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (low, limbs) = bytes.split_first_chunk::<2>()?;
        let (limbs, rest) = limbs.as_chunks::<8>();
        (rest.is_empty() && limbs.len() <= Self::MOST_LIMBS).then(|| Self {
            low: u32::from(u16::from_le_bytes(*low)),
            limbs: limbs.iter().map(|limb| u64::from_le_bytes(*limb)).collect(),
        })
    }
}

/// |x| = mantissa × 2^exponent, for a finite x.
pub(super) fn decompose(x: f64) -> (u64, i32) {
    let bits = x.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    match (bits >> 52) & 0x7ff {
        0 => (fraction, -1074),
        exponent => (fraction | 1 << 52, exponent as i32 - 1075),
    }
}
