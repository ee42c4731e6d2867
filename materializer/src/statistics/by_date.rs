//! What is counted of rows that are written, by date and column.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    ArrowPrimitiveType, Date32Type, Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use feature::{DataType, EventDate, Scalar, Value, View};
use monitor::{Observed, Statistics};
use offline::{CountedColumn, DATE, DELETED};

use crate::observed_column::ObservedColumn;

/// Statistics of the columns of rows by their dates: of each date one for each column of the view, in its order.
#[derive(Clone, Debug, Default)]
pub(crate) struct StatisticsByDate(BTreeMap<i32, Vec<Statistics>>);

impl StatisticsByDate {
    /// Counts the rows of one batch of the log; `date` is their date, if the batch does not say it. Tombstones hold no
    /// values and are passed over.
    pub(crate) fn add(&mut self, view: &View, batch: &RecordBatch, date: Option<i32>) {
        let dates = batch.column_by_name(DATE).and_then(|dates| dates.as_primitive_opt::<Date32Type>());
        let deleted = batch.column_by_name(DELETED).and_then(|deleted| deleted.as_boolean_opt());
        // The rows of each date, so that a column is read once for each of them.
        let mut rows: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
        for row in 0..batch.num_rows() {
            let day =
                date.or_else(|| dates.filter(|dates| dates.is_valid(row)).map(|dates| dates.value(row)));
            if let Some(day) = day.filter(|_| deleted.is_none_or(|deleted| !deleted.value(row))) {
                rows.entry(day).or_default().push(row);
            }
        }
        let none = || view.columns.iter().map(|column| Statistics::of(column.data_type)).collect();
        let mut bytes = Vec::new();
        for (day, rows) in rows {
            let counted = self.0.entry(day).or_insert_with(none);
            for (column, statistics) in view.columns.iter().zip(counted) {
                let Some(array) = batch.column_by_name(column.name.as_str()) else { continue };
                if add_numbers(statistics, array, &rows) {
                    continue;
                }
                if is_vector(column.data_type) {
                    add_vectors(statistics, array, &rows);
                    continue;
                }
                // Of other lists, whose form in the log is another, only nulls are counted.
                let values = column.data_type.scalar().map(|_| ObservedColumn::of(array, column.data_type));
                for row in &rows {
                    statistics.add(match &values {
                        Some(values) => values.at(*row, &mut bytes),
                        None if array.is_null(*row) => Observed::Null,
                        None => Observed::Bytes(&[]),
                    });
                }
            }
        }
    }

    /// Adds what others count of rows of the same view.
    pub(crate) fn merge(&mut self, other: Self) {
        for (day, columns) in other.0 {
            match self.0.get_mut(&day) {
                Some(mine) => mine.iter_mut().zip(&columns).for_each(|(mine, other)| mine.merge(other)),
                None => drop(self.0.insert(day, columns)),
            }
        }
    }

    /// How many statistics there are: what bounds their memory.
    pub(crate) fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// As they are kept.
    pub(crate) fn counted(&self, view: &View) -> Vec<CountedColumn> {
        let of_day = |(day, statistics): (&i32, &Vec<Statistics>)| {
            let date = EventDate::Day(*day);
            let of = |(column, statistics): (&feature::Column, &Statistics)| {
                counted_column(date, column.name.as_str(), statistics)
            };
            view.columns.iter().zip(statistics).map(of).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of_day).collect()
    }
}

/// Whether values are vectors of floats that all have one length.
fn is_vector(data_type: DataType) -> bool {
    matches!(data_type, DataType::List(Scalar::Float32 | Scalar::Float64, Some(_)))
}

/// Adds the rows of a column of vectors, which the log keeps as lists. One with a null in it counts as a row alone.
fn add_vectors(statistics: &mut Statistics, array: &ArrayRef, rows: &[usize]) {
    let vector = |row: usize| {
        let lists = array.as_list_opt::<i32>().map(|lists| lists.value(row));
        lists.or_else(|| array.as_fixed_size_list_opt().map(|lists| lists.value(row)))
    };
    for row in rows {
        if array.is_null(*row) {
            statistics.add(Observed::Null);
            continue;
        }
        let items = vector(*row).filter(|items| items.null_count() == 0);
        let floats = items.as_ref().and_then(|items| items.as_primitive_opt::<Float32Type>());
        let doubles = items.as_ref().and_then(|items| items.as_primitive_opt::<Float64Type>());
        match (floats, doubles) {
            (Some(floats), _) => statistics.add_vector(floats.values()),
            (None, Some(doubles)) => {
                statistics.add_vector(&doubles.values().iter().map(|x| *x as f32).collect::<Vec<f32>>());
            }
            (None, None) => statistics.add(Observed::Bytes(&[])),
        }
    }
}

/// Adds the rows of a column of numbers or times; false if it is of something else.
fn add_numbers(statistics: &mut Statistics, array: &ArrayRef, rows: &[usize]) -> bool {
    fn values<T: ArrowPrimitiveType, N: From<T::Native>>(array: &ArrayRef, rows: &[usize]) -> Option<Vec<N>> {
        let array = array.as_primitive_opt::<T>()?;
        Some(rows.iter().filter(|row| array.is_valid(**row)).map(|row| N::from(array.value(*row))).collect())
    }
    let ints = values::<Int32Type, i64>(array, rows)
        .or_else(|| values::<Int64Type, i64>(array, rows))
        .or_else(|| values::<TimestampMicrosecondType, i64>(array, rows));
    let floats = values::<Float32Type, f64>(array, rows).or_else(|| values::<Float64Type, f64>(array, rows));
    let valid = match (ints, floats) {
        (Some(ints), _) => {
            statistics.add_ints(&ints);
            ints.len()
        }
        (None, Some(floats)) => {
            statistics.add_floats(&floats);
            floats.len()
        }
        (None, None) => return false,
    };
    statistics.add_nulls((rows.len() - valid) as u64);
    true
}

fn counted_column(date: EventDate, column: &str, statistics: &Statistics) -> CountedColumn {
    let shown = |value: Value| (!value.is_null()).then(|| value.to_string());
    CountedColumn {
        date,
        column: column.to_owned(),
        rows: statistics.rows(),
        nulls: statistics.nulls(),
        mean: statistics.mean(),
        least: shown(statistics.quantile(0)),
        greatest: shown(statistics.quantile(1000)),
        distinct: statistics.distinct(),
        sketch: statistics.stored(),
        log_version: 0,
    }
}
