//! The first or last few values by (event time, position), or the first or last few distinct ones.
//!
//! Keeping a few loses nothing. A row that is among the last k of all rows is among the last k of
//! any part that holds it. And a distinct value that is among the last k by its last occurrence is
//! so, with that occurrence, in the part that holds it: each value that comes later in the part
//! comes later in the whole, and there are fewer than k of these. A value that was dropped from one
//! part may still be held, with an earlier occurrence, by another; the whole has k values that come
//! later than any occurrence of it, so it stays out.

use super::ListLength;
use crate::row::Position;
use crate::time::Micros;
use crate::value::{DataType, Value};

/// A value and the moment and position that order it among others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// When it happened.
    pub event_time: Micros,
    /// Its position in the source.
    pub position: Position,
    /// The value, never null.
    pub value: Value,
}

impl Edge {
    /// Bytes of an edge before its value: its event time and its position.
    pub(super) const HEAD_BYTES: usize = 8 + Position::WIDTH;

    /// What orders it.
    pub(super) fn recency(&self) -> (Micros, Position) {
        (self.event_time, self.position)
    }

    /// Appends event time and position; the value follows.
    pub(super) fn write_head(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.event_time.get().to_le_bytes());
        out.extend_from_slice(&self.position.to_bytes());
    }

    /// Reads what [`Edge::write_head`] wrote, and leaves what follows it.
    pub(super) fn read_head(bytes: &mut &[u8]) -> Option<(Micros, Position)> {
        let (event_time, rest) = bytes.split_first_chunk::<8>()?;
        let (position, rest) = rest.split_first_chunk::<{ Position::WIDTH }>()?;
        *bytes = rest;
        Some((Micros::new(i64::from_le_bytes(*event_time)).ok()?, Position::from_bytes(*position)?))
    }
}

/// Which values an [`Ordered`] keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Keep {
    pub(super) latest: bool,
    pub(super) distinct: bool,
    pub(super) length: ListLength,
}

/// The state of `first_n`, `last_n`, `distinct_first_n` and `distinct_last_n`.
#[derive(Clone, Debug)]
pub struct Ordered {
    keep: Keep,
    /// Oldest first.
    edges: Vec<Edge>,
}

impl Ordered {
    pub(super) fn new(keep: Keep) -> Self {
        Self { keep, edges: Vec::new() }
    }

    pub(super) fn add(&mut self, value: &Value, event_time: Micros, position: Position) {
        let recency = (event_time, position);
        let full = self.edges.len() >= usize::from(self.keep.length.get());
        let beyond = |edge: Option<&Edge>, latest: bool| {
            full && edge
                .is_some_and(|edge| if latest { recency < edge.recency() } else { recency > edge.recency() })
        };
        let outermost = if self.keep.latest { self.edges.first() } else { self.edges.last() };
        if beyond(outermost, self.keep.latest) {
            return;
        }
        if self.keep.distinct
            && let Some(index) = self.edges.iter().position(|edge| edge.value == *value)
        {
            let current = self.edges.get(index).map(Edge::recency);
            if current
                .is_some_and(|current| if self.keep.latest { recency <= current } else { recency >= current })
            {
                return;
            }
            self.edges.remove(index);
        }
        // Most rows come in order: they belong at the end.
        let index = self.edges.iter().rposition(|edge| edge.recency() <= recency);
        if index.and_then(|index| self.edges.get(index)).is_some_and(|edge| edge.recency() == recency) {
            return;
        }
        let edge = Edge { event_time, position, value: value.clone() };
        self.edges.insert(index.map_or(0, |index| index + 1), edge);
        if self.edges.len() > usize::from(self.keep.length.get()) {
            let outermost = if self.keep.latest { 0 } else { self.edges.len() - 1 };
            self.edges.remove(outermost);
        }
    }

    pub(super) fn merge(&mut self, other: &Ordered) {
        other.edges.iter().for_each(|edge| self.add(&edge.value, edge.event_time, edge.position));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }

    /// The values, oldest first; null where there are none.
    pub(super) fn finish(&self) -> Value {
        super::list(self.edges.iter().map(|edge| edge.value.clone()))
    }

    /// For each value its event time, its position, then the value as in a list of values.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for edge in &self.edges {
            edge.write_head(out);
            edge.value.write_sized(out);
        }
    }

    pub(super) fn read(keep: Keep, argument: DataType, mut bytes: &[u8]) -> Option<Self> {
        let mut edges: Vec<Edge> = Vec::new();
        while !bytes.is_empty() {
            let (event_time, position) = Edge::read_head(&mut bytes)?;
            let edge =
                Edge { event_time, position, value: Value::read_sized(argument.scalar()?, &mut bytes)? };
            if edges.last().is_some_and(|last| last.recency() >= edge.recency()) {
                return None;
            }
            edges.push(edge);
        }
        (edges.len() <= usize::from(keep.length.get())).then_some(Self { keep, edges })
    }
}
