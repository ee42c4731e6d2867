//! Laws 1 and 6: the facts that every row of a view carries, and from when it can be seen.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Micros;
use crate::value::Value;

/// How `available_at` is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// Stamped after the online write was acknowledged.
    Measured,
    /// A column of the source, for history.
    Declared,
    /// The event time and the source's assumed delay, for history.
    Simulated,
}

impl Provenance {
    /// The name that the log and its readers see.
    pub const fn name(self) -> &'static str {
        match self {
            Provenance::Measured => "measured",
            Provenance::Declared => "declared",
            Provenance::Simulated => "simulated",
        }
    }
}

/// A row's position in its source: a total order, history before stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Position {
    /// In history: the number given to the file when it was first loaded, and the row in it.
    History {
        /// The file's number, from 0.
        file: u32,
        /// The row's number in the file, from 0.
        row: u64,
    },
    /// In a stream: the partition and offset of the source's own topic.
    Stream {
        /// The partition, from 0.
        partition: u32,
        /// The offset in the partition, from 0.
        offset: u64,
    },
}

impl Position {
    /// Bytes of an encoded position.
    pub const WIDTH: usize = 13;

    /// Kind, file or partition, row or offset; big-endian, so that bytes order as positions do.
    pub fn to_bytes(self) -> [u8; Self::WIDTH] {
        let (kind, major, minor) = self.parts();
        let mut bytes = [0; Self::WIDTH];
        bytes[0] = kind;
        bytes[1..5].copy_from_slice(&major.to_be_bytes());
        bytes[5..].copy_from_slice(&minor.to_be_bytes());
        bytes
    }

    /// Reads what [`Position::to_bytes`] wrote; `None` if it is not a position.
    pub fn from_bytes(bytes: [u8; Self::WIDTH]) -> Option<Self> {
        let [kind, a, b, c, d, rest @ ..] = bytes;
        Self::from_parts(kind, u32::from_be_bytes([a, b, c, d]), u64::from_be_bytes(rest))
    }

    /// The kind of the positions of history, first of their [`Position::parts`].
    pub const KIND_HISTORY: u8 = 0;

    /// Kind (0 history, 1 stream), file or partition, row or offset: as the log's columns hold it.
    pub const fn parts(self) -> (u8, u32, u64) {
        match self {
            Position::History { file, row } => (Self::KIND_HISTORY, file, row),
            Position::Stream { partition, offset } => (1, partition, offset),
        }
    }

    /// The position of these parts; `None` for an unknown kind.
    pub const fn from_parts(kind: u8, major: u32, minor: u64) -> Option<Self> {
        match kind {
            Self::KIND_HISTORY => Some(Position::History { file: major, row: minor }),
            1 => Some(Position::Stream { partition: major, offset: minor }),
            _ => None,
        }
    }
}

impl fmt::Display for Position {
    /// Rows are shown to people from 1 on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::History { file, row } => write!(f, "file {file} row {}", row + 1),
            Position::Stream { partition, offset } => write!(f, "partition {partition} offset {offset}"),
        }
    }
}

/// Which rows a reader at a moment may see.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AsOf {
    /// Those that had happened and could have been read: the default.
    #[default]
    Available,
    /// Those that had happened, whether or not a reader could have seen them: this leaks.
    Event,
}

impl AsOf {
    /// Law 1: from when a row is visible.
    pub fn visible_at(self, event_time: Micros, available_at: Micros) -> Micros {
        match self {
            AsOf::Available => event_time.max(available_at),
            AsOf::Event => event_time,
        }
    }
}

/// One row of a view, of one entity: a fact of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// When it happened, from the source.
    pub event_time: Micros,
    /// When a reader of the online store could first have seen it.
    pub available_at: Micros,
    /// Its position in the source.
    pub position: Position,
    /// Whether it is a tombstone.
    pub deleted: bool,
    /// One value for each of the view's columns.
    pub values: Vec<Value>,
}

impl Row {
    /// Law 1: from when a row is visible to readers of the given mode.
    pub fn visible_at(&self, as_of: AsOf) -> Micros {
        as_of.visible_at(self.event_time, self.available_at)
    }

    /// Law 2: the order that decides which row is the latest.
    pub fn recency(&self) -> (Micros, Position) {
        (self.event_time, self.position)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_position() -> impl Strategy<Value = Position> {
        (0_u8..2, any::<u32>(), any::<u64>())
            .prop_map(|(kind, major, minor)| Position::from_parts(kind, major, minor).unwrap())
    }

    proptest! {
        #[test]
        fn the_bytes_of_positions_order_as_positions_do(a in any_position(), b in any_position()) {
            prop_assert_eq!(a.to_bytes().cmp(&b.to_bytes()), a.cmp(&b));
            prop_assert_eq!(Position::from_bytes(a.to_bytes()), Some(a));
        }
    }

    #[test]
    fn history_comes_before_the_stream() {
        let history = Position::History { file: u32::MAX, row: u64::MAX };
        assert!(history < Position::Stream { partition: 0, offset: 0 });
    }
}
