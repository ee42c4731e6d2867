//! Which functions and methods of Python, numpy, pandas and Spark are which SQL.

use feature::Scalar;

use super::column_sql::{ColumnSql, Missing, Refusal, Without, call};

/// The result of a call, `None` where the function is not known.
pub(crate) type Called = Option<Result<ColumnSql, Refusal>>;

/// Numpy's, `math`'s, Spark's and Python's functions of numbers, each with the SQL function of the same values.
const OF_ONE_NUMBER: [(&str, &str); 16] = [
    ("log", "ln"),
    ("log2", "log2"),
    ("log10", "log10"),
    ("exp", "exp"),
    ("cbrt", "cbrt"),
    ("sin", "sin"),
    ("cos", "cos"),
    ("tan", "tan"),
    ("arcsin", "asin"),
    ("arccos", "acos"),
    ("arctan", "atan"),
    ("asin", "asin"),
    ("acos", "acos"),
    ("atan", "atan"),
    ("radians", "radians"),
    ("degrees", "degrees"),
];

const ROUNDS: &str = "Python rounds halves to even, and SQL away from zero";

/// A function by its path, as `numpy.log`.
pub(crate) fn function(path: &str, arguments: &[ColumnSql]) -> Called {
    let (module, name) = path.rsplit_once('.').unwrap_or(("", path));
    let is_math = ["numpy", "math", "", "pyspark.sql.functions"].contains(&module);
    match arguments {
        _ if name == "round" && is_math => Some(Err(ROUNDS.to_owned())),
        [x] if is_math => match OF_ONE_NUMBER.iter().find(|(theirs, _)| *theirs == name) {
            Some((_, ours)) if !module.is_empty() => {
                Some(x.double().map(|x| call(ours, &[x], Scalar::Float64)))
            }
            _ => of_one(module, name, x),
        },
        [x] => of_one(module, name, x),
        [x, y] => of_two(module, name, x, y),
        _ => None,
    }
}

fn of_one(module: &str, name: &str, x: &ColumnSql) -> Called {
    let rounded = |function: &str| {
        let whole = x.double().map(|x| call(function, &[x], Scalar::Float64));
        whole.map(|whole| if module == "math" { whole.cast(Scalar::Int64) } else { whole })
    };
    Some(match (module, name) {
        ("numpy" | "" | "pyspark.sql.functions", "abs") | ("numpy", "absolute") | ("math", "fabs") => {
            absolute(x)
        }
        ("numpy" | "math", "floor" | "ceil") => rounded(name),
        ("numpy" | "math" | "pyspark.sql.functions", "sqrt") => x.root(),
        ("numpy" | "math", "log1p") => one_more(x),
        ("numpy" | "math", "isnan") | ("pandas", "isna" | "isnull") => Ok(x.is_missing()),
        ("pandas", "notna" | "notnull") => Ok(x.is_there()),
        ("", "float" | "int" | "str" | "bool") => converted(x, name),
        ("numpy", "float64" | "float32" | "int64" | "int32") => converted(x, name),
        ("", "len") => text_method(x, "len", &[])?,
        ("pandas", "to_datetime" | "Timestamp") if x.scalar() == Some(Scalar::Timestamp) => Ok(x.clone()),
        ("pyspark.sql.functions", "lower" | "upper") => text_method(x, name, &[])?,
        ("pyspark.sql.functions", "isnull") => Ok(x.is_null()),
        _ => return None,
    })
}

fn of_two(module: &str, name: &str, x: &ColumnSql, y: &ColumnSql) -> Called {
    Some(match (module, name) {
        ("numpy", "maximum") => x.bounded(&[("greatest", y.clone())], Without::Any),
        ("numpy", "minimum") => x.bounded(&[("least", y.clone())], Without::Any),
        ("numpy", "fmax") => x.bounded(&[("greatest", y.clone())], Without::All),
        ("numpy", "fmin") => x.bounded(&[("least", y.clone())], Without::All),
        ("", "max") => x.or_if(">", y),
        ("", "min") => x.or_if("<", y),
        ("numpy" | "math", "power" | "pow") | ("", "pow") => x.power(y),
        ("numpy", "add") => x.add(y),
        ("numpy", "subtract") => x.subtract(y),
        ("numpy", "multiply") => x.multiply(y),
        ("numpy", "divide" | "true_divide") => x.divide(y),
        ("pyspark.sql.functions", "coalesce") => x.or_else(y),
        _ => return None,
    })
}

fn absolute(x: &ColumnSql) -> Result<ColumnSql, Refusal> {
    let x = x.number()?;
    let scalar = if x.is_whole_number() { Scalar::Int64 } else { Scalar::Float64 };
    Ok(call("abs", &[x], scalar))
}

fn one_more(x: &ColumnSql) -> Result<ColumnSql, Refusal> {
    let one = ColumnSql::new("1", Scalar::Int64);
    Ok(call("ln", &[one.add(&x.double()?)?], Scalar::Float64))
}

