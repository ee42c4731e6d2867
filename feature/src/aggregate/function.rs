//! The aggregate functions: their names, parameters, argument and result types, and which
//! components each is finished from.

use std::fmt;
use std::slice;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Component, ListLength, Quantile};
use crate::value::{DataType, Scalar};

/// The one component of a function that gives a list, from a table of all lengths.
macro_rules! of_length {
    ($component:ident, $length:expr) => {{
        static TABLE: [Component; ListLength::MAX as usize] = {
            let mut table = [Component::$component(ListLength::SAMPLE); ListLength::MAX as usize];
            let mut rest: &mut [Component] = &mut table;
            let mut length = 1;
            while let [first, others @ ..] = rest {
                *first = Component::$component(ListLength::constant(length));
                rest = others;
                length += 1;
            }
            table
        };
        let component = TABLE.get(usize::from($length.get()) - 1);
        slice::from_ref(component.expect("invariant: the table has every length of a list"))
    }};
}

/// An aggregate function, as definitions name it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// How many rows, or how many values that are not null.
    Count,
    /// The exact sum, rounded once.
    Sum,
    /// The rounded exact sum divided by the count.
    Mean,
    /// The smallest value.
    Min,
    /// The greatest value.
    Max,
    /// The sample variance, by n − 1.
    Variance,
    /// The population variance, by n.
    VarPop,
    /// The square root of the sample variance.
    Stddev,
    /// The square root of the population variance.
    StddevPop,
    /// The earliest value by (event time, position).
    First,
    /// The latest value by (event time, position).
    Last,
    /// How many values are true.
    CountIf,
    /// The earliest values, oldest first.
    FirstN(ListLength),
    /// The latest values, oldest first.
    LastN(ListLength),
    /// The distinct values whose first occurrence is earliest, oldest first.
    DistinctFirstN(ListLength),
    /// The distinct values whose last occurrence is latest, oldest first.
    DistinctLastN(ListLength),
    /// The greatest values, the greatest first.
    TopN(ListLength),
    /// The smallest values, the smallest first.
    BottomN(ListLength),
    /// How many distinct values there are, exactly or by HyperLogLog.
    ApproxCountDistinct,
    /// The value at a quantile, by DDSketch.
    ApproxPercentile(Quantile),
}

/// A function that cannot take its argument or its parameter.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AggregateError {
    /// The argument has a type that the function does not take.
    #[error("{function} does not take {given}: it takes {takes}")]
    WrongArgument {
        /// The function's name.
        function: &'static str,
        /// The argument's type.
        given: DataType,
        /// The types that it takes, in words.
        takes: &'static str,
    },
    /// Every function but count needs an argument.
    #[error("{} needs an argument: write {}", .function.name(), .function.usage())]
    NoArgument {
        /// The function.
        function: Function,
    },
    /// The function has a parameter, and none was given.
    #[error("{} needs {}: write {}", .function.name(), .function.parameter().unwrap_or_default(), .function.usage())]
    NoParameter {
        /// The function.
        function: Function,
    },
    /// The parameter is none of the function's.
    #[error("`{given}` is not {}, which {} needs", .function.parameter().unwrap_or("a parameter"), .function.name())]
    WrongParameter {
        /// The function.
        function: Function,
        /// What was given.
        given: String,
    },
}

impl Function {
    /// Every function, in the order in which the documentation lists them; those that have a
    /// parameter with one of its values.
    pub const ALL: [Function; 20] = [
        Function::Count,
        Function::CountIf,
        Function::Sum,
        Function::Mean,
        Function::Min,
        Function::Max,
        Function::Variance,
        Function::VarPop,
        Function::Stddev,
        Function::StddevPop,
        Function::First,
        Function::Last,
        Function::FirstN(ListLength::SAMPLE),
        Function::LastN(ListLength::SAMPLE),
        Function::DistinctFirstN(ListLength::SAMPLE),
        Function::DistinctLastN(ListLength::SAMPLE),
        Function::TopN(ListLength::SAMPLE),
        Function::BottomN(ListLength::SAMPLE),
        Function::ApproxCountDistinct,
        Function::ApproxPercentile(Quantile::MEDIAN),
    ];

