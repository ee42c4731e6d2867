//! The trace that a caller is in, as it says in a header: W3C Trace Context, the header `traceparent`.

use std::fmt;

use crate::hexadecimal::{from_hexadecimal, hexadecimal};

/// Where in a trace a request or a row begins (<https://www.w3.org/TR/trace-context/>).
///
/// ```
/// # use twinstore_feature as feature;
/// use feature::TraceParent;
///
/// let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let parent = TraceParent::parse(header).expect("a valid header");
/// assert!(parent.is_sampled);
/// assert_eq!(parent.to_string(), header);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TraceParent {
    /// The trace, which is not all zeros.
    pub trace: [u8; 16],
    /// The caller's span in it, which is not all zeros.
    pub span: [u8; 8],
    /// Whether the caller records the trace.
    pub is_sampled: bool,
}

impl TraceParent {
    /// The name of the header, of HTTP, gRPC and Kafka.
    pub const HEADER: &'static str = "traceparent";

    /// What a header says; `None` of one that is malformed, which is to be passed over. Versions after 00 may say more.
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.trim().splitn(5, '-');
        let [version] = from_hexadecimal(parts.next()?)?;
        let (trace, span): ([u8; 16], [u8; 8]) =
            (from_hexadecimal(parts.next()?)?, from_hexadecimal(parts.next()?)?);
        let [flags] = from_hexadecimal(parts.next()?)?;
        let says_more = parts.next().is_some();
        let is_known = version != 0xff && (version != 0 || !says_more);
        let is_set = trace != [0; 16] && span != [0; 8];
        (is_known && is_set).then_some(Self { trace, span, is_sampled: flags & 1 == 1 })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span) = (hexadecimal(&self.trace), hexadecimal(&self.span));
        write!(f, "00-{trace}-{span}-{:02x}", u8::from(self.is_sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn a_header_of_a_later_version_may_say_more_and_only_one_of_the_first_may_not() {
        assert!(TraceParent::parse(&format!("00-{TRACE}-{SPAN}-01")).is_some_and(|one| one.is_sampled));
        assert!(TraceParent::parse(&format!("00-{TRACE}-{SPAN}-00")).is_some_and(|one| !one.is_sampled));
        assert!(
            TraceParent::parse(&format!("cc-{TRACE}-{SPAN}-03-more-of-it")).is_some_and(|one| one.is_sampled)
        );
        assert_eq!(TraceParent::parse(&format!("00-{TRACE}-{SPAN}-01-more")), None);
    }

    #[test]
    fn what_is_malformed_is_passed_over() {
        let zeros = ["0".repeat(32), "0".repeat(16)];
        for header in [
            String::new(),
            "00".to_owned(),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", zeros[0]),
            format!("00-{TRACE}-{}-01", zeros[1]),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}é-{SPAN}-01"),
            format!("00-{TRACE}{TRACE}-{SPAN}-01"),
        ] {
            assert_eq!(TraceParent::parse(&header), None, "{header}");
        }
    }
}
