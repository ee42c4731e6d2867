//! What documentation and messages say of each function.

use super::{Function, ListLength, Quantile};

impl Function {
    /// How it is called, as in `last_n(column, 3)`.
    pub fn usage(self) -> String {
        let name = self.name();
        match self {
            Function::Count => format!("{name} or {name}(column)"),
            Function::CountIf => format!("{name}(condition)"),
            Function::ApproxPercentile(quantile) => format!("{name}(column, {quantile})"),
            _ => match self.length() {
                Some(length) => format!("{name}(column, {length})"),
                None => format!("{name}(column)"),
            },
        }
    }

    /// What its second argument is, in words; `None` if it has no second.
    pub fn parameter(self) -> Option<&'static str> {
        match self {
            Function::ApproxPercentile(_) => Some(Quantile::IN_WORDS),
            _ => self.length().map(|_| ListLength::IN_WORDS),
        }
    }

    /// What it gives, in one line of documentation.
    pub const fn description(self) -> &'static str {
        match self {
            Function::Count => "how many rows; with an argument, how many values that are not null",
            Function::Sum => "the exact sum, rounded once; null where an integer sum does not fit int64",
            Function::Mean => "the exact sum rounded to a double, divided by the count",
            Function::Min => "the smallest value; NaN where there is one",
            Function::Max => "the greatest value; NaN where there is one",
            Function::Variance => "the sample variance (by n - 1); null for one row",
            Function::VarPop => "the population variance (by n)",
            Function::Stddev => "the square root of `variance`",
            Function::StddevPop => "the square root of `var_pop`",
            Function::First => "the earliest value by event time, then position",
            Function::Last => "the latest value by event time, then position, nulls passed over",
            Function::CountIf => "on how many rows the condition is true; false and null do not count",
            Function::FirstN(_) => "the earliest values by event time, then position; oldest first",
            Function::LastN(_) => "the latest values by event time, then position; oldest first",
            Function::DistinctFirstN(_) => {
                "the different values that came first, each where it occurred first; oldest first"
            }
            Function::DistinctLastN(_) => {
                "the different values that came last, each where it occurred last; oldest first"
            }
            Function::TopN(_) => "the greatest values, equal ones each; the greatest first, NaN before all",
            Function::BottomN(_) => {
                "the smallest values, equal ones each; the smallest first, NaN before all"
            }
            Function::ApproxCountDistinct => {
                "how many different values: exact up to 128, beyond with a standard error of 2.3%"
            }
            Function::ApproxPercentile(_) => {
                "the smallest value that so large a part of the values does not exceed, within 1%"
            }
        }
    }

    /// The types of argument that it takes, in words.
    pub const fn takes(self) -> &'static str {
        match self {
            Function::Count => "nothing, or any type",
            Function::CountIf => "bool",
            Function::Sum
            | Function::Mean
            | Function::Variance
            | Function::VarPop
            | Function::Stddev
            | Function::StddevPop
            | Function::ApproxPercentile(_) => "int32, int64, float32 and float64",
            Function::First | Function::Last => "any type",
            Function::Min
            | Function::Max
            | Function::FirstN(_)
            | Function::LastN(_)
            | Function::DistinctFirstN(_)
            | Function::DistinctLastN(_)
            | Function::TopN(_)
            | Function::BottomN(_)
            | Function::ApproxCountDistinct => "any type but lists",
        }
    }
}