    /// The name that definitions use.
    pub const fn name(self) -> &'static str {
        match self {
            Function::Count => "count",
            Function::Sum => "sum",
            Function::Mean => "mean",
            Function::Min => "min",
            Function::Max => "max",
            Function::Variance => "variance",
            Function::VarPop => "var_pop",
            Function::Stddev => "stddev",
            Function::StddevPop => "stddev_pop",
            Function::First => "first",
            Function::Last => "last",
            Function::CountIf => "count_if",
            Function::FirstN(_) => "first_n",
            Function::LastN(_) => "last_n",
            Function::DistinctFirstN(_) => "distinct_first_n",
            Function::DistinctLastN(_) => "distinct_last_n",
            Function::TopN(_) => "top_n",
            Function::BottomN(_) => "bottom_n",
            Function::ApproxCountDistinct => "approx_count_distinct",
            Function::ApproxPercentile(_) => "approx_percentile",
        }
    }

    /// The function with this second argument, as definitions write it; `None` if they write none.
    pub fn with_parameter(self, given: Option<&str>) -> Result<Function, AggregateError> {
        let wrong = |given: &str| AggregateError::WrongParameter { function: self, given: given.to_owned() };
        let Some(text) = given else {
            return match self.parameter() {
                None => Ok(self),
                Some(_) => Err(AggregateError::NoParameter { function: self }),
            };
        };
        let length = || text.parse::<ListLength>().map_err(|_| wrong(text));
        match self {
            Function::FirstN(_) => length().map(Function::FirstN),
            Function::LastN(_) => length().map(Function::LastN),
            Function::DistinctFirstN(_) => length().map(Function::DistinctFirstN),
            Function::DistinctLastN(_) => length().map(Function::DistinctLastN),
            Function::TopN(_) => length().map(Function::TopN),
            Function::BottomN(_) => length().map(Function::BottomN),
            Function::ApproxPercentile(_) => {
                text.parse().map(Function::ApproxPercentile).map_err(|_| wrong(text))
            }
            _ => Err(wrong(text)),
        }
    }

    pub(super) const fn length(self) -> Option<ListLength> {
        match self {
            Function::FirstN(length)
            | Function::LastN(length)
            | Function::DistinctFirstN(length)
            | Function::DistinctLastN(length)
            | Function::TopN(length)
            | Function::BottomN(length) => Some(length),
            _ => None,
        }
    }

    /// Whether it counts, and so has a value as soon as its entity is known: 0 of nothing.
    pub const fn is_count(self) -> bool {
        matches!(self, Function::Count | Function::CountIf)
    }

    /// The type of the result for an argument of this type, or of none.
    pub fn result_type(self, argument: Option<DataType>) -> Result<DataType, AggregateError> {
        let Some(given) = argument else {
            return match self {
                Function::Count => Ok(Scalar::Int64.into()),
                _ => Err(AggregateError::NoArgument { function: self }),
            };
        };
        let numeric = match given {
            DataType::Scalar(Scalar::Int32 | Scalar::Int64) => Some(Scalar::Int64),
            DataType::Scalar(Scalar::Float32 | Scalar::Float64) => Some(Scalar::Float64),
            _ => None,
        };
        let result = match self {
            Function::Count => Some(Scalar::Int64.into()),
            Function::CountIf => (given == Scalar::Bool.into()).then(|| Scalar::Int64.into()),
            Function::Sum => numeric.map(DataType::Scalar),
            Function::Mean
            | Function::Variance
            | Function::VarPop
            | Function::Stddev
            | Function::StddevPop
            | Function::ApproxPercentile(_) => numeric.map(|_| Scalar::Float64.into()),
            Function::Min | Function::Max => given.scalar().map(DataType::Scalar),
            Function::First | Function::Last => Some(given),
            Function::FirstN(_)
            | Function::LastN(_)
            | Function::DistinctFirstN(_)
            | Function::DistinctLastN(_)
            | Function::TopN(_)
            | Function::BottomN(_) => given.scalar().map(|item| DataType::List(item, None)),
            Function::ApproxCountDistinct => given.scalar().map(|_| Scalar::Int64.into()),
        };
        result.ok_or(AggregateError::WrongArgument { function: self.name(), given, takes: self.takes() })
    }

    /// The components that the result is finished from, in the order that
    /// [`finish`](super::finish) takes them.
    pub fn components(self) -> &'static [Component] {
        match self {
            Function::Count => &[Component::Count],
            // The sum of a condition, with 1 for true.
            Function::CountIf => &[Component::Sum],
            Function::Sum | Function::Mean => &[Component::Count, Component::Sum],
            Function::Variance | Function::VarPop | Function::Stddev | Function::StddevPop => {
                &[Component::Count, Component::Sum, Component::Squares]
            }
            Function::Min => &[Component::Min],
            Function::Max => &[Component::Max],
            Function::First => &[Component::First],
            Function::Last => &[Component::Last],
            Function::FirstN(length) => of_length!(FirstN, length),
            Function::LastN(length) => of_length!(LastN, length),
            Function::DistinctFirstN(length) => of_length!(DistinctFirstN, length),
            Function::DistinctLastN(length) => of_length!(DistinctLastN, length),
            Function::TopN(length) => of_length!(TopN, length),
            Function::BottomN(length) => of_length!(BottomN, length),
            Function::ApproxCountDistinct => &[Component::Distinct],
            Function::ApproxPercentile(_) => &[Component::Quantiles],
        }
    }
}

