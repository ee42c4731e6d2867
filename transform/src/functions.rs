//! The allow list: the functions that an expression may call.
//!
//! Each gives the same for the same arguments, whenever and wherever it runs, and no more memory
//! than its arguments account for; so `now`, `random`, `repeat` and `lpad` are not on it, and `replace` has a bound.

use std::sync::{Arc, LazyLock};

use datafusion::functions;
use datafusion::logical_expr::ScalarUDF;

use crate::bounded::bounded;

const ALLOWED: [&str; 90] = [
    // conditional
    "coalesce",
    "greatest",
    "least",
    "nullif",
    "nvl",
    "nvl2",
    // text
    "ascii",
    "bit_length",
    "btrim",
    "character_length",
    "chr",
    "concat",
    "concat_ws",
    "contains",
    "decode",
    "encode",
    "ends_with",
    "find_in_set",
    "initcap",
    "left",
    "levenshtein",
    "lower",
    "ltrim",
    "octet_length",
    "overlay",
    "replace",
    "reverse",
    "right",
    "rtrim",
    "split_part",
    "starts_with",
    "strpos",
    "substr",
    "substr_index",
    "to_hex",
    "translate",
    "upper",
    // regular expressions
    "regexp_count",
    "regexp_instr",
    "regexp_like",
    "regexp_match",
    "regexp_replace",
    // time
    "date_bin",
    "date_part",
    "date_trunc",
    "from_unixtime",
    "make_date",
    "to_char",
    "to_date",
    "to_local_time",
    "to_timestamp",
    "to_timestamp_micros",
    "to_timestamp_millis",
    "to_timestamp_nanos",
    "to_timestamp_seconds",
    "to_unixtime",
    // numbers
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "ceil",
    "cos",
    "cosh",
    "cot",
    "degrees",
    "exp",
    "floor",
    "isnan",
    "iszero",
    "ln",
    "log",
    "log10",
    "log2",
    "nanvl",
    "pi",
    "power",
    "radians",
    "round",
    "signum",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
];

/// Functions whose work is more than a look at their arguments. An expression calls few of them.
pub(crate) const COSTLY: [&str; 8] = [
    "levenshtein",
    "regexp_count",
    "regexp_instr",
    "regexp_like",
    "regexp_match",
    "regexp_replace",
    "replace",
    "translate",
];

/// Functions that users of SQL expect and that an expression may not call, and why not.
const REFUSED: [(&str, &str); 14] = [
    ("now", CLOCK),
    ("current_timestamp", CLOCK),
    ("current_date", CLOCK),
    ("current_time", CLOCK),
    ("today", CLOCK),
    ("random", DIFFERS),
    ("rand", DIFFERS),
    ("uuid", DIFFERS),
    ("repeat", UNBOUNDED),
    ("lpad", UNBOUNDED),
    ("rpad", UNBOUNDED),
    ("row_number", "a window function"),
    ("lag", "a window function"),
    ("lead", "a window function"),
];
const CLOCK: &str = "which reads a clock";
const DIFFERS: &str = "which differs from call to call";
const UNBOUNDED: &str = "whose result has no bound";

/// One function of the allow list, as the documentation shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FunctionDoc {
    /// What expressions call it.
    pub name: String,
    /// Its other names.
    pub aliases: Vec<String>,
    /// How it is called, as in `lower(str)`.
    pub syntax: String,
    /// What it gives, in a sentence or two.
    pub description: String,
}

/// Every function that an expression may call, by name.
pub fn functions() -> Vec<FunctionDoc> {
    let mut docs: Vec<FunctionDoc> = allowed().iter().map(|function| document(function)).collect();
    docs.sort_by(|a, b| a.name.cmp(&b.name));
    docs
}

