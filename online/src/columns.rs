//! Answers of many entities as typed columns: what a server sends. Latest values of a fixed width go from
//! the packed row into their column without a value being made of them, and without an allocation once
//! the columns have their size.

use feature::{Answer, Cell, DataType, Micros, Scalar, Span, Status, Times, Value, is_alive, is_kept};

use crate::answer::Folded;
use crate::error::OnlineError;
use crate::packed::{FeaturePlan, Layout, PackedRow};

/// The answers to some features of one view, for one entity after the other.
#[derive(Clone, Debug)]
pub struct Columns {
    features: Vec<Planned>,
    /// One column for each feature, in the order in which they were requested.
    pub columns: Vec<Column>,
    /// The times of each entity's latest visible row; none where it has none.
    pub times: Vec<Option<Times>>,
    /// The indices in the view of the features that are merged from tiles, and their columns.
    aggregates: Vec<usize>,
    aggregate_columns: Vec<usize>,
}

/// How a feature goes into its column.
#[derive(Clone, Copy, Debug)]
struct Planned {
    /// Its index in the view.
    feature: usize,
    /// Which of the layout's latest slots, if it is a latest value.
    slot: Option<usize>,
}

/// One feature of many entities.
#[derive(Clone, Debug)]
pub struct Column {
    /// A value for each entity; where there is none, its type's zero or nothing.
    pub values: Values,
    /// Why each value is what it is.
    pub statuses: Vec<Status>,
    /// Whether the feature has a default, which is then the value where the status is `NULL_VALUE`.
    pub has_default: bool,
}

/// Values of one type.
#[derive(Clone, PartialEq, Debug)]
pub enum Values {
    /// bool
    Bool(Vec<bool>),
    /// int32
    Int32(Vec<i32>),
    /// int64
    Int64(Vec<i64>),
    /// float32
    Float32(Vec<f32>),
    /// float64
    Float64(Vec<f64>),
    /// timestamp, in UTC microseconds
    Timestamp(Vec<i64>),
    /// What has no fixed width: strings, bytes and lists.
    Other(Vec<Value>),
}

impl Values {
    /// No values yet, of a type, and capacity for so many.
    pub fn of(data_type: DataType, capacity: usize) -> Values {
        match data_type.scalar() {
            Some(Scalar::Bool) => Values::Bool(Vec::with_capacity(capacity)),
            Some(Scalar::Int32) => Values::Int32(Vec::with_capacity(capacity)),
            Some(Scalar::Int64) => Values::Int64(Vec::with_capacity(capacity)),
            Some(Scalar::Float32) => Values::Float32(Vec::with_capacity(capacity)),
            Some(Scalar::Float64) => Values::Float64(Vec::with_capacity(capacity)),
            Some(Scalar::Timestamp) => Values::Timestamp(Vec::with_capacity(capacity)),
            Some(Scalar::String | Scalar::Bytes) | None => Values::Other(Vec::with_capacity(capacity)),
        }
    }

    fn clear(&mut self) {
        match self {
            Values::Bool(values) => values.clear(),
            Values::Int32(values) => values.clear(),
            Values::Int64(values) | Values::Timestamp(values) => values.clear(),
            Values::Float32(values) => values.clear(),
            Values::Float64(values) => values.clear(),
            Values::Other(values) => values.clear(),
        }
    }

    /// Adds the zero of the type.
    fn push_nothing(&mut self) {
        match self {
            Values::Bool(values) => values.push(false),
            Values::Int32(values) => values.push(0),
            Values::Int64(values) | Values::Timestamp(values) => values.push(0),
            Values::Float32(values) => values.push(0.0),
            Values::Float64(values) => values.push(0.0),
            Values::Other(values) => values.push(Value::Null),
        }
    }

    /// Adds a value of the type; one of another type is none.
    pub fn push(&mut self, value: &Value) {
        match (&mut *self, value) {
            (Values::Bool(values), Value::Bool(x)) => values.push(*x),
            (Values::Int32(values), Value::Int32(x)) => values.push(*x),
            (Values::Int64(values), Value::Int64(x)) => values.push(*x),
            (Values::Float32(values), Value::Float32(x)) => values.push(*x),
            (Values::Float64(values), Value::Float64(x)) => values.push(*x),
            (Values::Timestamp(values), Value::Timestamp(x)) => values.push(x.get()),
            (Values::Other(values), value) => values.push(value.clone()),
            _ => self.push_nothing(),
        }
    }