/// The name, with the parameter where there is one: `last_n(3)`.
impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match (self, self.length()) {
            (Function::ApproxPercentile(quantile), _) => write!(f, "({quantile})"),
            (_, Some(length)) => write!(f, "({length})"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_finished_from_the_component_of_its_length() {
        for n in [1, 2, 999, ListLength::MAX] {
            let length = n.to_string().parse().unwrap();
            assert_eq!(Function::LastN(length).components(), [Component::LastN(length)]);
            assert_eq!(Function::TopN(length).components(), [Component::TopN(length)]);
        }
    }

    #[test]
    fn a_parameter_is_read_or_refused_with_what_is_needed() {
        let last = Function::LastN(ListLength::SAMPLE);
        let five = last.with_parameter(Some("5")).unwrap();
        assert_eq!(five.usage(), "last_n(column, 5)");
        let refusal = |function: Function, given| function.with_parameter(given).unwrap_err().to_string();
        assert_eq!(
            refusal(last, None),
            "last_n needs a whole number from 1 to 1000: write last_n(column, 3)"
        );
        for bad in ["0", "1001", "-1", "1.5", "n", ""] {
            assert_eq!(
                refusal(last, Some(bad)),
                format!("`{bad}` is not a whole number from 1 to 1000, which last_n needs")
            );
        }
        let percentile = Function::ApproxPercentile(Quantile::MEDIAN);
        assert_eq!(
            percentile.with_parameter(Some("0.999")).unwrap().usage(),
            "approx_percentile(column, 0.999)"
        );
        assert!(refusal(percentile, Some("50")).contains("above 0 and below 1"));
        assert!(Function::Sum.with_parameter(Some("1")).is_err());
    }

    #[test]
    fn a_function_is_stored_by_its_name_and_reads_back() {
        let texts = Function::ALL.map(|function| serde_json::to_string(&function).unwrap());
        assert_eq!(texts[0], r#""count""#);
        assert_eq!(texts[13], r#"{"last_n":3}"#);
        assert_eq!(texts[19], r#"{"approx_percentile":"0.5"}"#);
        for (text, function) in texts.iter().zip(Function::ALL) {
            assert_eq!(serde_json::from_str::<Function>(text).unwrap(), function);
        }
        assert!(serde_json::from_str::<Function>(r#"{"last_n":0}"#).is_err());
        assert!(serde_json::from_str::<Function>(r#"{"approx_percentile":"1"}"#).is_err());
    }
}
