//! Columns of values: what a caller sends and what it gets, and how messages pack them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proto::v1;
use proto::v1::values::Kind;

/// One value for each row, all of one type; `None` for null.
///
/// Arrays, vectors and single values become columns by themselves: `["LAX", "BOS"]`, `vec![Some(1), None]`, `7`.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Values {
    /// Truth values.
    Bools(Vec<Option<bool>>),
    /// 32-bit integers.
    Int32s(Vec<Option<i32>>),
    /// 64-bit integers.
    Int64s(Vec<Option<i64>>),
    /// Single precision.
    Float32s(Vec<Option<f32>>),
    /// Double precision.
    Float64s(Vec<Option<f64>>),
    /// Text.
    Strings(Vec<Option<String>>),
    /// Uninterpreted bytes.
    Bytes(Vec<Option<Vec<u8>>>),
    /// Moments, in microseconds.
    Timestamps(Vec<Option<SystemTime>>),
    /// Lists of any of these.
    Lists(Vec<Option<Values>>),
}

/// Evaluates an expression with the rows of a column, whatever their type.
macro_rules! with_rows {
    ($values:expr, $rows:ident => $then:expr) => {
        match $values {
            Values::Bools($rows) => $then,
            Values::Int32s($rows) => $then,
            Values::Int64s($rows) => $then,
            Values::Float32s($rows) => $then,
            Values::Float64s($rows) => $then,
            Values::Strings($rows) => $then,
            Values::Bytes($rows) => $then,
            Values::Timestamps($rows) => $then,
            Values::Lists($rows) => $then,
        }
    };
}

