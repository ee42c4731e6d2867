//! SQL scalar expressions compiled once and run on any batch: a file of history, a micro-batch of
//! a stream, or one request.
//!
//! It knows the source's columns, the expressions of a view, and Arrow batches. It opens no file,
//! writes no store and knows no position: those are in the crates that call it. Rows fail alone: what
//! a row gives never depends on the batch that it came in.
//!
//! ```
//! # use twinstore_transform as transform;
//! use transform::Expression;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let schema = [feature::Field { name: "air_time".parse()?, data_type: "float32".parse()? }];
//! let hours = Expression::compile(&schema, "air_time / 60")?;
//! assert_eq!(hours.data_type().to_string(), "float32");
//! # Ok(())
//! # }
//! ```

mod arrow_types;
mod bad_row;
mod bounded;
mod by_zone;
mod calendar;
mod column_names;
mod comparison;
mod conform;
mod default_values;
mod duration_parts;
mod durations;
mod error;
mod expression;
mod finite;
mod floor;
mod functions;
mod instants;
mod isolate;
mod mixed_numbers;
mod narrow;
mod never_works;
mod on_demand;
mod one_argument;
mod physical;
mod rounding;
mod rows;
mod settle;
mod sql_text;
mod strict;
mod syntax;
mod time_calls;
mod verdict;
mod widen;
mod zeros;
mod zone_offsets;
mod zones;

pub use arrow_types::{array_of, arrow_schema, arrow_type, value_at};
pub use bad_row::{BadReason, BadRow};
pub use column_names::repeated_names;
pub use conform::{Conform, ConformError, Mismatch, Unfit, conformed};
/// The version of DataFusion, which evaluates expressions.
pub use datafusion::DATAFUSION_VERSION;
pub use default_values::{ComputedColumn, with_default};
pub use error::{ExpressionError, TransformError};
pub use expression::{Evaluated, Expression};
pub use functions::{FunctionDoc, functions};
pub use on_demand::OnDemand;
pub use rows::{AgainstBatch, DECLARED_AT, EVENT_TIME, Transformed, ViewTransform};
pub use settle::settle;
pub use sql_text::text_in_sql;
pub use syntax::{canonical, column_in_sql};
pub use widen::{declarable, is_beyond_int64, moments};
