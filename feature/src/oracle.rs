//! The slow, obvious implementation of the laws, against which every fast one is tested.
//!
//! It looks at all rows for every question, adds big integers, and shares with the fast paths
//! nothing but the vocabulary and the last rounding.

mod history;
mod lists;
mod sketches;

use num_bigint::{BigInt, BigUint};

use crate::aggregate::Function;
use crate::answer::{Answer, Cell, Status, Times};
use crate::breaker::OpenAnswer;
use crate::exact::{round, round_quotient};
use crate::opening::{Opening, Openings};
use crate::row::{AsOf, Row};
use crate::time::Micros;
use crate::value::{DataType, Scalar, Value};
use crate::view::{Fold, View};
use crate::window::Window;

pub use history::{History, Numbers};

/// All features of `view` for the entity whose rows these are, in any order, as a reader of the
/// given mode gets them at `at`.
pub fn answer(view: &View, rows: &[Row], at: Micros, as_of: AsOf) -> Answer {
    let online = view.retention.and_then(|retention| retention.online);
    let visible: Vec<&Row> = rows
        .iter()
        .filter(|row| row.visible_at(as_of) <= at)
        .filter(|row| online.is_none_or(|kept| row.event_time.get() >= at.get() - kept.micros()))
        .collect();
    let Some(latest) = visible.iter().max_by_key(|row| (row.event_time, row.position)) else {
        return Answer::not_found(view.features.len());
    };
    let alive = view.ttl.is_none_or(|ttl| at.get() - latest.event_time.get() <= ttl.micros());
    let cells = view
        .features
        .iter()
        .map(|feature| match feature.fold {
            Fold::Latest { .. } if !alive => Cell::OUTSIDE_MAX_AGE,
            Fold::Latest { .. } if latest.deleted => Cell::of(Value::Null),
            Fold::Latest { column } => Cell::of(value(latest, column)),
            Fold::Aggregate { function, column, window } => {
                Cell::of(aggregate(view, function, column, window, &visible, at))
            }
        })
        .zip(&view.features)
        .map(|(cell, feature)| match (&feature.default, cell.status) {
            (Some(default), Status::NullValue) => Cell { value: default.clone(), ..cell },
            _ => cell,
        })
        .collect();
    let times = Times { event_time: latest.event_time, available_at: latest.available_at };
    Answer { cells, times: Some(times) }
}

/// Law 8: all features of `view` while its breaker is open as `opening` says, for a reader at `at`.
pub fn answer_while_open(view: &View, rows: &[Row], at: Micros, opening: &Opening) -> Answer {
    match opening.answers {
        OpenAnswer::Current => answer(view, rows, at, AsOf::Available),
        OpenAnswer::NoValue => Answer { cells: vec![Cell::BREAKER_OPEN; view.features.len()], times: None },
        OpenAnswer::LastKnownGood => answer(view, rows, opening.good_until, AsOf::Available).kept(view, at),
    }
}

/// Law 8: a feature of `view`, by its index, for a reader at `at`, and the times that it is shown with.
pub fn answer_of_feature(
    view: &View,
    rows: &[Row],
    feature: usize,
    at: Micros,
    openings: &Openings,
) -> (Cell, Option<Times>) {
    let name = view.features.get(feature).map(|feature| &feature.name);
    let opening = name.and_then(|name| openings.of_feature(&view.id, name, at));
    let answer = match opening {
        Some(opening) => answer_while_open(view, rows, at, opening),
        None => answer(view, rows, at, AsOf::Available),
    };
    (answer.cells.get(feature).cloned().unwrap_or(Cell::NOT_FOUND), answer.times)
}

fn value(row: &Row, column: usize) -> Value {
    row.values.get(column).cloned().unwrap_or(Value::Null)
}