impl Values {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        with_rows!(self, rows => rows.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What they are called in a message.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Values::Bools(_) => "bool",
            Values::Int32s(_) => "int32",
            Values::Int64s(_) => "int64",
            Values::Float32s(_) => "float32",
            Values::Float64s(_) => "float64",
            Values::Strings(_) => "string",
            Values::Bytes(_) => "bytes",
            Values::Timestamps(_) => "timestamp",
            Values::Lists(_) => "lists",
        }
    }

    pub(crate) fn packed(self) -> v1::Values {
        let nulls = with_rows!(&self, rows => nulls(rows));
        let kind = match self {
            Values::Bools(rows) => Kind::Bools(v1::Bools { values: filled(rows) }),
            Values::Int32s(rows) => Kind::Int32s(v1::Int32s { values: filled(rows) }),
            Values::Int64s(rows) => Kind::Int64s(v1::Int64s { values: filled(rows) }),
            Values::Float32s(rows) => Kind::Float32s(v1::Float32s { values: filled(rows) }),
            Values::Float64s(rows) => Kind::Float64s(v1::Float64s { values: filled(rows) }),
            Values::Strings(rows) => Kind::Strings(v1::Strings { values: filled(rows) }),
            Values::Bytes(rows) => Kind::Bytes(v1::ByteStrings { values: filled(rows) }),
            Values::Timestamps(rows) => {
                let micros = rows.into_iter().map(|row| row.map_or(0, to_micros));
                Kind::Timestamps(v1::Timestamps { values_us: micros.collect() })
            }
            Values::Lists(rows) => {
                let lengths = rows.iter().map(|list| list.as_ref().map_or(0, Values::len) as u32).collect();
                let mut items: Option<Values> = None;
                // An empty list has no type of its own.
                for list in rows.into_iter().flatten().filter(|list| !list.is_empty()) {
                    match &mut items {
                        None => items = Some(list),
                        Some(items) => items.append(list),
                    }
                }
                let items = items.map(|items| Box::new(items.packed()));
                Kind::Lists(Box::new(v1::Lists { lengths, items, length: 0 }))
            }
        };
        v1::Values { nulls, kind: Some(kind) }
    }

    /// The column of a message with so many rows; the error says what is wrong with it.
    pub(crate) fn unpacked(values: v1::Values, rows: usize) -> Result<Self, String> {
        let v1::Values { nulls, kind } = values;
        let unpacked = match kind {
            // Only of a column without a value the type is not known.
            None if nulls.len() == rows => return Ok(Values::Strings(vec![None; rows])),
            None => return Err("has no values".to_owned()),
            Some(Kind::Bools(column)) => Values::Bools(nullable(column.values, &nulls)),
            Some(Kind::Int32s(column)) => Values::Int32s(nullable(column.values, &nulls)),
            Some(Kind::Int64s(column)) => Values::Int64s(nullable(column.values, &nulls)),
            Some(Kind::Float32s(column)) => Values::Float32s(nullable(column.values, &nulls)),
            Some(Kind::Float64s(column)) => Values::Float64s(nullable(column.values, &nulls)),
            Some(Kind::Strings(column)) => Values::Strings(nullable(column.values, &nulls)),
            Some(Kind::Bytes(column)) => Values::Bytes(nullable(column.values, &nulls)),
            Some(Kind::Timestamps(column)) => {
                let moments = column.values_us.into_iter().map(from_micros).collect();
                Values::Timestamps(nullable(moments, &nulls))
            }
            Some(Kind::Lists(column)) => Values::Lists(nullable(lists(*column)?, &nulls)),
            Some(Kind::Json(_)) => return Err("has JSON, which only requests have".to_owned()),
        };
        match unpacked.len() {
            there_are if there_are == rows => Ok(unpacked),
            there_are => Err(format!("has {there_are} values, where there are {rows} rows")),
        }
    }

    fn append(&mut self, other: Values) {
        match (self, other) {
            (Values::Bools(rows), Values::Bools(more)) => rows.extend(more),
            (Values::Int32s(rows), Values::Int32s(more)) => rows.extend(more),
            (Values::Int64s(rows), Values::Int64s(more)) => rows.extend(more),
            (Values::Float32s(rows), Values::Float32s(more)) => rows.extend(more),
            (Values::Float64s(rows), Values::Float64s(more)) => rows.extend(more),
            (Values::Strings(rows), Values::Strings(more)) => rows.extend(more),
            (Values::Bytes(rows), Values::Bytes(more)) => rows.extend(more),
            (Values::Timestamps(rows), Values::Timestamps(more)) => rows.extend(more),
            // Lists of lists and lists of different types: the lengths do not fit, and the server refuses them by name.
            _ => {}
        }
    }

    /// Rows from one on, so many of them.
    fn slice(&self, from: usize, length: usize) -> Option<Self> {
        let to = from.checked_add(length)?;
        Some(match self {
            Values::Bools(rows) => Values::Bools(rows.get(from..to)?.to_vec()),
            Values::Int32s(rows) => Values::Int32s(rows.get(from..to)?.to_vec()),
            Values::Int64s(rows) => Values::Int64s(rows.get(from..to)?.to_vec()),
            Values::Float32s(rows) => Values::Float32s(rows.get(from..to)?.to_vec()),
            Values::Float64s(rows) => Values::Float64s(rows.get(from..to)?.to_vec()),
            Values::Strings(rows) => Values::Strings(rows.get(from..to)?.to_vec()),
            Values::Bytes(rows) => Values::Bytes(rows.get(from..to)?.to_vec()),
            Values::Timestamps(rows) => Values::Timestamps(rows.get(from..to)?.to_vec()),
            Values::Lists(rows) => Values::Lists(rows.get(from..to)?.to_vec()),
        })
    }
}

fn nulls<T>(rows: &[Option<T>]) -> Vec<u32> {
    rows.iter().zip(0..).filter(|(row, _)| row.is_none()).map(|(_, index)| index).collect()
}

fn filled<T: Default>(rows: Vec<Option<T>>) -> Vec<T> {
    rows.into_iter().map(Option::unwrap_or_default).collect()
}

