//! The parameters of aggregate functions: exact, so that two definitions are equal or they are not.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How many values a list has at most: from 1 to 1000.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct ListLength(u16);

/// Text or a number that is not a valid parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not {0}")]
pub struct ParameterError(&'static str);

impl ListLength {
    /// The longest list.
    pub const MAX: u16 = 1000;
    /// A length for the documentation.
    pub const SAMPLE: ListLength = ListLength(3);

    pub(super) const IN_WORDS: &'static str = "a whole number from 1 to 1000";

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// A length that is known to be in range.
    pub(super) const fn constant(length: u16) -> ListLength {
        ListLength(length)
    }
}

impl TryFrom<u16> for ListLength {
    type Error = ParameterError;

    fn try_from(length: u16) -> Result<Self, ParameterError> {
        (1..=Self::MAX).contains(&length).then_some(Self(length)).ok_or(ParameterError(Self::IN_WORDS))
    }
}

impl From<ListLength> for u16 {
    fn from(length: ListLength) -> u16 {
        length.0
    }
}

impl FromStr for ListLength {
    type Err = ParameterError;

    fn from_str(text: &str) -> Result<Self, ParameterError> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let length = text.parse::<u16>().ok().filter(|_| digits);
        length.ok_or(ParameterError(Self::IN_WORDS))?.try_into()
    }
}

impl fmt::Display for ListLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A part of all values, above 0 and below 1, in millionths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quantile(u32);

const MILLION: u32 = 1_000_000;

impl Quantile {
    /// One half.
    pub const MEDIAN: Quantile = Quantile(MILLION / 2);

    pub(super) const IN_WORDS: &'static str = "a number above 0 and below 1 with at most 6 decimals";

    /// The index, from 0, of the smallest of `count` sorted values that this part of them does not
    /// exceed: ⌈q × count⌉ − 1, exactly.
    pub(crate) fn rank(self, count: u128) -> u128 {
        (u128::from(self.0) * count).div_ceil(MILLION.into()).saturating_sub(1)
    }
}

impl FromStr for Quantile {
    type Err = ParameterError;

    fn from_str(text: &str) -> Result<Self, ParameterError> {
        let millionths = || {
            let (whole, decimals) = text.split_once('.')?;
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let is_number = whole.len() <= 1 && digits(whole) && digits(decimals) && !decimals.is_empty();
            let zero = whole.bytes().all(|digit| digit == b'0');
            (is_number && zero && decimals.len() <= 6).then(|| format!("{decimals:0<6}").parse().ok())?
        };
        millionths().filter(|n| *n > 0).map(Self).ok_or(ParameterError(Self::IN_WORDS))
    }
}

impl TryFrom<String> for Quantile {
    type Error = ParameterError;

    fn try_from(text: String) -> Result<Self, ParameterError> {
        text.parse()
    }
}

impl From<Quantile> for String {
    fn from(quantile: Quantile) -> String {
        quantile.to_string()
    }
}

impl fmt::Display for Quantile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0.{}", format!("{:06}", self.0).trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_exact_and_reads_back() {
        for (text, shown) in [("0.5", "0.5"), (".25", "0.25"), ("0.990", "0.99"), ("0.000001", "0.000001")] {
            assert_eq!(text.parse::<Quantile>().unwrap().to_string(), shown);
        }
        for bad in ["0", "1", "0.0", "1.0", "0.", "50", "0.1234567", "-0.5", "0.5e1", "00.5", "+0.5", "½", ""]
        {
            assert!(bad.parse::<Quantile>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_rank_is_that_of_the_smallest_value_that_enough_do_not_exceed() {
        let rank = |quantile: &str, count| quantile.parse::<Quantile>().unwrap().rank(count);
        assert_eq!((rank("0.5", 1), rank("0.5", 2), rank("0.5", 3), rank("0.5", 4)), (0, 0, 1, 1));
        assert_eq!((rank("0.99", 100), rank("0.99", 101), rank("0.000001", 7)), (98, 99, 0));
        assert!(rank("0.999999", u64::MAX.into()) < u64::MAX.into());
    }
}
