//! What an answer says in its headers beside its body: which version gave it, and that something in it is deprecated. The
//! headers are those of RFC 9745 (`Deprecation`) and RFC 8594 (`Sunset`), over gRPC as metadata of the same names.

use std::time::{Duration, UNIX_EPOCH};

use feature::{Micros, excerpt};

/// The version that gave an answer.
pub(crate) const SERVICE: &str = "x-twinstore-service";

/// The longest sentence in a header, in characters.
const MOST_CHARS: usize = 600;

/// That versions which a service reads, or it itself, are deprecated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// The deprecated versions, as `name@version`.
    pub versions: Vec<String>,
    /// Since when the first of them is.
    pub since: Micros,
    /// When the first of them is to be retired.
    pub sunset: Micros,
    /// What is said of them.
    pub sentence: String,
}

impl Notice {
    /// The headers, all of visible ASCII characters.
    pub(crate) fn headers(&self) -> [(&'static str, String); 3] {
        let seconds = |at: Micros| at.get().max(0) / 1_000_000;
        let sunset = UNIX_EPOCH + Duration::from_secs(seconds(self.sunset).unsigned_abs());
        let visible = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
        let sentence: String = self.sentence.chars().map(visible).collect();
        [
            ("deprecation", format!("@{}", seconds(self.since))),
            ("sunset", httpdate::fmt_http_date(sunset)),
            ("x-twinstore-deprecated", excerpt(&sentence, MOST_CHARS).replace('…', "...")),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_are_those_of_the_standards_and_hold_no_other_characters() {
        let notice = Notice {
            versions: vec!["a@1".to_owned()],
            since: "2026-01-01T00:00:00Z".parse().unwrap(),
            sunset: "2026-12-31T00:00:00Z".parse().unwrap(),
            sentence: "a@1 is deprecated: überholt\r\n".to_owned(),
        };
        let [since, sunset, sentence] = notice.headers();
        assert_eq!(since, ("deprecation", "@1767225600".to_owned()));
        assert_eq!(sunset, ("sunset", "Thu, 31 Dec 2026 00:00:00 GMT".to_owned()));
        assert_eq!(sentence.1, "a@1 is deprecated: ?berholt??");
    }
}