    /// Replaces the value at an index by the zero of the type.
    fn clear_at(&mut self, index: usize) {
        fn set<T: Default>(values: &mut [T], index: usize) {
            if let Some(value) = values.get_mut(index) {
                *value = T::default();
            }
        }
        match self {
            Values::Bool(values) => set(values, index),
            Values::Int32(values) => set(values, index),
            Values::Int64(values) | Values::Timestamp(values) => set(values, index),
            Values::Float32(values) => set(values, index),
            Values::Float64(values) => set(values, index),
            Values::Other(values) => {
                if let Some(value) = values.get_mut(index) {
                    *value = Value::Null;
                }
            }
        }
    }

    /// Adds the value of these bytes; whether they were one.
    fn push_bytes(&mut self, data_type: DataType, bytes: &[u8]) -> bool {
        match (&mut *self, bytes) {
            (Values::Int32(values), bytes) => bytes.as_array().map(|x| values.push(i32::from_le_bytes(*x))),
            (Values::Int64(values), bytes) => bytes.as_array().map(|x| values.push(i64::from_le_bytes(*x))),
            (Values::Float32(values), bytes) => bytes.as_array().map(|x| values.push(f32::from_le_bytes(*x))),
            (Values::Float64(values), bytes) => bytes.as_array().map(|x| values.push(f64::from_le_bytes(*x))),
            _ => Value::read(data_type, bytes).map(|value| self.push(&value)),
        }
        .is_some()
    }

    /// The value at an index, as a value; whether there is one, its status says.
    pub fn value(&self, index: usize) -> Option<Value> {
        Some(match self {
            Values::Bool(values) => Value::Bool(*values.get(index)?),
            Values::Int32(values) => Value::Int32(*values.get(index)?),
            Values::Int64(values) => Value::Int64(*values.get(index)?),
            Values::Float32(values) => Value::Float32(*values.get(index)?),
            Values::Float64(values) => Value::Float64(*values.get(index)?),
            Values::Timestamp(values) => Value::Timestamp(Micros::new(*values.get(index)?).ok()?),
            Values::Other(values) => values.get(index)?.clone(),
        })
    }
}

impl Values {
    /// The values at these indices; at `None`, and at one beyond the end, there is nothing.
    fn picked(&self, indices: &[Option<u32>]) -> Values {
        fn pick<T: Clone + Default>(values: &[T], indices: &[Option<u32>]) -> Vec<T> {
            let at = |index: &Option<u32>| values.get((*index)? as usize).cloned();
            indices.iter().map(|index| at(index).unwrap_or_default()).collect()
        }
        match self {
            Values::Bool(values) => Values::Bool(pick(values, indices)),
            Values::Int32(values) => Values::Int32(pick(values, indices)),
            Values::Int64(values) => Values::Int64(pick(values, indices)),
            Values::Float32(values) => Values::Float32(pick(values, indices)),
            Values::Float64(values) => Values::Float64(pick(values, indices)),
            Values::Timestamp(values) => Values::Timestamp(pick(values, indices)),
            Values::Other(values) => {
                let at = |index: &Option<u32>| values.get((*index)? as usize).cloned();
                Values::Other(indices.iter().map(|index| at(index).unwrap_or(Value::Null)).collect())
            }
        }
    }
}

impl Column {
    /// The answers of the entities at these indices; at `None`, an entity that has no row.
    pub fn picked(&self, indices: &[Option<u32>]) -> Column {
        let status = |index: &Option<u32>| self.statuses.get((*index)? as usize).copied();
        Column {
            values: self.values.picked(indices),
            statuses: indices.iter().map(|index| status(index).unwrap_or(Status::NotFound)).collect(),
            has_default: self.has_default,
        }
    }

    /// Law 3: for each entity whether it has a value.
    pub fn has_values(&self) -> impl Iterator<Item = bool> {
        self.statuses.iter().map(|status| status.has_value(self.has_default))
    }

    fn push(&mut self, cell: &Cell) {
        self.values.push(&cell.value);
        self.statuses.push(cell.status);
    }