fn nullable<T>(values: Vec<T>, nulls: &[u32]) -> Vec<Option<T>> {
    let mut rows: Vec<Option<T>> = values.into_iter().map(Some).collect();
    for null in nulls {
        if let Some(row) = rows.get_mut(*null as usize) {
            *row = None;
        }
    }
    rows
}

fn lists(column: v1::Lists) -> Result<Vec<Values>, String> {
    let count: usize = column.lengths.iter().map(|length| *length as usize).sum();
    let items = match column.items {
        Some(items) if items.kind.is_some() => Values::unpacked(*items, count)?,
        _ if count == 0 => Values::Strings(Vec::new()),
        _ => return Err("has lists without items".to_owned()),
    };
    let mut from = 0;
    let list = |length: u32| {
        let list = items.slice(from, length as usize);
        from += length as usize;
        list.ok_or_else(|| "has lists that are longer than their items".to_owned())
    };
    column.lengths.into_iter().map(list).collect()
}

/// A moment in microseconds, rounded down.
pub(crate) fn to_micros(moment: SystemTime) -> i64 {
    let saturated = |micros: u128| i64::try_from(micros).unwrap_or(i64::MAX);
    match moment.duration_since(UNIX_EPOCH) {
        Ok(after) => saturated(after.as_micros()),
        Err(before) => -saturated(before.duration().as_nanos().div_ceil(1_000)),
    }
}

pub(crate) fn from_micros(micros: i64) -> SystemTime {
    let distance = Duration::from_micros(micros.unsigned_abs());
    let moment = if micros < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    moment.unwrap_or(UNIX_EPOCH)
}

macro_rules! columns_of {
    ($($kind:ident: $($from:ty),+;)+) => {$($(
        impl From<$from> for Values {
            fn from(value: $from) -> Self {
                Values::$kind(vec![Some(value.into())])
            }
        }

        impl From<Option<$from>> for Values {
            fn from(value: Option<$from>) -> Self {
                Values::$kind(vec![value.map(Into::into)])
            }
        }

        impl From<Vec<$from>> for Values {
            fn from(values: Vec<$from>) -> Self {
                Values::$kind(values.into_iter().map(|value| Some(value.into())).collect())
            }
        }

        impl From<Vec<Option<$from>>> for Values {
            fn from(values: Vec<Option<$from>>) -> Self {
                Values::$kind(values.into_iter().map(|value| value.map(Into::into)).collect())
            }
        }

        impl From<&[$from]> for Values {
            fn from(values: &[$from]) -> Self {
                Values::$kind(values.iter().map(|value| Some(value.clone().into())).collect())
            }
        }

        impl<const N: usize> From<[$from; N]> for Values {
            fn from(values: [$from; N]) -> Self {
                Values::$kind(values.into_iter().map(|value| Some(value.into())).collect())
            }
        }

        impl<const N: usize> From<[Option<$from>; N]> for Values {
            fn from(values: [Option<$from>; N]) -> Self {
                Values::$kind(values.into_iter().map(|value| value.map(Into::into)).collect())
            }
        }
    )+)+};
}

columns_of! {
    Bools: bool;
    Int32s: i32, i16;
    Int64s: i64, u32;
    Float32s: f32;
    Float64s: f64;
    Strings: &str, String;
    Timestamps: SystemTime;
}

/// A type that values of a column can be read as, without losing anything.
pub trait FromValues: Sized + sealed::Sealed {
    /// What it is called in a message.
    #[doc(hidden)]
    const NAME: &'static str;

