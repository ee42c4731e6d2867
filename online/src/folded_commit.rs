//! Which commit of a view's log its online rows have folded: noted beside the rows, so that a log or a store that was
//! replaced by an older or another one is not taken for the one that it was.

use std::str::FromStr;

/// A commit of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FoldedCommit {
    /// Its version.
    pub version: u64,
    /// The checksum of all its bytes.
    pub checksum: u32,
}

impl FoldedCommit {
    /// The form in which stores keep it, as `12:deadbeef`.
    pub(crate) fn text(self) -> String {
        format!("{}:{:08x}", self.version, self.checksum)
    }
}

impl FromStr for FoldedCommit {
    type Err = ();

    /// Reads the form in which stores keep it.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (version, checksum) = text.split_once(':').ok_or(())?;
        let has_all_digits = checksum.len() == 8 && checksum.bytes().all(|digit| digit.is_ascii_hexdigit());
        let checksum = Some(checksum).filter(|_| has_all_digits).ok_or(())?;
        let checksum = u32::from_str_radix(checksum, 16).map_err(|_| ())?;
        Ok(Self { version: version.parse().map_err(|_| ())?, checksum })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_text_of_a_commit_never_changes() {
        let commit = FoldedCommit { version: u64::MAX, checksum: 0xbeef };
        assert_eq!(commit.text(), "18446744073709551615:0000beef");
        assert_eq!(commit.text().parse(), Ok(commit));
        for bad in ["", "7", "7:", "x:0000beef", "7:0000beefe"] {
            assert_eq!(bad.parse::<FoldedCommit>(), Err(()), "{bad}");
        }
    }
}