    fn push_nothing(&mut self, status: Status) {
        self.values.push_nothing();
        self.statuses.push(status);
    }
}

impl Columns {
    /// Empty columns for these features of the view, by their indices in it, with capacity for so many
    /// entities; an index beyond is left out.
    pub fn new(layout: &Layout, features: &[usize], entities: usize) -> Columns {
        let mut columns = Columns {
            features: Vec::with_capacity(features.len()),
            columns: Vec::with_capacity(features.len()),
            times: Vec::with_capacity(entities),
            aggregates: Vec::new(),
            aggregate_columns: Vec::new(),
        };
        for feature in features {
            let Some((plan, data_type)) = layout.features.get(*feature).zip(layout.types.get(*feature))
            else {
                continue;
            };
            let slot = match plan {
                FeaturePlan::Latest { slot } => Some(*slot),
                FeaturePlan::Aggregate { .. } => {
                    columns.aggregates.push(*feature);
                    columns.aggregate_columns.push(columns.columns.len());
                    None
                }
            };
            columns.features.push(Planned { feature: *feature, slot });
            columns.columns.push(Column {
                values: Values::of(*data_type, entities),
                statuses: Vec::with_capacity(entities),
                has_default: layout.defaults.get(*feature).is_some_and(Option::is_some),
            });
        }
        columns
    }

    /// How many entities there are.
    pub fn entities(&self) -> usize {
        self.times.len()
    }

    /// Forgets all entities, and keeps the memory.
    pub fn clear(&mut self) {
        self.times.clear();
        for column in &mut self.columns {
            column.values.clear();
            column.statuses.clear();
        }
    }

    /// Adds an entity that has no row.
    pub fn push_absent(&mut self) {
        self.times.push(None);
        self.columns.iter_mut().for_each(|column| column.push_nothing(Status::NotFound));
    }

    /// Adds an entity's answers at a moment that is not before the view's applied time: the same as
    /// [`PackedRow::answer_some`] gives. After a refusal the columns are no whole answer any more: clear them.
    pub fn push(&mut self, row: &PackedRow<'_>, at: Micros) -> Result<(), OnlineError> {
        if row.has_pending() {
            let features: Vec<usize> = self.features.iter().map(|planned| planned.feature).collect();
            self.push_answer(&row.answer_some(&features, at)?);
            return Ok(());
        }
        let layout = row.layout();
        let Some(times) = row.times()?.filter(|times| is_kept(layout.kept, times.event_time, at)) else {
            self.push_absent();
            return Ok(());
        };
        let is_alive = is_alive(layout.ttl, times.event_time, at);
        self.times.push(Some(times));
        for (planned, column) in self.features.iter().zip(&mut self.columns) {
            let Some((index, slot)) = planned.slot.and_then(|index| Some((index, layout.latest.get(index)?)))
            else {
                continue;
            };
            if !is_alive {
                column.push_nothing(Status::OutsideMaxAge);
                continue;
            }
            match row.latest_bytes(index, slot)? {
                None => {
                    let default = layout.defaults.get(planned.feature).and_then(Option::as_ref);
                    column.push(&Cell::of(Value::Null).or_default(default));
                }
                Some(bytes) if column.values.push_bytes(slot.data_type, bytes) => {
                    column.statuses.push(Status::Present);
                }
                Some(_) => return Err(layout.damaged("a latest value is none of its type")),
            }
        }
        if !self.aggregates.is_empty() {
            let answer = row.answer_some(&self.aggregates, at)?;
            for (cell, column) in answer.cells.iter().zip(&self.aggregate_columns) {
                if let Some(column) = self.columns.get_mut(*column) {
                    column.push(cell);
                }
            }
        }
        Ok(())
    }

    /// Adds an entity of a view whose breaker is open, and whose answer is null.
    pub fn push_breaker_open(&mut self) {
        self.times.push(None);
        self.columns.iter_mut().for_each(|column| column.push_nothing(Status::BreakerOpen));
    }

