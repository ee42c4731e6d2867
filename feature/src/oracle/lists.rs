//! Lists as anyone would make them: all values, put in order, and cut.

use crate::aggregate::Function;
use crate::value::Value;

/// The list that a function gives of these values, oldest first.
pub(super) fn list(function: Function, values: Vec<Value>) -> Vec<Value> {
    let backwards = || values.iter().rev().cloned().collect::<Vec<_>>();
    match function {
        Function::FirstN(length) => first(length.get(), values),
        Function::LastN(length) => reversed(first(length.get(), backwards())),
        Function::DistinctFirstN(length) => first(length.get(), distinct(values)),
        Function::DistinctLastN(length) => reversed(first(length.get(), distinct(backwards()))),
        Function::TopN(length) => first(length.get(), nan_first(reversed(sorted(values)))),
        Function::BottomN(length) => first(length.get(), nan_first(sorted(values))),
        _ => values,
    }
}

fn first(count: u16, mut values: Vec<Value>) -> Vec<Value> {
    values.truncate(count.into());
    values
}

fn reversed(mut values: Vec<Value>) -> Vec<Value> {
    values.reverse();
    values
}

fn sorted(mut values: Vec<Value>) -> Vec<Value> {
    values.sort();
    values
}

fn distinct(values: Vec<Value>) -> Vec<Value> {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

fn nan_first(values: Vec<Value>) -> Vec<Value> {
    let is_nan = |value: &Value| match value {
        Value::Float32(x) => x.is_nan(),
        Value::Float64(x) => x.is_nan(),
        _ => false,
    };
    let (mut nan, others): (Vec<Value>, Vec<Value>) = values.into_iter().partition(is_nan);
    nan.extend(others);
    nan
}
