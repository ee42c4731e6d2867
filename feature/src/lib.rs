//! The vocabulary and the laws of a feature store: pure, no I/O, time is always an argument.
//!
//! A feature is a fold over a log of facts. Training reads the fold at each label's moment,
//! serving reads it now; both follow the laws written here, to the same bits. This crate holds
//! no store, no parser of definitions and no clock: those are in the crates above it.
//!
//! ```
//! # use twinstore_feature as feature;
//! use feature::{Micros, Window};
//!
//! let window = Window::new("1h".parse()?, None)?;
//! let at: Micros = "2013-06-01T12:03:00Z".parse()?;
//! // The tail moves in hops of five minutes; the head is exact.
//! assert!(window.contains("2013-06-01T11:00:00Z".parse()?, at));
//! assert!(!window.contains("2013-06-01T12:03:01Z".parse()?, at));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod advice;
mod aggregate;
mod answer;
mod batch;
mod breaker;
mod bytes;
mod canary;
mod database;
mod derived;
mod event_date;
mod exact;
mod expectation;
mod expected_change;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod given;
mod hexadecimal;
mod key;
mod lateness;
mod literal;
mod message;
mod name;
mod opening;
pub mod oracle;
mod row;
mod separator;
mod service;
mod shown;
mod time;
mod time_error;
mod time_text;
mod trace_parent;
mod value;
mod view;
mod view_source;
mod window;

pub use advice::{Advice, HelpTopic};
pub use aggregate::{
    AggregateError, Component, DistinctCount, Edge, Function, ListLength, Ordered, ParameterError, Quantile,
    QuantileSketch, Ranked, State, finish, try_finish,
};
pub use answer::{Answer, Cell, Status, Times, is_alive, is_kept};
pub use batch::{Batch, BatchFiles, BatchFormat, BatchQuery};
pub use breaker::{Breaker, OpenAnswer};
pub use canary::{Canary, NotAPercent, Percent};
pub use database::{DatabaseConnection, DatabaseUrl, Encryption};
pub use event_date::EventDate;
pub use exact::{Contradiction, FloatSum, IntSquareSum};
pub use expectation::{BatchCheck, BatchExpectation, BatchLimits, Expectation, ExpectationStage, OnFailure};
pub use expected_change::{Bound, ExpectedChange};
pub use given::{Given, field, from_json, limits};
pub use hexadecimal::{from_hexadecimal, hexadecimal};
pub use key::{EntityKey, KeyError};
pub use lateness::Lateness;
pub use message::{counted, excerpt, in_words, nearest, thousands};
pub use name::{Name, NameError, VersionId};
pub use opening::{Opening, Openings, have_common_feature};
pub use row::{AsOf, Position, Provenance, Row};
pub use separator::csv_separator;
pub use service::{
    Computation, Consumer, Input, Lookup, Needs, Origin, Output, Service, ServicePlan, ServiceRef,
};
pub use shown::{redacted, shown, visible, visible_line, without_backtrace, without_logins};
pub use time::{Micros, Span, floor};
pub use time_error::TimeError;
pub use trace_parent::TraceParent;
pub use value::{DataType, Field, Scalar, TypeError, Value};
pub use view::{
    About, Column, Computed, Feature, Fold, Freshness, OnDemandView, Retention, Source, SourceTime,
    StoredColumn, Stream, StreamFormat, Take, View,
};
pub use view_source::ViewSource;
pub use window::{Window, WindowError};