fn aggregate(
    view: &View,
    function: Function,
    column: Option<usize>,
    window: Option<Window>,
    visible: &[&Row],
    at: Micros,
) -> Value {
    let mut rows: Vec<&Row> = visible
        .iter()
        .copied()
        .filter(|row| !row.deleted)
        .filter(|row| window.is_none_or(|window| is_inside(window, row.event_time, at)))
        .collect();
    rows.sort_by_key(|row| (row.event_time, row.position));
    let Some(column) = column else { return Value::Int64(rows.len() as i64) };
    let values: Vec<Value> =
        rows.iter().map(|row| value(row, column)).filter(|value| !value.is_null()).collect();
    if values.is_empty() && !matches!(function, Function::Count | Function::CountIf) {
        return Value::Null;
    }
    let float = matches!(
        view.columns.get(column).map(|column| column.data_type),
        Some(DataType::Scalar(Scalar::Float32 | Scalar::Float64))
    );
    match function {
        Function::Count => Value::Int64(values.len() as i64),
        Function::First => values.first().cloned().unwrap_or(Value::Null),
        Function::Last => values.last().cloned().unwrap_or(Value::Null),
        Function::Min => nan_or(&values, values.iter().min()),
        Function::Max => nan_or(&values, values.iter().max()),
        Function::CountIf => {
            Value::Int64(values.iter().filter(|value| **value == Value::Bool(true)).count() as i64)
        }
        Function::FirstN(_)
        | Function::LastN(_)
        | Function::DistinctFirstN(_)
        | Function::DistinctLastN(_)
        | Function::TopN(_)
        | Function::BottomN(_) => Value::List(lists::list(function, values).into()),
        Function::ApproxCountDistinct => Value::Int64(sketches::count_distinct(&values)),
        Function::ApproxPercentile(quantile) => Value::Float64(sketches::percentile(quantile, &values)),
        _ if float => float_aggregate(function, &values),
        _ => int_aggregate(function, &values),
    }
}

/// Law 4, word for word: event time in [floor(t − W, H), t].
fn is_inside(window: Window, event_time: Micros, at: Micros) -> bool {
    let (w, h) = (window.length().micros(), window.hop().micros());
    let tail = (at.get() - w).div_euclid(h) * h;
    tail <= event_time.get() && event_time.get() <= at.get()
}

fn nan_or(values: &[Value], best: Option<&Value>) -> Value {
    let nan = values.iter().find(|value| match value {
        Value::Float32(x) => x.is_nan(),
        Value::Float64(x) => x.is_nan(),
        _ => false,
    });
    nan.or(best).cloned().unwrap_or(Value::Null)
}

fn int_aggregate(function: Function, values: &[Value]) -> Value {
    let numbers: Vec<BigInt> = values
        .iter()
        .filter_map(|value| match value {
            Value::Int32(x) => Some(BigInt::from(*x)),
            Value::Int64(x) => Some(BigInt::from(*x)),
            _ => None,
        })
        .collect();
    let sum: BigInt = numbers.iter().sum();
    match function {
        Function::Sum => i64::try_from(&sum).map_or(Value::Null, Value::Int64),
        Function::Mean => Value::Float64(round(sum, 0) / values.len() as f64),
        _ => variance(function, &numbers, 0),
    }
}

fn float_aggregate(function: Function, values: &[Value]) -> Value {
    let doubles: Vec<f64> = values
        .iter()
        .filter_map(|value| match value {
            Value::Float32(x) => Some(f64::from(*x)),
            Value::Float64(x) => Some(*x),
            _ => None,
        })
        .collect();
    let units: Vec<BigInt> = doubles.iter().copied().filter(|x| x.is_finite()).map(units).collect();
    let total = match specials(&doubles) {
        Some(special) => special,
        None => round(units.iter().sum(), -1074) + 0.0,
    };
    match function {
        Function::Sum => Value::Float64(total),
        Function::Mean => Value::Float64(total / values.len() as f64).canonical(),
        _ if values.len() == 1 && matches!(function, Function::Variance | Function::Stddev) => Value::Null,
        _ if specials(&doubles).is_some() => Value::Float64(f64::NAN),
        _ => variance(function, &units, -1074),
    }
}

