//! A count that cannot be zero.

use std::str::FromStr;

/// A whole number from 1 on.
pub(super) fn at_least_one<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| "it has to be a whole number from 1 on".to_owned())
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU64, NonZeroUsize};

    use super::*;

    #[test]
    fn what_is_no_count_is_refused_in_one_sentence() {
        assert_eq!(at_least_one::<NonZeroUsize>("1").unwrap().get(), 1);
        for text in ["0", "-1", "x", "", "1.5", "99999999999999999999"] {
            let said = at_least_one::<NonZeroU64>(text).unwrap_err();
            assert_eq!(said, "it has to be a whole number from 1 on", "{text}");
        }
    }
}
