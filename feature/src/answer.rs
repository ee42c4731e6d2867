//! Law 3: what a reader gets for one entity of one view at one moment.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::{Micros, Span};
use crate::value::Value;

/// Why a value is what it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// There is a value.
    Present,
    /// The entity is known, and the value is null.
    NullValue,
    /// The entity has no visible row in the view, or its key has a null.
    NotFound,
    /// The latest row is older than the view's ttl.
    OutsideMaxAge,
    /// The view's circuit breaker is open, and this is what was answered at the last moment that was good (law 8).
    LastKnownGood,
    /// The view's circuit breaker is open, and nothing is answered of it meanwhile (law 8).
    BreakerOpen,
}

impl Status {
    /// The name that every interface shows.
    pub const fn name(self) -> &'static str {
        match self {
            Status::Present => "PRESENT",
            Status::NullValue => "NULL_VALUE",
            Status::NotFound => "NOT_FOUND",
            Status::OutsideMaxAge => "OUTSIDE_MAX_AGE",
            Status::LastKnownGood => "LAST_KNOWN_GOOD",
            Status::BreakerOpen => "BREAKER_OPEN",
        }
    }

    /// Law 3: whether there is a value, of a feature that has a default or has none.
    pub const fn has_value(self, has_default: bool) -> bool {
        match self {
            Status::Present | Status::LastKnownGood => true,
            Status::NullValue => has_default,
            Status::NotFound | Status::OutsideMaxAge | Status::BreakerOpen => false,
        }
    }

    /// The status of a value of a known and living row.
    pub const fn of(value: &Value) -> Status {
        if value.is_null() { Status::NullValue } else { Status::Present }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One feature's value and status.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cell {
    /// The value; the feature's default, or null, unless the status is `PRESENT`.
    pub value: Value,
    /// Why.
    pub status: Status,
}

impl Cell {
    /// The cell of an entity that has no visible row.
    pub const NOT_FOUND: Cell = Cell { value: Value::Null, status: Status::NotFound };
    /// The cell of a latest value whose row is dead.
    pub const OUTSIDE_MAX_AGE: Cell = Cell { value: Value::Null, status: Status::OutsideMaxAge };

    /// The cell of a value of a known and living row.
    pub fn of(value: Value) -> Cell {
        Cell { status: Status::of(&value), value }
    }

    /// Law 3: the same cell of a feature with this default, which replaces null where the
    /// entity is known and its row alive. The status stays, so that a reader can tell.
    pub fn or_default(self, default: Option<&Value>) -> Cell {
        match default {
            Some(default) if self.status == Status::NullValue => {
                Cell { value: default.clone(), status: self.status }
            }
            _ => self,
        }
    }
}

/// The times of an entity's latest visible row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// When it happened.
    pub event_time: Micros,
    /// When it could first have been read.
    pub available_at: Micros,
}

/// All features of one view for one entity at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// One cell for each of the view's features.
    pub cells: Vec<Cell>,
    /// The times of the latest visible row, dead or not; `None` if there is no such row. Those
    /// of a static view are kept here and shown to nobody.
    pub times: Option<Times>,
}

impl Answer {
    /// The answer for an entity that has no visible row.
    pub fn not_found(features: usize) -> Answer {
        Answer { cells: vec![Cell::NOT_FOUND; features], times: None }
    }
}

/// Law 3: whether a latest row is alive at a moment: `at - event_time <= ttl`.
pub fn is_alive(ttl: Option<Span>, event_time: Micros, at: Micros) -> bool {
    ttl.is_none_or(|ttl| at.since(event_time) <= ttl.micros())
}

/// Whether retention still keeps a row of this event time at a moment: `event_time >= at - online`.
pub fn is_kept(online: Option<Span>, event_time: Micros, at: Micros) -> bool {
    online.is_none_or(|online| at.since(event_time) <= online.micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_replaces_null_and_nothing_else() {
        let default = Value::Int64(0);
        let with = |cell: Cell| cell.or_default(Some(&default));
        assert_eq!(with(Cell::of(Value::Null)), Cell { value: Value::Int64(0), status: Status::NullValue });
        for cell in [Cell::of(Value::Int64(7)), Cell::NOT_FOUND, Cell::OUTSIDE_MAX_AGE] {
            assert_eq!(with(cell.clone()), cell);
        }
        assert_eq!(Cell::of(Value::Null).or_default(None), Cell::of(Value::Null));
        for status in [Status::Present, Status::NullValue, Status::NotFound, Status::OutsideMaxAge] {
            let cell =
                Cell { value: if status == Status::Present { Value::Int64(7) } else { Value::Null }, status };
            assert_eq!(status.has_value(true), !with(cell.clone()).value.is_null());
            assert_eq!(status.has_value(false), !cell.value.is_null());
        }
    }
}