/// What DataFusion's documentation says of its sessions and links, said of expressions.
const DESCRIBED: [(&str, &str); 13] = [
    (
        "date_bin",
        "Returns the start of the bin that a timestamp is in: bins are as long as the interval, and one starts at the origin, or at 1970-01-01 where none is given. The interval and the origin are constants.",
    ),
    (
        "date_part",
        "Returns the specified part of a timestamp or date as an integer, and its `epoch`, the seconds since 1970, as a float64. Of a duration, as `a - b` is, it returns how many whole weeks, days, hours, minutes, seconds, milliseconds, microseconds or nanoseconds it lasts, and as `epoch` its seconds with their fraction.",
    ),
    ("date_trunc", "Truncates a timestamp to a part of its date or time."),
    (
        "from_unixtime",
        "Converts seconds since 1970 to a timestamp, of which date parts are those of the time zone, or of UTC where none is given.",
    ),
    ("nullif", "Returns null if both arguments are equal, the first otherwise."),
    (
        "to_local_time",
        "Converts a timestamp with a time zone to the time that a clock shows there, read as UTC.",
    ),
    (
        "to_timestamp",
        "Converts a string, or seconds since 1970, to a timestamp of the years 1677 to 2262. A float is rounded to the microsecond. A string is RFC 3339, or of the first chrono format given that fits; without a time zone it is UTC. Use `cast(… as timestamp)` for the years before and after.",
    ),
    (
        "round",
        "Rounds a number to so many decimals, none where no number is given. A finite number is never rounded to an infinity.",
    ),
    ("trunc", "Cuts a number to so many decimals, none where no number is given."),
    ("to_timestamp_micros", "As `to_timestamp`, of whole microseconds since 1970."),
    ("to_timestamp_millis", "As `to_timestamp`, of whole milliseconds since 1970."),
    ("to_timestamp_nanos", "As `to_timestamp`, of nanoseconds since 1970."),
    ("to_timestamp_seconds", "As `to_timestamp`, of whole seconds since 1970."),
];

fn document(function: &ScalarUDF) -> FunctionDoc {
    let doc = function.documentation();
    let one_line = |text: &str, between: &str| -> String {
        let lines = text.lines().map(str::trim).skip_while(|line| line.is_empty());
        lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(between)
    };
    let described = DESCRIBED.iter().find(|(name, _)| *name == function.name());
    let described = described.map(|(_, description)| *description);
    FunctionDoc {
        name: function.name().to_owned(),
        aliases: function.aliases().to_vec(),
        syntax: doc.map_or_else(String::new, |doc| one_line(&doc.syntax_example, " or ")),
        description: described
            .or_else(|| doc.map(|doc| doc.description.as_str()))
            .map_or_else(String::new, |description| one_line(description, " ")),
    }
}

/// DataFusion's implementations of the functions that are allowed.
pub(crate) fn allowed() -> Vec<Arc<ScalarUDF>> {
    static KEPT: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(|| {
        let all = functions::all_default_functions().into_iter();
        all.filter(|function| ALLOWED.contains(&function.name())).map(bounded).collect()
    });
    KEPT.clone()
}

/// A function of the list.
pub(crate) fn named(name: &str) -> Option<Arc<ScalarUDF>> {
    allowed().into_iter().find(|function| function.name() == name)
}

/// Why a function that exists elsewhere is refused, in words that follow its name.
pub(crate) fn refusal(name: &str) -> Option<String> {
    if feature::Function::ALL.iter().any(|aggregate| aggregate.name() == name) || name == "avg" {
        return Some(format!("the aggregate `{name}`"));
    }
    let (_, why) = REFUSED.iter().find(|(refused, _)| *refused == name)?;
    Some(format!("`{name}`, {why},"))
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::Volatility;

    use super::*;

    #[test]
    fn every_function_on_the_list_exists_and_is_documented() {
        let documented = functions();
        let missing: Vec<_> =
            ALLOWED.iter().filter(|name| !documented.iter().any(|doc| doc.name == **name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        for doc in documented {
            assert!(doc.syntax.starts_with(&doc.name) && !doc.description.is_empty(), "{doc:?}");
            assert!(!doc.syntax.contains('\n') && !doc.description.contains("session"), "{doc:?}");
        }
    }

    #[test]
    fn no_function_on_the_list_differs_from_call_to_call() {
        for function in allowed() {
            assert_ne!(function.signature().volatility, Volatility::Volatile, "{}", function.name());
        }
    }

    #[test]
    fn no_name_is_both_allowed_and_refused() {
        for function in allowed() {
            for name in function.aliases().iter().map(String::as_str).chain([function.name()]) {
                assert_eq!(refusal(name), None, "{name}");
            }
        }
    }
}
