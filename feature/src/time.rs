//! Moments and durations: UTC microseconds, years 0001 to 9999, and how people write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time_error::TimeError;
use crate::time_text;

/// A moment: microseconds since 1970-01-01T00:00:00Z, within the years 0001 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Micros(i64);

impl Micros {
    /// 0001-01-01T00:00:00Z, also the time of rows of a source without one.
    pub const MIN: Micros = Micros(-62_135_596_800_000_000);
    /// 9999-12-31T23:59:59.999999Z.
    pub const MAX: Micros = Micros(253_402_300_799_999_999);

    /// A moment from microseconds since 1970, refused outside the years 0001 to 9999.
    pub fn new(micros: i64) -> Result<Self, TimeError> {
        if (Self::MIN.0..=Self::MAX.0).contains(&micros) {
            Ok(Self(micros))
        } else {
            Err(TimeError::OutOfRange(micros))
        }
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The start of the hop that holds this moment: aligned to the epoch, towards minus infinity.
    /// A plain count of microseconds, since the floor of an early moment may lie before year 1.
    pub fn floor(self, hop: Span) -> i64 {
        floor(self.0, hop)
    }

    /// Microseconds from `earlier` to this moment; negative where it lies ahead.
    pub fn since(self, earlier: Micros) -> i64 {
        self.0 - earlier.0
    }

    /// This moment and a duration later, held at the last moment of the year 9999.
    pub fn saturating_add(self, span: Span) -> Micros {
        Micros(self.0.saturating_add(span.micros()).min(Self::MAX.0))
    }
}

/// `micros` rounded down to a multiple of `hop`, towards minus infinity.
pub fn floor(micros: i64, hop: Span) -> i64 {
    micros - micros.rem_euclid(hop.micros())
}

impl TryFrom<i64> for Micros {
    type Error = TimeError;

    fn try_from(micros: i64) -> Result<Self, TimeError> {
        Self::new(micros)
    }
}

impl From<Micros> for i64 {
    fn from(moment: Micros) -> i64 {
        moment.0
    }
}

/// Moments before year 1 and after year 9999 are reached in between, with a zone's offset.
fn epoch() -> jiff::civil::DateTime {
    jiff::civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0)
}

impl fmt::Display for Micros {
    /// RFC 3339 in UTC; the fraction is shown where there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match epoch().checked_add(jiff::SignedDuration::from_micros(self.0)) {
            Ok(civil) => f.pad(&format!("{civil}Z")),
            Err(_) => f.pad(&format!("{}us", self.0)),
        }
    }
}

impl FromStr for Micros {
    type Err = TimeError;

    /// Reads an RFC 3339 time; one without a zone, or a bare date, is UTC.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        Self::new(time_text::micros(text)?).map_err(|_| TimeError::OutsideYears(text.to_owned()))
    }
}

/// A positive duration in whole microseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(i64);

impl Span {
    /// One microsecond.
    pub const MICROSECOND: Span = Span(1);
    /// One millisecond.
    pub const MILLISECOND: Span = Span(1_000);
    /// One second.
    pub const SECOND: Span = Span(1_000_000);
    /// One minute.
    pub const MINUTE: Span = Span(60 * Self::SECOND.0);
    /// One hour.
    pub const HOUR: Span = Span(60 * Self::MINUTE.0);
    /// One day of 24 hours.
    pub const DAY: Span = Span(24 * Self::HOUR.0);
    /// One year of 365 days.
    pub const YEAR: Span = Span(365 * Self::DAY.0);
    /// The longest duration that a definition may name: 10,000 years of 366 days.
    const LONGEST: i64 = 3_660_000 * Self::DAY.0;

    /// `count` of `unit`, as in `Span::of(5, Span::MINUTE)`; `None` if it is not positive or
    /// beyond 10,000 years.
    pub fn of(count: i64, unit: Span) -> Option<Span> {
        let micros = count.checked_mul(unit.0)?;
        (1..=Self::LONGEST).contains(&micros).then_some(Span(micros))
    }

    /// The duration in microseconds, at least 1.
    pub const fn micros(self) -> i64 {
        self.0
    }

    pub(crate) const fn scaled(self, times: i64, per: i64) -> Span {
        Span(self.0 * times / per)
    }