fn specials(doubles: &[f64]) -> Option<f64> {
    let has = |test: fn(f64) -> bool| doubles.iter().copied().any(test);
    let (up, down) = (has(|x| x == f64::INFINITY), has(|x| x == f64::NEG_INFINITY));
    match (has(f64::is_nan), up, down) {
        (true, ..) | (_, true, true) => Some(f64::NAN),
        (_, true, _) => Some(f64::INFINITY),
        (_, _, true) => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// A finite double as a whole number of 2^−1074.
fn units(x: f64) -> BigInt {
    let bits = x.to_bits();
    let (fraction, exponent) = (bits & ((1 << 52) - 1), (bits >> 52) & 0x7ff);
    let magnitude = match exponent {
        0 => BigInt::from(fraction),
        exponent => BigInt::from(fraction | 1 << 52) << (exponent - 1),
    };
    if x < 0.0 { -magnitude } else { magnitude }
}

fn variance(function: Function, numbers: &[BigInt], exponent: i32) -> Value {
    let n = BigInt::from(numbers.len());
    let sum: BigInt = numbers.iter().sum();
    let squares: BigInt = numbers.iter().map(|x| x * x).sum();
    let divisor = match function {
        Function::VarPop | Function::StddevPop => numbers.len(),
        _ => numbers.len() - 1,
    };
    if divisor == 0 {
        return Value::Null;
    }
    let denominator = BigUint::from(numbers.len()) * divisor;
    let variance = round_quotient(n * squares - &sum * &sum, &denominator, 2 * exponent);
    match function {
        Function::Stddev | Function::StddevPop => Value::Float64(variance.sqrt()),
        _ => Value::Float64(variance),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::aggregate::{State, finish};

    /// The aggregate of these rows, folded in two tiles that were stored and read back.
    fn by_components(
        view: &View,
        function: Function,
        column: Option<usize>,
        rows: &[Row],
        cut: usize,
    ) -> Value {
        let argument = column.map(|column| view.columns[column].data_type);
        let states: Vec<State> = function
            .components()
            .iter()
            .map(|component| {
                let tiles = [&rows[..cut], &rows[cut..]].map(|rows| {
                    let mut tile = component.identity(argument);
                    for row in rows.iter().filter(|row| !row.deleted) {
                        let value = column.map_or(Value::Bool(true), |column| row.values[column].clone());
                        tile.add(&value, row.event_time, row.position);
                    }
                    let mut bytes = Vec::new();
                    tile.write(&mut bytes);
                    assert!(bytes.len() <= component.longest_state(argument, 14));
                    State::read(*component, argument, !tile.is_identity(), &bytes).unwrap()
                });
                let [mut left, right] = tiles;
                left.merge(&right);
                left
            })
            .collect();
        finish(function, &states.iter().collect::<Vec<_>>())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_aggregate_is_the_oracles_in_any_order_and_grouping(seed: u64, rows in 0_usize..30, cut in 0_usize..30) {
            let history = History::generate(seed, rows);
            for (_, rows) in &history.entities {
                let mut shuffled = rows.clone();
                shuffled.sort_by_key(|row| (row.position.parts().2 ^ seed) % 17);
                for feature in &history.view.features {
                    if let Fold::Aggregate { function, column, window: None } = feature.fold {
                        let visible: Vec<&Row> = rows.iter().collect();
                        let expected = aggregate(&history.view, function, column, None, &visible, Micros::MAX);
                        let got = by_components(&history.view, function, column, &shuffled, cut.min(rows.len()));
                        prop_assert_eq!(got, expected, "{}", feature.name);
                    }
                }
            }
        }
    }

    fn row(event_time: i64, available_at: i64, row: u64, value: f64) -> Row {
        let mut values = vec![Value::Null; 9];
        values[0] = Value::Float64(value);
        Row {
            event_time: Micros::new(event_time).unwrap(),
            available_at: Micros::new(available_at).unwrap(),
            position: crate::Position::History { file: 0, row },
            deleted: false,
            values,
        }
    }

    fn latest(rows: &[Row], at: i64, as_of: AsOf) -> Cell {
        let mut view = History::generate(0, 0).view;
        view.ttl = Some("1m".parse().unwrap());
        answer(&view, rows, Micros::new(at).unwrap(), as_of).cells[0].clone()
    }

    #[test]
    fn a_late_row_counts_once_visible() {
        let rows = [row(100, 500, 0, 1.0)];
        assert_eq!(latest(&rows, 499, AsOf::Available), Cell::NOT_FOUND);
        assert_eq!(latest(&rows, 499, AsOf::Event), Cell::of(Value::Float64(1.0)));
        assert_eq!(latest(&rows, 500, AsOf::Available), Cell::of(Value::Float64(1.0)));
    }

    #[test]
    fn ties_go_to_the_later_position_and_ttl_is_inclusive() {
        let rows = [row(100, 100, 1, 2.0), row(100, 100, 0, 1.0)];
        assert_eq!(latest(&rows, 100, AsOf::Available), Cell::of(Value::Float64(2.0)));
        assert_eq!(latest(&rows, 60_000_100, AsOf::Available), Cell::of(Value::Float64(2.0)));
        assert_eq!(latest(&rows, 60_000_101, AsOf::Available), Cell::OUTSIDE_MAX_AGE);
    }

    #[test]
    fn an_empty_window_counts_zero_and_an_unseen_entity_counts_null() {
        let view = History::generate(0, 0).view;
        let at = Micros::new(1_000_000_000_000).unwrap();
        let rows_1 = view.feature("rows_1").unwrap();
        assert_eq!(answer(&view, &[], at, AsOf::Available).cells[rows_1], Cell::NOT_FOUND);
        let seen = answer(&view, &[row(0, 0, 0, 1.0)], at, AsOf::Available);
        assert_eq!(seen.cells[rows_1], Cell::of(Value::Int64(0)));
        let sum_1 = view.feature("sum_x_1").unwrap();
        assert_eq!(seen.cells[sum_1], Cell::of(Value::Null));
    }
}
