//! When a read without an answer is sent to a second server.

use std::time::Duration;

/// When a read that has no answer yet is sent to another server, too, whose answer is then as good (Dean and Barroso, "The tail
/// at scale", 2013). Hedges come out of the [budget](crate::RetryBudget); pushes are never hedged.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub enum Hedging {
    /// Never.
    #[default]
    Never,
    /// After so long.
    After(Duration),
    /// After the time within which 95 of 100 of the client's own requests are answered, once 32 of them were measured.
    AfterP95 {
        /// Never sooner than this.
        at_least: Duration,
    },
}

impl Hedging {
    /// When, where this is the percentile.
    pub(super) fn delay(self, p95: Option<Duration>) -> Option<Duration> {
        match self {
            Hedging::Never => None,
            Hedging::After(delay) => Some(delay),
            Hedging::AfterP95 { at_least } => p95.map(|p95| p95.max(at_least)),
        }
    }
}