/// A conversion to the type of this name, as `astype` and `cast` take it.
pub(crate) fn converted(x: &ColumnSql, to: &str) -> Result<ColumnSql, Refusal> {
    let to = match to.rsplit('.').next().unwrap_or(to) {
        "float" | "float64" | "double" | "Float64" => Scalar::Float64,
        "float32" | "Float32" => Scalar::Float32,
        "int" | "int64" | "Int64" | "long" | "bigint" => Scalar::Int64,
        "int32" | "Int32" | "integer" => Scalar::Int32,
        "str" | "string" | "object" => Scalar::String,
        "bool" | "boolean" => Scalar::Bool,
        other => return Err(format!("the type {other}")),
    };
    let is_number = x.is_number() || x.scalar() == Some(Scalar::Bool);
    match to {
        _ if x.scalar() == Some(to) => Ok(x.settled()),
        // `True` and `1.5` as Python writes them are not what SQL writes.
        Scalar::String if x.is_whole_number() => Ok(x.cast(to)),
        Scalar::Bool if x.is_number() => {
            x.compare("<>", &ColumnSql::new("0", Scalar::Int64), Missing::IsFalse)
        }
        Scalar::Float64 | Scalar::Float32 | Scalar::Int64 | Scalar::Int32
            if is_number || x.scalar() == Some(Scalar::String) =>
        {
            Ok(x.cast(to))
        }
        to => Err(format!("{} as {}", x.data_type, to.name())),
    }
}

/// A method of a column.
pub(crate) fn column_method(
    x: &ColumnSql,
    method: &str,
    arguments: &[ColumnSql],
    missing: Missing,
) -> Called {
    Some(match (method, arguments) {
        ("copy" | "tolist" | "to_list" | "to_numpy" | "infer_objects", []) => Ok(x.settled()),
        ("abs", []) => absolute(x),
        ("isna" | "isnull" | "isNull", []) => Ok(x.is_missing()),
        ("notna" | "notnull" | "isNotNull", []) => Ok(x.is_there()),
        ("round", _) => Err(ROUNDS.to_owned()),
        ("fillna", [other]) => x.or_else(other),
        ("add", [y]) => x.add(y),
        ("sub" | "subtract", [y]) => x.subtract(y),
        ("mul" | "multiply", [y]) => x.multiply(y),
        ("div" | "divide" | "truediv", [y]) => x.divide(y),
        ("eq", [y]) => x.compare("=", y, missing),
        ("ne", [y]) => x.compare("<>", y, missing),
        ("lt", [y]) => x.compare("<", y, missing),
        ("le", [y]) => x.compare("<=", y, missing),
        ("gt", [y]) => x.compare(">", y, missing),
        ("ge", [y]) => x.compare(">=", y, missing),
        ("between", [low, high]) => {
            x.compare(">=", low, missing).and_then(|above| above.and(&x.compare("<=", high, missing)?))
        }
        ("log", []) => function("numpy.log", std::slice::from_ref(x))?,
        ("exp" | "sqrt", []) => function(&format!("numpy.{method}"), std::slice::from_ref(x))?,
        _ => return text_method(x, method, arguments),
    })
}

/// A method of a text, or of `.str` of a column of texts.
pub(crate) fn text_method(x: &ColumnSql, method: &str, arguments: &[ColumnSql]) -> Called {
    if x.scalar() != Some(Scalar::String) {
        return None;
    }
    let literal = |argument: &ColumnSql| argument.text.clone();
    let with = |function: &str, data_type| {
        let mut all = vec![x.clone()];
        all.extend_from_slice(arguments);
        call(function, &all, data_type)
    };
    Some(Ok(match (method, arguments) {
        ("lower" | "upper", []) => with(method, Scalar::String),
        ("strip", []) => {
            ColumnSql::new(format!("regexp_replace({}, '^\\s+|\\s+$', '', 'g')", x.sql), Scalar::String)
        }
        ("len", []) => with("character_length", Scalar::Int32).cast(Scalar::Int64),
        ("startswith", [part]) if literal(part).is_some() => with("starts_with", Scalar::Bool),
        ("endswith", [part]) if literal(part).is_some() => with("ends_with", Scalar::Bool),
        ("contains", [part]) if literal(part).is_some_and(|part| is_plain(&part)) => {
            with("contains", Scalar::Bool)
        }
        ("replace", [from, _]) if literal(from).is_some_and(|from| is_plain(&from)) => {
            with("replace", Scalar::String)
        }
        _ => return None,
    }))
}

/// Whether a pattern matches only itself.
fn is_plain(pattern: &str) -> bool {
    !pattern.is_empty() && !pattern.contains(|c: char| r".^$*+?{}[]\|()".contains(c))
}

/// A part of a time, of `.dt` of a column.
pub(crate) fn time_part(x: &ColumnSql, part: &str) -> Called {
    if x.scalar() != Some(Scalar::Timestamp) {
        return None;
    }
    let of =
        |part: &str| ColumnSql::new(format!("cast(date_part('{part}', {}) as bigint)", x.sql), Scalar::Int64);
    Some(match part {
        "year" | "quarter" | "month" | "day" | "hour" | "minute" => Ok(of(part)),
        "dayofyear" | "day_of_year" => Ok(of("doy")),
        // Monday is 0 in pandas and 1 in SQL, Sunday is 6 and 0.
        "dayofweek" | "weekday" | "day_of_week" => {
            let number = |n: &str| ColumnSql::new(n, Scalar::Int64);
            of("dow").add(&number("6")).and_then(|days| days.remainder(&number("7")))
        }
        _ => return None,
    })
}
