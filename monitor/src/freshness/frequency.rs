//! How often a view is to be updated, in a few classes to group by: what it promises says it, whatever brings its rows.

use feature::Span;

/// How often a view is to be updated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum UpdateFrequency {
    /// A good read is at most a minute stale.
    Minute,
    /// At most an hour.
    Hour,
    /// At most a day.
    Day,
    /// It may be staler.
    Slower,
    /// Nothing is promised.
    NotPromised,
}

impl UpdateFrequency {
    /// That of a view of which a good read is at most so stale.
    pub fn of(within: Option<Span>) -> Self {
        match within {
            None => Self::NotPromised,
            Some(within) if within <= Span::MINUTE => Self::Minute,
            Some(within) if within <= Span::HOUR => Self::Hour,
            Some(within) if within <= Span::DAY => Self::Day,
            Some(_) => Self::Slower,
        }
    }

    /// What it is called in metrics, on pages and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Slower => "slower",
            Self::NotPromised => "not promised",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_updated_as_often_as_it_promises() {
        let of = |text: &str| UpdateFrequency::of(Some(text.parse().unwrap())).name();
        let found = ["5s", "1m", "61s", "1h", "2h", "1d", "25h"].map(of);
        assert_eq!(found, ["minute", "minute", "hour", "hour", "day", "day", "slower"]);
        assert_eq!(UpdateFrequency::of(None).name(), "not promised");
    }
}