    /// The duration `count` times over; once where `count` is 0.
    pub const fn times(self, count: u16) -> Span {
        let count = if count == 0 { 1 } else { count as i64 };
        Span(self.0.saturating_mul(count))
    }

    /// The sum of two durations.
    pub fn plus(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Span {
    /// The largest unit that divides it: `90s`, `5m`, `1h`, `7d`; `ms` and `us` below a second.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            (Self::DAY.0, "d"),
            (Self::HOUR.0, "h"),
            (Self::MINUTE.0, "m"),
            (Self::SECOND.0, "s"),
            (1_000, "ms"),
            (1, "us"),
        ];
        for (size, unit) in units {
            if self.0 % size == 0 {
                return write!(f, "{}{unit}", self.0 / size);
            }
        }
        Ok(())
    }
}

impl FromStr for Span {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let not_a_span = || TimeError::NotASpan(text.to_owned());
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(not_a_span)?;
        let (count, unit) = text.split_at(digits);
        let unit = match unit {
            "y" => Self::YEAR,
            "d" => Self::DAY,
            "h" => Self::HOUR,
            "m" => Self::MINUTE,
            "s" => Self::SECOND,
            "ms" => Span(1_000),
            "us" => Span(1),
            _ => return Err(not_a_span()),
        };
        if count.is_empty() {
            return Err(not_a_span());
        }
        if count.bytes().all(|digit| digit == b'0') {
            return Err(TimeError::ZeroSpan(text.to_owned()));
        }
        // What does not fit an i64 is too long in any unit.
        let span = count.parse().ok().and_then(|count| Self::of(count, unit));
        span.ok_or_else(|| TimeError::LongSpan(text.to_owned()))
    }
}

impl TryFrom<String> for Span {
    type Error = TimeError;

    fn try_from(text: String) -> Result<Self, TimeError> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_no_length_and_one_of_too_many_years_say_so() {
        let refused = |text: &str| text.parse::<Span>().unwrap_err();
        for text in ["0s", "00d", "0y"] {
            assert_eq!(refused(text), TimeError::ZeroSpan(text.to_owned()));
        }
        for text in ["100000y", "3660001d", "99999999999999999999us"] {
            assert_eq!(refused(text), TimeError::LongSpan(text.to_owned()));
        }
        for text in ["s", "", "0", "0w", "1.5h"] {
            assert_eq!(refused(text), TimeError::NotASpan(text.to_owned()));
        }
        assert_eq!("10000y".parse::<Span>().unwrap().to_string(), "3650000d");
    }

    #[test]
    fn a_span_reads_back_as_it_was_written() {
        for text in ["90s", "5m", "1h", "7d", "250ms", "1us"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("60s".parse::<Span>().unwrap(), Span::MINUTE);
        assert_eq!("3y".parse::<Span>().unwrap().to_string(), "1095d");
    }

    #[test]
    fn a_span_without_a_unit_or_without_length_is_refused() {
        for text in ["", "5", "m", "0s", "-1h", "1.5h", "1 h", "1w", "99999999999999d", "99999y"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_without_a_zone_is_utc() {
        let expected: Micros = "2013-06-01T12:00:00Z".parse().unwrap();
        assert_eq!("2013-06-01T12:00:00".parse::<Micros>().unwrap(), expected);
        assert_eq!("2013-06-01T14:00:00+02:00".parse::<Micros>().unwrap(), expected);
        assert_eq!(expected.to_string(), "2013-06-01T12:00:00Z");
    }

    #[test]
    fn years_outside_0001_to_9999_are_refused() {
        assert_eq!("0001-01-01".parse::<Micros>().unwrap(), Micros::MIN);
        assert_eq!(Micros::MAX.to_string(), "9999-12-31T23:59:59.999999Z");
        assert!(Micros::new(Micros::MIN.get() - 1).is_err());
        assert!(Micros::new(Micros::MAX.get() + 1).is_err());
    }

    #[test]
    fn the_floor_of_a_time_before_1970_lies_before_it() {
        assert_eq!(floor(-1, Span::MINUTE), -60_000_000);
        assert_eq!(floor(-60_000_000, Span::MINUTE), -60_000_000);
        assert_eq!(floor(59_999_999, Span::MINUTE), 0);
    }
}
