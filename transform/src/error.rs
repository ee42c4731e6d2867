//! Errors of expressions when they are compiled, and of batches when they are evaluated.

use arrow::datatypes::DataType as ArrowType;
use datafusion::error::DataFusionError;
use feature::{Advice, DataType, Field};
use thiserror::Error;

/// An expression that is refused; its author changes the definition.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExpressionError {
    /// The text is not a SQL expression.
    #[error("syntax error{}: {message}", position(.at))]
    Syntax {
        /// Line and column in the expression, from 1, where they are known.
        at: Option<(u64, u64)>,
        /// What was expected and what was found.
        message: String,
    },
    /// The text is longer than an expression may be.
    #[error("the expression has {characters} characters, more than the {max} that are allowed")]
    TooLong {
        /// How long it is.
        characters: usize,
        /// How long it may be.
        max: usize,
    },
    /// Its operators and calls are nested deeper than is allowed.
    #[error("the expression is nested more than {max} deep: use IN, CASE or a column of the source")]
    TooDeep {
        /// How deep it may be.
        max: usize,
    },
    /// It calls functions of text too often that take long on long texts.
    #[error(
        "the expression calls functions such as replace, levenshtein and regexp_replace more than {max} times: divide it over several views"
    )]
    TooCostly {
        /// How often it may.
        max: usize,
    },
    /// A column that is not there.
    #[error("unknown column `{name}`{}", hint_or_list(.nearest, .columns))]
    UnknownColumn {
        /// What was written.
        name: String,
        /// The column whose name is nearest, where one is near.
        nearest: Option<String>,
        /// The columns that there are.
        columns: Vec<String>,
    },
    /// A time zone that is not one for all rows.
    #[error(
        "`AT TIME ZONE` takes one zone for all rows, as in AT TIME ZONE 'America/New_York', and not `{zone}`: of several zones write a CASE"
    )]
    ZoneNotConstant {
        /// What was written.
        zone: String,
    },
    /// A text in double quotes, which are for names.
    #[error("there is no column \"{name}\": double quotes are for names of columns, write a text in single quotes, {}", crate::text_in_sql(.name))]
    QuotedText {
        /// What was written.
        name: String,
    },
    /// A number beyond every type.
    #[error("the number {number} is beyond the largest of {most}")]
    NumberTooLarge {
        /// What was written.
        number: String,
        /// The type that it would have, and its largest number.
        most: &'static str,
    },
    /// A function that is not on the allow list.
    #[error("unknown function `{name}`{}", hint(.nearest))]
    UnknownFunction {
        /// What was written.
        name: String,
        /// The function whose name is nearest, where one is near.
        nearest: Option<String>,
    },
    /// SQL that is more than a scalar expression over one row.
    #[error("{what} cannot stand in an expression: use only columns, operators and scalar functions")]
    NotAllowed {
        /// Which part of SQL.
        what: String,
    },
    /// Operands or arguments of types that do not go together.
    #[error("type error in `{part}`: {message}{}", types(.columns))]
    Type {
        /// The smallest part of the expression that is wrong by itself.
        part: String,
        /// What does not go together.
        message: String,
        /// The columns that the part reads, and their types.
        columns: Vec<(String, DataType)>,
    },
    /// The expression has a type that is not supported.
    #[error("the expression gives {}, which is none of our types: {}", in_our_types(&.found.to_string()), advice(.found))]
    NoSuchType {
        /// What it gives.
        found: ArrowType,
    },
    /// The expression fails whatever its columns hold: a bad constant.
    #[error("the expression fails on every row: {0}")]
    AlwaysFails(String),
    /// A call in the expression gives nothing whatever its columns hold, in whichever rows reach it: a bad constant.
    #[error("`{part}` fails whatever a row holds: {reason}")]
    NeverWorks {
        /// The call.
        part: String,
        /// Why.
        reason: String,
    },
    /// The expression has another type than was declared.
    #[error("{what} is {declared}, and its expression gives {found}: add a cast or change the type")]
    WrongType {
        /// What it is for.
        what: String,
        /// The declared type.
        declared: DataType,
        /// What it gives.
        found: DataType,
    },
    /// An expression that is refused, and names a column by a word that SQL reads as something else.
    #[error(
        "{source}; the name of the column `{column}` is a keyword of SQL: write it in quotes, \"{column}\""
    )]
    Keyword {
        /// The column.
        column: String,
        /// What SQL says of the word.
        source: Box<ExpressionError>,
    },
    /// One of the expressions of a view is refused.
    #[error("{what}: {source}")]
    In {
        /// Which of them.
        what: String,
        /// Why.
        source: Box<ExpressionError>,
    },
}

