//! How a moment is written: RFC 3339, with a few forms of ISO 8601 that mean one moment. What could mean two, or a
//! moment that UTC microseconds do not have, is refused and never read as another one.
//!
//! Accepted are `2013-06-01T12:00:00Z`, a lower-case `t` or `z`, a space for the `T`, an offset (`+02:00`, `+0200`,
//! `+02`), no zone (then UTC), no seconds, a fraction of any length after a dot or a comma, and a date alone
//! (its midnight). Digits behind the microsecond are cut off, towards minus infinity, as a later moment would leak.

use crate::time_error::TimeError;

/// What follows of a text that is read from its start.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// The next byte, where it is one of these.
    fn take(&mut self, any: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        any.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }

    /// A number of exactly so many digits.
    fn number(&mut self, digits: usize) -> Option<i32> {
        let (head, rest) = self.0.split_at_checked(digits)?;
        if !head.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.0 = rest;
        Some(head.iter().fold(0, |number, digit| number * 10 + i32::from(digit - b'0')))
    }

    /// The digits of a fraction, as microseconds.
    fn fraction(&mut self) -> Option<i32> {
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        let digit = |index: usize| digits.get(index).map_or(0, |digit| i32::from(digit - b'0'));
        (length > 0).then(|| (0..6).fold(0, |micros, index| micros * 10 + digit(index)))
    }

    /// Seconds east of UTC; zero where no zone is named.
    fn offset(&mut self) -> Option<i64> {
        if self.0.is_empty() || self.take(b"Zz").is_some() {
            return Some(0);
        }
        let sign = if self.take(b"+-")? == b'-' { -1 } else { 1 };
        let hours = self.number(2).filter(|hours| *hours <= 23)?;
        let is_spelled = self.take(b":").is_some();
        let minutes = match self.0 {
            [] if !is_spelled => 0,
            _ => self.number(2).filter(|minutes| *minutes <= 59)?,
        };
        Some(sign * i64::from(hours * 3_600 + minutes * 60))
    }
}

/// The microseconds since 1970-01-01T00:00:00Z that a text names; they may lie outside the years 0001 to 9999.
pub(crate) fn micros(text: &str) -> Result<i64, TimeError> {
    read(text).ok_or_else(|| match text.split_once('[') {
        Some((moment, _)) if read(moment).is_some() => TimeError::ZoneInBrackets(text.to_owned()),
        _ => TimeError::NotATime(text.to_owned()),
    })
}

fn read(text: &str) -> Option<i64> {
    let mut rest = Rest(text.as_bytes());
    let year = i16::try_from(rest.number(4)?).ok()?;
    rest.take(b"-")?;
    let month = rest.number(2)?;
    rest.take(b"-")?;
    let day = rest.number(2)?;
    let date = jiff::civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let epoch = jiff::civil::Date::constant(1970, 1, 1);
    let days = i64::from(epoch.until(date).ok()?.get_days());
    let mut micros = days.checked_mul(86_400_000_000)?;
    if !rest.0.is_empty() {
        rest.take(b"Tt ")?;
        micros = micros.checked_add(time_of_day(&mut rest)?)?;
        micros = micros.checked_sub(rest.offset()?.checked_mul(1_000_000)?)?;
    }
    rest.0.is_empty().then_some(micros)
}

/// Neither hour 24 nor second 60: microseconds since 1970 have no leap seconds.
fn time_of_day(rest: &mut Rest<'_>) -> Option<i64> {
    let hour = rest.number(2).filter(|hour| *hour <= 23)?;
    rest.take(b":")?;
    let minute = rest.number(2).filter(|minute| *minute <= 59)?;
    let (mut second, mut fraction) = (0, 0);
    if rest.take(b":").is_some() {
        second = rest.number(2).filter(|second| *second <= 59)?;
        if rest.take(b".,").is_some() {
            fraction = rest.fraction()?;
        }
    }
    let seconds = i64::from(hour * 3_600 + minute * 60 + second);
    Some(seconds * 1_000_000 + i64::from(fraction))
}

#[cfg(test)]
mod tests {
    use crate::time::Micros;
    use crate::time_error::TimeError;

    #[test]
    fn every_way_to_write_a_moment_means_the_same_moment() {
        let noon: Micros = "2013-06-01T12:00:00Z".parse().unwrap();
        assert_eq!(noon.get(), 1_370_088_000_000_000);
        for text in [
            "2013-06-01T12:00:00z",
            "2013-06-01t12:00:00Z",
            "2013-06-01 12:00:00Z",
            "2013-06-01T12:00:00",
            "2013-06-01 12:00",
            "2013-06-01T12:00:00.000000000000Z",
            "2013-06-01T12:00:00.0000009",
            "2013-06-01T12:00:00,0Z",
            "2013-06-01T14:00:00+02:00",
            "2013-06-01T14:00:00+0200",
            "2013-06-01 14:00:00+02",
            "2013-06-01T08:00:00-04:00",
            "2013-06-02T11:59:00+23:59",
            "2013-06-01T12:00:00-00:00",
        ] {
            assert_eq!(text.parse::<Micros>(), Ok(noon), "{text}");
        }
        assert_eq!("2013-06-01".parse::<Micros>(), "2013-06-01T00:00:00Z".parse());
    }

    #[test]
    fn digits_behind_the_microsecond_are_cut_off_towards_minus_infinity() {
        for (text, micros) in [
            ("1970-01-01T00:00:00.1234567891234Z", 123_456),
            ("1970-01-01T00:00:00.5Z", 500_000),
            ("1969-12-31T23:59:59.999999999Z", -1),
            ("1969-12-31T23:59:59.9999991Z", -1),
        ] {
            assert_eq!(text.parse::<Micros>().unwrap().get(), micros, "{text}");
        }
    }

    #[test]
    fn what_means_no_moment_or_could_mean_two_is_refused() {
        for text in [
            "",
            "yesterday",
            "2013-06-01T24:00:00Z",
            "2013-06-01T23:59:60Z",
            "2016-12-31T23:59:60Z",
            "2013-02-29",
            "2013-6-1",
            "20130601",
            "20130601T120000Z",
            "2013-06-01T12Z",
            "2013-06-01T",
            "2013-06-01T12:00:00.Z",
            "2013-06-01T12:00:00 +02:00",
            "2013-06-01T12:00:00+24:00",
            "2013-06-01T12:00:00+02:",
            "2013-06-01T12:00:00 UTC",
            " 2013-06-01",
            "2013-06-01T12:00:00Zz",
            "+012013-06-01T12:00:00Z",
            "-002013-06-01T12:00:00Z",
            "12013-06-01",
            "1370088000",
            "1.37e9",
            "2013-06-01T12:00:00\u{660}",
        ] {
            assert_eq!(text.parse::<Micros>(), Err(TimeError::NotATime(text.to_owned())), "{text}");
        }
        for text in ["0000-12-31T23:59:59Z", "9999-12-31T23:59:59-00:01", "0001-01-01T00:00:00+00:01"] {
            assert_eq!(text.parse::<Micros>(), Err(TimeError::OutsideYears(text.to_owned())), "{text}");
        }
        let bracketed = "2013-06-01T12:00:00-04:00[America/New_York]".parse::<Micros>().unwrap_err();
        assert!(bracketed.to_string().contains("in brackets"), "{bracketed}");
    }
}