    /// Law 8: makes the answers of the last good moment those that a reader at `at` gets.
    pub fn keep(&mut self, ttl: Option<Span>, at: Micros) {
        let is_dead: Vec<bool> = self
            .times
            .iter()
            .map(|times| times.is_some_and(|times| !is_alive(ttl, times.event_time, at)))
            .collect();
        for (planned, column) in self.features.iter().zip(&mut self.columns) {
            for (index, (status, is_dead)) in column.statuses.iter_mut().zip(&is_dead).enumerate() {
                let is_dead = planned.slot.is_some() && *is_dead;
                let had_value = status.has_value(column.has_default);
                *status = status.kept(is_dead);
                if had_value && !status.has_value(column.has_default) {
                    column.values.clear_at(index);
                }
            }
        }
    }

    fn push_answer(&mut self, answer: &Answer) {
        self.times.push(answer.times);
        for (column, cell) in self.columns.iter_mut().zip(&answer.cells) {
            column.push(cell);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use feature::oracle::History;
    use proptest::prelude::*;

    use super::*;
    use crate::RowState;

    proptest! {
        #[test]
        fn columns_hold_what_each_row_answers(seed in any::<u64>(), rows in 0_usize..40, moment in any::<prop::sample::Index>()) {
            let history = History::generate(seed, rows);
            let layout = Arc::new(Layout::new(&history.view));
            let now = history.moments[moment.index(history.moments.len())];
            let mut packed = Vec::new();
            let mut state = RowState::new(&layout);
            for row in history.entities.iter().flat_map(|(_, rows)| rows).take(30) {
                state.fold(row, now);
                let mut bytes = Vec::new();
                state.encode(&mut bytes).unwrap();
                packed.push(bytes);
            }
            // Backwards, some twice: the index of a feature in the view is not its index among the columns.
            let features: Vec<usize> = (0..layout.features()).rev().chain([0, 0]).collect();
            let mut columns = Columns::new(&layout, &features, 3);
            for _ in 0..2 {
                columns.clear();
                columns.push_absent();
                for bytes in &packed {
                    columns.push(&PackedRow::new(&layout, bytes).unwrap(), now).unwrap();
                }
                prop_assert_eq!(columns.entities(), packed.len() + 1);
                prop_assert!(columns.columns.iter().all(|column| column.statuses[0] == Status::NotFound));
                for (entity, bytes) in packed.iter().enumerate() {
                    let answer = PackedRow::new(&layout, bytes).unwrap().answer_some(&features, now).unwrap();
                    prop_assert_eq!(columns.times[entity + 1], answer.times);
                    for (column, cell) in columns.columns.iter().zip(&answer.cells) {
                        prop_assert_eq!(column.statuses[entity + 1], cell.status);
                        let value = column.values.value(entity + 1).unwrap();
                        let has_value = column.has_values().nth(entity + 1).unwrap();
                        prop_assert_eq!(if has_value { value } else { Value::Null }, cell.value.clone());
                    }
                }
            }
        }

        #[test]
        fn kept_columns_hold_what_each_kept_row_answers(seed in any::<u64>(), rows in 0_usize..40, later in 0_i64..90_000_000) {
            let mut history = History::generate(seed, rows);
            history.view.ttl = Some("1m".parse().unwrap());
            let view = &history.view;
            let layout = Arc::new(Layout::new(view));
            let good_until = *history.moments.last().unwrap();
            let at = Micros::new(good_until.get() + later).unwrap();
            let features: Vec<usize> = (0..layout.features()).collect();
            let mut columns = Columns::new(&layout, &features, 3);
            let mut expected = Vec::new();
            for (_, rows) in &history.entities {
                let mut state = RowState::new(&layout);
                for row in rows.iter().take(30) {
                    state.fold(row, good_until);
                }
                let mut bytes = Vec::new();
                state.encode(&mut bytes).unwrap();
                let row = PackedRow::new(&layout, &bytes).unwrap();
                columns.push(&row, good_until).unwrap();
                expected.push(row.answer(good_until).unwrap().kept(view, at));
            }
            columns.keep(view.ttl, at);
            for (entity, answer) in expected.iter().enumerate() {
                for (column, cell) in columns.columns.iter().zip(&answer.cells) {
                    prop_assert_eq!(column.statuses[entity], cell.status);
                    let has_value = column.has_values().nth(entity).unwrap();
                    let value = column.values.value(entity).unwrap();
                    prop_assert_eq!(if has_value { value } else { Value::Null }, cell.value.clone());
                }
            }
        }
    }
}