impl ExpressionError {
    /// That a name is no column of these.
    pub(crate) fn unknown_column(name: String, schema: &[Field]) -> Self {
        let columns = || schema.iter().map(|field| field.name.as_str());
        let nearest = nearest(&name, columns());
        Self::UnknownColumn { name, nearest, columns: columns().map(str::to_owned).collect() }
    }

    /// What a caller does next: an expression is refused until its author changes it.
    pub const fn advice(&self) -> Advice {
        Advice::Correct
    }

    /// The same error, saying which of a view's expressions it is about.
    pub(crate) fn within(self, what: impl Into<String>) -> Self {
        ExpressionError::In { what: what.into(), source: Box::new(self) }
    }
}

/// A batch that does not match the schema that was compiled for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransformError {
    /// The batch lacks a column.
    #[error("the batch has no column `{column}`: conform it to the source's schema first")]
    MissingColumn {
        /// Which one.
        column: String,
    },
    /// A column of the batch has another type than was compiled for.
    #[error(
        "the column `{column}` of the batch is {found}, not {declared}: conform it to the source's schema first"
    )]
    WrongType {
        /// Which one.
        column: String,
        /// What it should be.
        declared: DataType,
        /// What it is.
        found: ArrowType,
    },
    /// Arrow could not select or assemble rows.
    #[error("the rows of a batch could not be assembled: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
}

impl TransformError {
    /// What a caller does next: a batch that was not conformed is a broken invariant.
    pub const fn advice(&self) -> Advice {
        Advice::Stop
    }
}

fn position(at: &Option<(u64, u64)>) -> String {
    at.map_or_else(String::new, |(line, column)| format!(" at line {line}, column {column}"))
}

fn types(columns: &[(String, DataType)]) -> String {
    let each: Vec<String> = columns.iter().map(|(name, of)| format!("`{name}` is {of}")).collect();
    if each.is_empty() { String::new() } else { format!(" ({})", each.join(", ")) }
}

fn advice(found: &ArrowType) -> &'static str {
    match found {
        ArrowType::Duration(_) => {
            "take its seconds, as in `date_part('epoch', …)`, or compare it with an INTERVAL"
        }
        ArrowType::Interval(_) => "add it to a time, or compare it with a difference of times",
        _ => "add a cast, as in `cast(… as int64)`",
    }
}

pub(crate) fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!(", did you mean `{name}`?"))
}

/// The nearest name, or, where none is near, the few names that there are.
fn hint_or_list(nearest: &Option<String>, all: &[String]) -> String {
    const MOST: usize = 12;
    match all.len() {
        1..=MOST if nearest.is_none() => format!(": there is {}", all.join(", ")),
        _ => hint(nearest),
    }
}

/// The candidate whose spelling is nearest, where it is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    feature::nearest(name, candidates).map(str::to_owned)
}

/// The first line of an error of DataFusion or Arrow, without the names of its stages and the
/// syntax trees that it may hold.
pub(crate) fn plain(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    let text = text.lines().next().unwrap_or_default();
    // A function says for each of its signatures why it does not fit; the first will do.
    let text = text.split_once(" failed to match any signature, errors: ").map_or(text, |(_, causes)| causes);
    let text = text.split(",Error during planning: ").next().unwrap_or(text);
    let text = text.split(", errors: ").next().unwrap_or(text);
    let text = STAGES.iter().fold(text.to_owned(), |text, stage| text.replace(stage, ""));
    let text = text.split(" { ").next().unwrap_or(&text).trim().trim_end_matches('.');
    let text = text.trim_end_matches(" error").trim_end_matches(": Syntax(");
    let mut characters = text.chars();
    match characters.next() {
        // A word in capitals is a name, not the start of a sentence.
        Some(first) if !characters.as_str().starts_with(char::is_uppercase) => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => text.to_owned(),
    }
}

const STAGES: [&str; 12] = [
    "Error during planning: ",
    "Execution error: ",
    "Schema error: ",
    "Internal error: ",
    "External error: ",
    "This feature is not implemented: ",
    "Arrow error: ",
    "Cast error: ",
    "Compute error: ",
    "Arithmetic overflow: ",
    "Parser error: ",
    "Invalid argument error: ",
];

/// A text of DataFusion in which types have the names that definitions use.
pub(crate) fn in_our_types(text: &str) -> String {
    const NAMES: [(&str, &str); 11] = [
        ("Duration(µs)", "a duration"),
        ("Interval(MonthDayNano)", "an interval"),
        ("Timestamp(µs, \"UTC\")", "timestamp"),
        ("Timestamp(µs)", "timestamp"),
        ("Boolean", "bool"),
        ("Int32", "int32"),
        ("Int64", "int64"),
        ("Float32", "float32"),
        ("Float64", "float64"),
        ("Utf8", "string"),
        ("Binary", "bytes"),
    ];
    NAMES.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}
