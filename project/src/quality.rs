//! What is known of the quality of what is loaded: statistics of columns, their drift, what changed lately, and what a
//! source promises.

pub(crate) mod changes;
pub(crate) mod contract;
pub(crate) mod drift;
pub(crate) mod kept_out;
pub(crate) mod statistics;
pub(crate) mod value_watch;

pub use contract::{Promise, SourceContract};
pub use drift::{ColumnDrift, DriftReference, DriftReport, MeasureDrift};
pub use statistics::ShowStatistics;
