//! The UTC date on which a row happened: what history is divided by.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::{Micros, Span};
use crate::time_error::TimeError;

/// The UTC date of an event. Rows without a valid event time have none, and come before all others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum EventDate {
    /// The event time is null, cannot be read, or lies outside the years 0001 to 9999.
    None,
    /// Days since 1970-01-01.
    Day(i32),
}

impl EventDate {
    const UNDATED: &'static str = "undated";

    /// The date of a time in microseconds since 1970.
    pub fn of(event_time: Option<i64>) -> Self {
        let valid = event_time.and_then(|time| Micros::new(time).ok());
        valid.map_or(Self::None, |time| Self::Day(time.get().div_euclid(Span::DAY.micros()) as i32))
    }

    /// Its first moment; `None` if there is no date.
    pub fn start(self) -> Option<Micros> {
        match self {
            Self::None => None,
            Self::Day(day) => Micros::new(i64::from(day) * Span::DAY.micros()).ok(),
        }
    }

    /// As one number: days since 1970-01-01, and the least number where there is no date.
    pub fn number(self) -> i64 {
        match self {
            Self::None => i64::MIN,
            Self::Day(day) => i64::from(day),
        }
    }
}

impl fmt::Display for EventDate {
    /// As in `2013-06-01`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.start() {
            Some(start) => {
                let text = start.to_string();
                f.pad(text.split_once('T').map_or(text.as_str(), |(date, _)| date))
            }
            None => f.pad(Self::UNDATED),
        }
    }
}

impl FromStr for EventDate {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        match text {
            Self::UNDATED => Ok(Self::None),
            date => match date.parse::<Micros>() {
                Ok(moment) => Ok(Self::of(Some(moment.get()))),
                Err(TimeError::NotATime(text)) => Err(TimeError::NotADate(text)),
                Err(error) => Err(error),
            },
        }
    }
}

impl TryFrom<String> for EventDate {
    type Error = TimeError;

    fn try_from(text: String) -> Result<Self, TimeError> {
        text.parse()
    }
}

impl From<EventDate> for String {
    fn from(date: EventDate) -> String {
        date.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_before_1970_has_the_date_on_which_it_lies() {
        let date = |text: &str| EventDate::of(Some(text.parse::<Micros>().unwrap().get()));
        assert_eq!(date("1969-12-31T23:59:59Z"), EventDate::Day(-1));
        assert_eq!(date("1970-01-01T00:00:00Z"), EventDate::Day(0));
        assert_eq!(date("2013-06-01T12:00:00Z").to_string(), "2013-06-01");
        assert_eq!("2013-06-01".parse(), Ok(date("2013-06-01T00:00:00Z")));
        let error = "June".parse::<EventDate>().unwrap_err();
        assert_eq!(error.to_string(), "`June` is not a date: write it as 2013-06-01");
    }

    #[test]
    fn a_row_without_a_valid_time_has_no_date_and_comes_first() {
        assert_eq!(EventDate::of(None), EventDate::None);
        assert_eq!(EventDate::of(Some(i64::MAX)), EventDate::None);
        assert_eq!("undated".parse(), Ok(EventDate::None));
        assert!(EventDate::None < EventDate::of(Some(Micros::MIN.get())));
    }
}