    /// The value of a row that there is; `None` where the column is of another type.
    #[doc(hidden)]
    fn of_row(values: &Values, row: usize) -> Option<Option<Self>>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! read_as {
    ($($to:ty, $name:literal: $($kind:ident),+;)+) => {$(
        impl sealed::Sealed for $to {}

        impl FromValues for $to {
            const NAME: &'static str = $name;

            fn of_row(values: &Values, row: usize) -> Option<Option<Self>> {
                match values {
                    $(Values::$kind(rows) => Some(rows.get(row).cloned().flatten().map(Into::into)),)+
                    _ => None,
                }
            }
        }
    )+};
}

read_as! {
    bool, "bool": Bools;
    i32, "int32": Int32s;
    i64, "int64": Int64s, Int32s;
    f32, "float32": Float32s;
    f64, "float64": Float64s, Float32s, Int32s;
    String, "string": Strings;
    Vec<u8>, "bytes": Bytes;
    SystemTime, "timestamp": Timestamps;
    Values, "lists": Lists;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_scalars() -> impl Strategy<Value = Values> {
        let rows = 0..5_usize;
        prop_oneof![
            prop::collection::vec(any::<Option<bool>>(), rows.clone()).prop_map(Values::Bools),
            prop::collection::vec(any::<Option<i32>>(), rows.clone()).prop_map(Values::Int32s),
            prop::collection::vec(any::<Option<i64>>(), rows.clone()).prop_map(Values::Int64s),
            prop::collection::vec(prop::option::of(-1e9..1e9_f64), rows.clone()).prop_map(Values::Float64s),
            prop::collection::vec(prop::option::of(".{0,3}"), rows.clone()).prop_map(Values::Strings),
            prop::collection::vec(prop::option::of(-1_i64 << 50..1 << 50), rows)
                .prop_map(|rows| rows.into_iter().map(|row| row.map(from_micros)).collect())
                .prop_map(Values::Timestamps),
        ]
    }

    proptest! {
        #[test]
        fn a_column_comes_back_from_a_message_as_it_was(values in any_scalars()) {
            let rows = values.len();
            prop_assert_eq!(Values::unpacked(values.clone().packed(), rows), Ok(values));
        }

        #[test]
        fn lists_come_back_from_a_message_as_they_were(
            lists in prop::collection::vec(prop::option::of(prop::collection::vec(any::<i64>(), 0..4)), 1..5)
        ) {
            prop_assume!(lists.iter().flatten().any(|list| !list.is_empty()));
            let values = Values::Lists(lists.into_iter().map(|list| list.map(Values::from)).collect());
            let rows = values.len();
            let back = Values::unpacked(values.clone().packed(), rows).unwrap();
            prop_assert_eq!(back, values);
        }
    }

    #[test]
    fn a_moment_is_rounded_down_to_its_microsecond() {
        assert_eq!(to_micros(UNIX_EPOCH + Duration::from_nanos(1_999)), 1);
        assert_eq!(to_micros(UNIX_EPOCH - Duration::from_nanos(1_999)), -2);
        for micros in [-62_135_596_800_000_000, -1, 0, 253_402_300_799_999_999] {
            assert_eq!(to_micros(from_micros(micros)), micros);
        }
    }

    #[test]
    fn a_list_without_items_takes_nothing_from_the_type_of_the_others() {
        let values = Values::Lists(vec![Some(Values::Strings(vec![])), Some(Values::from([1.5])), None]);
        let back = Values::unpacked(values.packed(), 3).unwrap();
        let empty = Values::Float64s(vec![]);
        assert_eq!(back, Values::Lists(vec![Some(empty), Some(Values::from([1.5])), None]));
    }

    #[test]
    fn a_message_whose_values_do_not_fit_its_rows_is_refused() {
        let packed = Values::from([1, 2]).packed();
        assert!(Values::unpacked(packed, 3).unwrap_err().contains("2 values"));
        assert!(Values::unpacked(v1::Values::default(), 1).is_err());
        let items = Some(Box::new(Values::from([1]).packed()));
        let lists = v1::Lists { lengths: vec![2], items, length: 0 };
        let packed = v1::Values { nulls: vec![], kind: Some(Kind::Lists(Box::new(lists))) };
        assert!(Values::unpacked(packed, 1).is_err());
    }
}
